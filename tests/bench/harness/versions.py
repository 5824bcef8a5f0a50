"""Which version of each tool was measured."""

import re
import subprocess

from .servers import Server
from .tools import Places

PACKAGES = {"duckdb": ["duckdb"], "connectorx": ["connectorx", "pyarrow"],
            "adbc": ["adbc-driver-postgresql", "pyarrow"], "chdb": ["chdb"]}


def versions(places: Places, servers: list[Server], tools: list[str]) -> str:
    found = [f"{server.title} {server.version()}" for server in servers]
    if any(tool.startswith("rivet") and tool != "rivet-0.2" for tool in tools):
        answer = subprocess.run([places.rivet, "--version"], capture_output=True, text=True).stdout
        found.append(answer.strip() + revision(places))
    if "rivet-0.2" in tools:
        found.append("rivet-cli 0.2.0-beta.2")
    for tool in tools:
        for package in PACKAGES.get(tool, []):
            line = f"import importlib.metadata as m; print(m.version('{package}'))"
            answer = subprocess.run([places.venv(tool), "-c", line], capture_output=True, text=True).stdout.strip()
            if answer and f"{package} {answer}" not in found:
                found.append(f"{package} {answer}")
    return ", ".join(found)


def revision(places: Places) -> str:
    """The commit, when the source is a checkout, and whether it has been changed since."""
    git = ["git", "-C", str(places.here), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        answer = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    except FileNotFoundError:
        return ""
    return f" ({answer})" if re.fullmatch(r"[0-9a-f]+(-dirty)?", answer) else ""
