//! What valid values mean: defaults, modes, sizes, numbers, and tuning from three places.

use rivet_plugin_api::{ArrowLayout, Compression, FormatKind, ParamValue, TimeEncoding};

use super::super::{
    Config, CursorLag, Export, MetaColumns, Mode, OnSchemaChange, Profile, Tuning, TuningSection, size,
};
use super::{load, with_export};

fn export(keys: &str) -> Export {
    load(&with_export(keys)).unwrap().exports.remove(0)
}

#[test]
fn defaults() {
    let export = export("");
    assert_eq!(export.mode, Mode::Full);
    assert_eq!(export.parallel, 1);
    assert_eq!(
        (export.format, export.compression, export.compression_level),
        (FormatKind::Parquet, Compression::Zstd, None)
    );
    assert_eq!((export.skip_empty, export.max_file_size, export.quality), (false, None, None));
    assert_eq!(export.meta_columns, MetaColumns::default());
    assert_eq!(export.on_schema_change, OnSchemaChange::Warn);
    assert_eq!(export.at.line, 3);
    let Config { notifications, parallel_exports, parallel_export_processes, plugins, warnings, .. } =
        load(&with_export("")).unwrap();
    assert!(notifications.is_none() && !parallel_exports && !parallel_export_processes);
    assert!(plugins.is_empty() && warnings.is_empty());
}

#[test]
fn numbers_are_the_text_that_they_are_written_as() {
    for (written, text) in [("17", "17"), ("1.10", "1.10"), ("0x1F", "0x1F"), ("true", "true"), ("'17'", "17")] {
        let export = export(&format!("mode: incremental\ncursor_column: {written}"));
        assert_eq!(export.mode, Mode::Incremental { cursor_column: text.to_owned(), cursor_lag: None });
    }
}

#[test]
fn modes() {
    let chunked = export("mode: chunked\nchunk_column: id");
    let expected =
        Mode::Chunked { column: "id".into(), size: 100_000, dense: false, checkpoint: false, max_attempts: None };
    assert_eq!(chunked.mode, expected);
    let window = export("mode: time_window\ntime_column: t\ntime_column_type: unix\ndays_window: 36500");
    assert_eq!(window.mode, Mode::TimeWindow { column: "t".into(), encoding: TimeEncoding::Unix, days: 36_500 });
    assert_eq!(window.mode.as_str(), "time_window");
}

#[test]
fn lags() {
    let lag = |text: &str| match load(&with_export(&format!("mode: incremental\ncursor_column: k\ncursor_lag: {text}")))
    {
        Ok(config) => match config.exports[0].mode {
            Mode::Incremental { cursor_lag, .. } => cursor_lag,
            _ => None,
        },
        Err(_) => None,
    };
    for (text, seconds) in [("30s", 30), ("\"5m\"", 300), ("2h", 7200), ("36500d", 3_153_600_000), ("0s", 0)] {
        assert_eq!(lag(text), Some(CursorLag::Time(seconds * 1_000_000)), "{text}");
    }
    for (text, amount) in [("0", 0), ("1000", 1000), ("${NUMBER}", 5000), ("9223372036854775807", i64::MAX as u64)] {
        assert_eq!(lag(text), Some(CursorLag::Amount(amount)), "{text}");
    }
    for text in ["-1", "1.5", "\"10\"", "5 m", "-5m", "+5m", "m", "5M", "1w", "1h30m", "36501d", "9223372036854775808"]
    {
        assert_eq!(lag(text), None, "{text}");
    }
}

