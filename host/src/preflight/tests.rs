//! Every row of the documented tables, on synthetic plans.

use rivet_plugin_api::{Compression, CursorValue, Explanation, FormatKind, TimeEncoding};

use super::coverage::{Coverage, Plans};
use super::verdict::{Verdict, mode, parallelism, profile, strategy, verdict};
use super::{about, estimate, suggest, warning};
use crate::config::{Mode, Profile};

const K: u64 = 1000;
const M: u64 = 1_000_000;
const INDEXED: [Coverage; 4] = [Coverage::Nothing, Coverage::Key, Coverage::Standby, Coverage::Partial];

fn incremental() -> Mode {
    Mode::Incremental { cursor_column: "updated_at".into(), cursor_lag: None }
}

fn chunked(dense: bool) -> Mode {
    Mode::Chunked { column: "id".into(), size: 100_000, dense, checkpoint: false, max_attempts: None }
}

fn time_window() -> Mode {
    Mode::TimeWindow { column: "created_at".into(), encoding: TimeEncoding::Timestamp, days: 7 }
}

#[test]
fn strategies_have_the_documented_names() {
    for (of, parallel, name) in [
        (Mode::Full, 1, "full-scan"),
        (Mode::Full, 4, "full-parallel(4)"),
        (incremental(), 1, "incremental(updated_at)"),
        (incremental(), 4, "incremental(updated_at)"),
        (chunked(false), 1, "chunked(id, size=100000)"),
        (chunked(false), 4, "chunked-parallel(id, size=100000, p=4)"),
        (time_window(), 1, "time-window(created_at, 7d)"),
    ] {
        assert_eq!(strategy(&of, parallel), name);
    }
    for (of, line) in [
        (Mode::Full, "full"),
        (incremental(), "incremental (cursor: updated_at)"),
        (chunked(false), "chunked (column: id, size: 100000)"),
        (time_window(), "time_window (column: created_at, days: 7)"),
    ] {
        assert_eq!(mode(&of), line);
    }
}

#[test]
fn verdicts_change_at_their_boundaries() {
    use Verdict::{Acceptable, Degraded, Efficient, Unsafe};
    for (coverage, rows, expected) in [
        (Coverage::Key, Some(0), Efficient),
        (Coverage::Key, Some(M), Efficient),
        (Coverage::Key, Some(10 * M - 1), Efficient),
        (Coverage::Key, Some(10 * M), Acceptable),
        (Coverage::Key, Some(500 * M), Acceptable),
        (Coverage::Key, None, Acceptable),
        (Coverage::Standby, Some(10 * K), Acceptable),
        (Coverage::Standby, Some(60 * M), Acceptable),
        (Coverage::Partial, Some(10 * K), Acceptable),
        (Coverage::Partial, Some(60 * M), Acceptable),
        (Coverage::None, Some(0), Degraded),
        (Coverage::None, Some(100 * K), Degraded),
        (Coverage::None, Some(5 * M), Degraded),
        (Coverage::None, Some(50 * M), Degraded),
        (Coverage::None, Some(50 * M + 1), Unsafe),
        (Coverage::None, None, Degraded),
        (Coverage::Nothing, Some(1), Efficient),
        (Coverage::Nothing, None, Efficient),
    ] {
        assert_eq!(verdict(coverage, rows), expected, "{coverage:?} {rows:?}");
    }
    assert_eq!([Efficient, Acceptable, Degraded, Unsafe].map(Verdict::is_degraded), [false, false, true, true]);
}

#[test]
fn profiles_change_at_their_boundaries() {
    use Profile::{Balanced, Fast, Safe};
    for coverage in INDEXED {
        for (rows, expected) in [
            (Some(0), Fast),
            (Some(M - 1), Fast),
            (Some(M), Balanced),
            (Some(10 * M), Balanced),
            (Some(10 * M + 1), Safe),
            (None, Balanced),
        ] {
            assert_eq!(profile(coverage, rows, 1), expected, "{coverage:?} {rows:?}");
            assert_eq!(profile(coverage, rows, 4), expected, "{coverage:?} {rows:?}");
        }
    }
    for (rows, parallel, expected) in [
        (Some(0), 1, Fast),
        (Some(100 * K - 1), 1, Fast),
        (Some(100 * K - 1), 2, Balanced),
        (Some(100 * K), 1, Balanced),
        (Some(100 * K), 4, Balanced),
        (Some(M), 1, Balanced),
        (Some(M + 1), 1, Safe),
        (Some(60 * M), 4, Safe),
        (None, 1, Safe),
    ] {
        assert_eq!(profile(Coverage::None, rows, parallel), expected, "{rows:?} p={parallel}");
    }
}

