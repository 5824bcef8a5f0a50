"""The tools: what each is called, where it applies, and the command that leaves Parquet (zstd 3) in a directory."""

from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .servers import USER, Server


@dataclass
class Places:
    """Where programs lie. `work` holds what scripts/bench installed."""

    rivet: Path
    work: Path
    here: Path = Path(__file__).parent.parent

    def venv(self, name: str) -> str:
        return str(self.work / f"venv-{name}" / "bin" / "python")


@dataclass
class Tool:
    name: str
    about: str
    servers: tuple[str, ...]
    command: Callable[[Places, Server, str, Path], list[str]]
    exports: bool = True

    def ready(self, places: Places, server: Server) -> bool:
        """Whether the program is there. The floor's is the server's own client, or ours."""
        program = self.command(places, server, "t", Path("/nonexistent"))[0]
        return "/" not in program or Path(program).exists()


def floor(places: Places, server: Server, table: str, out: Path) -> list[str]:
    if server.name == "pg":
        return [*server.client(), "-c", f"copy (select * from {table}) to stdout (format binary)"]
    return [str(places.work / "drain"), str(server.port), server.database, table]


def configuration(server: Server, table: str, out: Path, extra: str, types: str = "") -> str:
    """In the form of rivet 0.2, which ours reads as well."""
    return f"""source:
  type: {"postgres" if server.name == "pg" else "mysql"}
  url: "{server.url}"
{types}  tuning:
    profile: fast
exports:
  - name: {table}
    query: "SELECT * FROM {table}"
    mode: full
    format: parquet
    compression: zstd
    compression_level: 3
{extra}    destination:
      type: local
      path: {out}
"""


def rivet(extra: str = "", decimal: bool = False, program: Callable[[Places], Path] = lambda p: p.rivet):
    """Ours, or one that takes the same configuration."""

    def command(places: Places, server: Server, table: str, out: Path) -> list[str]:
        native = "numeric" if server.name == "pg" else "decimal"
        types = f"  types: {{ {native}: decimal }}\n" if decimal else ""
        # The state lies beside the configuration, so that it is new for each run.
        folder = out.with_name(out.name + "-config")
        if folder.is_dir():
            (folder / "rivet.yaml").write_text(configuration(server, table, out, extra, types))
        return [str(program(places)), "run", "--config", str(folder / "rivet.yaml")]

    return command


def script(venv: str):
    def command(places: Places, server: Server, table: str, out: Path) -> list[str]:
        program = places.here / "peers" / f"with_{venv}.py"
        where = [server.name, str(server.port), server.database, USER, table, str(out / f"{table}.parquet")]
        return [places.venv(venv), str(program), *where, str(places.work / "extensions")]

    return command


BOTH = ("pg", "my")
TOOLS = {tool.name: tool for tool in [
    Tool("floor", "every row fetched over one connection in the binary protocol and thrown away", BOTH, floor, False),
    Tool("rivet", "mode full, profile fast", BOTH, rivet()),
    Tool("rivet-decimal", "the same, decimals as numbers and not as text", BOTH, rivet(decimal=True)),
    Tool("rivet-p2", "the same as rivet, `parallel: 2`", BOTH, rivet("    parallel: 2\n")),
    Tool("duckdb", "COPY from the attached database", BOTH, script("duckdb")),
    Tool("connectorx", "record batches into pyarrow's writer", BOTH, script("connectorx")),
    Tool("adbc", "record batches into pyarrow's writer", ("pg",), script("adbc")),
    Tool("chdb", "INSERT INTO FUNCTION file", BOTH, script("chdb")),
    Tool("rivet-0.2", "rivet-cli 0.2.0-beta.2, mode full, profile fast", BOTH,
         rivet(program=lambda places: places.work / "rivet-0.2" / "bin" / "rivet")),
]}
