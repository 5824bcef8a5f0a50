"""Compares a Parquet file, read by DuckDB, with the words that the plug-ins of tests/compat count.

usage: words.py FILE ROWS [price]

Row n holds the number n and the text `word n`, but NULL where 7 divides n; with `price` also n * 1.01 as decimal(12,2) and
the instant of n * 1.000003 seconds. Prints what is wrong, or nothing.
"""

import sys
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import duckdb

file, rows, *more = sys.argv[1:]
duckdb.execute("set timezone = 'UTC'")
found = duckdb.execute("select * from read_parquet(?) order by n", [file]).fetchall()


def expected(n):
    row = (n, None if n % 7 == 0 else f"word {n}")
    if more:
        at = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(microseconds=n * 1_000_003)
        row += (Decimal(n * 101) / 100, at)
    return row


def plain(row):
    return tuple(value.astimezone(timezone.utc) if isinstance(value, datetime) else value for value in row)


if len(found) != int(rows):
    print(f"{len(found)} rows of {rows}")
for n, row in enumerate(found):
    if plain(row) != expected(n):
        print(f"row {n} is {row}, expected {expected(n)}")
        break
