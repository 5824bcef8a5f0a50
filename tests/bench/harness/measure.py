"""One run of one tool: into an empty directory, on the stopwatch, with the load that others put on the machine."""

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from .servers import Server
from .tools import Places, Tool


@dataclass
class Run:
    wall: float
    cpu: float
    rss: float
    server_cpu: float
    foreign: float


class Failed(Exception):
    """A tool that ended badly or took too long."""


def measure(tool: Tool, places: Places, server: Server, table: str, out: Path, limit: float) -> Run:
    clear(out)
    out.mkdir(parents=True)
    config = out.with_name(out.name + "-config")
    config.mkdir()
    report, errors = config / "report.json", config / "stderr"
    command = tool.command(places, server, table, out)
    busy, server_cpu = machine_cpu(), server.cpu()
    stopwatch = [sys.executable, "-I", "-S", str(Path(__file__).with_name("stopwatch.py")), str(report), str(errors)]
    # In a session of its own, so that a tool which takes too long ends with its children.
    process = subprocess.Popen([*stopwatch, *command], start_new_session=True)
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        raise Failed(f"took longer than {limit:.0f} s") from None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, 9)
            process.wait()
    if not report.exists():
        raise Failed("did not start")
    taken = json.loads(report.read_text())
    if taken["status"] != 0:
        lines = errors.read_text(errors="replace").strip().splitlines() or ["said nothing"]
        raise Failed(f"status {taken['status']}: {lines[-1][:160]}")
    time.sleep(0.2)  # PostgreSQL counts a backend's time when it has ended.
    by_server = server.cpu() - server_cpu
    busy = [after - before for before, after in zip(busy, machine_cpu())]
    foreign = max(0.0, busy[0] - taken["cpu"] - by_server) / max(busy[1], 0.01)
    return Run(taken["wall"], taken["cpu"], taken["rss"], by_server, foreign)


def clear(out: Path) -> None:
    for folder in (out, out.with_name(out.name + "-config")):
        shutil.rmtree(folder, ignore_errors=True)


def machine_cpu() -> tuple[float, float]:
    """Seconds for which the machine's processors were busy, and all seconds they had."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    hertz = os.sysconf("SC_CLK_TCK")
    return (sum(ticks) - ticks[3] - ticks[4]) / hertz, sum(ticks) / hertz
