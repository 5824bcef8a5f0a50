"""Reads the files that each manifest of a directory lists, compares rows and bytes, and prints per manifest: mode, window,
rows, and the least and greatest `id` in its files.

usage: manifest.py DIRECTORY
"""

import json
import os
import sys

import duckdb

for name in sorted(os.listdir(sys.argv[1])):
    if not name.endswith(".manifest.json"):
        continue
    with open(os.path.join(sys.argv[1], name), encoding="utf-8") as file:
        manifest = json.load(file)
    paths = [os.path.join(sys.argv[1], part["name"]) for part in manifest["parts"]]
    rows, least, greatest = 0, None, None
    columns = [column["name"] for column in manifest["columns"]]
    if paths:
        found = duckdb.execute("describe select * from read_parquet($1)", [paths]).fetchall()
        assert columns == [column[0] for column in found], manifest
        rows, least, greatest = duckdb.execute("select count(*), min(id), max(id) from read_parquet($1)", [paths]).fetchone()
    for path, part in zip(paths, manifest["parts"]):
        assert os.path.getsize(path) == part["bytes"], part
    assert rows == manifest["rows"] == sum(part["rows"] for part in manifest["parts"]), manifest
    assert manifest["bytes"] == sum(part["bytes"] for part in manifest["parts"]), manifest
    assert columns == ["id", "note", "_rivet_run_id"], manifest
    print(manifest["export"], manifest["mode"], json.dumps(manifest["window"]), rows, least, greatest, len(paths))
