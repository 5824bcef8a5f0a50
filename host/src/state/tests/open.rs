//! Opening: old files keep every row, wrong ones are refused untouched, and looking never writes.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

const BASE: &str = "
    CREATE TABLE export_state (export_name TEXT PRIMARY KEY, last_cursor_value TEXT, last_run_at TEXT);
    CREATE TABLE export_schema (export_name TEXT PRIMARY KEY, columns_json TEXT NOT NULL, updated_at TEXT NOT NULL);
    INSERT INTO export_state VALUES ('orders', '2024-01-02T03:04:05.500000', '2026-03-29T12:52:00.123456789+00:00');
    INSERT INTO export_state VALUES ('events', '42', '2026-03-29T12:52:01+00:00');
    INSERT INTO export_schema VALUES ('orders', '[{\"name\":\"id\",\"type\":\"Int64\"}]', '2026-03-29T12:52:00+00:00');";
const EARLY_METRICS: &str = "
    CREATE TABLE export_metrics (id INTEGER PRIMARY KEY AUTOINCREMENT, export_name TEXT NOT NULL, run_at TEXT NOT NULL,
        duration_ms INTEGER NOT NULL, total_rows INTEGER NOT NULL, peak_rss_mb INTEGER, status TEXT NOT NULL,
        error_message TEXT, tuning_profile TEXT, format TEXT, mode TEXT);
    INSERT INTO export_metrics (export_name, run_at, duration_ms, total_rows, status) VALUES ('orders', 't', 5, 7, 'success');";
const METRICS: &str = "
    ALTER TABLE export_metrics ADD COLUMN files_produced INTEGER DEFAULT 0;
    ALTER TABLE export_metrics ADD COLUMN bytes_written INTEGER DEFAULT 0;
    ALTER TABLE export_metrics ADD COLUMN retries INTEGER DEFAULT 0;
    ALTER TABLE export_metrics ADD COLUMN validated INTEGER;
    ALTER TABLE export_metrics ADD COLUMN schema_changed INTEGER;
    ALTER TABLE export_metrics ADD COLUMN run_id TEXT;
    UPDATE export_metrics SET run_id = 'orders_1', validated = 1;";
const FILES: &str = "
    CREATE TABLE file_manifest (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, export_name TEXT NOT NULL,
        file_name TEXT NOT NULL, row_count INTEGER NOT NULL, bytes INTEGER NOT NULL, format TEXT NOT NULL,
        compression TEXT, created_at TEXT NOT NULL);
    INSERT INTO file_manifest VALUES (9, 'orders_1', 'orders', 'orders_20260329_125200.csv', 7, 70, 'csv', 'zstd', 't');";
const CHUNKS: &str = "
    CREATE TABLE chunk_run (run_id TEXT PRIMARY KEY, export_name TEXT NOT NULL, plan_hash TEXT NOT NULL,
        status TEXT NOT NULL, max_chunk_attempts INTEGER NOT NULL DEFAULT 3, created_at TEXT NOT NULL,
        updated_at TEXT NOT NULL);
    CREATE TABLE chunk_task (id INTEGER PRIMARY KEY AUTOINCREMENT, run_id TEXT NOT NULL, chunk_index INTEGER NOT NULL,
        start_key TEXT NOT NULL, end_key TEXT NOT NULL, status TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
        last_error TEXT, rows_written INTEGER, file_name TEXT, updated_at TEXT NOT NULL, UNIQUE(run_id, chunk_index));
    INSERT INTO chunk_run VALUES ('orders_1', 'orders', 'beef', 'in_progress', 3, 't', 't');
    INSERT INTO chunk_task VALUES (1, 'orders_1', 0, '1', '100', 'completed', 1, NULL, 100, 'a.csv', 't');
    INSERT INTO chunk_task VALUES (2, 'orders_1', 1, '101', '200', 'failed', 2, 'boom', NULL, NULL, 't');";

/// Writes a file as rivet-cli 0.2 had it at `version`; 0 is from before it counted versions.
fn seed(path: &Path, version: i64) {
    let c = Connection::open(path).unwrap();
    c.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    let steps = [(0, BASE), (0, EARLY_METRICS), (1, METRICS), (2, FILES), (3, CHUNKS)];
    for (_, sql) in steps.into_iter().filter(|(since, _)| *since <= version) {
        c.execute_batch(sql).unwrap();
    }
    if version > 0 {
        c.execute_batch("CREATE TABLE schema_version (version INTEGER PRIMARY KEY)").unwrap();
        for v in 1..=version {
            c.execute("INSERT INTO schema_version VALUES (?1)", [v]).unwrap();
        }
    }
}

