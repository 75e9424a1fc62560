"""The page on what follow-up papers did: its tables and sentences, from the tables of a run."""
