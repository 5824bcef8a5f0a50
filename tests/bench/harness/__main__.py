"""The benchmark's programme: `scripts/bench` prepares servers and peers, then runs this module."""

import argparse
import sys
from pathlib import Path

from . import compare, report, tables
from .measure import Failed, clear, measure
from .memory import memory
from .report import Row
from .servers import Server
from .tools import TOOLS, Places
from .versions import versions


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="harness")
    parser.add_argument("what", choices=["speed", "memory"])
    parser.add_argument("--rivet", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="what scripts/bench made: peers and data")
    parser.add_argument("--out", type=Path, required=True, help="where exports go")
    parser.add_argument("--page", type=Path, help="the page to write the results to")
    parser.add_argument("--server", action="append", default=[], metavar="NAME:PORT:PID")
    parser.add_argument("--tables", default="lineitem,narrow,wide")
    parser.add_argument("--tools", required=True)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--limit", type=float, default=900, help="seconds that one run may take")
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    options.scale = 0.01 if options.quick else 1.0
    return options


def reach(text: str, quick: bool) -> Server:
    name, port, pid = text.split(":")
    return Server(name, int(port), int(pid), "bench_quick" if quick else "bench")


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def one_table(server: Server, table: str, truth: Path, options: argparse.Namespace, places: Places) -> list[Row]:
    """One checked run of each tool that is not measured and warms the caches, then rounds of all tools in turn."""
    rows, known, out = [], {}, options.out / "files"
    for name in options.tools.split(","):
        tool = TOOLS[name]
        if server.name not in tool.servers:
            continue
        row = Row(name)
        rows.append(row)
        try:
            if not tool.ready(places, server):
                raise Failed("is not installed")
            measure(tool, places, server, table, out, options.limit)
            if tool.exports:
                row.verdict = compare.compare(truth, out, known)
        except Failed as failure:
            row.failure = str(failure)
        say(f"{server.name} {table:8} {name:14} checked: {row.failure or row.verdict or 'drained'}")
    for turn in range(options.runs):
        for row in rows:
            if row.failure or far_behind(row, rows):
                continue
            try:
                run = measure(TOOLS[row.tool], places, server, table, out, options.limit)
            except Failed as failure:
                row.failure, row.runs = str(failure), []
                continue
            row.runs.append(run)
            say(f"{server.name} {table:8} {row.tool:14} {turn + 1}/{options.runs}: {run.wall:.2f} s, "
                f"{run.cpu:.2f} s CPU, {run.rss:.0f} MiB" + (", disturbed" if run.foreign > 0.15 else ""))
    clear(out)
    return rows


def far_behind(row: Row, rows: list[Row]) -> bool:
    """Whether the first measured run took more than twice as long as ours: further ones would take hours and show no more."""
    ours = next((r.runs[0].wall for r in rows if r.tool == "rivet" and r.runs), None)
    return bool(ours and row.runs and row.runs[0].wall > 2 * ours)


def speed(servers: list[Server], options: argparse.Namespace, places: Places) -> str:
    made = tables.tables(options.scale)
    parts = []
    for server in servers:
        for name in options.tables.split(","):
            rows = one_table(server, name, data(server, made[name], options), options, places)
            parts.append(report.table(f"{server.title}, {name}", rows))
    tools = options.tools.split(",")
    about = "\n".join(f"* `{name}`: {TOOLS[name].about}" for name in tools)
    head = (f"{report.today()}, {report.machine()}; {versions(places, servers, tools)}. Medians of {options.runs} runs.")
    return f"{head}\n\n{about}\n\n" + "\n".join(parts)


def growth(servers: list[Server], options: argparse.Namespace, places: Places) -> str:
    table = tables.tables(options.scale)["wide"]
    for server in servers:
        data(server, table, options)
    return memory(servers, table, options, places)


def data(server: Server, table: tables.Table, options: argparse.Namespace) -> Path:
    """Makes and loads the table where it is missing; answers the truth."""
    import duckdb

    say(f"{server.name} {table.name:8} preparing")
    truth = tables.make(table, options.work, options.scale)
    server.load(table, truth.with_name("load.csv"), duckdb.execute(f"select count(*) from '{truth}'").fetchone()[0])
    return truth


def main() -> None:
    options = arguments()
    places = Places(options.rivet, options.work)
    unknown = [name for name in options.tools.split(",") if name not in TOOLS]
    if unknown:
        raise SystemExit(f"error: no tool is called \"{unknown[0]}\"; there are {', '.join(TOOLS)}")
    servers = [reach(text, options.quick) for text in options.server]
    try:
        for server in servers:
            server.make_database()
        text = (speed if options.what == "speed" else growth)(servers, options, places)
    except RuntimeError as error:
        raise SystemExit(f"error: {error}") from None
    print(text)
    if options.page:
        report.place(options.page, options.what, text)


main()
