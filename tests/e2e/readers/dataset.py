"""Compares the files of many exports with what Python's own sqlite3 reads from their source. The files of a folder whose names
are the same up to the first `_` are one dataset, in which every row has to be there once. Parquet is read by DuckDB and
pyarrow, CSV by DuckDB, Arrow by pyarrow, and all but CSV by ClickHouse as well where chdb is installed.

usage: dataset.py DATABASE QUERY FOLDER    prints the number of datasets; any difference is an error
"""

import itertools
import sqlite3
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.dataset

try:
    import chdb
except ImportError:
    chdb = None

database, query, folder = sys.argv[1:]
source = sqlite3.connect(database).execute(query)
names = [column[0] for column in source.description]
expected = sorted(source.fetchall())
PLAIN = {int: "BIGINT", float: "DOUBLE", str: "VARCHAR", bytes: "BLOB"}
types = [PLAIN[next(type(v) for v in column if v is not None)] for column in zip(*expected)]


def duck(kind, files):
    if kind == "parquet":
        result = duckdb.execute("select * from read_parquet(?)", [files])
    else:
        columns = ", ".join(f"'{name}': '{type}'" for name, type in zip(names, types))
        options = "header=true, allow_quoted_nulls=false, delim=',', quote='\"', escape='\"'"
        result = duckdb.execute(f"select * from read_csv(?, columns={{{columns}}}, {options})", [files])
    return [column[0] for column in result.description], result.fetchall()


def arrow(kind, files):
    if kind == "arrows":
        table = pa.concat_tables(pa.ipc.open_stream(file).read_all() for file in files)
    else:
        table = pyarrow.dataset.dataset(files, format={"arrow": "ipc"}.get(kind, kind)).to_table()
    return table.column_names, list(zip(*(column.to_pylist() for column in table.columns)))


def clickhouse(kind, files):
    reader = {"parquet": "Parquet", "arrow": "Arrow", "arrows": "ArrowStream"}[kind]
    queries = (f"select * from file('{file}', {reader})" for file in files)
    table = chdb.query(" union all ".join(queries), "ArrowTable")
    # ClickHouse has one type for texts and bytes.
    texts = [type == "VARCHAR" for type in types]
    plain = lambda cell, text: cell.decode() if text and isinstance(cell, bytes) else cell
    rows = zip(*(column.to_pylist() for column in table.columns))
    return table.column_names, [tuple(map(plain, row, texts)) for row in rows]


READERS = {"parquet": [duck, arrow, clickhouse], "csv": [duck], "arrow": [arrow, clickhouse], "arrows": [arrow, clickhouse]}
files = sorted(Path(folder).iterdir())
count = 0
for export, members in itertools.groupby(files, lambda file: file.name.split("_")[0]):
    members = list(members)
    (kind,) = {file.suffix[1:] for file in members}
    for reader in READERS[kind]:
        if reader is clickhouse and not chdb:
            continue
        columns, rows = reader(kind, [str(file) for file in members])
        assert list(columns) == names, (export, reader.__name__, columns)
        same = sorted(rows) == expected
        assert same, f"{export}: {reader.__name__} reads {len(rows)} rows, the source {len(expected)}, or other values"
    count += 1
print(count)
