//! The window protocol: resumable from every point, closed wholly or not at all.

use std::slice;

use super::*;

const MODES: Commit<'_> =
    Commit { parts: &[], cursor: None, schema: None, format: "parquet", compression: Some("zstd"), metrics: &EMPTY };
const EMPTY: RunMetrics = RunMetrics {
    export: String::new(),
    run_id: None,
    duration_ms: 0,
    rows: 0,
    peak_rss_mb: None,
    status: String::new(),
    error: None,
    profile: None,
    format: None,
    mode: None,
    files: 0,
    bytes: 0,
    retries: 0,
    validated: None,
    schema_changed: None,
};

fn opened() -> (TempDir, PathBuf, State, RunLock) {
    let (directory, path) = place();
    let state = State::open(&path).unwrap();
    let lock = RunLock::acquire(&state, "orders", noon()).unwrap();
    (directory, path, state, lock)
}

#[test]
fn a_window_goes_through_and_is_found_again_at_every_step() {
    let (_directory, _path, state, lock) = opened();
    let intent = begin(&lock, "orders_r1", 2, noon()).unwrap();
    assert_eq!(intent.base_name(), "orders_20260329_125200");
    assert_eq!(intent.window, json!({"hi": "99"}));
    let parts = [part("a.parquet", 3), Part { store_checksum: Some("etag".into()), ..part("b.parquet", 4) }];
    lock.record_parts(&intent, 1, &parts, at("2026-03-29T12:53:00Z")).unwrap();
    let found = state.unfinished("orders").unwrap().unwrap();
    assert_eq!(found.chunks.iter().map(|c| c.done).collect::<Vec<_>>(), [false, true]);
    assert_eq!(*found.chunks[1].plan.plan, json!({"from": 1}));
    assert_eq!(found.chunks[1].parts[1].store_checksum.as_deref(), Some("etag"));
    lock.record_chunk_failure(&intent, 0, "connection reset", noon()).unwrap();
    let report = state.chunks("orders").unwrap().unwrap();
    assert_eq!(report.chunks[0].error.as_deref(), Some("connection reset"));
    assert_eq!((report.status.as_str(), report.chunks[1].rows), ("in_progress", Some(7)));
    assert_eq!(report.chunks[1].file.as_deref(), Some("a.parquet"));
    // Chunk 0 turns out to be empty.
    lock.record_parts(&intent, 0, &[], noon()).unwrap();
    let columns = [SchemaColumn { name: "id".into(), data_type: "Int64".into(), nullable: Some(false) }];
    let commit =
        Commit { cursor: Some(&cursor(99)), schema: Some(&columns), metrics: &metrics("orders", "orders_r1"), ..MODES };
    lock.commit(&intent, &commit, noon()).unwrap();
    assert!(state.unfinished("orders").unwrap().is_none());
    assert_eq!(state.cursor_value("orders", "id", "int").unwrap(), Some(CursorValue::Int(99)));
    let files = state.files(Some("orders"), 10).unwrap();
    assert_eq!(files.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["b.parquet", "a.parquet"]);
    assert_eq!(files[0].created_at, "2026-03-29T12:53:00.000000000+00:00");
    assert_eq!(state.stored_schema("orders").unwrap().unwrap(), columns);
    assert_eq!(state.runs(None, 10).unwrap()[0].metrics, metrics("orders", "orders_r1"));
    assert_eq!(state.chunks("orders").unwrap().unwrap().status, "completed");
}

