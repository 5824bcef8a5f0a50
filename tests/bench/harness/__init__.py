"""Whole-process benchmark of exports to Parquet: `scripts/bench --help`."""
