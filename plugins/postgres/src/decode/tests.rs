use arrow_array::cast::AsArray;

use super::time::DAY_MICROS;
use super::*;

/// `numeric` as the server sends it.
fn numeric(weight: i16, sign: u16, display: u16, digits: &[u16]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in [digits.len() as u16, weight as u16, sign, display].iter().chain(digits) {
        out.extend(value.to_be_bytes());
    }
    out
}

fn text(field: &[u8]) -> String {
    let mut out = Vec::new();
    push_numeric(field, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn numeric_prints_like_the_server() {
    for (field, expected) in [
        (numeric(0, 0, 0, &[]), "0"),
        (numeric(0, 0, 3, &[]), "0.000"),
        (numeric(0, 0x4000, 2, &[12, 5000]), "-12.50"),
        (numeric(1, 0, 0, &[1]), "10000"),
        (numeric(2, 0, 1, &[1, 0, 1]), "100000001.0"),
        (numeric(-1, 0, 4, &[1]), "0.0001"),
        (numeric(-1, 0x4000, 4, &[1]), "-0.0001"),
        (numeric(0, 0x4000, 0, &[7]), "-7"),
        (numeric(3, 0x4000, 4, &[1234, 5, 67, 8, 90]), "-1234000500670008.0090"),
        (numeric(4, 0x4000, 0, &[1, 0, 0, 0, 2]), "-10000000000000002"),
        (numeric(3, 0, 1, &[9]), "9000000000000.0"),
        (numeric(0, 0x4000, 5, &[7, 1]), "-7.00010"),
        (numeric(-2, 0, 8, &[1]), "0.00000001"),
        (numeric(-1, 0, 2, &[1200]), "0.12"),
        (numeric(0, 0xC000, 0, &[]), "NaN"),
        (numeric(0, 0xD000, 0, &[]), "Infinity"),
        (numeric(0, 0xF000, 0, &[]), "-Infinity"),
    ] {
        assert_eq!(text(&field), expected);
    }
    let mut out = Vec::new();
    assert!(push_numeric(&numeric(0, 0, 0, &[10_000]), &mut out).is_err());
    assert!(push_numeric(&[0, 1, 0, 0, 0, 0, 0, 0], &mut out).is_err());
    assert!(push_numeric(&[0], &mut out).is_err());
}

#[test]
fn short_and_long_numbers_print_alike() {
    for before in 1..8 {
        for behind in 0..8 {
            let digits: Vec<u16> = (1..=before + behind).map(|i| i * 1111).map(|d| d % 10_000).collect();
            let groups: Vec<String> = digits.iter().map(|d| format!("{d:04}")).collect();
            let (whole, fraction) = groups.split_at(usize::from(before));
            let mut expected = format!("-{}", whole.concat().trim_start_matches('0'));
            if behind > 0 {
                expected = format!("{expected}.{}", fraction.concat());
            }
            let field = numeric(before as i16 - 1, 0x4000, behind * 4, &digits);
            assert_eq!(text(&field), expected);
            if before + behind < 10 {
                let unscaled = expected.replace('.', "").parse::<i128>().unwrap();
                assert_eq!(super::unscaled::<i128>(&field, 38, behind as i8 * 4), Ok(unscaled));
                assert_eq!(super::unscaled::<i256>(&field, 76, behind as i8 * 4), Ok(i256::from_i128(unscaled)));
                assert!(super::unscaled::<i128>(&field, before as u8 * 4 - 4, 0).is_err());
            }
        }
    }
}

#[test]
fn decimals_fit_exactly_or_not_at_all() {
    let i128 = |field: &[u8], p, s| unscaled::<i128>(field, p, s);
    assert_eq!(i128(&numeric(0, 0x4000, 2, &[12, 5000]), 4, 2), Ok(-1250));
    assert_eq!(i128(&numeric(0, 0, 2, &[12, 5000]), 4, 1), Ok(125));
    assert_eq!(i128(&numeric(2, 0, 0, &[1]), 11, 2), Ok(10_000_000_000));
    assert_eq!(i128(&numeric(-2, 0, 8, &[1]), 8, 8), Ok(1));
    assert_eq!(i128(&numeric(0, 0, 0, &[]), 1, 0), Ok(0));
    assert!(i128(&numeric(0, 0, 2, &[12, 5000]), 4, 0).is_err());
    assert!(i128(&numeric(-3, 0, 12, &[1]), 38, 2).is_err());
    assert!(i128(&numeric(0, 0, 0, &[100]), 2, 0).is_err());
    assert!(i128(&numeric(0, 0xC000, 0, &[]), 38, 2).is_err());
    // 37 digits before the point and one behind it: the digits sent would need 41.
    let mut digits = vec![9999; 9];
    digits.insert(0, 9);
    digits.push(9000);
    assert_eq!(i128(&numeric(9, 0, 1, &digits), 38, 1), Ok(10_i128.pow(38) - 1));
    let wide = unscaled::<i256>(&numeric(18, 0, 0, &[9999; 19]), 76, 0).unwrap();
    assert_eq!(wide.to_string(), "9".repeat(76));
    assert!(unscaled::<i256>(&numeric(19, 0, 0, &[1]), 76, 0).is_err());
}

#[test]
fn dates_and_timestamps_move_to_arrows_epoch() {
    assert_eq!(date(0), Ok(10_957));
    assert_eq!(timestamp(-1), Ok(946_684_799_999_999));
    for wrong in [date(i32::MAX), date(i32::MIN), date(i32::MAX - 1)] {
        assert!(matches!(wrong, Err(Misfit::Beyond(_))));
    }
    for wrong in [timestamp(i64::MAX), timestamp(i64::MIN), timestamp(i64::MAX - 1)] {
        assert!(matches!(wrong, Err(Misfit::Beyond(_))));
    }
    assert!(time(DAY_MICROS).is_err());
}

#[test]
fn a_builder_starts_afresh_after_each_batch() {
    let mut builder = ColumnBuilder::new(&Decoder::Text, 2);
    builder.push("é".as_bytes()).unwrap();
    builder.push_null().unwrap();
    assert!(builder.size() >= 2);
    let first = builder.finish().unwrap();
    assert_eq!((first.as_string::<i32>().value(0), first.is_null(1)), ("é", true));
    assert_eq!(builder.finish().unwrap().len(), 0);
}

#[test]
fn text_that_is_no_utf8_is_refused() {
    // Valid as a whole, but not cell by cell.
    let mut builder = ColumnBuilder::new(&Decoder::Text, 2);
    builder.push(&[0xc3]).unwrap();
    builder.push(&[0xa9]).unwrap();
    assert_eq!(builder.finish().unwrap_err(), Misfit::NotUtf8);
}

#[test]
fn malformed_values_are_refused() {
    for decoder in [Decoder::Bool, Decoder::Int16, Decoder::Int64, Decoder::Uuid, Decoder::Jsonb, Decoder::Numeric] {
        assert_eq!(ColumnBuilder::new(&decoder, 1).push(&[2, 2, 2]), Err(Misfit::Malformed), "{decoder:?}");
    }
}
