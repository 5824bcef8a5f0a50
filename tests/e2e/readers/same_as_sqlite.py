"""Compares a Parquet or CSV file, read by DuckDB, with what Python's own sqlite3 reads from the source.

usage: same_as_sqlite.py DATABASE QUERY FILE    prints the number of rows; any difference is an error
"""

import datetime
import sqlite3
import sys

import duckdb

database, query, file = sys.argv[1:]
source = sqlite3.connect(database)
rows = source.execute(query)
names = [column[0] for column in rows.description]
expected = rows.fetchall()

if file.endswith(".csv"):
    # Everything as text, so that no guess of DuckDB's stands between the file and the comparison.
    reader = "read_csv(?, header=true, all_varchar=true, allow_quoted_nulls=false, quote='\"', escape='\"', delim=',')"
else:
    reader = "read_parquet(?)"
duckdb.execute("set timezone = 'UTC'")
result = duckdb.execute(f"select * from {reader}", [file])
assert [column[0] for column in result.description] == names, (result.description, names)
found = result.fetchall()


def stored(value):
    """A value of the file as SQLite stores it."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime.datetime):
        return value.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
    if isinstance(value, datetime.date):
        return value.isoformat()
    return value


def same(cell, value):
    if cell is None or value is None:
        return cell is value
    if not file.endswith(".csv"):
        return stored(cell) == value and type(stored(cell)) is type(value)
    if isinstance(value, bytes):
        return bytes.fromhex(cell) == value
    if cell in ("true", "false"):
        return int(cell == "true") == value
    if isinstance(value, (int, float)):
        return type(value)(cell) == value and "e" not in cell
    return cell == value or cell.replace("T", " ").removesuffix("Z") == value


assert len(found) == len(expected), (len(found), len(expected))
for number, (cells, values) in enumerate(zip(found, expected)):
    for name, cell, value in zip(names, cells, values):
        assert same(cell, value), f"row {number}, column {name}: {cell!r} in the file, {value!r} in the source"
print(len(found))
