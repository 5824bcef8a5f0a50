"""Prints for each Parquet file of a folder the export that made it and its rows, in which DuckDB and pyarrow have to agree.

usage: counts.py FOLDER
"""

import re
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

counts = Counter()
for path in Path(sys.argv[1]).glob("*.parquet"):
    rows = pq.read_table(path).num_rows
    assert duckdb.sql(f"select count(*) from read_parquet('{path}')").fetchall() == [(rows,)], path
    counts[re.sub(r"_\d{8}_\d{6}.*", "", path.name)] += rows
for export, rows in sorted(counts.items()):
    print(export, rows)
