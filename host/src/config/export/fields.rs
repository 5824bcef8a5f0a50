//! Reads the keys that describe one export: mode, format, quality and the rest.

use std::collections::BTreeMap;

use rivet_plugin_api::{ArrowLayout, Compression, FormatKind, Mapping, TimeEncoding};

use super::{CursorLag, KEYS, MAX_DAYS, META_KEYS, MetaColumns, Mode, QUALITY_KEYS, Quality, Shared};
use crate::code::Code;
use crate::config::node::{Core, Node, Value};
use crate::config::section::Section;
use crate::config::{home, size};

/// The names of the modes; the first is the default.
pub(in crate::config) const MODES: [&str; 4] = ["full", "incremental", "chunked", "time_window"];

/// The keys without which a mode cannot run.
pub(in crate::config) const NEEDED: [(&str, &[&str]); 3] = [
    ("incremental", &["cursor_column"]),
    ("chunked", &["chunk_column"]),
    ("time_window", &["time_column", "days_window"]),
];

/// The keys that mean something in one mode only.
const MODE_KEYS: [(&str, &[&str]); 3] = [
    ("incremental", &["cursor_column"]),
    ("chunked", &["chunk_column", "chunk_size", "chunk_dense", "chunk_checkpoint", "chunk_max_attempts"]),
    ("time_window", &["time_column", "time_column_type", "days_window"]),
];

pub(super) fn mode(section: &Section<'_>) -> Option<Mode> {
    let name = if section.has("mode") { section.choice("mode", &MODES.map(|n| (n, n))) } else { Some(MODES[0]) };
    // Typed reading reports wrong values whatever the mode is.
    let text = |key| section.text(key).map(str::to_owned);
    let (cursor, chunk, time) = (text("cursor_column"), text("chunk_column"), text("time_column"));
    let cursor_lag = cursor_lag(section);
    let size = section.integer(KEYS, "chunk_size").unwrap_or(100_000);
    let dense = section.boolean("chunk_dense").unwrap_or(false);
    let checkpoint = section.boolean("chunk_checkpoint").unwrap_or(false);
    let max_attempts = section.integer(KEYS, "chunk_max_attempts");
    let encoding = section.choice("time_column_type", &ENCODINGS).unwrap_or_default();
    let days = section.integer(KEYS, "days_window");
    let name = name?;
    let only = |key: &str, mode: &str| {
        if name != mode {
            let message = format!("`{key}` in {} needs mode \"{mode}\", not \"{name}\"", section.label);
            section.problem_as(
                Code::Exclusive,
                section.place(key),
                message,
                format!("set `mode: {mode}` or remove `{key}`"),
            );
        }
    };
    if dense {
        only("chunk_dense", "chunked");
    }
    if section.has("cursor_lag") {
        only("cursor_lag", "incremental");
    }
    warn_unused(section, name);
    for key in NEEDED.iter().filter(|(mode, _)| *mode == name).flat_map(|(_, keys)| *keys) {
        if !section.has(key) {
            let message = format!("{} has no `{key}`, which mode \"{name}\" needs", section.label);
            section.problem_as(Code::MissingKey, section.place("mode"), message, format!("add `{key}`"));
        }
    }
    Some(match name {
        "incremental" => Mode::Incremental { cursor_column: cursor?, cursor_lag },
        "chunked" => Mode::Chunked { column: chunk?, size, dense, checkpoint, max_attempts },
        "time_window" => Mode::TimeWindow { column: time?, encoding, days: days? },
        _ => Mode::Full,
    })
}

pub(super) const ENCODINGS: [(&str, TimeEncoding); 2] =
    [("timestamp", TimeEncoding::Timestamp), ("unix", TimeEncoding::Unix)];

