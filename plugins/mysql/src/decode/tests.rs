use super::*;
use arrow_array::cast::AsArray;
use mysql_common::constants::ColumnType;

fn native(wire: ColumnType, decimals: u8) -> NativeColumn {
    NativeColumn {
        name: "c".into(),
        wire,
        is_unsigned: false,
        is_enum: false,
        is_set: false,
        charset: 45,
        length: 10,
        decimals,
        nullable: None,
    }
}

fn mapped(decoder: Decoder) -> Mapped {
    Mapped { decoder, invalid_is_null: false, rule: String::new() }
}

/// Pushes one value and prints it.
fn printed(wire: ColumnType, decimals: u8, mut bytes: &[u8]) -> Result<String, Misfit> {
    let mut builder = ColumnBuilder::new(&mapped(Decoder::Printed), &native(wire, decimals), 1);
    builder.push(&mut bytes)?;
    assert!(bytes.is_empty());
    Ok(builder.finish()?.as_string::<i32>().value(0).to_owned())
}

#[test]
fn times_print_as_the_server_does() {
    let time = ColumnType::MYSQL_TYPE_TIME;
    assert_eq!(printed(time, 0, &[0]).unwrap(), "00:00:00");
    assert_eq!(printed(time, 6, &[8, 1, 34, 0, 0, 0, 22, 59, 59]).unwrap(), "-838:59:59.000000");
    assert_eq!(printed(time, 3, &[12, 0, 0, 0, 0, 0, 1, 2, 3, 0x20, 0xa1, 7, 0]).unwrap(), "01:02:03.500");
    // More digits than declared are not dropped.
    assert_eq!(printed(time, 0, &[12, 0, 0, 0, 0, 0, 1, 2, 3, 1, 0, 0, 0]).unwrap(), "01:02:03.000001");
    let date_time = ColumnType::MYSQL_TYPE_DATETIME;
    assert_eq!(printed(date_time, 2, &[0]).unwrap(), "0000-00-00 00:00:00.00");
    assert_eq!(printed(ColumnType::MYSQL_TYPE_DATE, 0, &[4, 0xe8, 7, 2, 31]).unwrap(), "2024-02-31");
}

#[test]
fn days_follow_the_calendar() {
    let days = |year: u16, month, day| {
        let [low, high] = year.to_le_bytes();
        DateTime::read(&[low, high, month, day]).unwrap().days()
    };
    assert_eq!(days(1970, 1, 1), Ok(0));
    assert_eq!(days(1969, 12, 31), Ok(-1));
    assert_eq!(days(2000, 2, 29), Ok(11_016));
    assert_eq!(days(2024, 1, 2), Ok(19_724));
    assert_eq!(days(1, 1, 1), Ok(-719_162));
    assert_eq!(days(9999, 12, 31), Ok(2_932_896));
    for (year, month, day) in [(0, 0, 0), (2024, 0, 15), (2024, 1, 0), (1900, 2, 29), (2024, 4, 31), (2024, 13, 1)] {
        assert!(matches!(days(year, month, day), Err(Misfit::Beyond(_))), "{year}-{month}-{day}");
    }
}

#[test]
fn malformed_values_are_refused_and_never_read_beyond() {
    for (wire, bytes) in [
        (ColumnType::MYSQL_TYPE_LONG, &[1, 2, 3][..]),
        (ColumnType::MYSQL_TYPE_DATETIME, &[3, 1, 2, 3]),
        (ColumnType::MYSQL_TYPE_DATETIME, &[9, 1, 2, 3]),
        (ColumnType::MYSQL_TYPE_TIME, &[4, 1, 2, 3, 4]),
        (ColumnType::MYSQL_TYPE_VAR_STRING, &[5, b'a']),
        (ColumnType::MYSQL_TYPE_VAR_STRING, &[0xfe, 255, 255, 255, 255, 255, 255, 255, 255]),
        (ColumnType::MYSQL_TYPE_VAR_STRING, &[0xfb]),
        (ColumnType::MYSQL_TYPE_BIT, &[9, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (ColumnType::MYSQL_TYPE_LONG, &[]),
    ] {
        assert_eq!(printed(wire, 0, bytes), Err(Misfit::Malformed), "{bytes:?}");
    }
}

#[test]
fn decimals_fit_or_are_refused() {
    assert_eq!(unscaled(b"-123.4500", 6, 2), Ok(-12_345_i128));
    assert_eq!(unscaled(b"12345678901234567890.5", 38, 3), Ok(12_345_678_901_234_567_890_500_i128));
    assert_eq!(unscaled(b"0.001", 3, 3), Ok(1_i128));
    assert_eq!(unscaled::<i128>(b"", 3, 0), Ok(0));
    assert_eq!(unscaled::<i128>(b"", 3, 2), Ok(0));
    for (text, precision, scale, expected) in [
        ("0.50", 2, 2, 50_i128),
        ("-999999999999999999", 18, 0, -999_999_999_999_999_999),
        ("9999999999999999.99", 18, 2, 999_999_999_999_999_999),
        ("1234567890123456789", 19, 0, 1_234_567_890_123_456_789),
        ("7", 9, 2, 700),
        ("12", 9, 1, 120),
        ("1.5", 9, 2, 150),
        ("1.500", 9, 2, 150),
    ] {
        assert_eq!(unscaled(text.as_bytes(), precision, scale), Ok(expected), "{text}");
    }
    for text in ["1.2.3", "1x", "x.12", ".", "12.3-"] {
        assert!(unscaled::<i128>(text.as_bytes(), 9, 2).is_err() || text == ".", "{text}");
    }
    assert_eq!(unscaled::<i256>(b"99", 76, 2), Ok(i256::from_i128(9900)));
    for text in ["1.005", "1000", "99999999999999999999999999999999999999999999999999"] {
        assert!(matches!(unscaled::<i128>(text.as_bytes(), 5, 2), Err(Misfit::Value(_))), "{text}");
    }
    assert_eq!(unscaled::<i128>(b"1e5", 9, 0), Err(Misfit::Malformed));
}

#[test]
fn narrower_numbers_than_announced_are_widened() {
    let mut builder = ColumnBuilder::new(&mapped(Decoder::Int64), &native(ColumnType::MYSQL_TYPE_LONG, 0), 1);
    builder.push(&mut &[0xff, 0xff, 0xff, 0xff][..]).unwrap();
    assert_eq!(builder.finish().unwrap().as_primitive::<Int64Type>().value(0), -1);
}

#[test]
fn invalid_dates_are_errors_or_null_as_wished() {
    let date = native(ColumnType::MYSQL_TYPE_DATE, 0);
    let mut strict = ColumnBuilder::new(&mapped(Decoder::Date), &date, 1);
    assert!(matches!(strict.push(&mut &[0][..]), Err(Misfit::Beyond(_))));
    let lenient = Mapped { invalid_is_null: true, ..mapped(Decoder::Date) };
    let mut lenient = ColumnBuilder::new(&lenient, &date, 1);
    lenient.push(&mut &[0][..]).unwrap();
    assert_eq!(lenient.finish().unwrap().null_count(), 1);
}
