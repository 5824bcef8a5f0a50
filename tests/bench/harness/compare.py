"""Whether a tool's files hold what the source holds: rows, and for each column how many values it has and the sum of
their hashes, after a cast to the source's type. The order of rows does not count; text that casts back counts as equal.
"""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Verdict:
    rows: int
    files: int
    bytes: int
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "; ".join(self.wrong) or "all equal"


def canonical(name: str, wanted: str, have: str) -> str:
    """The column as the type that the source has; NULL where that is impossible."""
    column = f'"{name}"'
    if wanted == "UUID":
        text = f"lower(hex({column}))" if have == "BLOB" else f"lower(replace({column}::varchar, '-', ''))"
        return text
    if wanted == "VARCHAR":
        return f"decode({column})" if have == "BLOB" else f"{column}::varchar"
    if wanted == "BLOB":
        return column if have == "BLOB" else f"encode({column}::varchar)"
    return f"try_cast({column} as {wanted})"


def sums(db, source: str, wanted: dict[str, str], have: dict[str, str]) -> dict[str, tuple]:
    """Count and sum of hashes of each column; nothing where the values cannot be read (bytes that are no UTF-8)."""
    import duckdb

    terms = {}
    for name in wanted:
        if name in have:
            value = canonical(name, wanted[name], have[name])
            terms[name] = f"count({value}), coalesce(sum(hash({value})) filter (where {value} is not null), 0)"
    if not terms:
        return {}
    try:
        row = db.execute(f"select {', '.join(terms.values())} from {source}").fetchone()
        return {name: row[2 * i:2 * i + 2] for i, name in enumerate(terms)}
    except duckdb.Error:
        # One column is enough to fail the whole statement.
        return {name: one(db, f"select {term} from {source}") for name, term in terms.items()}


def one(db, query: str) -> tuple:
    import duckdb

    try:
        return db.execute(query).fetchone()
    except duckdb.Error:
        return ()


def rows(db, source: str) -> int:
    return db.execute(f"select count(*) from {source}").fetchone()[0]


def types(db, source: str) -> dict[str, str]:
    return {name: kind for name, kind, *_ in db.execute(f"describe select * from {source}").fetchall()}


def compare(truth: Path, out: Path, known: dict[Path, dict]) -> Verdict:
    """`known` keeps the truth's own sums between calls."""
    import duckdb

    db = duckdb.connect()
    db.execute("set timezone = 'UTC'")
    files = sorted(out.rglob("*.parquet"))
    if not files:
        return Verdict(0, 0, 0, ["no file"])
    source = "read_parquet([" + ", ".join(f"'{file}'" for file in files) + "])"
    right, written = f"read_parquet('{truth}')", types(db, source)
    wanted = types(db, right)
    if truth not in known:
        known[truth] = rows(db, right), sums(db, right, wanted, wanted)
    expected_rows, expected = known[truth]
    found = sums(db, source, wanted, written)
    verdict = Verdict(rows(db, source), len(files), sum(file.stat().st_size for file in files))
    if verdict.rows != expected_rows:
        verdict.wrong.append(f"{verdict.rows} rows of {expected_rows}")
    for name in wanted:
        if name not in found:
            verdict.wrong.append(f"{name} is missing")
        elif not found[name]:
            verdict.wrong.append(f"{name} cannot be read")
        elif found[name][0] != expected[name][0]:
            verdict.wrong.append(f"{name} has other nulls")
        elif found[name][1] != expected[name][1]:
            verdict.wrong.append(f"{name} has other values")
    verdict.wrong += [f"{name} is no column of the source" for name in written if name not in wanted]
    return verdict