/// A whole number, or whole units of time such as `90s`, `5m`, `2h` and `1d`.
fn cursor_lag(section: &Section<'_>) -> Option<CursorLag> {
    let node = &section.get("cursor_lag")?.value;
    let lag = match &node.value {
        Value::Scalar(scalar) => match scalar.core() {
            Core::Int(amount) => i64::try_from(amount).ok().and_then(|n| u64::try_from(n).ok()).map(CursorLag::Amount),
            Core::Text(text) => duration(text).map(CursorLag::Time),
            _ => None,
        },
        _ => None,
    };
    if lag.is_none() {
        let hint = "write 30s, 5m, 2h or 1d for a cursor that holds times, a number without quotes for one that holds \
                    numbers";
        section.wrong("cursor_lag", node, "a duration or a whole number", Some(hint.to_owned()));
    }
    lag
}

/// Microseconds, of about a century at most.
fn duration(text: &str) -> Option<i64> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let (digits, seconds) = units.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, *seconds)))?;
    let count: i64 = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
    let longest = i64::try_from(MAX_DAYS).ok()?.checked_mul(86_400)?;
    count.checked_mul(seconds).filter(|seconds| *seconds <= longest)?.checked_mul(1_000_000)
}

/// The predecessor ignored keys of other modes in silence: its files must still load.
fn warn_unused(section: &Section<'_>, mode: &str) {
    for (owner, keys) in MODE_KEYS.iter().filter(|(owner, _)| *owner != mode) {
        for entry in keys.iter().filter_map(|key| section.get(key)) {
            let message = format!("`{}` in {} is ignored: it belongs to mode \"{owner}\"", entry.key, section.label);
            section.problems.warn(entry.key_span, message);
        }
    }
    if matches!(mode, "incremental" | "time_window") && section.integer(KEYS, "parallel").is_some_and(|n: usize| n > 1)
    {
        let message = format!("`parallel` in {} is ignored in mode \"{mode}\"", section.label);
        section.problems.warn(section.place("parallel"), message);
    }
}

pub(super) fn file_format(section: &Section<'_>) -> Option<FormatKind> {
    section.required("format", "write `format: parquet`, `format: csv` or `format: arrow`")?;
    section.choice("format", &formats())
}

