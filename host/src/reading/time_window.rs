//! `mode: time_window`: the rows of the last days, counted from a midnight in UTC.

use rivet_plugin_api::{Error as ApiError, Filter, TimeEncoding};

use super::Reading;
use crate::clock;
use crate::error::{Error, Result};

const DAY: i64 = 86_400_000_000;

pub(super) fn plan(column: &str, encoding: TimeEncoding, days: u32) -> Result<Reading> {
    Ok(Reading::of(filter(column, encoding, days)?))
}

/// The rows of the last `days`.
pub fn filter(column: &str, encoding: TimeEncoding, days: u32) -> Result<Filter> {
    let instant = begin(clock::now().as_microsecond(), days).ok_or_else(|| {
        let text = format!("`days_window: {days}` reaches back further than any database counts");
        Error::Usage(ApiError::config(text).hint("use `mode: full` to read everything"))
    })?;
    Ok(Filter::Since { column: column.to_owned(), instant, encoding })
}

/// Midnight in UTC, `days` before the one that began the day of `now`, in microseconds since 1970. `None` for more than
/// about 5900 years, which no database's timestamps reach.
fn begin(now: i64, days: u32) -> Option<i64> {
    let midnight = now.div_euclid(DAY) * DAY;
    let begin = midnight.checked_sub(i64::from(days).checked_mul(DAY)?)?;
    // 4000 BC, as far as PostgreSQL goes.
    (begin >= -188_000_000_000_000_000).then_some(begin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_counted_from_midnight() {
        assert_eq!(begin(3 * DAY + 1, 1), Some(2 * DAY));
        assert_eq!(begin(3 * DAY, 0), Some(3 * DAY));
        assert_eq!(begin(-1, 1), Some(-2 * DAY));
        assert_eq!(begin(0, 3_000_000), None);
        assert_eq!(begin(0, u32::MAX), None);
    }
}