#[test]
fn a_commit_that_fails_leaves_nothing_behind_and_can_be_repeated() {
    let (_directory, path, state, lock) = opened();
    let intent = begin(&lock, "orders_r1", 1, noon()).unwrap();
    lock.record_parts(&intent, 0, &[part("a.parquet", 3)], noon()).unwrap();
    let fault = Connection::open(&path).unwrap();
    let columns = [SchemaColumn { name: "id".into(), data_type: "Int64".into(), nullable: Some(false) }];
    let commit =
        Commit { cursor: Some(&cursor(99)), schema: Some(&columns), metrics: &metrics("orders", "orders_r1"), ..MODES };
    for statement in [
        "INSERT ON export_state",
        "INSERT ON file_manifest",
        "INSERT ON export_schema",
        "INSERT ON export_metrics",
        "UPDATE OF status ON rivet_run",
    ] {
        let trigger = format!("CREATE TRIGGER fault BEFORE {statement} BEGIN SELECT raise(ABORT, 'no'); END");
        fault.execute_batch(&trigger).unwrap();
        lock.commit(&intent, &commit, noon()).unwrap_err();
        fault.execute_batch("DROP TRIGGER fault").unwrap();
        assert!(state.cursor("orders").unwrap().is_none(), "{statement}");
        assert!(state.files(None, 9).unwrap().is_empty() && state.runs(None, 9).unwrap().is_empty(), "{statement}");
        assert!(state.stored_schema("orders").unwrap().is_none(), "{statement}");
        assert!(state.unfinished("orders").unwrap().unwrap().chunks[0].done, "{statement}");
    }
    lock.commit(&intent, &commit, noon()).unwrap();
    assert!(state.cursor("orders").unwrap().is_some());
}

#[test]
fn steps_out_of_order_are_refused() {
    let (_directory, _path, state, lock) = opened();
    let mut intent = begin(&lock, "orders_r1", 1, noon()).unwrap();
    let refused = begin(&lock, "orders_r2", 1, noon()).unwrap_err();
    assert!(refused.to_string().contains("run \"orders_r1\" of export \"orders\" is not finished"), "{refused}");
    let early = lock.commit(&intent, &MODES, noon()).unwrap_err();
    assert!(matches!(early.kind(), StateErrorKind::Protocol(_)), "{early}");
    lock.record_parts(&intent, 7, &[], noon()).unwrap_err();
    lock.add_chunks(&mut intent, &[ChunkPlan::default()], noon()).unwrap();
    lock.record_parts(&intent, 1, &[], noon()).unwrap();
    assert!(lock.commit(&intent, &MODES, noon()).is_err(), "chunk 0 was not read");
    let foreign = RunLock::acquire(&state, "events", noon()).unwrap();
    foreign.record_parts(&intent, 0, &[], noon()).unwrap_err();
    lock.abandon(&intent, "quality", noon()).unwrap();
    lock.record_parts(&intent, 0, &[], noon()).unwrap_err();
    lock.commit(&intent, &MODES, noon()).unwrap_err();
    assert!(state.files(None, 9).unwrap().is_empty());
}

#[test]
fn parts_recorded_again_replace_those_before() {
    let (_directory, _path, state, lock) = opened();
    let intent = begin(&lock, "orders_r1", 1, noon()).unwrap();
    lock.record_parts(&intent, 0, &[part("a", 1), part("b", 2)], noon()).unwrap();
    lock.record_chunk_failure(&intent, 0, "part \"b\" is gone", noon()).unwrap();
    assert!(!state.unfinished("orders").unwrap().unwrap().chunks[0].done);
    let again = [part("a", 3)];
    lock.commit(&intent, &Commit { parts: &[(0, &again)], ..MODES }, noon()).unwrap();
    assert_eq!(state.files(None, 9).unwrap().iter().map(|f| f.rows).collect::<Vec<_>>(), [3]);
}

#[test]
fn no_two_windows_of_an_export_share_a_stamp() {
    let (_directory, _path, state, lock) = opened();
    let mut stamps = Vec::new();
    for i in 0..3 {
        let mut intent = begin(&lock, &format!("orders_{i}"), 1, noon()).unwrap();
        stamps.push(intent.stamp.clone());
        if i == 1 {
            lock.rename(&mut intent, noon()).unwrap();
            assert_eq!(state.unfinished("orders").unwrap().unwrap().stamp, intent.stamp);
            stamps.push(intent.stamp.clone());
        }
        lock.abandon(&intent, "test", noon()).unwrap();
    }
    assert_eq!(stamps, ["20260329_125200", "20260329_125200_2", "20260329_125200_3", "20260329_125200_4"]);
    let other = RunLock::acquire(&state, "events", noon()).unwrap();
    assert_eq!(begin(&other, "events_1", 1, noon()).unwrap().stamp, "20260329_125200");
}