#[test]
fn parallelism_changes_at_its_boundaries() {
    for (coverage, rows, expected) in [
        (Coverage::Key, 50 * K - 1, 1),
        (Coverage::None, 50 * K - 1, 1),
        (Coverage::Key, 50 * K, 2),
        (Coverage::Key, 500 * K - 1, 2),
        (Coverage::Key, 500 * K, 4),
        (Coverage::Key, 500 * M, 4),
        (Coverage::None, 50 * K, 2),
        (Coverage::None, 5 * M, 2),
        (Coverage::None, 5 * M + 1, 1),
    ] {
        let (workers, why) = parallelism(&chunked(false), coverage, Some(rows));
        assert_eq!(workers, expected, "{coverage:?} {rows}");
        assert!(!why.is_empty());
    }
    for other in [Mode::Full, incremental(), time_window(), chunked(true)] {
        assert_eq!(parallelism(&other, Coverage::Key, Some(100 * M)).0, 1, "{other:?}");
    }
}

fn scan(index: Option<&str>, columns: &[&str], whole: bool) -> Explanation {
    Explanation {
        scan: Some("a scan".into()),
        index: index.map(Into::into),
        index_columns: columns.iter().map(|&c| c.to_owned()).collect(),
        whole: Some(whole),
        ..Explanation::default()
    }
}

#[test]
fn an_index_counts_where_it_leads_to_the_rows() {
    let (table, by_key) = (scan(None, &[], true), scan(Some("by_k"), &["k", "id"], false));
    let by_other = scan(Some("by_o"), &["o"], false);
    let renamed = scan(Some("by_ts"), &["ts"], false);
    let whole_index = scan(Some("cover"), &["o", "k"], true);
    let ordered = scan(Some("by_k"), &["k"], true);
    let nothing = Explanation::default();
    let of = |base: &Explanation, run: &[&Explanation], probe: Option<&Explanation>| {
        let run = run.iter().map(|&plan| plan.clone()).collect();
        Plans { base: Some(base.clone()), run, probe: probe.cloned() }
    };
    for (plans, expected) in [
        (of(&table, &[&by_key], Some(&by_key)), Coverage::Key),
        (of(&table, &[&by_key, &by_key], None), Coverage::Key),
        // The query calls the column otherwise: the index comes with the condition.
        (of(&table, &[&renamed], Some(&renamed)), Coverage::Key),
        // An index that the query uses anyhow is none for the key.
        (of(&by_other, &[&by_other], Some(&by_other)), Coverage::Partial),
        // One that it reads anyhow, but whole.
        (of(&whole_index, &[&scan(Some("cover"), &["o"], false)], None), Coverage::Key),
        (of(&table, &[&ordered], None), Coverage::Key),
        (of(&table, &[&table], Some(&by_key)), Coverage::Standby),
        (of(&table, &[&by_key, &table], Some(&by_key)), Coverage::Standby),
        (of(&table, &[&table], Some(&table)), Coverage::None),
        (of(&table, &[&table], None), Coverage::None),
        (of(&table, &[&by_key, &table], None), Coverage::None),
        // A whole index is no less work than a table.
        (of(&whole_index, &[&whole_index], Some(&whole_index)), Coverage::None),
        (of(&table, &[&nothing], Some(&by_key)), Coverage::Key),
        (of(&table, &[&nothing], Some(&table)), Coverage::None),
        (of(&nothing, &[&nothing], Some(&nothing)), Coverage::Nothing),
    ] {
        assert_eq!(plans.coverage(Some("K")), expected, "{plans:?}");
    }
    let full = |plan: &Explanation| Plans { run: vec![plan.clone()], ..Plans::default() }.coverage(None);
    assert_eq!(full(&table), Coverage::None);
    assert_eq!(full(&by_other), Coverage::Partial);
    assert_eq!(full(&nothing), Coverage::Nothing);
    // Of several requests, the one that scans tells most.
    let plans = of(&table, &[&by_key, &table], None);
    assert_eq!(plans.telling(Some("k")).unwrap().index, None);
}

