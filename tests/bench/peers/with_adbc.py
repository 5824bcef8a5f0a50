"""The ADBC driver of PostgreSQL and pyarrow's writer: SERVER PORT DATABASE USER TABLE FILE."""

import sys

import adbc_driver_postgresql.dbapi as adbc
import pyarrow.parquet as parquet

_, port, database, user, table, file = sys.argv[1:7]
with adbc.connect(f"postgresql://{user}:{user}@127.0.0.1:{port}/{database}") as connection:
    with connection.cursor() as cursor:
        cursor.execute(f"select * from {table}")
        batches = cursor.fetch_record_batch()
        with parquet.ParquetWriter(file, batches.schema, compression="zstd", compression_level=3) as writer:
            for batch in batches:
                writer.write_batch(batch)