pub(super) fn formats() -> [(&'static str, FormatKind); 3] {
    [FormatKind::Parquet, FormatKind::Csv, FormatKind::Arrow].map(|k| (k.as_str(), k))
}

pub(super) const LAYOUTS: [(&str, ArrowLayout); 2] = [("stream", ArrowLayout::Stream), ("file", ArrowLayout::File)];

pub(super) fn arrow_layout(section: &Section<'_>, format: Option<FormatKind>) -> ArrowLayout {
    let layout = section.choice("arrow_layout", &LAYOUTS);
    if let Some(format) = format.filter(|format| *format != FormatKind::Arrow)
        && section.has("arrow_layout")
    {
        let (label, format) = (&section.label, format.as_str());
        let message = format!("`arrow_layout` in {label} needs format \"arrow\", not \"{format}\"");
        section.problem_as(
            Code::Exclusive,
            section.place("arrow_layout"),
            message,
            "set `format: arrow` or remove `arrow_layout`",
        );
    }
    layout.unwrap_or_default()
}

pub(super) fn codecs() -> [(&'static str, Compression); 5] {
    use Compression::{Gzip, Lz4, None, Snappy, Zstd};
    [Zstd, Snappy, Gzip, Lz4, None].map(|c| (c.as_str(), c))
}

pub(super) fn compression(section: &Section<'_>, format: Option<FormatKind>) -> (Compression, Option<u32>) {
    use Compression::{Gzip, Snappy, Zstd};
    let given = section.choice("compression", &codecs());
    let codec = given.unwrap_or_default();
    if format == Some(FormatKind::Arrow) && matches!(codec, Snappy | Gzip) {
        let message = format!(
            "`compression` in {} is \"{}\", which format \"arrow\" does not have",
            section.label,
            codec.as_str()
        );
        section.problem_as(Code::Exclusive, section.place("compression"), message, "use `zstd`, `lz4` or `none`");
    }
    let is_known = given.is_some() || !section.has("compression");
    let Some(level) = section.integer::<u32>(KEYS, "compression_level") else { return (codec, None) };
    let levels = match codec {
        Zstd => Some(1..=22),
        Gzip => Some(0..=10),
        _ => None,
    };
    let name = codec.as_str();
    let at = section.place("compression_level");
    match levels {
        Some(levels) if is_known && !levels.contains(&level) => {
            let message =
                format!("`compression_level` in {} is {level}, which \"{name}\" does not have", section.label);
            section.problem(at, message, format!("use {} to {}", levels.start(), levels.end()));
        }
        None if is_known => {
            let message = format!("`compression_level` in {} is {level}, but \"{name}\" has no levels", section.label);
            section.problem(at, message, "remove it");
        }
        _ => {}
    }
    (codec, Some(level))
}

/// The limit in bytes. `0` means no limit, as does an absent key.
pub(super) fn max_file_size(section: &Section<'_>) -> Option<u64> {
    let node = &section.get("max_file_size")?.value;
    let bytes = match &node.value {
        Value::Scalar(scalar) => size::parse(&scalar.text),
        _ => None,
    };
    if bytes.is_none() {
        let hint = "write a number and B, KB, MB or GB, for example \"512MB\"; one KB is 1024 bytes";
        section.wrong("max_file_size", node, "a size", Some(hint.to_owned()));
    }
    bytes.filter(|bytes| *bytes > 0)
}

pub(super) fn meta_columns(section: &Section<'_>) -> MetaColumns {
    let Some(meta) = section.section("meta_columns", format!("`meta_columns` of {}", section.label)) else {
        return MetaColumns::default();
    };
    meta.only(META_KEYS, &[], home);
    let flag = |key| meta.boolean(key).unwrap_or(false);
    MetaColumns { exported_at: flag("exported_at"), row_hash: flag("row_hash"), run_id: flag("run_id") }
}

pub(super) fn quality(section: &Section<'_>) -> Option<Quality> {
    let quality = section.section("quality", format!("`quality` of {}", section.label))?;
    quality.only(QUALITY_KEYS, &[], home);
    let count = |key| quality.integer::<u64>(QUALITY_KEYS, key);
    let (least, most) = (count("row_count_min"), count("row_count_max"));
    if let (Some(least), Some(most)) = (least, most)
        && least > most
    {
        let message = format!("`row_count_min` {least} is above `row_count_max` {most} in {}", quality.label);
        quality.problem_as(
            Code::Exclusive,
            quality.place("row_count_min"),
            message,
            "no number of rows can satisfy both",
        );
    }
    let null_ratio_max = quality.map("null_ratio_max", |node| ratio(&quality, node));
    let unique_columns = quality.texts("unique_columns").unwrap_or_default();
    Some(Quality { row_count_min: least, row_count_max: most, null_ratio_max, unique_columns })
}

fn ratio(quality: &Section<'_>, node: &Node) -> Option<f64> {
    let number = match &node.value {
        Value::Scalar(scalar) => match scalar.core() {
            Core::Int(value) => Some(value as f64),
            Core::Float(value) => Some(value),
            _ => None,
        },
        _ => None,
    };
    let ratio = number.filter(|n| (0.0..=1.0).contains(n));
    if ratio.is_none() {
        let hint = "write the share of rows that may be NULL, for example 0.1 for 10 %";
        quality.wrong("null_ratio_max", node, "a number from 0 to 1", Some(hint.to_owned()));
    }
    ratio
}

pub(super) fn mapping(section: &Section<'_>, shared: &Shared) -> Mapping {
    let over = |mut base: BTreeMap<String, String>, own| {
        base.extend::<BTreeMap<_, _>>(own);
        base
    };
    Mapping {
        types: over(shared.types.clone(), section.text_map("types")),
        columns: over(shared.columns.clone(), section.text_map("columns")),
    }
}
