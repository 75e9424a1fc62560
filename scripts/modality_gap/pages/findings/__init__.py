"""What the page says of each figure and table, from the tables of a run."""