#[test]
fn workers_record_their_chunks_side_by_side() {
    let (_directory, _path, state, lock) = opened();
    let intent = begin(&lock, "orders_r1", 40, noon()).unwrap();
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let (lock, intent) = (&lock, &intent);
            scope.spawn(move || {
                for chunk in (worker..40).step_by(4) {
                    lock.record_parts(intent, chunk, &[part(&format!("{chunk:02}"), 1)], noon()).unwrap();
                }
            });
        }
    });
    lock.commit(&intent, &MODES, noon()).unwrap();
    let names: Vec<String> = state.files(None, 99).unwrap().into_iter().rev().map(|f| f.name).collect();
    assert_eq!(names, (0..40).map(|i| format!("{i:02}")).collect::<Vec<_>>());
}

#[test]
fn a_cursor_of_something_else_is_refused() {
    let (_directory, _path, state, lock) = opened();
    let intent = begin(&lock, "orders_r1", 0, noon()).unwrap();
    lock.commit(&intent, &Commit { cursor: Some(&cursor(7)), ..MODES }, noon()).unwrap();
    for (column, kind, what) in [("updated_at", "int", "column"), ("id", "text", "type")] {
        let refused = state.cursor_value("orders", column, kind).unwrap_err();
        assert!(matches!(refused.kind(), StateErrorKind::OtherCursor { what: w, .. } if *w == what), "{refused}");
        let hint = refused.hint().unwrap();
        assert!(
            hint.contains("rivet state reset --config rivet.yaml --export orders") && !hint.contains("adopt"),
            "{hint}"
        );
    }
}

#[test]
fn a_cursor_knows_its_source_by_its_options_or_by_its_place() {
    let (_directory, _path, state, lock) = opened();
    let origin = |fingerprint, place| Origin { fingerprint, place };
    let store = |run, stored: Origin<'_>| {
        let intent = begin(&lock, run, 0, noon()).unwrap();
        let cursor = CursorUpdate { source: stored.text(), ..cursor(7) };
        lock.commit(&intent, &Commit { cursor: Some(&cursor), ..MODES }, noon()).unwrap();
    };
    let is = |fingerprint, place| state.check_origin("orders", &origin(fingerprint, place));
    assert!(is("a", None).is_ok(), "there is no cursor");
    store("orders_r1", origin("a", Some("db://h/shop two")));
    for (fingerprint, place) in [("a", None), ("a", Some("db://h/moved")), ("b", Some("db://h/shop two"))] {
        is(fingerprint, place).unwrap();
    }
    let refused = is("b", Some("db://h/other")).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("stored for source \"db://h/shop two\", but the configuration says \"db://h/other\"")
    );
    let hint = refused.hint().unwrap();
    assert!(
        hint.contains("`rivet state adopt --config rivet.yaml --export orders`") && hint.contains("rivet state reset"),
        "{hint}"
    );
    assert!(is("b", None).is_err());
    // Without a place, as earlier versions stored it.
    store("orders_r2", origin("a", None));
    assert!(is("a", Some("db://h/shop")).is_ok() && is("b", Some("db://h/shop")).is_err());
    assert!(lock.adopt_cursor().unwrap());
    is("b", Some("db://h/other")).unwrap();
    assert_eq!(state.cursor_value("orders", "id", "int").unwrap(), Some(CursorValue::Int(7)));
}

#[test]
fn a_reset_forgets_the_cursor_and_the_open_window_but_no_history() {
    let (_directory, _path, state, lock) = opened();
    let first = begin(&lock, "orders_r1", 0, noon()).unwrap();
    let metrics = metrics("orders", "orders_r1");
    lock.commit(&first, &Commit { cursor: Some(&cursor(7)), metrics: &metrics, ..MODES }, noon()).unwrap();
    begin(&lock, "orders_r2", 1, noon()).unwrap();
    let dropped = lock.reset_cursor(noon()).unwrap();
    assert_eq!(dropped.unwrap().run_id, "orders_r2");
    assert!(state.cursor("orders").unwrap().is_none() && state.unfinished("orders").unwrap().is_none());
    assert_eq!(state.runs(None, 9).unwrap().len(), 1);
    assert!(lock.reset_cursor(noon()).unwrap().is_none(), "nothing to reset is no error");
    begin(&lock, "orders_r3", 1, noon()).unwrap();
    assert_eq!(lock.reset_chunks(noon()).unwrap().0, 1);
    assert_eq!(lock.reset_chunks(noon()).unwrap().0, 0);
}

