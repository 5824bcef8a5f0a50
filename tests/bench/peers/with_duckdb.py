"""DuckDB: SERVER PORT DATABASE USER TABLE FILE EXTENSIONS. Everything at its defaults, which use several connections."""

import sys
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parent.parent))
from harness.tables import extension  # noqa: E402

server, port, database, user, table, file, links = sys.argv[1:]
kind = "postgres" if server == "pg" else "mysql"
db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
db.execute(f"load '{extension(kind, Path(links))}'")
db.execute("set timezone = 'UTC'")
name = "dbname" if server == "pg" else "database"
db.execute(f"attach 'host=127.0.0.1 port={port} user={user} password={user} {name}={database}' as source "
           f"(type {kind}, read_only)")
schema = "public" if server == "pg" else database
db.execute(f"copy (select * from source.{schema}.{table}) to '{file}' "
           "(format parquet, compression zstd, compression_level 3)")
