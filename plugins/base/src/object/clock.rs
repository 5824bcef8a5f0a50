//! How far the clock of this machine is from a server's, as the date of an answer tells. Signatures hold for minutes.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

/// Dates of answers are in seconds, and an answer takes its time.
const USUAL: SignedDuration = SignedDuration::from_mins(1);

/// Words such as `2 h 5 min ahead of`; `None` when the clocks agree or the answer has no date.
pub fn drift(headers: &HeaderMap) -> Option<String> {
    let date = headers.get(http::header::DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    words(Timestamp::now().duration_since(theirs))
}

fn words(drift: SignedDuration) -> Option<String> {
    let (by, side) = (drift.abs(), if drift.is_negative() { "behind" } else { "ahead of" });
    let (hours, minutes) = (by.as_hours(), by.as_mins() % 60);
    match (by > USUAL, hours) {
        (false, _) => None,
        (true, 0) => Some(format!("{minutes} min {side}")),
        (true, 1..48) => Some(format!("{hours} h {minutes} min {side}")),
        (true, _) => Some(format!("{} days {side}", hours / 24)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drift_is_told_in_its_size_and_direction() {
        let told = |seconds| words(SignedDuration::from_secs(seconds));
        assert_eq!(told(59), None);
        assert_eq!(told(-60), None);
        assert_eq!(told(16 * 60).as_deref(), Some("16 min ahead of"));
        assert_eq!(told(-7500).as_deref(), Some("2 h 5 min behind"));
        assert_eq!(told(4 * 86_400).as_deref(), Some("4 days ahead of"));
    }

    #[test]
    fn the_date_of_an_answer_is_the_servers_clock() {
        let now = jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
        let date = |zoned: &jiff::Zoned| jiff::fmt::rfc2822::to_string(zoned).unwrap().parse().unwrap();
        let of = |zoned: &jiff::Zoned| drift(&HeaderMap::from_iter([(http::header::DATE, date(zoned))]));
        assert_eq!(of(&now), None);
        let earlier = now.checked_sub(SignedDuration::from_secs(7230)).unwrap();
        assert_eq!(of(&earlier).as_deref(), Some("2 h 0 min ahead of"));
        assert_eq!(drift(&HeaderMap::new()), None);
    }
}