fn warned(mode: &Mode, query: &str, parallel: usize, rows: Option<u64>, width: i64) -> Vec<&'static str> {
    let (min, max) = (CursorValue::Int(1), CursorValue::Int(width + 1));
    let chunks = u64::try_from(width).unwrap() / 100_000 + 1;
    let facts = warning::Facts { mode, query, parallel, rows, range: Some((&min, &max)), chunks: Some(chunks) };
    warning::warnings(facts).into_iter().map(|warning| warning.code).collect()
}

#[test]
fn warnings_have_their_triggers() {
    let (sparse, sort, memory) = ("sparse_key_range", "dense_surrogate_sort", "parallel_memory");
    let none: [&str; 0] = [];
    let plain = "SELECT * FROM t";
    for (mode, query, parallel, rows, width, expected) in [
        (&chunked(false), plain, 1, Some(100 * K), 50_000_000, &[sparse][..]),
        // Ten in a hundred are enough, and a few windows are no loss.
        (&chunked(false), plain, 1, Some(5 * M), 50_000_000, &none),
        (&chunked(false), plain, 1, Some(5 * M - 1), 50_000_000, &[sparse]),
        (&chunked(false), plain, 1, Some(10), 900_000, &none),
        (&chunked(false), plain, 1, Some(10), 1_000_000, &[sparse]),
        (&chunked(false), plain, 1, None, 50_000_000, &none),
        (&chunked(true), plain, 1, Some(100 * K), 50_000_000, &[sort]),
        (&chunked(false), "SELECT row_number() over (order by id) id FROM t", 1, Some(M), 1_000_000, &[sort]),
        (&Mode::Full, "SELECT row_number() over (order by id) id FROM t", 1, Some(M), 1_000_000, &none),
        (&chunked(false), plain, 2, Some(5 * M), 5_000_000, &none),
        (&chunked(false), plain, 2, Some(5 * M + 1), 5_000_000, &[memory]),
        (&chunked(false), plain, 1, Some(60 * M), 60_000_000, &none),
        (&Mode::Full, plain, 4, Some(6 * M), 6_000_000, &[memory]),
    ] {
        assert_eq!(warned(mode, query, parallel, rows, width), expected, "{mode:?} {rows:?} {width}");
    }
    let text = |width: i64| CursorValue::Text(width.to_string());
    let (min, max, mode) = (text(1), text(9), chunked(false));
    let facts = warning::Facts {
        mode: &mode,
        query: plain,
        parallel: 1,
        rows: Some(1),
        range: Some((&min, &max)),
        chunks: Some(99),
    };
    assert!(warning::warnings(facts).is_empty(), "keys that are no numbers have no density");
    let (min, max) = (CursorValue::Int(1), CursorValue::Int(50_000_000));
    let facts = warning::Facts { rows: Some(M), range: Some((&min, &max)), chunks: Some(500), ..facts };
    let found = &warning::warnings(facts)[0].text;
    assert!(found.starts_with("Sparse key range: ~98% of chunk windows will be empty"), "{found}");
    assert!(found.contains("~1M rows") && found.contains("1 .. 50000000"), "{found}");
}

