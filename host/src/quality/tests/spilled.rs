//! Columns that do not fit in memory: budgets of a few bytes make every path run with a few thousand rows.

use std::collections::HashSet;
use std::fs;

use super::*;

fn within(budget: usize, like: &RecordBatch, dir: &Path) -> Quality {
    Quality::within(budget, &unique("v"), &like.schema(), dir.to_path_buf()).unwrap()
}

/// Numbers that follow no order and repeat now and then.
fn noise(count: usize, below: u64) -> Vec<i64> {
    let mut state = 88_172_645_463_325_252_u64;
    let next = iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below) as i64
    });
    next.take(count).collect()
}

fn text(values: &[i64]) -> RecordBatch {
    batch(Arc::new(StringArray::from_iter_values(values.iter().map(|v| format!("value {v}")))))
}

#[test]
fn the_budget_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    for below in [1, 3, 700, 10_000, u64::MAX >> 1] {
        for (budget, rows) in [(16, 90), (3_000, 3_000), (20_000, 3_000), (BUDGET, 3_000)] {
            let values = noise(rows, below);
            let repeated = values.len() - values.iter().collect::<HashSet<_>>().len();
            for form in [|v: &[i64]| ints(v.iter().copied()), text] {
                let quality = within(budget, &form(&[]), dir.path());
                for chunk in values.chunks(rows / 3) {
                    // The first attempt of each fails after most of its rows.
                    let mut failed = quality.chunk();
                    failed.see(&form(&chunk[1..])).unwrap();
                    drop(failed);
                    keep(&quality, &chunk.chunks(rows / 10).map(form).collect::<Vec<_>>());
                }
                let verdict = judge(&quality);
                let found = verdict.issues.first().map_or("0", |issue| issue.split(' ').nth(2).unwrap());
                assert_eq!(verdict.rows, rows as u64);
                assert_eq!(found, repeated.to_string(), "below {below}, budget {budget}");
                assert_eq!(judge(&quality), verdict);
            }
        }
    }
}

#[test]
fn workers_share_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let quality = within(4_096, &ints([]), dir.path());
    std::thread::scope(|scope| {
        for worker in 0..4 {
            let quality = &quality;
            scope.spawn(move || {
                let rows = |start| ints(start..start + 500);
                keep(quality, &(0..20).map(|n| rows(worker * 10_000 + n * 500)).collect::<Vec<_>>());
            });
        }
    });
    assert_eq!(judge(&quality), Verdict { rows: 40_000, issues: Vec::new() });
    keep(&quality, &[ints([39_999])]);
    assert_eq!(judge(&quality).issues, ["\"v\" has 1 duplicate value among 40001 rows"]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
}

#[test]
fn small_results_need_no_file() {
    let quality = within(BUDGET, &ints([]), Path::new("/nowhere"));
    keep(&quality, &[ints(0..1_000)]);
    assert!(judge(&quality).issues.is_empty());
}

#[test]
fn a_file_that_cannot_be_made_is_an_error() {
    let quality = within(16, &ints([]), Path::new("/nowhere"));
    let error = quality.chunk().see(&ints(0..1_000)).unwrap_err();
    let expected = "could not create the temporary file for `unique_columns` in \"/nowhere\": ";
    assert!(error.to_string().starts_with(expected), "{error}");
    assert!(error.hint_text().unwrap().contains("TMPDIR"));
}
