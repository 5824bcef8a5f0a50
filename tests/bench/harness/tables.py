"""The tables of the benchmark: columns, how their values are made, and the types they have on each server.

The values are made once, by DuckDB, into a Parquet file that is the truth, and a CSV file of it that both servers load.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

# Each kind: DuckDB's type of the truth, PostgreSQL's type, MariaDB's type.
KINDS = {
    "big": ("bigint", "bigint", "bigint"),
    "int": ("integer", "integer", "int"),
    "small": ("smallint", "smallint", "smallint"),
    "bool": ("boolean", "boolean", "boolean"),
    "double": ("double", "double precision", "double"),
    "real": ("real", "real", "float"),
    "money": ("decimal(15,2)", "numeric(15,2)", "decimal(15,2)"),
    "numeric": ("decimal(18,4)", "numeric(18,4)", "decimal(18,4)"),
    "date": ("date", "date", "date"),
    "stamp": ("timestamp", "timestamp", "datetime(6)"),
    "instant": ("timestamptz", "timestamptz", "timestamp(6) null"),
    "uuid": ("uuid", "uuid", "char(36)"),
    "json": ("varchar", "json", "json"),
    "jsonb": ("varchar", "jsonb", "json"),
    "bytes": ("blob", "bytea", "blob"),
    "text": ("varchar", "text", "text"),
    "code": ("varchar", "varchar(25)", "varchar(25)"),
    "comment": ("varchar", "varchar(44)", "varchar(44)"),
}

WORDS = (
    "amber bridge canal delta ember forest granite harbour island juniper kettle lantern meadow north orchard "
    "größe naïve crème данные таблица 東京 データ 😀 🚀✨ Ελληνικά עברית comma,inside quo\"te under_score 100% semi;colon"
).split()


@dataclass
class Column:
    name: str
    kind: str
    value: str = ""

    def ddl(self, server: str) -> str:
        return f"{self.name} {KINDS[self.kind][1 if server == 'pg' else 2]}"

    def csv(self) -> str:
        """The value in the form that both servers load."""
        if self.kind == "bytes":
            return f"case when {self.name} is null then null else '\\x' || hex({self.name}) end"
        if self.kind == "bool":
            return f"{self.name}::integer"
        if self.kind == "instant":
            return f"timezone('UTC', {self.name})"
        return self.name


@dataclass
class Table:
    name: str
    key: str
    rows: int
    columns: list[Column]

    def folder(self, work: Path) -> Path:
        """Where its files lie: elsewhere after each change of its definition."""
        mark = hashlib.sha256(repr((self, KINDS)).encode()).hexdigest()[:8]
        return work / "data" / f"{self.name}-{mark}"


def narrow(rows: int) -> Table:
    return Table("narrow", "id", rows, [
        Column("id", "big", "i"),
        Column("k", "int", "hash(i, 1) % 1000003"),
        Column("v", "double", "hash(i, 2) / 18446744073709551616.0::double * 1000 - 500"),
        Column("ts", "stamp", "timestamp '2020-01-01' + to_microseconds((hash(i, 3) % 126230400000000)::bigint)"),
    ])


# The wide table's kinds and how many columns it has of each, beside its key: 40 columns in all.
WIDE = {"int": 5, "big": 2, "small": 2, "bool": 2, "double": 4, "real": 2, "numeric": 4, "date": 2, "stamp": 2,
        "instant": 2, "uuid": 2, "jsonb": 1, "json": 1, "bytes": 2, "text": 6}


def wide(rows: int) -> Table:
    columns = [Column("id", "big", "i")]
    for kind, count in WIDE.items():
        for n in range(1, count + 1):
            salt = len(columns) * 100
            # A tenth of the values is NULL, half of them in the last column.
            share = 50 if (kind, n) == ("text", 6) else 10
            value = f"case when hash(i, {salt}) % 100 < {share} then null else {scattered(kind, salt + 1, n)} end"
            columns.append(Column(f"{kind}_{n}", kind, value))
    return Table("wide", "id", rows, columns)


def scattered(kind: str, salt: int, n: int) -> str:
    """An expression over the row's number `i` whose values are spread over the kind's range."""
    h = f"hash(i, {salt})"
    words = "[" + ", ".join("'" + word + "'" for word in WORDS) + "]"
    return {
        "int": f"({h} % 4294967296)::bigint - 2147483648",
        "big": f"({h}::hugeint - 9223372036854775808)",
        "small": f"({h} % 65536)::integer - 32768",
        "bool": f"{h} % 2 = 0",
        "double": f"(({h} % 2000000000)::bigint - 1000000000) / 997.0::double",
        "real": f"(({h} % 2000000)::bigint - 1000000) / 8.0",
        "numeric": f"(({h} % 2000000000000000)::bigint - 1000000000000000)::decimal(18,0) / 10000",
        "date": f"date '1970-01-02' + ({h} % 24000)::integer",
        "stamp": f"timestamp '1990-01-01' + to_microseconds(({h} % 1500000000000000)::bigint)",
        "instant": f"timestamptz '1990-01-01 00:00:00+00' + to_microseconds(({h} % 1400000000000000)::bigint)",
        "uuid": f"md5(({h})::varchar)::uuid",
        "json": f"""'{{"n": ' || {h} % 1000 || ', "kind": "wide", "tags": ["x", "y{n}"]}}'""",
        # The order of keys and the blanks in which PostgreSQL prints jsonb.
        "jsonb": f"""'{{"n": ' || {h} % 1000 || ', "on": true, "tags": ["x", "y{n}"]}}'""",
        "bytes": f"unhex(left(md5(({h})::varchar) || md5((i + {salt})::varchar), 2 * (1 + ({h} % 32)::integer)))",
        # Texts of some words: longer ones in the later columns, one word alone in the fifth.
        "text": f"array_to_string(list_transform(range({'1' if n == 5 else f'2 + ({h} % {8 * n})::integer'}), "
                f"lambda x: ({words})[1 + (hash(i, {salt}, x) % {len(WORDS)})::integer]), ' ')",
    }[kind]


# TPC-H's own generator makes the values of this one.
LINEITEM = """l_orderkey big, l_partkey big, l_suppkey big, l_linenumber big, l_quantity money, l_extendedprice money,
    l_discount money, l_tax money, l_returnflag code, l_linestatus code, l_shipdate date, l_commitdate date,
    l_receiptdate date, l_shipinstruct code, l_shipmode code, l_comment comment"""


def lineitem(rows: int) -> Table:
    columns = [Column(*column.split()) for column in LINEITEM.split(",")]
    return Table("lineitem", "l_orderkey, l_linenumber", rows, columns)


def tables(scale: float) -> dict[str, Table]:
    made = [lineitem(round(6_000_000 * scale)), narrow(round(10_000_000 * scale)), wide(round(500_000 * scale))]
    return {table.name: table for table in made}


def extension(name: str, links: Path) -> str:
    """The path of a DuckDB extension that came as a Python package. Its entry point is named after the file."""
    import importlib
    import os

    package = Path(importlib.import_module(f"duckdb_extension_{name}").__file__).parent
    found = next(package.glob("extensions/*/*/*.duckdb_extension"), None)
    found = found or next(package.glob("**/*.duckdb_extension"))
    entry = {"postgres": "postgres_scanner", "mysql": "mysql_scanner"}.get(name, name)
    links.mkdir(parents=True, exist_ok=True)
    link = links / f"{entry}.duckdb_extension"
    if not link.exists():
        os.symlink(found, link)
    return str(link)


def make(table: Table, work: Path, scale: float) -> Path:
    """Makes the truth and the file to load, unless they are there; answers the truth's path."""
    import duckdb

    folder = table.folder(work)
    truth, load = folder / "truth.parquet", folder / "load.csv"
    if truth.exists():
        return truth
    folder.mkdir(parents=True, exist_ok=True)
    db = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    db.execute("set timezone = 'UTC'")
    if table.name == "lineitem":
        db.execute(f"load '{extension('tpch', work / 'extensions')}'")
        db.execute(f"call dbgen(sf = {scale})")
        query = "select * from lineitem order by l_orderkey, l_linenumber"
    else:
        values = ", ".join(f"({c.value})::{KINDS[c.kind][0]} as {c.name}" for c in table.columns)
        query = f"select {values} from range(1, {table.rows} + 1) as rows(i)"
    part = truth.with_suffix(".part")
    db.execute(f"copy ({query}) to '{part}' (format parquet, compression zstd)")
    csv = ", ".join(f"{c.csv()} as {c.name}" for c in table.columns)
    db.execute(f"copy (select {csv} from read_parquet('{part}')) to '{load}' (format csv, header false, nullstr 'NULL')")
    part.rename(truth)
    return truth
