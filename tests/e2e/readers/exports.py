"""Compares the files of many exports, read by DuckDB, with the rows of their source: every row has to be there once.

usage: exports.py windows|exports EXPECTED.csv LEAST FOLDER

Every folder in FOLDER is one case: `out` holds its files, `files.txt` what `rivet state files` printed, which has to name
the same ones. As `windows` all files together hold the rows of EXPECTED.csv; as `exports` those of each run do, and there
are at least LEAST runs. Prints a line for each case that is wrong.
"""

import re
import sys
from collections import Counter, defaultdict
from pathlib import Path

import duckdb

kind, expected, least, folder = sys.argv[1:]


def rows(files):
    if files[0].suffix == ".csv":
        reader = "read_csv(?, header=true, all_varchar=true, delim=',', quote='\"')"
    else:
        reader = "read_parquet(?)"
    result = duckdb.execute(f"select * from {reader}", [[str(file) for file in files]])
    names = tuple(column[0] for column in result.description)
    assert names == ("id", "note"), names
    return Counter((str(row[0]), row[1]) for row in result.fetchall())


def run_of(name):
    return re.fullmatch(r"(orders_\d{8}_\d{6}(?:_\d+)?)(?:_chunk\d+)?(?:_part\d+)?\.\w+", name)[1]


def wrong(case):
    files = sorted((case / "out").iterdir())
    names = [file.name for file in files]
    # Behind a heading and a rule, the second column.
    listed = sorted(line.split()[1] for line in (case / "files.txt").read_text().splitlines()[2:])
    if names != listed:
        yield f"files {sorted(set(names) - set(listed))} are in no list, {sorted(set(listed) - set(names))} are not there"
    runs = defaultdict(list)
    for file in files:
        runs["all" if kind == "windows" else run_of(file.name)].append(file)
    if kind == "windows" and not runs or kind == "exports" and len(runs) < int(least):
        yield f"{len(runs)} runs have files, of {least}"
    for run, members in runs.items():
        found = rows(members)
        lost, more = source - found, found - source
        if lost or more:
            yield f"{run}: {lost.total()} rows lost {list(lost)[:3]}, {more.total()} too many {list(more)[:3]}"


source = rows([Path(expected)])
assert source and max(source.values()) == 1
for case in sorted(Path(folder).iterdir()):
    for what in wrong(case):
        print(f"{case.name}: {what}")
