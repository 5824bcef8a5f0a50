"""Reads an Arrow stream or CSV from standard input with pyarrow and DuckDB, and prints rows and the sum of column `id`.

usage: rivet run … | stream.py arrow|csv
"""

import sys

import duckdb
import pyarrow.csv as csv
import pyarrow.ipc as ipc

if sys.argv[1] == "arrow":
    rows = ipc.open_stream(sys.stdin.buffer).read_all()
else:
    rows = csv.read_csv(sys.stdin.buffer)
print(*duckdb.execute("select count(*), sum(id) from rows").fetchone())
