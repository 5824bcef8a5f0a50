"""Prints a JSON object for each file: its metadata under `rivet.`, and of Parquet the codec and the row groups.

usage: footers.py FILE...
"""

import json
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq


def parquet(file):
    footer = pq.read_metadata(file)
    # pyarrow has one name for both kinds of LZ4.
    codecs = duckdb.execute("select distinct compression from parquet_metadata(?)", [file]).fetchall()
    groups = [footer.row_group(index) for index in range(footer.num_row_groups)]
    sizes = [[group.num_rows, group.total_byte_size] for group in groups]
    return footer.metadata, {"codecs": [codec for (codec,) in codecs], "groups": sizes}


def arrow(file):
    reader = pa.ipc.open_stream(file) if file.endswith(".arrows") else pa.ipc.open_file(file)
    return reader.schema.metadata, {}


for file in sys.argv[1:]:
    metadata, facts = (parquet if file.endswith(".parquet") else arrow)(file)
    pairs = {key.decode(): value.decode() for key, value in metadata.items() if key.startswith(b"rivet.")}
    print(json.dumps({"metadata": pairs, **facts}))
