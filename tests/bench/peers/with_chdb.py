"""chDB: SERVER PORT DATABASE USER TABLE FILE."""

import sys

import chdb

server, port, database, user, table, file = sys.argv[1:7]
source = "postgresql" if server == "pg" else "mysql"
chdb.query(f"insert into function file('{file}', 'Parquet') "
           f"select * from {source}('127.0.0.1:{port}', '{database}', '{table}', '{user}', '{user}') "
           "settings output_format_parquet_compression_method = 'zstd', output_format_compression_level = 3, "
           "session_timezone = 'UTC'")
