"""Prints every row of a Parquet file as one JSON array: of texts and bytes only their length in bytes and their MD5, of numbers
themselves. DuckDB and pyarrow have to agree.

usage: cells.py FILE
"""

import hashlib
import json
import sys

import duckdb
import pyarrow.parquet as pq


def short(value):
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return [len(value), hashlib.md5(value).hexdigest()]
    return value


columns = [[short(value.as_py()) for value in column] for column in pq.read_table(sys.argv[1]).columns]
rows = sorted([list(row) for row in zip(*columns)], key=lambda row: row[0])
seen = duckdb.execute("select * from read_parquet(?) order by 1", [sys.argv[1]]).fetchall()
assert [[short(value) for value in row] for row in seen] == rows
for row in rows:
    print(json.dumps(row, separators=(",", ":")))
