"""The results as Markdown, and their place in the documentation."""

import datetime
import os
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from .compare import Verdict
from .measure import Run


@dataclass
class Row:
    """What one tool did with one table."""

    tool: str
    runs: list[Run] = field(default_factory=list)
    verdict: Verdict | None = None
    failure: str = ""


def spread(values: list[float], digits: int = 1) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table(title: str, rows: list[Row]) -> str:
    """The floor first, then by time; failures last. `~` marks rows during which others used over 15 % of the machine."""
    lines = [f"### {title}", "",
             "| tool | n | wall s (min–max) | × floor | CPU s | server's CPU s | peak RSS MiB | files | MB | values |",
             "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"]
    floor = next((median([r.wall for r in row.runs]) for row in rows if row.tool == "floor" and row.runs), None)
    done = [row for row in rows if row.runs]
    for row in sorted(done, key=lambda row: (row.tool != "floor", median([r.wall for r in row.runs]))):
        runs, verdict = row.runs, row.verdict
        wall = [run.wall for run in runs]
        mark = "~" if median([run.foreign for run in runs]) > 0.15 else ""
        times = f"{median(wall) / floor:.2f}" if floor else ""
        written = (str(verdict.files), f"{verdict.bytes / 1e6:.1f}", str(verdict)) if verdict else ("", "", "")
        cells = [row.tool, str(len(runs)), mark + spread(wall), times, f"{median([r.cpu for r in runs]):.1f}",
                 f"{median([r.server_cpu for r in runs]):.1f}", spread([r.rss for r in runs], 0), *written]
        lines.append("| " + " | ".join(cells) + " |")
    for row in rows:
        if not row.runs:
            failure = row.failure.replace("|", "/")
            lines.append(f"| {row.tool} | | failed: {failure} | | | | | | | |")
    return "\n".join(lines) + "\n"


def machine() -> str:
    """Processors, their model and memory; nothing that names the machine."""
    models = {line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
              if line.startswith("model name")}
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 1024 / 1024
    cores = len(os.sched_getaffinity(0))
    return f"{cores} cores ({', '.join(sorted(models)) or 'model not known'}), {memory:.0f} GiB"


def today() -> str:
    return datetime.date.today().isoformat()


def place(page: Path, name: str, text: str) -> None:
    """Replaces what lies between the page's two markers of this name."""
    begin, end = f"<!-- begin {name}: written by scripts/bench -->", f"<!-- end {name} -->"
    old = page.read_text(encoding="utf-8")
    before, _, rest = old.partition(begin)
    inside, found, after = rest.partition(end)
    if not found:
        raise SystemExit(f"error: {page.name} has no markers for {name}")
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}", encoding="utf-8")
