//! When a failed attempt is repeated, and after which pause.

use std::time::Duration;

use rivet_plugin_api::{Category, Error};

/// The budget of one window.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts after the first.
    pub max_retries: u32,
    /// The pause before the first retry; doubles with each further one.
    pub backoff: Duration,
}

impl Retry {
    /// The pause before retry number `retry`, counted from 1; `None` when the error is final or the budget is spent.
    pub fn pause(&self, retry: u32, error: &Error) -> Option<Duration> {
        if retry > self.max_retries || !error.category().is_transient() {
            return None;
        }
        let doubled = self.backoff.saturating_mul(1_u32.checked_shl(retry - 1).unwrap_or(u32::MAX));
        Some(doubled.saturating_add(extra(error)))
    }
}

/// What the kind of failure needs beyond the backoff, unless the failed system has named a pause itself.
fn extra(error: &Error) -> Duration {
    error.retry_after_hint().unwrap_or(match error.category() {
        Category::Capacity => Duration::from_secs(15),
        Category::Deadlock => Duration::from_secs(1),
        _ => Duration::ZERO,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_end() {
        let retry = Retry { max_retries: 3, backoff: Duration::from_secs(2) };
        let pauses: Vec<_> = (1..=4).map(|n| retry.pause(n, &Error::network("reset"))).collect();
        let seconds = |s| Some(Duration::from_secs(s));
        assert_eq!(pauses, [seconds(2), seconds(4), seconds(8), None]);
        assert_eq!(retry.pause(1, &Error::new(Category::Capacity, "full")), seconds(17));
        assert_eq!(retry.pause(1, &Error::new(Category::Deadlock, "lost")), seconds(3));
        assert_eq!(retry.pause(1, &Error::auth("no")), None);
        let patient = Retry { max_retries: u32::MAX, backoff: Duration::from_secs(2) };
        assert!(patient.pause(500, &Error::network("reset")).is_some(), "no overflow");
    }
}
