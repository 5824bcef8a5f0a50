"""Computes `_rivet_row_hash` anew for every row of a Parquet file or an Arrow stream, from what docs/src/reference/meta-columns.md
says of each type.

usage: row_hash.py FILE    prints the number of rows; any difference is an error
"""

import ctypes
import datetime
import decimal
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import xxhash

UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def real(kind, value):
    width, least, most = (ctypes.c_double, -5, 16) if pa.types.is_float64(kind) else (ctypes.c_float, -6, 13)
    if value != value or value - value != 0:
        return "NaN" if value != value else str(value)
    shortest = next(s for s in (f"{value:.{n}e}" for n in range(17)) if width(float(s)).value == value)
    digits, exponent = shortest.split("e")
    if value != 0 and not least <= int(exponent) < most:
        return f"{digits}e{int(exponent)}"
    plain = f"{decimal.Decimal(shortest):f}"
    return plain if "." in plain else plain + ".0"


def date(days):
    # Python's dates end with the year 9999, but the calendar repeats after 400 years.
    cycles, rest = divmod(days - 10957, 146097)
    within = datetime.date(2000, 1, 1) + datetime.timedelta(rest)
    year = within.year + 400 * cycles
    return (f"{year:04}" if 0 <= year <= 9999 else f"{year:+05}") + within.strftime("-%m-%d")


def time(count, unit):
    seconds, part = divmod(count, UNITS[unit])
    fraction = f".{part * 10**9 // UNITS[unit]:09}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}" + fraction.rstrip(".")


def timestamp(count, unit):
    days, rest = divmod(count, 86400 * UNITS[unit])
    return f"{date(days)}T{time(rest, unit)}"


def framed(scalar):
    if not scalar.is_valid:
        return b"-"
    inside = text(scalar)
    return b"%d:%b" % (len(inside), inside)


def text(scalar):
    """The bytes of a value that is not NULL."""
    kind, is_ = scalar.type, pa.types
    if is_.is_map(kind):
        entries = scalar.values
        pairs = (framed(entries.field(0)[i]) + framed(entries.field(1)[i]) for i in range(len(entries)))
        return b"[%b]" % b"".join(b"%d:{%b}" % (len(pair) + 2, pair) for pair in pairs)
    if is_.is_nested(kind) and not is_.is_struct(kind):
        return b"[%b]" % b"".join(map(framed, scalar.values))
    if is_.is_struct(kind):
        return b"{%b}" % b"".join(framed(scalar[i]) for i in range(kind.num_fields))
    if is_.is_floating(kind):
        return real(kind, float(scalar.as_py())).encode()
    if is_.is_decimal(kind):
        return f"{scalar.as_py() or abs(scalar.as_py()):f}".encode()
    if is_.is_date32(kind):
        return date(scalar.value).encode()
    if is_.is_date64(kind):
        return timestamp(scalar.value, "ms").encode()
    if is_.is_timestamp(kind):
        return timestamp(scalar.value, kind.unit).encode()
    if is_.is_time(kind):
        return time(scalar.value, kind.unit).encode()
    if is_.is_duration(kind):
        return str(scalar.value).encode()
    value = scalar.as_py()
    if isinstance(value, bytes):
        return value.hex().encode()
    return (str(value).lower() if isinstance(value, bool) else str(value)).encode()


path = sys.argv[1]
table = pq.read_table(path) if path.endswith(".parquet") else pa.ipc.open_stream(path).read_all()
hashed = [table.column(name).combine_chunks() for name in table.column_names if not name.startswith("_rivet_")]
hashed = [column.dictionary_decode() if pa.types.is_dictionary(column.type) else column for column in hashed]
for number, found in enumerate(table.column("_rivet_row_hash").to_pylist()):
    cells = (column[number] for column in hashed)
    row = b"".join((text(cell) if cell.is_valid else b"\0") + b"\x1f" for cell in cells)
    expected = xxhash.xxh3_128_intdigest(row) & (2**64 - 1)
    assert found == expected - (expected >> 63 << 64), f"row {number}: {found} in the file, of {row}"
print(table.num_rows)
