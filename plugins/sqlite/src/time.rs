//! ISO 8601 dates and timestamps as SQLite's own date functions write them, without loss and without allocation.

/// Days since 1970-01-01 of `YYYY-MM-DD`, the only form taken.
pub(crate) fn parse_date(text: &[u8]) -> Option<i32> {
    let [y @ .., b'-', m1, m2, b'-', d1, d2] = text else { return None };
    let (year, month, day) = (number::<4>(y)?, number::<2>(&[*m1, *m2])?, number::<2>(&[*d1, *d2])?);
    (day >= 1 && day <= days_in_month(year, month)?).then(|| days_from_civil(year, month, day))
}

/// Microseconds since 1970-01-01T00:00:00 of `YYYY-MM-DD[ T]HH:MM[:SS[.frac]][Z|±hh:mm]`.
///
/// An offset is subtracted, as SQLite does: text without one counts as UTC. More digits than microseconds hold are
/// taken only when they are zeros.
pub(crate) fn parse_timestamp(text: &[u8]) -> Option<i64> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = i64::from(parse_date(date)?);
    let [b' ' | b'T', h1, h2, b':', m1, m2, rest @ ..] = rest else { return None };
    let (hour, minute) = (number::<2>(&[*h1, *h2])?, number::<2>(&[*m1, *m2])?);
    let (second, micros, zone) = match rest {
        [b':', s1, s2, rest @ ..] => {
            let (micros, zone) = fraction(rest)?;
            (number::<2>(&[*s1, *s2])?, micros, zone)
        }
        zone => (0, 0, zone),
    };
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = days * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - i64::from(offset(zone)? * 60);
    Some(seconds * 1_000_000 + micros)
}

/// The microseconds of `.ffffff`, and what follows them.
fn fraction(text: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', rest @ ..] = text else { return Some((0, text)) };
    let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
    let (fraction, zone) = rest.split_at(digits);
    let lossless = digits > 0 && fraction.iter().skip(6).all(|c| *c == b'0');
    let digit = |i: usize| i64::from(fraction.get(i).map_or(0, |c| c - b'0'));
    lossless.then(|| ((0..6).fold(0, |sum, i| sum * 10 + digit(i)), zone))
}

/// The minutes that local time is ahead of UTC.
fn offset(zone: &[u8]) -> Option<i32> {
    match zone {
        [] | [b'Z' | b'z'] => Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let (hours, minutes) = (number::<2>(&[*h1, *h2])?, number::<2>(&[*m1, *m2])?);
            let total = hours * 60 + minutes;
            (hours <= 14 && minutes <= 59).then_some(if *sign == b'-' { -total } else { total })
        }
        _ => None,
    }
}

/// The value of exactly `N` digits.
fn number<const N: usize>(text: &[u8]) -> Option<i32> {
    let digits: &[u8; N] = text.try_into().ok()?;
    digits.iter().try_fold(0, |sum, c| c.is_ascii_digit().then(|| sum * 10 + i32::from(c - b'0')))
}

fn days_in_month(year: i32, month: i32) -> Option<i32> {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => Some(29),
        2 => Some(28),
        4 | 6 | 9 | 11 => Some(30),
        1..=12 => Some(31),
        _ => None,
    }
}

/// Howard Hinnant's algorithm: eras of 400 years that begin on 1 March.
fn days_from_civil(year: i32, month: i32, day: i32) -> i32 {
    let year = year - i32::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;
    use rivet_plugin_api::CursorValue;

    #[test]
    fn every_day_of_ten_millennia_survives() {
        let (first, last) = (parse_date(b"0000-01-01").unwrap(), parse_date(b"9999-12-31").unwrap());
        for day in first..=last {
            assert_eq!(parse_date(CursorValue::Date(day).to_string().as_bytes()), Some(day));
        }
        assert_eq!(parse_date(b"1970-01-01"), Some(0));
    }

    #[test]
    fn forms_of_a_timestamp() {
        let noon = 1_704_196_800_000_000;
        for text in [
            "2024-01-02 12:00",
            "2024-01-02 12:00:00",
            "2024-01-02T12:00:00Z",
            "2024-01-02T12:00:00.000000000",
            "2024-01-02 14:30:00+02:30",
            "2024-01-01 22:00:00.0-14:00",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), Some(noon), "{text}");
        }
        assert_eq!(parse_timestamp(b"1969-12-31T23:59:59.999999"), Some(-1));
        assert_eq!(parse_timestamp(b"2024-01-02 12:00:00.5"), Some(noon + 500_000));
    }

    #[test]
    fn what_would_lose_or_invent_is_refused() {
        for text in ["", "2023-02-29", "2024-13-01", "2024-00-01", "2024-1-2", "20240102", "+024-01-02", "2024-01-02 "]
        {
            assert_eq!(parse_date(text.as_bytes()), None, "{text}");
        }
        for text in [
            "2024-01-02",
            "2024-01-02 24:00:00",
            "2024-01-02 12:00:60",
            "2024-01-02 12:00:00.",
            "2024-01-02 12:00:00.1234567",
            "2024-01-02 12:00:00 Z",
            "2024-01-02 12:00:00+0200",
            "2024-01-02 12:00:00 UTC",
            "1704196800",
        ] {
            assert_eq!(parse_timestamp(text.as_bytes()), None, "{text}");
        }
    }
}