#[test]
fn every_cursor_is_read_back_from_its_text() {
    for value in [
        CursorValue::Int(i64::MIN),
        CursorValue::UInt(u64::MAX),
        CursorValue::Decimal("-0.10".into()),
        CursorValue::Float(0.1 + 0.2),
        CursorValue::Float(-1e300),
        CursorValue::Text("o'\"\\\n".into()),
        CursorValue::Bytes(vec![0, 255, 171]),
        CursorValue::Uuid("67e55044-10b1-426f-9247-bb680e5fe0c8".into()),
        CursorValue::Date(19_724),
        CursorValue::Date(-719_529),
        CursorValue::Date(5_000_000),
        CursorValue::Date(-1_000_000),
        CursorValue::Timestamp(1_704_164_645_500_000),
        CursorValue::Timestamp(-1),
        CursorValue::Timestamp(i64::MAX),
        CursorValue::Timestamp(-9_000_000_000_000_000_000),
        CursorValue::Instant(951_782_400_000_000),
    ] {
        assert_eq!(parse_cursor(value.kind(), &value.to_string()), Some(value.clone()), "{value}");
    }
    for (kind, text) in
        [("int", "1.5"), ("date", "2024-02-30"), ("timestamp", "2024-01-02"), ("bytes", "abc"), ("x", "1")]
    {
        assert_eq!(parse_cursor(kind, text), None, "{kind} {text}");
    }
}

#[test]
fn schemas_are_compared_by_name_type_and_order() {
    let columns = |list: &[(&str, &str)]| -> Vec<SchemaColumn> {
        list.iter().map(|(n, t)| SchemaColumn { name: (*n).into(), data_type: (*t).into(), nullable: None }).collect()
    };
    let old = columns(&[("id", "Int64"), ("name", "Utf8"), ("age", "Int16"), ("gone", "Utf8")]);
    assert!(SchemaChange::between(&old, &old).lines("orders").is_empty());
    let new = columns(&[("name", "Utf8"), ("id", "Int64"), ("age", "Int32"), ("note", "Utf8")]);
    assert_eq!(
        SchemaChange::between(&old, &new).lines("orders"),
        [
            "export \"orders\": schema changed!",
            "export \"orders\": added columns: note (Utf8)",
            "export \"orders\": removed columns: gone",
            "export \"orders\": type changed: age (Int16 -> Int32)",
            "export \"orders\": column order changed: id, name, age -> name, id, age",
        ]
    );
}

#[test]
fn nullability_is_compared_where_both_sides_know_it() {
    let column = |name: &str, nullable| SchemaColumn { name: name.into(), data_type: "Int64".into(), nullable };
    let (unknown, no, yes) = (column("c", None), column("c", Some(false)), column("c", Some(true)));
    let details = |old, new| SchemaChange::between(slice::from_ref(old), slice::from_ref(new)).details();
    assert_eq!(details(&no, &yes), ["nullability changed: c (not null -> null)"]);
    assert_eq!(details(&yes, &no), ["nullability changed: c (null -> not null)"]);
    for (old, new) in [(&unknown, &no), (&unknown, &yes), (&no, &unknown), (&yes, &unknown), (&no, &no)] {
        assert!(details(old, new).is_empty(), "{old:?} {new:?}");
    }
    // What rivet-cli 0.2 wrote is read, and what is not known is not written.
    let of_old = r#"{"name":"c","type":"Int64"}"#;
    assert_eq!(serde_json::from_str::<SchemaColumn>(of_old).unwrap(), unknown);
    assert_eq!(serde_json::to_string(&unknown).unwrap(), of_old);
    assert_eq!(serde_json::to_string(&yes).unwrap(), r#"{"name":"c","type":"Int64","nullable":true}"#);
}
