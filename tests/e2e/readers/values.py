"""Compares all rows of some Parquet files, in the order of their first column, with a JSON array of arrays. DuckDB and pyarrow
have to see the same. Prints the number of rows; any difference is an error.

usage: values.py EXPECTED.json FILE...
"""

import json
import sys

import duckdb
import pyarrow.parquet as pq

expected, *files = sys.argv[1:]
with open(expected, encoding="utf-8") as file:
    rows = [list(row) for row in json.load(file)]
tables = [pq.read_table(file) for file in files]
by_arrow = sorted([list(row.values()) for table in tables for row in table.to_pylist()], key=lambda row: row[0])
by_duckdb = duckdb.execute("select * from read_parquet(?) order by 1", [files]).fetchall()
for reader, found in (("pyarrow", by_arrow), ("duckdb", [list(row) for row in by_duckdb])):
    for wanted, row in zip(rows, found):
        assert wanted == row, f"{reader}: {row} instead of {wanted}"
    assert len(found) == len(rows), f"{reader}: {len(found)} rows instead of {len(rows)}"
print(len(rows))