#[test]
fn suggestions_follow_the_mode() {
    let suggested = |mode: &Mode, coverage, rows: u64, parallel| {
        let profile = profile(coverage, Some(rows), parallel);
        let facts =
            suggest::Facts { mode, parallel, rows: Some(rows), coverage, chunks: Some(2), profile, unindexable: false };
        suggest::suggestion(verdict(coverage, Some(rows)), facts).unwrap_or_default()
    };
    let (key, no) = (Coverage::Key, Coverage::None);
    for (mode, coverage, rows, parallel, words) in [
        (&incremental(), key, M, 1, &[][..]),
        (&Mode::Full, Coverage::Partial, M, 1, &[]),
        (&Mode::Full, Coverage::Partial, 10 * M, 1, &["Large dataset (~10M rows)", "incremental mode"]),
        (&chunked(false), key, 10 * M, 1, &["Large dataset (~10M rows). Add parallel > 1 to speed up"]),
        (&chunked(false), key, 10 * M, 4, &["Large dataset (~10M rows)", "'safe' tuning profile"]),
        (&incremental(), key, 20 * M, 1, &["Large dataset (~20M rows)", "'safe' tuning profile"]),
        (&chunked(false), Coverage::Standby, M, 1, &["Lower chunk_size"]),
        (&time_window(), Coverage::Standby, M, 1, &[]),
        (
            &Mode::Full,
            no,
            5 * M,
            1,
            &[
                "No index detected -- full table scan. Add an indexed cursor column and switch to incremental mode. Use \
                 'safe' tuning profile to limit database impact.",
            ],
        ),
        (&Mode::Full, no, 10 * K, 1, &["No index detected -- full table scan.", "incremental mode."]),
        (&incremental(), no, 5 * M, 1, &["full table scan", "index on 'updated_at'", "'safe'"]),
        (&chunked(false), no, 5 * M, 1, &["full table scan", "index on 'id'", "every chunk", "'safe'"]),
        (&chunked(true), no, 5 * M, 1, &["full table scan", "index on 'id'", "sort", "'safe'"]),
        (&time_window(), no, 5 * M, 1, &["full table scan", "index on 'created_at'", "'safe'"]),
        (&Mode::Full, no, 60 * M, 1, &["~60M rows", "without an index", "incremental", "'safe'", "off-peak"]),
        (&chunked(false), no, 60 * M, 1, &["~60M rows", "index on 'id'", "'safe'", "off-peak"]),
        (&time_window(), no, 60 * M, 1, &["~60M rows", "index on 'created_at'", "'safe'", "off-peak"]),
    ] {
        let text = suggested(mode, coverage, rows, parallel);
        assert_eq!(text.is_empty(), words.is_empty(), "{mode:?} {coverage:?} {rows}: {text}");
        for word in words {
            assert!(text.contains(word), "{mode:?} {coverage:?} {rows}: {text}");
        }
    }
    // Advice on limits does not contradict a profile that sets none.
    assert!(!suggested(&Mode::Full, no, 10 * K, 1).contains("safe"));
}

#[test]
fn estimates_follow_rows_rates_and_rests() {
    let basis = estimate::Basis {
        rows: M,
        row_bytes: 100,
        scanned: 0,
        format: FormatKind::Parquet,
        compression: Compression::Zstd,
        workers: 1,
        throttle_ms: 50,
        batch_size: 10 * K,
    };
    let size = estimate::output(basis);
    assert_eq!((size.low, size.high), (10_000_000, 80_000_000));
    let csv = estimate::output(estimate::Basis { format: FormatKind::Csv, ..basis });
    assert!(csv.low > size.low && csv.high > size.high, "{csv:?}");
    assert_eq!(estimate::pauses_ms(basis), 5000);
    let time = estimate::duration(basis);
    assert_eq!((time.low, time.high), (6000, 15_000));
    let four = estimate::duration(estimate::Basis { workers: 4, ..basis });
    assert_eq!((four.low, four.high), (1500, 3750));
    let scanning = estimate::duration(estimate::Basis { scanned: 1_000_000_000, ..basis });
    assert_eq!((scanning.low, scanning.high), (6500, 25_000));
    let unpaced = estimate::Basis { throttle_ms: 0, rows: u64::MAX, row_bytes: u64::MAX, ..basis };
    assert!(estimate::duration(unpaced).high >= estimate::duration(unpaced).low);
    assert_eq!(estimate::row_bytes(["Int64", "Utf8", "Date32", "Timestamp(µs)"].into_iter()), 52);
}

#[test]
fn numbers_of_rows_are_short() {
    for (rows, text) in
        [(0, "~0"), (999, "~999"), (1000, "~1K"), (999_999, "~999K"), (1_000_000, "~1M"), (59_999_999, "~59M")]
    {
        assert_eq!(about(rows), text);
    }
}
