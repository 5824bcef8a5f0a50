//! Each rule at its edges, and which rows count.

use std::thread;

use super::*;

fn rows(min: Option<u64>, max: Option<u64>) -> config::Quality {
    config::Quality { row_count_min: min, row_count_max: max, ..config::Quality::default() }
}

#[test]
fn bounds_of_rows_include_their_ends() {
    let ten = ints(0..10);
    assert!(issues(&rows(Some(10), Some(10)), &ten).is_empty());
    assert_eq!(issues(&rows(Some(11), None), &ten), ["row count is 10, required at least 11"]);
    assert_eq!(issues(&rows(None, Some(9)), &ten), ["row count is 10, allowed at most 9"]);
}

#[test]
fn a_null_ratio_may_equal_its_limit() {
    assert!(issues(&null_ratio("v", 0.25), &with_nulls(4, 1)).is_empty());
    assert_eq!(issues(&null_ratio("v", 0.1), &with_nulls(4, 1)), ["null ratio of \"v\" is 0.25, allowed 0.1"]);
    assert!(issues(&null_ratio("v", 0.0), &with_nulls(4, 0)).is_empty());
    assert_eq!(issues(&null_ratio("v", 0.0), &with_nulls(4, 1)), ["null ratio of \"v\" is 0.25, allowed 0"]);
    assert!(issues(&null_ratio("v", 1.0), &with_nulls(4, 4)).is_empty());
    // Whatever decimal fraction is written: its nearest number is also the nearest one to the quotient.
    for nulls in 0..=1000 {
        let limit: f64 = format!("{}.{:03}", nulls / 1000, nulls % 1000).parse().unwrap();
        let tally = Tally { rows: 1000, nulls: BTreeMap::from([("v".to_owned(), nulls)]) };
        assert!(tally.issues(1000, &null_ratio("v", limit)).is_empty(), "{nulls}");
    }
}

#[test]
fn zero_rows_are_judged() {
    let none = ints([]);
    let all = config::Quality { row_count_min: Some(1), ..null_ratio("v", 0.0) };
    let all = config::Quality { unique_columns: vec!["v".to_owned()], ..all };
    assert_eq!(issues(&all, &none), ["row count is 0, required at least 1"]);
    let unseen = prepare(&all, &none);
    assert_eq!(judge(&unseen).issues, ["row count is 0, required at least 1"]);
    assert!(issues(&config::Quality { row_count_min: Some(0), ..all }, &none).is_empty());
}

#[test]
fn duplicates_are_rows_less_distinct_values() {
    assert!(issues(&unique("v"), &ints(0..100)).is_empty());
    assert_eq!(issues(&unique("v"), &ints([1, 2, 2])), ["\"v\" has 1 duplicate value among 3 rows"]);
    assert_eq!(issues(&unique("v"), &ints([1, 2, 2, 2, 1])), ["\"v\" has 3 duplicate values among 5 rows"]);
}

#[test]
fn nulls_equal_each_other_and_nothing_else() {
    assert!(issues(&unique("v"), &with_nulls(3, 1)).is_empty());
    assert_eq!(issues(&unique("v"), &with_nulls(3, 3)), ["\"v\" has 2 duplicate values among 3 rows, 2 of them NULL"]);
    let empty = batch(Arc::new(StringArray::from(vec![Some(""), None])));
    assert!(issues(&unique("v"), &empty).is_empty());
}

#[test]
fn every_broken_rule_is_named() {
    let fields = ["a", "b"].map(|name| Field::new(name, DataType::Int64, true)).to_vec();
    let columns = [[Some(1), Some(1)], [None, None]].map(|values| Arc::new(Int64Array::from(values.to_vec())) as _);
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.to_vec()).unwrap();
    let rules = config::Quality {
        row_count_min: Some(3),
        unique_columns: ["b", "a", "a"].map(str::to_owned).to_vec(),
        ..null_ratio("b", 0.5)
    };
    let expected = [
        "row count is 2, required at least 3",
        "null ratio of \"b\" is 1, allowed 0.5",
        "\"a\" has 1 duplicate value among 2 rows",
        "\"b\" has 1 duplicate value among 2 rows, 1 of them NULL",
    ];
    assert_eq!(issues(&rules, &batch), expected);
}

#[test]
fn a_column_must_be_there_once_and_comparable() {
    let list = DataType::List(Arc::new(Field::new("item", DataType::Int64, true)));
    let fields = [("email", DataType::Utf8), ("x", DataType::Int64), ("x", DataType::Int64), ("tags", list)];
    let schema = Schema::new(fields.map(|(name, data_type)| Field::new(name, data_type, true)).to_vec());
    let refused = |rules: &config::Quality| match Quality::new("orders", rules, &schema, Path::new(".")) {
        Err(error::Error::Usage(e)) => (e.to_string(), e.hint_text().unwrap_or_default().to_owned()),
        other => panic!("{other:?}"),
    };
    let (message, hint) = refused(&unique("emial"));
    assert_eq!(message, "`quality` of export \"orders\": the query returns no column \"emial\"");
    assert_eq!(hint, "did you mean `email`?");
    let (message, hint) = refused(&null_ratio("country", 0.5));
    assert_eq!(message, "`quality` of export \"orders\": the query returns no column \"country\"");
    assert_eq!(hint, "its columns are: `email`, `x`, `x` and `tags`");
    let (message, _) = refused(&unique("x"));
    assert_eq!(message, "`quality` of export \"orders\": column \"x\" occurs twice in the result");
    let (message, hint) = refused(&unique("tags"));
    assert!(message.starts_with("`quality` of export \"orders\": column \"tags\" is List("), "{message}");
    assert_eq!(hint, "remove it from `unique_columns`, or cast it to text in the query");
    // NULLs can be counted in any type.
    assert!(Quality::new("orders", &null_ratio("tags", 0.5), &schema, Path::new(".")).is_ok());
}

#[test]
fn workers_meet() {
    let quality = prepare(&unique("v"), &ints([]));
    thread::scope(|scope| {
        for start in [0, 999] {
            let quality = &quality;
            scope.spawn(move || keep(quality, &[ints(start..start + 500), ints(start + 500..start + 1000)]));
        }
    });
    let verdict = judge(&quality);
    assert_eq!(verdict, Verdict { rows: 2000, issues: vec!["\"v\" has 1 duplicate value among 2000 rows".to_owned()] });
    assert_eq!(judge(&quality), verdict, "judging changes nothing");
}

#[test]
fn an_attempt_that_is_not_kept_does_not_count() {
    let rules = config::Quality { null_ratio_max: null_ratio("v", 0.0).null_ratio_max, ..unique("v") };
    let quality = prepare(&rules, &ints([]));
    let mut failed = quality.chunk();
    failed.see(&with_nulls(100, 50)).unwrap();
    drop(failed);
    keep(&quality, &[ints(0..100)]);
    assert_eq!(judge(&quality), Verdict { rows: 100, issues: Vec::new() });
}

#[test]
fn the_number_of_rows_alone_can_be_judged_without_seeing_them() {
    let quality = prepare(&config::Quality { row_count_max: Some(5), ..config::Quality::default() }, &ints([]));
    keep(&quality, &[ints(0..2)]);
    assert!(quality.judge(5).unwrap().issues.is_empty());
    assert_eq!(quality.judge(6).unwrap().issues, ["row count is 6, allowed at most 5"]);
    let quality = prepare(&null_ratio("v", 0.5), &ints([]));
    keep(&quality, &[ints(0..2)]);
    assert_eq!(quality.judge(3).unwrap_err().to_string(), "2 of 3 rows were seen by the quality checks");
}
