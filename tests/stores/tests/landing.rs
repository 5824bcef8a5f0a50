//! What lands in a store is the source: every mode, format, codec and layout, read back by clients and readers of other makes.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use rivet_e2e::read_with;
use rivet_stores::{Bucket, Make, Notes};

/// Three pieces of 8 MB, when nothing makes them smaller.
const LARGE: u32 = 32_000;
const SMALL: u32 = 1_500;

/// Names of exports, without `_`, and what stands in them.
const SHAPES: [(&str, &str); 10] = [
    ("full", "format: parquet"),
    ("csv", "format: csv"),
    ("stream", "format: arrow, compression: lz4"),
    ("file", "format: arrow, arrow_layout: file, compression: zstd"),
    ("chunks", "mode: chunked, chunk_column: id, chunk_size: 400, parallel: 2, format: csv"),
    ("resumable", "mode: chunked, chunk_column: id, chunk_size: 400, parallel: 2, chunk_checkpoint: true, format: csv"),
    ("window", "mode: incremental, cursor_column: id, format: parquet"),
    ("split", "format: parquet, max_file_size: 200KB, compression: none"),
    ("splitcsv", "format: csv, max_file_size: 200KB"),
    ("listed", "format: parquet, manifest: true"),
];

fn exports(notes: &Notes, shapes: &[(&str, &str)]) -> String {
    let destination = notes.bucket.destination();
    let tuning = "throttle_ms: 0, batch_size: 300";
    let mut config = format!("source: {{ type: sqlite, path: notes.db, tuning: {{ {tuning} }} }}\nexports:\n");
    for (name, shape) in shapes {
        let query = "query: \"SELECT id, note FROM notes\"";
        let _ = writeln!(config, "  - {{ name: {name}, {query}, {shape}, destination: {destination} }}");
    }
    config
}

/// Fetches everything and compares it with the table: each name up to the first `_` is one copy of it.
fn compare(notes: &Notes, query: &str) -> Option<(usize, Vec<String>)> {
    let out = notes.sandbox.path().join("out");
    fs::remove_dir_all(&out).unwrap();
    fs::create_dir(&out).unwrap();
    let found = notes.bucket.fetch(&out)?;
    assert!(found.uploads.is_empty(), "{found:?}");
    let names: Vec<String> = found.objects.keys().cloned().collect();
    for list in names.iter().filter(|name| name.ends_with(".manifest.json")) {
        fs::remove_file(out.join(list)).unwrap();
    }
    let database = notes.sandbox.path().join("notes.db");
    let read = read_with("dataset.py", &[database.to_str().unwrap(), query, out.to_str().unwrap()])?;
    Some((read.trim().parse().unwrap(), names))
}

fn every_shape_lands(make: Make) {
    // The second time with each connector in a process of its own.
    for isolated in [&[][..], &["--isolate"]] {
        let Some(bucket) = Bucket::new(make) else { return };
        let notes = Notes::new(bucket, SMALL);
        notes.sandbox.write("rivet.yaml", &exports(&notes, &SHAPES));
        let run = notes.sandbox.rivet(&[&["run", "--config", "rivet.yaml", "--validate"], isolated].concat());
        run.expect(0, &["1500"]);
        let Some((copies, names)) = compare(&notes, "SELECT id, note FROM notes") else { return };
        assert_eq!(copies, SHAPES.len(), "{names:?}");
        let parts = |name: &str| names.iter().filter(|n| n.starts_with(&format!("{name}_"))).count();
        assert_eq!(["full", "chunks", "resumable", "listed"].map(parts), [1, 4, 4, 2], "{names:?}");
        assert!(parts("split") > 2 && parts("splitcsv") > 2, "{names:?}");
    }
}

#[test]
fn every_shape_lands_in_seaweedfs() {
    every_shape_lands(Make::S3);
}

#[test]
fn every_shape_lands_in_a_store_of_googles_make() {
    every_shape_lands(Make::Gcs);
}

#[test]
fn every_shape_lands_in_fake_gcs_server() {
    every_shape_lands(Make::FakeGcs);
}

