"""Runs one command and writes what it took to a file: stopwatch.py REPORT STDERR COMMAND...

A process of its own, without any package: a child starts with its parent's peak memory, and this one stays small. The
memory is the largest process of those that the command waited for.
"""

import json
import os
import sys
import time


def main() -> None:
    report, stderr, command = sys.argv[1], sys.argv[2], sys.argv[3:]
    nowhere = os.open(os.devnull, os.O_RDWR)
    errors = os.open(stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    files = [(os.POSIX_SPAWN_DUP2, nowhere, 0), (os.POSIX_SPAWN_DUP2, nowhere, 1), (os.POSIX_SPAWN_DUP2, errors, 2)]
    begin = time.monotonic()
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
    _, status, used = os.wait4(pid, 0)
    wall = time.monotonic() - begin
    with open(report, "w", encoding="utf-8") as file:
        json.dump({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "rss": used.ru_maxrss / 1024,
                   "status": os.waitstatus_to_exitcode(status)}, file)


main()