/// What is written is what the database gets: typed by YAML, and with every digit.
#[test]
fn params() {
    let text = |text: &str| Some(ParamValue::Text(text.to_owned()));
    let number = |text: &str| Some(ParamValue::Number(text.to_owned()));
    for (written, expected) in [
        ("abc", text("abc")),
        ("\"10\"", text("10")),
        ("'it''s \\ \"x\"'", text("it's \\ \"x\"")),
        ("\"a\\0b\\n\"", text("a\0b\n")),
        ("2024-01-01", text("2024-01-01")),
        ("007", text("007")),
        ("''", text("")),
        ("\"${EMPTY}\"", text("")),
        ("\"${NUMBER}\"", text("5000")),
        ("\"${YAML}\"", text("x\"\n  injected: true\n")),
        ("${YAML}", text("x\"\n  injected: true\n")),
        ("${NUMBER}", Some(ParamValue::Int(5000))),
        ("${NO:-~}", Some(ParamValue::Null)),
        ("10", Some(ParamValue::Int(10))),
        ("-0x10", text("-0x10")),
        ("0x10", Some(ParamValue::Int(16))),
        ("+5", Some(ParamValue::Int(5))),
        ("-9223372036854775808", Some(ParamValue::Int(i64::MIN))),
        ("9223372036854775808", number("9223372036854775808")),
        ("-99999999999999999999999999999999999999999", number("-99999999999999999999999999999999999999999")),
        ("1.50", number("1.50")),
        ("-.5", number("-0.5")),
        ("+5.", number("5")),
        ("1.e5", number("1e5")),
        ("1e999", number("1e999")),
        ("0.1000000000000000000000000000000000001", number("0.1000000000000000000000000000000000001")),
        ("true", Some(ParamValue::Bool(true))),
        ("yes", text("yes")),
        ("null", Some(ParamValue::Null)),
        ("", Some(ParamValue::Null)),
        (".inf", None),
        (".nan", None),
        ("0xffffffffffffffffffffffffffffffffff", None),
        ("[1]", None),
        ("{ a: 1 }", None),
    ] {
        let value = load(&with_export(&format!("params: {{ x: {written} }}")));
        assert_eq!(value.ok().and_then(|c| c.exports[0].params.get("x").cloned()), expected, "{written}");
    }
    assert!(export("params:").params.is_empty() && export("params: {}").params.is_empty());
    assert_eq!(export("params: { _a1: 1, B: 2 }").params.len(), 2);
}

#[test]
fn sizes() {
    for (text, bytes) in [
        ("1.5GB", 1_610_612_736),
        ("  512 MB  ", 536_870_912),
        ("256mb", 268_435_456),
        ("1024B", 1024),
        ("1024", 1024),
        (".5kb", 512),
        ("1.KB", 1024),
        ("0", 0),
        ("0B", 0),
        ("17179869183GB", 0xffff_ffff_c000_0000),
    ] {
        assert_eq!(size::parse(text), Some(bytes), "{text}");
    }
    for text in ["abc", "MB", "", ".", "1TB", "-1", "+1", "1e3", "512 MiB", "1 2MB", "inf", "nan", "17179869184GB"] {
        assert_eq!(size::parse(text), None, "{text}");
    }
    assert_eq!(export("max_file_size: 1048576").max_file_size, Some(1 << 20));
    assert_eq!(export("max_file_size: 0").max_file_size, None);
}

#[test]
fn layouts_of_arrow() {
    let layout = |keys: &str| {
        let yaml = with_export(keys).replace("format: parquet", "format: arrow");
        load(&yaml).unwrap().exports.remove(0).arrow_layout
    };
    assert_eq!((layout(""), layout("arrow_layout: stream")), (ArrowLayout::Stream, ArrowLayout::Stream));
    assert_eq!(layout("arrow_layout: file"), ArrowLayout::File);
}

#[test]
fn numbers() {
    assert_eq!(export("parallel: 0x10").parallel, 16);
    assert_eq!(export("parallel: 0o17").parallel, 15);
    assert_eq!(export("parallel: +4").parallel, 4);
    let quality = export("quality: { null_ratio_max: { a: 0, b: 1.0, c: 1e-3, d: .5 } }").quality.unwrap();
    assert_eq!(quality.null_ratio_max.values().copied().collect::<Vec<_>>(), [0.0, 1.0, 0.001, 0.5]);
}

