//! The files themselves: their sizes and numbers, codecs and levels, row groups and metadata, and that there are none
//! without rows. Readers that know nothing of Rivet hold them against the source.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use std::{fs, thread};

use rivet_e2e::{MODES, Outcome, SEEN, Sandbox, Source, Tables, on_all, read_with};
use rusqlite::Connection;
use serde_json::Value;

on_all!(
    narrow_rows_are_split_at_the_limit,
    wide_rows_are_split_at_the_limit,
    no_rows_make_no_file_in_any_mode_and_format,
    every_codec_and_level_is_read_by_others,
    files_say_where_they_come_from,
);

const QUERY: &str = "select id, seen, note, weight from t";

/// The keys of each format.
const FORMATS: [&str; 4] = ["format: parquet", "format: csv", "format: arrow", "format: arrow\n    arrow_layout: file"];

/// A sandbox whose `shop.db` has a table of `rows` rows with `digits` random digits each, some NULL and some empty; a
/// server gets the very same.
fn shop(tables: &Tables<'_>, rows: u32, digits: u32) -> Sandbox {
    let sandbox = tables.sandbox();
    let db = Connection::open(sandbox.path().join("shop.db")).unwrap();
    db.execute_batch(&format!(
        "create table t (id integer primary key, seen integer, note text, weight real);
         insert into t with recursive n(i) as (select 1 union all select i + 1 from n where i < {rows})
             select i, {SEEN}, case i % 7 when 0 then null when 1 then '' else hex(randomblob({digits} / 2)) end, i / 7.0 from n;
         delete from t where id > {rows}"
    ))
    .unwrap();
    let types = tables.pick(
        "",
        "id int, seen bigint, note text, weight float8",
        "id int, seen bigint, note longtext, weight double",
    );
    if !types.is_empty() {
        tables.sql(&sandbox, &format!("drop table if exists t; create table t ({types}, primary key (id))"));
        copy(&db, |rows| tables.sql(&sandbox, &format!("insert into t values {rows}")));
    }
    sandbox
}

/// Has `insert` take all rows as SQL, no more at a time than an argument of a program may hold.
fn copy(db: &Connection, insert: impl Fn(&str)) {
    let row = "'(' || id || ',' || seen || ',' || quote(note) || ',' || printf('%!.17g', weight) || ')'";
    let mut statement = db.prepare(&format!("select {row} from t order by id")).unwrap();
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).unwrap().map(Result::unwrap);
    let mut pending = String::new();
    for row in rows {
        if pending.len() + row.len() > 100_000 {
            insert(&std::mem::take(&mut pending));
        }
        pending += if pending.is_empty() { "" } else { "," };
        pending += &row;
    }
    if !pending.is_empty() {
        insert(&pending);
    }
}

/// One export of a configuration: its name and the lines that tell it apart.
fn export(name: &str, lines: &str) -> String {
    format!(
        "  - name: {name}\n    query: {QUERY}\n    destination: {{ type: local, path: out }}\n    {}\n",
        lines.trim()
    )
}

fn config(tables: &Tables<'_>, batch: u32, exports: &str) -> String {
    let source = tables.source(&format!("profile: fast, batch_size: {batch}"));
    format!("{source}\nexports:\n{}", exports.replace(QUERY, &QUERY.replace(" t", &format!(" {}", tables.table("t")))))
}

fn validate(sandbox: &Sandbox, config: &str) -> Outcome {
    sandbox.write("rivet.yaml", config);
    let outcome = sandbox.rivet(&["run", "--config", "rivet.yaml", "--validate"]);
    assert_eq!(outcome.code, Some(0), "{outcome}");
    outcome
}

/// The files in `out` by the export that they are of.
fn by_export(sandbox: &Sandbox) -> BTreeMap<String, Vec<String>> {
    let mut files = BTreeMap::<String, Vec<String>>::new();
    for name in sandbox.out() {
        // EXPORT_DATE_TIME, and what follows.
        files.entry(name.split('_').next().unwrap().to_owned()).or_default().push(name);
    }
    files
}

