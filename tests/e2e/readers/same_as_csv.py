"""Compares Parquet files with what DuckDB itself reads from a CSV file.

usage: same_as_csv.py CSV TYPES FILE...    TYPES is such as '{"id": "BIGINT"}', text where absent; prints the number of rows
"""

import json
import sys

import duckdb

source, types, *files = sys.argv[1:]
types = json.loads(types)
with open(source, encoding="utf-8-sig") as lines:
    names = [name for name in lines.readline().rstrip("\n").split(",")]
columns = {name: types.get(name, "VARCHAR") for name in names}
duckdb.execute(
    """create table expected as select * from read_csv(?, header=true, columns=?, quote='"', escape='"', delim=',',
    allow_quoted_nulls=false, auto_detect=false, max_line_size=4000000)""",
    [source, columns],
)
duckdb.execute("create table found as select * from read_parquet(?)", [files])
shape = [(name, kind) for name, kind, *_ in duckdb.execute("describe found").fetchall()]
assert shape == list(columns.items()), (shape, columns)
for left, right in (("expected", "found"), ("found", "expected")):
    odd = duckdb.execute(f"from {left} except all from {right} limit 3").fetchall()
    assert not odd, f"only in {left}: {odd}"
print(duckdb.execute("select count(*) from found").fetchone()[0])