fn assert_seed_is_there(state: &State, version: i64) {
    let cursors = state.cursors().unwrap();
    assert_eq!(cursors.iter().map(|c| c.export.as_str()).collect::<Vec<_>>(), ["events", "orders"]);
    let typed = state.cursor_value("orders", "updated_at", "timestamp").unwrap();
    assert_eq!(typed, Some(CursorValue::Timestamp(1_704_164_645_500_000)));
    assert_eq!(state.cursor_value("events", "id", "int").unwrap(), Some(CursorValue::Int(42)));
    assert_eq!(state.stored_schema("orders").unwrap().unwrap()[0].data_type, "Int64");
    let runs = state.runs(Some("orders"), 20).unwrap();
    assert_eq!((runs.len(), runs[0].metrics.rows, runs[0].metrics.files), (1, 7, 0));
    assert_eq!(runs[0].metrics.validated, (version > 0).then_some(true));
    assert_eq!(state.files(None, 50).unwrap().len(), usize::from(version >= 2));
    let chunks = state.chunks("orders").unwrap();
    assert_eq!(chunks.map(|c| c.chunks.len()), (version >= 3).then_some(2));
}

#[test]
fn files_of_every_older_version_keep_every_row_and_leave_a_backup() {
    for version in 0..=3 {
        let (_directory, path) = place();
        seed(&path, version);
        let state = State::open(&path).unwrap();
        assert_seed_is_there(&state, version);
        let lock = RunLock::acquire(&state, "orders", noon()).unwrap();
        let intent = begin(&lock, "orders_2", 1, noon()).unwrap();
        lock.abandon(&intent, "test", noon()).unwrap();
        drop((lock, state));
        let backup = path.with_file_name(format!("{FILE_NAME}.backup-v{version}"));
        assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
        assert_seed_is_there(&State::open_read_only(&backup).unwrap().unwrap(), version);
        // Opened once more, the file is as it should be: no second backup.
        drop(State::open(&path).unwrap());
        assert_eq!(names(&path).len(), 2, "{:?}", names(&path));
        let versions = Connection::open(&path).unwrap();
        let count = |sql: &str| versions.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM schema_version"), 4);
        assert_eq!(count("SELECT max(version) FROM schema_version"), 4);
    }
}

#[test]
fn an_existing_backup_is_never_overwritten() {
    let (_directory, path) = place();
    seed(&path, 3);
    let taken = path.with_file_name(format!("{FILE_NAME}.backup-v3"));
    fs::write(&taken, "mine").unwrap();
    drop(State::open(&path).unwrap());
    assert_eq!(fs::read(&taken).unwrap(), b"mine");
    assert!(names(&path).contains(&format!("{FILE_NAME}.backup-v3-2")));
}

#[test]
fn looking_at_an_older_file_changes_nothing() {
    for version in 0..=3 {
        let (_directory, path) = place();
        seed(&path, version);
        let before = fs::read(&path).unwrap();
        let state = State::open_read_only(&path).unwrap().unwrap();
        assert_seed_is_there(&state, version);
        assert!(matches!(state.record_run(&metrics("a", "b"), noon()).unwrap_err().kind(), StateErrorKind::ReadOnly));
        drop(state);
        assert_eq!(fs::read(&path).unwrap(), before);
        assert_eq!(names(&path), [FILE_NAME]);
    }
}

#[test]
fn a_file_in_a_place_that_cannot_be_written_is_still_shown() {
    let (directory, path) = place();
    let state = State::open(&path).unwrap();
    state.record_run(&metrics("orders", "r"), noon()).unwrap();
    drop(state);
    // Permissions do not bind root, for whom this shows only that nothing goes wrong.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let shown = State::open_read_only(&path).unwrap().unwrap().runs(None, 5).unwrap().len();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(shown, 1);
    assert_eq!(names(&path), [FILE_NAME]);
}