#[test]
fn mapping_of_the_export_wins() {
    let yaml = with_export("types: { numeric: decimal }\ncolumns: { price: text }").replace(
        "url_env: U",
        "url_env: U, types: { numeric: text, uuid: text }, columns: { price: decimal, id: text }",
    );
    let mapping = load(&yaml).unwrap().exports.remove(0).mapping;
    assert_eq!(format!("{:?}", mapping.types), r#"{"numeric": "decimal", "uuid": "text"}"#);
    assert_eq!(format!("{:?}", mapping.columns), r#"{"id": "text", "price": "text"}"#);
}

#[test]
fn anchors_and_merge_keys() {
    let yaml = "source: { type: db, url_env: U }\nexports:\n  - &base\n    name: a\n    query: SELECT 1\n    format: csv\n    \
                skip_empty: true\n    destination: &to { type: files, path: out }\n  - <<: *base\n    name: b\n    \
                format: parquet\n  - <<: [{ name: c, query: SELECT 3, format: csv }, *base]\n    destination: *to\n";
    let config = load(yaml).unwrap();
    let [a, b, c] = &config.exports[..] else { panic!("three exports") };
    assert_eq!((a.format, b.format, c.format), (FormatKind::Csv, FormatKind::Parquet, FormatKind::Csv));
    assert_eq!((b.name.as_str(), c.query.text.as_str()), ("b", "SELECT 3"));
    assert!(b.skip_empty && c.skip_empty);
    assert_eq!(c.destination.kind, "files");
}

#[test]
fn tuning_merges_field_by_field() {
    let source = TuningSection {
        profile: Some(Profile::Safe),
        throttle_ms: Some(7),
        batch_size: Some(3000),
        ..TuningSection::default()
    };
    let export = TuningSection { profile: Some(Profile::Fast), batch_size: Some(9), ..TuningSection::default() };
    let tuning = Tuning::merge(&source, &export);
    // The export replaces the profile; explicit fields of the source still win over it.
    assert_eq!((tuning.profile, tuning.batch_size, tuning.throttle_ms), (Profile::Fast, 9, 7));
    assert_eq!((tuning.statement_timeout_s, tuning.max_retries), (0, 1));
    assert_eq!(tuning.label(), "profile=fast, batch_size=9");
    let tuning = Tuning::merge(&source, &TuningSection::default());
    assert_eq!((tuning.profile, tuning.retry_backoff_ms, tuning.lock_timeout_s), (Profile::Safe, 5000, 10));
}

#[test]
fn profiles() {
    let of = |profile| {
        let tuning = Tuning::merge(&TuningSection { profile, ..TuningSection::default() }, &TuningSection::default());
        let Tuning {
            batch_size, throttle_ms, statement_timeout_s, max_retries, retry_backoff_ms, lock_timeout_s, ..
        } = tuning;
        (batch_size, throttle_ms, statement_timeout_s, max_retries, retry_backoff_ms, lock_timeout_s)
    };
    assert_eq!(of(Some(Profile::Fast)), (50_000, 0, 0, 1, 1000, 0));
    assert_eq!(of(Some(Profile::Balanced)), (10_000, 50, 300, 3, 2000, 30));
    assert_eq!(of(Some(Profile::Safe)), (2000, 500, 120, 5, 5000, 10));
    assert_eq!(of(None), of(Some(Profile::Balanced)));
    let memory = TuningSection { batch_size_memory_mb: Some(64), ..TuningSection::default() };
    let label = Tuning::merge(&TuningSection::default(), &memory).label();
    assert_eq!(label, "profile=balanced (default), batch_size=10000 (batch_size_memory_mb=64MiB)");
}

#[test]
fn exports_are_found_by_name() {
    let config = load(&with_export("")).unwrap();
    assert!(config.export("a").is_ok());
    let error = config.export("b").unwrap_err();
    assert_eq!(error.to_string(), "export \"b\" not found in config");
    assert_eq!(error.hint_text(), Some("did you mean `a`?"));
}

#[test]
fn one_worker_is_right_in_every_mode() {
    let export = export("mode: incremental\ncursor_column: a\nparallel: 1");
    assert_eq!(export.parallel, 1);
}
