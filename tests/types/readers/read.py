"""What DuckDB and pyarrow see in Parquet and Arrow files, in one form that leaves no room for rounding or time zones.

Standard input is a JSON list of {"parquet": PATH, "arrow": PATH, "duckdb": BOOL} or null, and so is the output: for each
{"arrow": ["column: type"], "parquet": ["leaf: PHYSICAL (Logical)"], "rows": {READER: ["[JSON array]"]}}.
tests/README.md describes the form of values.
"""

import json
import struct
import sys

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

UNITS = {"s": 1_000_000, "ms": 1000, "us": 1}
DAY = 86_400_000_000


def arrow_type(kind):
    """The name that Arrow's Rust implementation gives a type."""
    if pa.types.is_list(kind):
        return f"List({arrow_type(kind.value_type)})"
    if pa.types.is_timestamp(kind):
        return f"Timestamp({kind.unit})" if kind.tz is None else f'Timestamp({kind.unit}, "{kind.tz}")'
    if pa.types.is_time64(kind) or pa.types.is_duration(kind):
        return f"{'Time64' if pa.types.is_time64(kind) else 'Duration'}({kind.unit})"
    if pa.types.is_decimal(kind):
        return f"Decimal{kind.bit_width}({kind.precision}, {kind.scale})"
    names = {
        "bool": "Boolean", "string": "Utf8", "large_string": "LargeUtf8", "binary": "Binary", "date32[day]": "Date32",
        "float": "Float32", "double": "Float64",
    }
    return names.get(str(kind)) or str(kind).replace("uint", "UInt").replace("int", "Int")


def parquet_type(column):
    """Physical type, and in parentheses what the file says it means."""
    physical = column.physical_type
    if physical == "FIXED_LEN_BYTE_ARRAY":
        physical += f"[{column.length}]"
    logical = json.loads(column.logical_type.to_json())
    kind = logical["Type"]
    unit = {"milliseconds": "ms", "microseconds": "us", "nanoseconds": "ns"}.get(logical.get("timeUnit"))
    meaning = {
        "None": lambda: None,
        "Int": lambda: f"{'Int' if logical['isSigned'] else 'UInt'}{logical['bitWidth']}",
        "Decimal": lambda: f"Decimal({logical['precision']}, {logical['scale']})",
        "Timestamp": lambda: f"Timestamp({unit}, {'UTC' if logical['isAdjustedToUTC'] else 'local'})",
        "Time": lambda: f"Time({unit}, {'UTC' if logical['isAdjustedToUTC'] else 'local'})",
    }.get(kind, lambda: kind)()
    return physical if meaning is None else f"{physical} ({meaning})"


def date(days):
    """A proleptic Gregorian date; years are astronomical, so that 0000 is 1 BC, and may have any number of digits."""
    era, day = divmod(days + 719_468, 146_097)
    year_of_era = (day - day // 1460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year_of_era + year_of_era // 4 - year_of_era // 100
    shifted = (5 * day + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    year = year_of_era + 400 * era + (month <= 2)
    return f"{'-' if year < 0 else ''}{abs(year):04}-{month:02}-{day - (153 * shifted + 2) // 5 + 1:02}"


def time(micros):
    seconds, micros = divmod(micros, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{micros:06}" if micros else text


def float_text(value, single):
    """The shortest decimal that reads back as the same number of the same width."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if single:
        shortest = (float(f"{value:.{digits}g}") for digits in range(1, 10))
        value = next(v for v in shortest if abs(v) < 3.5e38 and struct.pack("f", v) == struct.pack("f", value))
    return repr(value)


def canonical(value):
    kind = value.type
    if not value.is_valid:
        return None
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind):
        return value.as_py()
    if pa.types.is_floating(kind):
        return float_text(value.as_py(), pa.types.is_float32(kind))
    if pa.types.is_decimal(kind):
        return format(value.as_py(), "f")
    if pa.types.is_date32(kind):
        return date(value.value)
    if pa.types.is_timestamp(kind):
        days, micros = divmod(value.value * UNITS[kind.unit], DAY)
        return f"{date(days)} {time(micros)}{'' if kind.tz is None else 'Z'}"
    if pa.types.is_time(kind):
        return time(value.value * UNITS[kind.unit])
    if pa.types.is_duration(kind):
        return value.value * UNITS[kind.unit]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return [canonical(item) for item in value.values]
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
        return value.as_py().hex()
    return value.as_py()


def rows(table):
    assert all(column.type != pa.null() for column in table.columns)
    cells = [[canonical(value) for value in column] for column in table.columns]
    return [json.dumps(row, ensure_ascii=False) for row in zip(*cells)]


def read(request):
    if request is None:
        return None
    try:
        with pa.ipc.open_stream(request["arrow"]) as stream:
            from_arrow = stream.read_all()
        seen = {"Arrow IPC by pyarrow": rows(from_arrow), "Parquet by pyarrow": rows(pq.read_table(request["parquet"]))}
        if request["duckdb"]:
            result = duckdb.execute("select * from read_parquet(?)", [request["parquet"]])
            seen["Parquet by DuckDB"] = rows(result.to_arrow_table())
        leaves = pq.ParquetFile(request["parquet"]).schema
        return {
            "arrow": [f"{field.name}: {arrow_type(field.type)}" for field in from_arrow.schema],
            "parquet": [f"{leaf.path}: {parquet_type(leaf)}" for leaf in (leaves.column(i) for i in range(len(leaves)))],
            "rows": seen,
        }
    except Exception as error:  # A file that one reader refuses is a finding about its case, not the end of the run.
        return {"failed": f"{type(error).__name__}: {error}"}


duckdb.execute("set timezone = 'UTC'")
json.dump([read(request) for request in json.load(sys.stdin)], sys.stdout)
