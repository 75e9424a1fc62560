"""The sources of a run: downloads, archives, and data sets as Parquet files."""
