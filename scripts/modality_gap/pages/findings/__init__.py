"""What the page says about each figure and table, from the tables of a run."""
