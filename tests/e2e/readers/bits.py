"""Prints every row of a Parquet file as one JSON array of texts that leave no room for rounding or time zones.

Floats are their bits in hexadecimal, bytes are hexadecimal, dates days and timestamps microseconds since 1970.
Also checks that DuckDB reads the same number of rows and the types that it sees.

usage: bits.py FILE [TYPE,TYPE,...]
"""

import json
import struct
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

table = pq.read_table(sys.argv[1])


def text(kind, value):
    value = value.value if pa.types.is_timestamp(kind) or pa.types.is_date32(kind) else value.as_py()
    if value is None:
        return None
    if pa.types.is_float64(kind):
        return struct.pack(">d", value).hex()
    if pa.types.is_float32(kind):
        return struct.pack(">f", value).hex()
    if pa.types.is_binary(kind):
        return value.hex()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


columns = [[text(column.type, value) for value in column] for column in table.columns]
for row in zip(*columns):
    print(json.dumps(row, ensure_ascii=False))

assert duckdb.execute("select count(*) from read_parquet(?)", [sys.argv[1]]).fetchone()[0] == table.num_rows
if len(sys.argv) > 2:
    seen = [row[1] for row in duckdb.execute("describe select * from read_parquet(?)", [sys.argv[1]]).fetchall()]
    assert ",".join(seen) == sys.argv[2], seen
