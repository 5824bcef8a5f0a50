"""The two servers: how to reach them, how to load a table, and the processor time they have used."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .tables import Table

USER = "bench"


@dataclass
class Server:
    name: str
    port: int
    pid: int
    database: str

    @property
    def url(self) -> str:
        scheme = "postgresql" if self.name == "pg" else "mysql"
        return f"{scheme}://{USER}:{USER}@127.0.0.1:{self.port}/{self.database}"

    @property
    def title(self) -> str:
        return "PostgreSQL" if self.name == "pg" else "MariaDB"

    def client(self, database: str | None = None) -> list[str]:
        """The server's own client, which reads statements from its standard input."""
        database = database or self.database
        address = ["-h", "127.0.0.1"]
        if self.name == "pg":
            return ["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *address, "-p", str(self.port), "-U", USER, "-d", database]
        options = ["--no-defaults", "--local-infile=1", "--default-character-set=utf8mb4", "-N", "-B"]
        return ["mariadb", *options, *address, "-P", str(self.port), "-u", USER, f"-p{USER}", database]

    def run(self, sql: str, database: str | None = None) -> str:
        done = subprocess.run(self.client(database), input=sql, text=True, capture_output=True)
        if done.returncode != 0:
            raise RuntimeError(f"{self.title} refused a statement: {done.stderr.strip()[-400:]}")
        return done.stdout.strip()

    def version(self) -> str:
        return self.run("show server_version" if self.name == "pg" else "select version()").split()[0]

    def cpu(self) -> float:
        """Seconds so far, of the process and of the children that have ended."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def make_database(self) -> None:
        if self.name == "pg":
            known = self.run(f"select 1 from pg_database where datname = '{self.database}'", "postgres")
            if not known:
                self.run(f"create database {self.database}", "postgres")
        else:
            self.run(f"create database if not exists {self.database} character set utf8mb4", "information_schema")

    def load(self, table: Table, csv: Path, rows: int) -> None:
        """Loads the file, unless that was done and the table has its rows still."""
        done = csv.with_name(f"loaded-{self.name}")
        try:
            if done.exists() and self.run(f"select count(*) from {table.name}") == str(rows):
                return
        except RuntimeError:
            pass  # The server's data is newer than the file.
        columns = ", ".join(column.ddl(self.name) for column in table.columns)
        self.run(f"drop table if exists {table.name}")
        if self.name == "pg":
            self.run(f"create table {table.name} ({columns});\nset timezone = 'UTC';\n"
                     f"\\copy {table.name} from '{csv}' with (format csv, null 'NULL')\n"
                     f"alter table {table.name} add primary key ({table.key});")
        else:
            self.run(f"create table {table.name} ({columns}, primary key ({table.key})) engine = InnoDB;\n{_load(table, csv)}")
        self.settle(table.name)
        # Of all definitions that this table has had, the server holds one.
        for other in csv.parent.parent.glob(f"{table.name}-*/{done.name}"):
            if other.read_text() == self.database:
                other.unlink()
        done.write_text(self.database)

    def settle(self, table: str) -> None:
        """Statistics, hint bits and dirty pages, so that no run pays for them."""
        if self.name == "pg":
            self.run(f"vacuum analyze {table};\ncheckpoint;")
        else:
            self.run(f"analyze table {table};")

    def multiply(self, table: Table, times: int, rows: int) -> str:
        """A copy of the table that has all its rows so many times, under keys of their own; answers its name."""
        name = f"{table.name}_x{times}"
        self.run(f"drop table if exists {name}; create table {name} "
                 + (f"(like {table.name} including all);" if self.name == "pg" else f"like {table.name};"))
        others = ", ".join(column.name for column in table.columns if column.name != table.key)
        for n in range(times):
            self.run(f"insert into {name} select {table.key} + {n * rows}, {others} from {table.name};")
        self.settle(name)
        return name


def _load(table: Table, csv: Path) -> str:
    """MariaDB's statement: bytes come as `\\x` and hexadecimal digits, as PostgreSQL reads them."""
    names = [f"@{c.name}" if c.kind == "bytes" else c.name for c in table.columns]
    bytes_of = [f"{c.name} = unhex(substr(@{c.name}, 3))" for c in table.columns if c.kind == "bytes"]
    return (f"set time_zone = '+00:00', sql_mode = 'STRICT_TRANS_TABLES', unique_checks = 0;\n"
            f"load data local infile '{csv}' into table {table.name} character set utf8mb4 fields terminated by ',' "
            f"optionally enclosed by '\"' escaped by '' lines terminated by '\\n' ({', '.join(names)})"
            + (f" set {', '.join(bytes_of)};" if bytes_of else ";"))
