"""ConnectorX, in record batches: SERVER PORT DATABASE USER TABLE FILE."""

import sys

import connectorx
import pyarrow.parquet as parquet

server, port, database, user, table, file = sys.argv[1:7]
scheme = "postgresql" if server == "pg" else "mysql"
url = f"{scheme}://{user}:{user}@127.0.0.1:{port}/{database}"
batches = connectorx.read_sql(url, f"select * from {table}", protocol="binary", return_type="arrow_stream",
                              batch_size=65536)
with parquet.ParquetWriter(file, batches.schema, compression="zstd", compression_level=3) as writer:
    for batch in batches:
        writer.write_batch(batch)
