"""Compares Parquet files, as multisets, with what a statement of DuckDB makes.

usage: same_as_sql.py SQL FILE...    prints the number of rows; any difference is an error
"""

import sys

import duckdb

sql, *files = sys.argv[1:]
duckdb.execute("set timezone = 'UTC'")
duckdb.execute("create table found as select * from read_parquet(?)", [files])
duckdb.execute(f"create table expected as {sql}")
shapes = [[column[:2] for column in duckdb.execute(f"describe {name}").fetchall()] for name in ("expected", "found")]
assert shapes[0] == shapes[1], shapes
for left, right in (("expected", "found"), ("found", "expected")):
    odd = duckdb.execute(f"from {left} except all from {right} limit 3").fetchall()
    assert not odd, f"only in {left}: {odd}"
print(duckdb.execute("select count(*) from found").fetchone()[0])