/// Asserts that the files of each of `exports` exports together hold every row of the source, as others read them.
fn assert_complete(sandbox: &Sandbox, exports: usize) {
    let path = |name: &str| sandbox.path().join(name).to_str().unwrap().to_owned();
    if let Some(count) = read_with("dataset.py", &[&path("shop.db"), QUERY, &path("out")]) {
        assert_eq!(count.trim(), exports.to_string());
    }
}

/// Of each file, what `footers.py` says.
fn footers(sandbox: &Sandbox, names: &[String]) -> Option<Vec<Value>> {
    let files: Vec<String> =
        names.iter().map(|name| sandbox.path().join("out").join(name).to_str().unwrap().to_owned()).collect();
    let seen = read_with("footers.py", &files.iter().map(String::as_str).collect::<Vec<_>>())?;
    Some(seen.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

/// Asserts that the parts of each chunk are numbered without gaps, and returns their sizes chunk by chunk.
fn sizes(sandbox: &Sandbox, names: &[String]) -> Vec<Vec<u64>> {
    let mut chunks = BTreeMap::<&str, BTreeMap<usize, u64>>::new();
    for name in names {
        let (stem, _) = name.rsplit_once('.').unwrap();
        let (base, part) = stem.split_once("_part").map_or((stem, None), |(base, part)| (base, Some(part)));
        let bytes = fs::metadata(sandbox.path().join("out").join(name)).unwrap().len();
        let former = chunks.entry(base).or_default().insert(part.map_or(0, |part| part.parse().unwrap()), bytes);
        assert_eq!(former, None, "{names:?}");
        assert!(part.is_some() || !names.iter().any(|other| other.starts_with(&format!("{base}_part"))), "{names:?}");
    }
    for (base, parts) in &chunks {
        assert!(parts.keys().copied().eq(0..parts.len()), "{base}: {names:?}");
    }
    chunks.into_values().map(|parts| parts.into_values().collect()).collect()
}

/// A run of every mode in every format, with files of at most `limit` bytes and a batch's more.
fn assert_sizes(tables: &Tables<'_>, rows: u32, digits: u32, batch: u32, limit: u64) {
    let sandbox = shop(tables, rows, digits);
    let mut exports = String::new();
    for (mode, (_, lines)) in MODES.iter().enumerate() {
        for (format, key) in FORMATS.iter().enumerate() {
            let chunk = lines.replace("8000", &(rows / 3).to_string());
            exports += &export(&format!("m{mode}f{format}"), &format!("{key}\n    max_file_size: {limit}B\n{chunk}"));
        }
    }
    validate(&sandbox, &config(tables, batch, &exports));
    let files = by_export(&sandbox);
    assert_eq!(files.len(), MODES.len() * FORMATS.len());
    // Numbers, commas and the heads of Arrow's buffers come to the digits.
    let most = limit + u64::from(batch) * (u64::from(digits) + 60) + 4096;
    for (export, names) in &files {
        let chunks = sizes(&sandbox, names);
        assert!(names.len() > chunks.len() + 2, "{export}: {names:?}");
        for parts in &chunks {
            assert!(parts.iter().all(|bytes| *bytes <= most), "{export}: {parts:?} of at most {most}");
            // Of Parquet, what is not yet compressed counts as it is.
            let least = if export.ends_with("f0") { limit / 4 } else { limit };
            assert!(parts[..parts.len() - 1].iter().all(|bytes| *bytes >= least), "{export}: {parts:?} below {least}");
        }
        if export.ends_with("f1") {
            for name in names {
                let text = fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
                assert_eq!(text.lines().next(), Some("id,seen,note,weight"), "{name}");
            }
        }
    }
    assert_complete(&sandbox, files.len());
}

fn narrow_rows_are_split_at_the_limit(source: Source) {
    source.each("files_narrow", |tables| assert_sizes(tables, 3000, 10, 100, 10_000));
}

fn wide_rows_are_split_at_the_limit(source: Source) {
    source.each("files_wide", |tables| assert_sizes(tables, 150, 20_000, 5, 200_000));
}

fn no_rows_make_no_file_in_any_mode_and_format(source: Source) {
    source.each("files_none", |tables| {
        for (skip, status) in [("", "success"), ("\n    skip_empty: true", "skipped")] {
            let sandbox = shop(tables, 0, 0);
            let mut exports = String::new();
            for (mode, (_, lines)) in MODES.iter().enumerate() {
                for (format, key) in FORMATS.iter().enumerate() {
                    exports +=
                        &export(&format!("m{mode}f{format}"), &format!("{key}{skip}\n    max_file_size: 1KB\n{lines}"));
                }
            }
            let outcome = validate(&sandbox, &config(tables, 1000, &exports));
            let count = |text: &str| outcome.stdout.matches(text).count();
            let all = MODES.len() * FORMATS.len();
            assert_eq!((count(&format!("status:      {status}")), count("rows:        0\n")), (all, all), "{outcome}");
            assert_eq!(count("files:       0\n"), all, "{outcome}");
            assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
            sandbox.rivet(&["state", "files", "--config", "rivet.yaml"]).expect(0, &["No files recorded yet."]);
        }
    });
}

/// Each codec, the ends of its levels where it has any, and what the footer of a Parquet file calls it.
const CODECS: [(&str, &[i32], &str); 5] = [
    ("zstd", &[1, 22], "ZSTD"),
    ("gzip", &[0, 10], "GZIP"),
    ("snappy", &[], "SNAPPY"),
    ("lz4", &[], "LZ4_RAW"),
    ("none", &[], "UNCOMPRESSED"),
];

/// Every codec with its default level, its least and its greatest.
fn levels() -> impl Iterator<Item = (&'static str, Option<i32>, &'static str)> {
    CODECS.into_iter().flat_map(|(codec, ends, name)| {
        let levels = std::iter::once(None).chain(ends.iter().copied().map(Some));
        levels.map(move |level| (codec, level, name))
    })
}

fn every_codec_and_level_is_read_by_others(source: Source) {
    source.each("files_codecs", |tables| {
        let sandbox = shop(tables, 2000, 20);
        let (mut exports, mut expected) = (String::new(), BTreeMap::new());
        for (codec, level, name) in levels() {
            let keys = level.map_or_else(String::new, |level| format!("\n    compression_level: {level}"));
            for (format, key) in FORMATS.iter().enumerate().filter(|(format, _)| *format != 1) {
                if format > 1 && ["gzip", "snappy"].contains(&codec) {
                    continue;
                }
                let export_name =
                    format!("f{format}{codec}{}", level.map_or_else(String::new, |level| level.to_string()));
                exports += &export(&export_name, &format!("{key}\n    compression: {codec}{keys}"));
                expected.insert(export_name, name);
            }
        }
        let outcome = validate(&sandbox, &config(tables, 500, &exports));
        assert_eq!(outcome.stdout.matches("validated:   pass").count(), expected.len(), "{outcome}");
        let files = by_export(&sandbox);
        assert!(files.keys().eq(expected.keys()), "{files:?}");
        assert_complete(&sandbox, files.len());
        let parquet: Vec<_> = sandbox.out().into_iter().filter(|name| name.ends_with(".parquet")).collect();
        for (name, footer) in parquet.iter().zip(footers(&sandbox, &parquet).unwrap_or_default()) {
            let export = name.split('_').next().unwrap();
            assert_eq!(footer["codecs"], serde_json::json!([expected[export]]), "{name}");
        }
        // A level is heeded, and Arrow's buffers are compressed.
        let bytes = |export: &str| fs::metadata(sandbox.path().join("out").join(&files[export][0])).unwrap().len();
        for (small, large) in [("f0gzip10", "f0gzip0"), ("f2zstd", "f2none"), ("f2lz4", "f2none"), ("f3zstd", "f3none")]
        {
            assert!(bytes(small) < bytes(large), "{small}: {}, {large}: {}", bytes(small), bytes(large));
        }
    });
}

#[test]
fn wrong_levels_sizes_and_codecs_are_refused_before_anything_is_read() {
    let tables = Tables::embedded();
    let sandbox = shop(&tables, 10, 10);
    let mut cases = vec![
        ("compression: snappy\n    format: arrow".to_owned(), "\"snappy\"".to_owned()),
        ("arrow_layout: file\n    format: csv".to_owned(), "\"csv\"".to_owned()),
        ("max_file_size: 1TB\n    format: csv".to_owned(), "\"1TB\"".to_owned()),
    ];
    for (codec, ends, _) in CODECS {
        let wrong = match *ends {
            [least, most] => vec![least - 1, most + 1],
            _ => vec![1],
        };
        for level in wrong {
            let keys = format!("compression: {codec}\n    compression_level: {level}\n    format: parquet");
            cases.push((keys, level.to_string()));
        }
    }
    for (keys, value) in &cases {
        let outcome = sandbox.try_run(&config(&tables, 1000, &export("things", keys)));
        outcome.expect(2, &["in export \"things\"", value]);
        assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    }
}

#[test]
fn row_groups_are_bounded_by_bytes_and_not_by_batches() {
    // What a single writer may hold, and a batch.
    const MOST: u64 = (48 + 8) << 20;
    for (rows, digits, batch, groups) in [(4500, 20_000, 100, 2), (200_000, 4, 1000, 1)] {
        let tables = Tables::embedded();
        let sandbox = shop(&tables, rows, digits);
        sandbox.run(&config(&tables, batch, &export("things", "format: parquet\n    compression: none")));
        let Some(footers) = footers(&sandbox, &sandbox.out()) else { return };
        let found = footers[0]["groups"].as_array().unwrap();
        assert_eq!(found.len(), groups, "{found:?}");
        assert!(found.iter().all(|group| group[1].as_u64().unwrap() <= MOST), "{found:?}");
        assert!(groups == 1 || found[0][1].as_u64().unwrap() > MOST / 2, "{found:?}");
    }
}

fn files_say_where_they_come_from(source: Source) {
    source.each("files_metadata", |tables| {
        let sandbox = shop(tables, 10, 10);
        let exports: String = [0, 2, 3]
            .map(|format| export(&format!("f{format}"), &format!("mode: full\n    {}", FORMATS[format])))
            .concat();
        let outcome = sandbox.run(&config(tables, 1000, &exports));
        let names = sandbox.out();
        for (name, footer) in names.iter().zip(footers(&sandbox, &names).unwrap_or_default()) {
            let metadata = &footer["metadata"];
            let run_id = metadata["rivet.run_id"].as_str().unwrap();
            assert_eq!(metadata["rivet.export"], name.split('_').next().unwrap());
            assert_eq!(metadata["rivet.source_type"], tables.pick("sqlite", "postgres", "mysql"));
            outcome.expect(0, &[&format!("run_id:      {run_id}\n")]);
        }
    });
}

#[test]
fn what_a_killed_run_has_published_is_removed_whatever_it_is_called() {
    for key in FORMATS {
        let sandbox = Sandbox::new();
        let config = |parallel: u32, sleep: u32| {
            format!(
                "source: {{ type: fault, rows: 20000, sleep_ms_per_batch: {sleep}, tuning: {{ batch_size: 1000 }} }}\nexports:\n  - name: numbers\n    \
                 query: all\n    parallel: {parallel}\n    destination: {{ type: local, path: out }}\n    {key}\n"
            )
        };
        sandbox.run(&config(1, 0));
        let whole = sandbox.out();
        let extension = whole[0].rsplit_once('.').unwrap().1;
        let running = sandbox.start(&config(3, 300));
        // The first temporary file of each chunk: its names are recorded by then.
        let bases = || {
            let names = sandbox.out().into_iter();
            names.filter_map(|name| Some(name.strip_prefix('.')?.strip_suffix(".0.rivet-tmp")?.to_owned()))
        };
        let start = Instant::now();
        while bases().count() < 3 {
            assert!(start.elapsed() < Duration::from_secs(30), "the chunks were not begun within 30 s");
            thread::sleep(Duration::from_millis(10));
        }
        running.kill();
        // As if two parts of each chunk had become visible just before.
        for base in bases() {
            for part in 0..2 {
                sandbox.write(&format!("out/{base}_part{part}.{extension}"), "of the killed run");
            }
        }
        sandbox.run(&config(2, 0)).expect(0, &["rows:        20000", "files:       2"]);
        let names = sandbox.out();
        assert!(names.len() == 3 && names.iter().all(|name| !name.contains("_part")), "{names:?}");
    }
}
