//! Every type with a distance, at its ends, and every mistake.

use rivet_plugin_api::{Category, CursorValue as V};

use super::*;

const HOUR: i64 = 3_600_000_000;

fn end(lag: CursorLag, min: V, max: V, now: Option<i64>) -> Result<Option<V>> {
    upper_end(lag, "k", &Bounds { min: Some(min), max: Some(max), nulls: None, now, declined: None, place: None })
}

fn amount(amount: u64, min: V, max: V) -> Option<V> {
    end(CursorLag::Amount(amount), min, max, None).unwrap()
}

fn decimal(text: &str) -> V {
    V::Decimal(text.to_owned())
}

#[test]
fn numbers_end_below_the_greatest() {
    assert_eq!(amount(10, V::Int(1), V::Int(100)), Some(V::Int(90)));
    assert_eq!(amount(99, V::Int(1), V::Int(100)), Some(V::Int(1)));
    assert_eq!(amount(100, V::Int(1), V::Int(100)), None);
    assert_eq!(amount(0, V::Int(5), V::Int(5)), Some(V::Int(5)));
    assert_eq!(amount(u64::MAX, V::Int(i64::MIN), V::Int(i64::MAX)), Some(V::Int(i64::MIN)));
    // The least value of the type is not older than one that is not there.
    assert_eq!(amount(10, V::Int(i64::MIN), V::Int(i64::MIN + 9)), None);
    assert_eq!(amount(1, V::UInt(0), V::UInt(u64::MAX)), Some(V::UInt(u64::MAX - 1)));
    assert_eq!(amount(10, V::UInt(0), V::UInt(9)), None);
}

#[test]
fn floats_are_held_back_far_enough() {
    assert_eq!(amount(10, V::Float(-1.5), V::Float(100.25)), Some(V::Float(90.25)));
    // Whole numbers are more than one apart here.
    let wide = 2_f64.powi(60);
    assert_eq!(amount(1, V::Float(0.0), V::Float(wide)), Some(V::Float(wide.next_down())));
    assert_eq!(amount(1, V::Float(wide), V::Float(wide)), None);
    assert_eq!(amount(0, V::Float(0.1), V::Float(0.1)), Some(V::Float(0.1)));
    for (value, text) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf")] {
        let error = end(CursorLag::Amount(1), V::Float(0.0), V::Float(value), None).unwrap_err();
        assert_eq!(error.category(), Category::Data);
        assert!(error.message().contains(&format!("column \"k\" holds {text}")), "{error}");
    }
    assert_eq!(amount(1, V::Float(f64::NEG_INFINITY), V::Float(3.0)), Some(V::Float(2.0)));
}

#[test]
fn decimals_are_exact() {
    for (max, lag, expected) in [
        ("100.50", 10, "90.50"),
        ("10.05", 10, "0.05"),
        ("0.5", 1, "-0.5"),
        ("-0.5", 1, "-1.5"),
        ("-99.9", 1, "-100.9"),
        ("1000", 1, "999"),
        ("7.00", 7, "0.00"),
        ("18446744073709551616.000000000000000000000000000001", u64::MAX, "1.000000000000000000000000000001"),
        ("99999999999999999999999999999999999999", 1, "99999999999999999999999999999999999998"),
        ("0", 0, "0"),
    ] {
        assert_eq!(amount(lag, decimal("-100000"), decimal(max)), Some(decimal(expected)));
    }
    assert_eq!(amount(1, decimal("9.500"), decimal("10.5")), Some(decimal("9.5")));
    assert_eq!(amount(1, decimal("9.501"), decimal("10.5")), None);
    assert_eq!(amount(0, decimal("1"), decimal("1")), Some(decimal("1")));
    assert_eq!(amount(3, decimal("-10"), decimal("-9")), None);
    assert_eq!(amount(3, decimal("-12"), decimal("-9")), Some(decimal("-12")));
    for text in ["NaN", "Infinity", "", "-", ".5", "1e5", "+1", "1.2.3"] {
        let error = end(CursorLag::Amount(1), decimal("0"), decimal(text), None).unwrap_err();
        assert_eq!(error.category(), Category::Data, "{text}");
    }
}

#[test]
fn times_end_behind_the_clock() {
    let lag = CursorLag::Time(HOUR);
    let (old, now) = (V::Instant(0), Some(30 * HOUR));
    assert_eq!(end(lag, old.clone(), V::Instant(40 * HOUR), now).unwrap(), Some(V::Instant(29 * HOUR)));
    assert_eq!(end(lag, old.clone(), V::Instant(28 * HOUR), now).unwrap(), Some(V::Instant(28 * HOUR)));
    assert_eq!(end(lag, V::Instant(29 * HOUR + 1), V::Instant(40 * HOUR), now).unwrap(), None);
    assert_eq!(end(lag, V::Timestamp(-1), V::Timestamp(40 * HOUR), now).unwrap(), Some(V::Timestamp(29 * HOUR)));
    assert_eq!(end(lag, old, V::Instant(1), Some(i64::MIN)).unwrap(), None);
}

#[test]
fn a_date_is_over_when_its_day_is() {
    let at = |now| end(CursorLag::Time(HOUR), V::Date(-5), V::Date(9), Some(now)).unwrap();
    // Day 1 ends with hour 48, and is held back for one more.
    assert_eq!(at(49 * HOUR - 1), Some(V::Date(0)));
    assert_eq!(at(49 * HOUR), Some(V::Date(1)));
    assert_eq!(at(-HOUR), Some(V::Date(-2)));
    assert_eq!(at(-96 * HOUR), None);
    assert_eq!(at(999 * HOUR), Some(V::Date(9)));
}

#[test]
fn a_lag_that_does_not_go_with_the_column_says_so() {
    let time = CursorLag::Time(HOUR);
    for (lag, value, text) in [
        (time, V::Int(1), "is a duration, but the cursor column \"k\" is of kind \"int\""),
        (time, decimal("1"), "is a duration"),
        (time, V::Float(1.0), "is a duration"),
        (CursorLag::Amount(1), V::Date(1), "is a number, but the cursor column \"k\" is of kind \"date\""),
        (CursorLag::Amount(1), V::Instant(1), "is a number"),
        (CursorLag::Amount(1), V::Text("a".into()), "has no meaning for the cursor column \"k\" of kind \"text\""),
        (time, V::Uuid("a".into()), "has no meaning"),
        (time, V::Bytes(vec![]), "has no meaning"),
    ] {
        let error = end(lag, value.clone(), value, Some(0)).unwrap_err();
        assert_eq!(error.category(), Category::Config);
        assert!(error.message().contains(text) && error.hint_text().is_some(), "{error}");
    }
    let error = end(time, V::Date(1), V::Date(1), None).unwrap_err();
    assert_eq!(error.category(), Category::Unsupported);
    assert_eq!(upper_end(time, "k", &Bounds::default()).unwrap(), None);
}
