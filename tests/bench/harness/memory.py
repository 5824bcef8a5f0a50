"""Peak memory of the wide table once and eight times: it must not grow with the table."""

import argparse

from .measure import Failed, clear, measure
from .report import machine, today
from .servers import Server
from .tables import Table
from .tools import TOOLS, Places
from .versions import versions

TIMES = 8


def memory(servers: list[Server], table: Table, options: argparse.Namespace, places: Places) -> str:
    tools = [name for name in options.tools.split(",") if TOOLS[name].exports]
    lines = [f"{today()}, {machine()}; {versions(places, servers, tools)}. Peak RSS in MiB of `wide`, one run each.", "",
             f"| source | tool | {table.rows} rows | {table.rows * TIMES} rows |", "|---|---|--:|--:|"]
    for server in servers:
        larger = server.multiply(table, TIMES, table.rows)
        for name in tools:
            if server.name not in TOOLS[name].servers:
                continue
            cells = []
            for source in (table.name, larger):
                try:
                    run = measure(TOOLS[name], places, server, source, options.out / "files", options.limit)
                    cells.append(f"{run.rss:.0f}")
                except Failed as failure:
                    cells.append("failed: " + str(failure).replace("|", "/"))
            lines.append(f"| {server.title} | {name} | {cells[0]} | {cells[1]} |")
        server.run(f"drop table {larger}")
    clear(options.out / "files")
    return "\n".join(lines) + "\n"
