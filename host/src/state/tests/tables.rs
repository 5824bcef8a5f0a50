//! The printed tables, letter by letter.

use super::*;

#[test]
fn empty_tables_say_so() {
    assert_eq!(cursor_table(&[]), "No export state recorded yet.\n");
    assert_eq!(file_table(&[]), "No files recorded yet.\n");
    assert_eq!(metrics_table(&[]), "No metrics recorded yet.\n");
    let none = chunk_table(Path::new("/x/.rivet_state.db"), "orders", None);
    assert_eq!(none, "database:   /x/.rivet_state.db\nNo chunk checkpoint data for export 'orders'.\n");
}

#[test]
fn files_are_listed_as_the_readme_shows() {
    let file = |chunk: u32, at: &str| FileRecord {
        run_id: "orders_20260329T125143.912".into(),
        name: format!("orders_20260329_125200_chunk{chunk}.parquet"),
        rows: 50_000,
        bytes: 18_245_222,
        created_at: at.into(),
        ..FileRecord::default()
    };
    let files = [file(3, "2026-03-29T12:52:00+00:00"), file(2, "2026-03-29T12:51:56.123456789+00:00")];
    let expected = "\
RUN ID                              FILE                                         ROWS      BYTES CREATED
--------------------------------------------------------------------------------------------------------------
orders_20260329T125143.912          orders_20260329_125200_chunk3.parquet       50000    17.4 MB 2026-03-29T12:52:00+00:00
orders_20260329T125143.912          orders_20260329_125200_chunk2.parquet       50000    17.4 MB 2026-03-29T12:51:56+00:00
";
    assert_eq!(file_table(&files), expected);
}

#[test]
fn cursors_are_listed_with_dashes_for_nothing() {
    let cursors = [
        StoredCursor { export: "events".into(), ..StoredCursor::default() },
        StoredCursor {
            export: "orders\u{1b}[2J".into(),
            value: Some("2024-01-02T03:04:05.500000".into()),
            last_run_at: Some("2026-03-29T12:52:00.123456789+00:00".into()),
            ..StoredCursor::default()
        },
    ];
    let expected = "\
EXPORT                         LAST CURSOR                              LAST RUN
------------------------------------------------------------------------------------------
events                         -                                        -
orders [2J                     2024-01-02T03:04:05.500000               2026-03-29T12:52:00+00:00
";
    assert_eq!(cursor_table(&cursors), expected);
}

#[test]
fn metrics_are_listed_with_what_there_is_to_say() {
    let good = RunMetrics {
        duration_ms: 3_230,
        rows: 150_000,
        peak_rss_mb: Some(142),
        files: 1,
        bytes: 13_002_342,
        validated: Some(true),
        schema_changed: Some(false),
        ..metrics("orders", "orders_20260329T125109.336")
    };
    let bad = RunMetrics {
        run_id: None,
        status: "failed".into(),
        error: Some("connection reset\nby peer".into()),
        duration_ms: 340,
        retries: 3,
        validated: Some(false),
        ..metrics("users", "")
    };
    let runs = [good, bad].map(|metrics| RunRecord { run_at: String::new(), metrics });
    let expected = "\
EXPORT               STATUS           ROWS   DURATION      RSS  FILES      BYTES RUN ID
--------------------------------------------------------------------------------------------------------------
orders               success        150000       3.2s    142MB      1    12.4 MB orders_20260329T125109.336
  validated=pass  schema=ok
users                failed              0      340ms        -      0          - -
  Error: connection reset by peer
  retries=3  validated=FAIL
";
    assert_eq!(metrics_table(&runs), expected);
}

#[test]
fn chunks_are_listed_below_their_run() {
    let done = ChunkRow {
        status: "completed".into(),
        start: Some("1".into()),
        end: Some("100".into()),
        attempts: 1,
        rows: Some(100),
        file: Some("a.csv".into()),
        ..ChunkRow::default()
    };
    let failed =
        ChunkRow { index: 1, status: "failed".into(), error: Some("boom".into()), attempts: 2, ..ChunkRow::default() };
    let report = ChunkReport {
        run_id: "orders_1".into(),
        plan_hash: "beef".into(),
        status: "in_progress".into(),
        updated_at: "2026-03-29T12:52:00+00:00".into(),
        chunks: vec![done, failed],
    };
    let expected = "\
database:   /x/.rivet_state.db
export:     orders
run_id:     orders_1
plan_hash:  beef
status:     in_progress
updated_at: 2026-03-29T12:52:00+00:00

IDX    STATUS       START              END                 ATT     ROWS FILE
------------------------------------------------------------------------------------------
0      completed    1                  100                   1      100 a.csv
1      failed       -                  -                     2        - -
       error: boom
";
    assert_eq!(chunk_table(Path::new("/x/.rivet_state.db"), "orders", Some(&report)), expected);
}

#[test]
fn sizes_and_durations_read_as_in_the_summary() {
    let sizes = [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KB"), (1 << 20, "1.0 MB"), (3 << 29, "1.5 GB")];
    assert!(sizes.into_iter().all(|(bytes, text)| human_bytes(bytes) == text));
    let durations = [(0, "0ms"), (999, "999ms"), (1000, "1.0s"), (3_230, "3.2s")];
    assert!(durations.into_iter().all(|(ms, text)| human_duration(ms) == text));
}
