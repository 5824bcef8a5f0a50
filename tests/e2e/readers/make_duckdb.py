"""Makes a DuckDB file by the statements given.

usage: make_duckdb.py FILE SQL
"""

import sys

import duckdb

file, sql = sys.argv[1:]
# The library that reads it may be older than the module.
duckdb.connect(file, config={"storage_compatibility_version": "v1.2.0"}).execute(sql)