fn windows_add_up(make: Make) {
    let Some(bucket) = Bucket::new(make) else { return };
    let mut notes = Notes::new(bucket, 500);
    let config = notes.plain("mode: incremental\n    cursor_column: id\n    format: csv");
    for rows in [500, 800, 801] {
        notes.sandbox.run(&config);
        notes.sandbox.rivet(&["state", "show", "--config", "rivet.yaml"]).expect(0, &[&format!(" {rows} ")]);
        notes.grow(if rows == 500 { 300 } else { 1 });
    }
    let Some((copies, names)) = compare(&notes, "SELECT id, note FROM notes WHERE id < 802") else { return };
    assert_eq!((copies, names.len()), (1, 3), "{names:?}");
}

#[test]
fn windows_add_up_in_seaweedfs() {
    windows_add_up(Make::S3);
}

#[test]
fn windows_add_up_in_a_store_of_googles_make() {
    windows_add_up(Make::Gcs);
}

fn large_files_land(make: Make) {
    let Some(bucket) = Bucket::new(make) else { return };
    let notes = Notes::new(bucket, LARGE);
    let shapes = [
        ("pieces", "format: parquet, compression: none"),
        // The first part is larger than a piece, and its name depends on whether there is a second.
        ("halves", "format: csv, max_file_size: 12MB"),
        ("whole", "format: csv, max_file_size: 1GB"),
    ];
    notes.sandbox.run(&exports(&notes, &shapes));
    let Some((copies, names)) = compare(&notes, "SELECT id, note FROM notes") else { return };
    assert_eq!((copies, names.len()), (3, 4), "{names:?}");
}

#[test]
fn large_files_land_in_seaweedfs() {
    large_files_land(Make::S3);
}

#[test]
fn large_files_land_in_a_store_of_googles_make() {
    large_files_land(Make::Gcs);
}

/// The names that a run may take which begins in the next seconds.
fn soon() -> Vec<String> {
    let stamp = |second: u32| {
        let date = Command::new("date").args(["-u", "-d", &format!("{second} seconds"), "+%Y%m%d_%H%M%S"]).output();
        String::from_utf8(date.unwrap().stdout).unwrap().trim().to_owned()
    };
    (0..60).map(|second| format!("notes_{}.csv", stamp(second))).collect()
}

#[test]
fn an_object_of_another_program_is_not_overwritten() {
    for make in [Make::S3, Make::Gcs] {
        let Some(bucket) = Bucket::new(make) else { continue };
        let notes = Notes::new(bucket, 10);
        let taken = soon();
        let names: Vec<&str> = taken.iter().map(String::as_str).collect();
        let Some(()) = notes.bucket.put("mine\n", &names) else { continue };
        notes.sandbox.run(&notes.plain("format: csv"));
        let found = notes.bucket.list().unwrap();
        assert_eq!(found.objects.len(), names.len() + 1, "{make:?}: {found:?}");
        assert!(names.iter().all(|name| found.objects[*name] == 5), "{make:?}: {found:?}");
    }
}

#[test]
fn a_store_with_a_certificate_of_an_own_authority_is_believed_by_its_file_alone() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let variable = |name: &str| std::env::var(format!("RIVET_TEST_S3_TLS_{name}")).unwrap();
    let notes = Notes::new(bucket, 10);
    let config = notes.config(&variable("ENDPOINT"), "max_retries: 0", "format: csv");
    notes.sandbox.try_run(&config).expect(1, &["ca_file"]);
    notes.assert_empty();
    notes.sandbox.run(&config.replace(", region", &format!(", ca_file: {}, region", variable("CA"))));
    assert_eq!(notes.assert_whole().unwrap_or(1), 1);
    // The certificate is of localhost.
    let by_number = variable("ENDPOINT").replace("localhost", "127.0.0.1");
    let config = notes.config(&by_number, "max_retries: 0", "format: csv");
    let run = notes.sandbox.try_run(&config.replace(", region", &format!(", ca_file: {}, region", variable("CA"))));
    run.expect(1, &["endpoint"]);
}
