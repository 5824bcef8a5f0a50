"""Compares the files of many exports with what Python's own sqlite3 reads from their source. The files of a folder whose names
are the same up to the first `_` are one dataset, in which every row has to be there once. Parquet and CSV are read by DuckDB
and pyarrow, Arrow by pyarrow. Where chdb is installed, ClickHouse reads all of them; where pyspark is, Spark reads Parquet.

usage: dataset.py DATABASE QUERY FOLDER    prints the number of datasets; any difference is an error
"""

import importlib.util
import itertools
import sqlite3
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.csv
import pyarrow.dataset

database, query, folder = sys.argv[1:]
source = sqlite3.connect(database).execute(query)
names = [column[0] for column in source.description]
expected = sorted(source.fetchall())
CLICKHOUSE = {"BIGINT": "Int64", "DOUBLE": "Float64", "VARCHAR": "String"}
PLAIN = {int: ("BIGINT", pa.int64()), float: ("DOUBLE", pa.float64()), str: ("VARCHAR", pa.string())}
types = [PLAIN[next(type(v) for v in column if v is not None)] for column in zip(*expected)]


def duck(kind, files):
    if kind == "parquet":
        result = duckdb.execute("select * from read_parquet(?)", [files])
    else:
        columns = ", ".join(f"'{name}': '{type}'" for name, (type, _) in zip(names, types))
        options = "header=true, allow_quoted_nulls=false, delim=',', quote='\"', escape='\"'"
        result = duckdb.execute(f"select * from read_csv(?, columns={{{columns}}}, {options})", [files])
    return [column[0] for column in result.description], result.fetchall()


def arrow(kind, files):
    if kind == "arrows":
        table = pa.concat_tables(pa.ipc.open_stream(file).read_all() for file in files)
    elif kind == "csv":
        columns = {name: type for name, (_, type) in zip(names, types)}
        options = pa.csv.ConvertOptions(column_types=columns, strings_can_be_null=True, quoted_strings_can_be_null=False)
        table = pa.concat_tables(pa.csv.read_csv(file, convert_options=options) for file in files)
    else:
        table = pyarrow.dataset.dataset(files, format={"arrow": "ipc"}.get(kind, kind)).to_table()
    return table.column_names, list(zip(*(column.to_pylist() for column in table.columns)))


def clickhouse(kind, files):
    import chdb

    reader = {"parquet": "Parquet", "arrow": "Arrow", "arrows": "ArrowStream", "csv": "CSVWithNames"}[kind]
    # Without types ClickHouse guesses those of CSV, and takes the empty string for NULL when it was quoted, too.
    nullable = (f"{name} Nullable({CLICKHOUSE[type]})" for name, (type, _) in zip(names, types))
    structure = f", '{', '.join(nullable)}'" if kind == "csv" else ""
    queries = (f"select * from file('{file}', {reader}{structure})" for file in files)
    table = chdb.query(" union all ".join(queries), "ArrowTable")
    # ClickHouse has one type for texts and bytes.
    texts = [type == "VARCHAR" for type, _ in types]
    plain = lambda cell, text: cell.decode() if text and isinstance(cell, bytes) else cell
    rows = zip(*(column.to_pylist() for column in table.columns))
    return table.column_names, [tuple(map(plain, row, texts)) for row in rows]


def spark(kind, files):
    from pyspark.sql import SparkSession

    local = {"spark.ui.enabled": "false", "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    session = SparkSession.builder.master("local[1]").config(map=local).getOrCreate()
    frame = session.read.parquet(*files)
    return frame.columns, [tuple(row) for row in frame.collect()]


READERS = {"parquet": [duck, arrow], "csv": [duck, arrow], "arrow": [arrow], "arrows": [arrow]}
if importlib.util.find_spec("chdb"):
    for kind in READERS:
        READERS[kind].append(clickhouse)
if importlib.util.find_spec("pyspark"):
    READERS["parquet"].append(spark)

files = sorted(Path(folder).iterdir())
count = 0
for export, members in itertools.groupby(files, lambda file: file.name.split("_")[0]):
    members = list(members)
    (kind,) = {file.suffix[1:] for file in members}
    for reader in READERS[kind]:
        columns, rows = reader(kind, [str(file) for file in members])
        assert list(columns) == names, (export, reader.__name__, columns)
        same = sorted(rows) == expected
        assert same, f"{export}: {reader.__name__} reads {len(rows)} rows, the source {len(expected)}, or other values"
    count += 1
print(count)
