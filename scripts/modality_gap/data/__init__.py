"""Sources: downloads, archives, and data sets as one Parquet file each."""