#[test]
fn a_new_file_is_private_whole_and_alone() {
    let (_directory, path) = place();
    assert!(State::open_existing(&path).unwrap().is_none());
    assert!(State::open_read_only(&path).unwrap().is_none());
    assert_eq!(names(&path), [""; 0]);
    let state = State::open(&path).unwrap();
    state.record_run(&metrics("orders", "r"), noon()).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = path.with_file_name(format!("{FILE_NAME}{suffix}"));
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{suffix}");
    }
    drop(state);
    assert_eq!(names(&path), [FILE_NAME]);
    fs::write(&path, "").unwrap();
    assert!(State::open(&path).unwrap().runs(None, 5).unwrap().is_empty(), "an empty file counts as none");
}

#[test]
fn the_lock_of_a_dead_creator_is_removed() {
    let (_directory, path) = place();
    drop(State::open(&path).unwrap());
    fs::write(path.with_file_name(format!("{FILE_NAME}.lock")), "").unwrap();
    drop(State::open(&path).unwrap());
    assert_eq!(names(&path), [FILE_NAME]);
}

#[test]
fn many_may_create_it_at_once() {
    let (_directory, path) = place();
    std::thread::scope(|scope| {
        for i in 0..8 {
            let path = &path;
            scope.spawn(move || {
                let state = State::open(path).unwrap();
                let export = format!("export{i}");
                let lock = RunLock::acquire(&state, &export, noon()).unwrap();
                begin(&lock, &format!("{export}_r"), 1, noon()).unwrap();
            });
        }
    });
    assert_eq!(names(&path), [FILE_NAME]);
    let state = State::open(&path).unwrap();
    assert!((0..8).all(|i| state.unfinished(&format!("export{i}")).unwrap().is_some()));
}

fn refusal(path: &Path) -> StateError {
    let before = fs::read(path).unwrap();
    let error = State::open(path).unwrap_err();
    assert_eq!(State::open_read_only(path).unwrap_err().to_string(), error.to_string());
    assert_eq!(fs::read(path).unwrap(), before, "a refused file is left as it was");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    error
}

#[test]
fn a_newer_file_is_refused_with_both_versions_and_the_backup() {
    let (_directory, path) = place();
    seed(&path, 3);
    drop(State::open(&path).unwrap());
    Connection::open(&path).unwrap().execute("INSERT INTO schema_version VALUES (9)", []).unwrap();
    let error = refusal(&path);
    assert!(matches!(error.kind(), StateErrorKind::Newer { found: 9, supported: 4 }));
    assert!(error.to_string().contains("version 9, but this program knows versions up to 4"), "{error}");
    assert!(error.hint().unwrap().contains(".backup-v3"), "{:?}", error.hint());
}

#[test]
fn a_later_file_of_the_predecessor_is_not_taken_for_ours() {
    let (_directory, path) = place();
    seed(&path, 4);
    assert!(matches!(refusal(&path).kind(), StateErrorKind::Newer { found: 4, supported: 3 }));
}

#[test]
fn what_is_no_state_file_is_refused() {
    let (_directory, path) = place();
    for garbage in [&b"x"[..], &[0x5a; 10_000], b"SQLite format 3\0 but no more"] {
        fs::write(&path, garbage).unwrap();
        let error = refusal(&path);
        assert!(matches!(error.kind(), StateErrorKind::NotADatabase | StateErrorKind::Corrupt(_)), "{error}");
        assert!(error.hint().unwrap().contains("move"), "{:?}", error.hint());
    }
    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE customers (id)").unwrap();
    assert!(matches!(refusal(&path).kind(), StateErrorKind::Foreign));
}

#[test]
fn damage_is_found_on_opening() {
    let (_directory, path) = place();
    let state = State::open(&path).unwrap();
    for i in 0..500 {
        state
            .record_run(&RunMetrics { error: Some("x".repeat(100)), ..metrics("orders", &i.to_string()) }, noon())
            .unwrap();
    }
    drop(state);
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 4096;
    bytes[last..last + 64].fill(0xff);
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(refusal(&path).kind(), StateErrorKind::Corrupt(_)));
}

#[test]
fn a_missing_directory_is_named() {
    let (directory, _) = place();
    let error = State::open(&directory.path().join("no/such/state.db")).unwrap_err();
    assert!(matches!(error.kind(), StateErrorKind::Io(..)), "{error}");
    assert!(error.hint().unwrap().contains("directory exists"));
}
