//! When a failed attempt is repeated, and after which pause.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rivet_plugin_api::{Category, Error};

use crate::event::{Event, Feed};
use crate::secret;

mod words;

/// The retries of one run, of which a window or each of its parts may use as many as the tuning allows.
pub struct Attempts<'a> {
    retry: Retry,
    feed: &'a Feed,
    made: AtomicU32,
}

impl<'a> Attempts<'a> {
    /// No retry so far. Every one is told to `feed`.
    pub fn new(retry: Retry, feed: &'a Feed) -> Self {
        Self { retry, feed, made: AtomicU32::new(0) }
    }

    /// Whom the export tells.
    pub fn feed(&self) -> &'a Feed {
        self.feed
    }

    /// The retries of one window or part.
    pub fn budget(&self) -> Budget<'_> {
        self.budget_of(self.retry.max_retries)
    }

    /// The retries of something that has a limit of its own.
    pub fn budget_of(&self, max_retries: u32) -> Budget<'_> {
        Budget { attempts: self, retry: Retry { max_retries, ..self.retry }, used: 0 }
    }

    /// Retries made so far, by all.
    pub fn made(&self) -> u32 {
        self.made.load(Ordering::Relaxed)
    }
}

/// The retries left to one window or part.
pub struct Budget<'a> {
    attempts: &'a Attempts<'a>,
    retry: Retry,
    used: u32,
}

impl Budget<'_> {
    /// Uses up one retry, says so, and answers the pause before it; `None` when `error` is final.
    pub fn next(&mut self, error: &Error) -> Option<Duration> {
        let pause = spread(self.retry.pause(self.used + 1, error)?, random());
        self.used += 1;
        self.attempts.made.fetch_add(1, Ordering::Relaxed);
        let category = words::category(error);
        let label = if is_of_connection(error) { " reconnecting" } else { "" };
        let (retry, most, ms) = (self.used, self.retry.max_retries, pause.as_millis());
        tracing::warn!("retry {retry}/{most} in {ms}ms{label} ({error})");
        self.attempts.feed.tell(&Event::Retry {
            retry,
            max_retries: most,
            pause_ms: u64::try_from(ms).unwrap_or(u64::MAX),
            category,
            error: secret::redact(&error.to_string()),
        });
        Some(pause)
    }
}

/// The budget of one window or part.
#[derive(Clone, Copy, Debug)]
pub struct Retry {
    /// Attempts after the first.
    pub max_retries: u32,
    /// The pause before the first retry; doubles with each further one.
    pub backoff: Duration,
}

impl Retry {
    /// The least pause before retry number `retry`, counted from 1; `None` when the error is final or the budget is spent.
    pub fn pause(&self, retry: u32, error: &Error) -> Option<Duration> {
        if retry > self.max_retries || !words::category(error).is_transient() {
            return None;
        }
        let doubled = self.backoff.saturating_mul(1_u32.checked_shl(retry - 1).unwrap_or(u32::MAX));
        Some(doubled.saturating_add(extra(error)))
    }
}

/// What the kind of failure needs beyond the backoff, unless the failed system has named a pause itself.
fn extra(error: &Error) -> Duration {
    error.retry_after_hint().unwrap_or(match words::category(error) {
        Category::Capacity => Duration::from_secs(15),
        Category::Deadlock => Duration::from_secs(1),
        _ => Duration::ZERO,
    })
}

/// Whether the connection is what failed, or could not be had. A server that lacks another resource (class 53 of SQLSTATE,
/// but for 53300, too many connections) may keep it.
fn is_of_connection(error: &Error) -> bool {
    let lacks_another =
        error.code_text().is_some_and(|code| code.len() == 5 && code.starts_with("53") && code != "53300");
    match words::category(error) {
        // Its process is what failed.
        _ if error.code_text() == Some(Error::CRASHED) => false,
        Category::Network => true,
        Category::Capacity => !lacks_another,
        _ => false,
    }
}

/// Up to a quarter more than `pause`, never less: readers that one outage has stopped do not come back all at once.
fn spread(pause: Duration, random: u64) -> Duration {
    let more = (pause.as_nanos() / 4).saturating_mul(u128::from(random)) >> u64::BITS;
    pause.saturating_add(Duration::from_nanos(u64::try_from(more).unwrap_or(u64::MAX)))
}

/// Any number, from the keys that the standard library's maps get from the system.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Listeners;

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

    #[test]
    fn only_what_ends_connections_is_called_reconnecting() {
        let capacity = |code: &str| Error::new(Category::Capacity, "no").code(code);
        for (error, expected) in [
            (Error::network("reset"), true),
            (capacity("53300"), true),
            (capacity("57P03"), true),
            (capacity("1040"), true),
            (capacity("53200"), false),
            (capacity("53100"), false),
            (Error::new(Category::Timeout, "late").code("57014"), false),
        ] {
            assert_eq!(is_of_connection(&error), expected, "{error}");
        }
    }

    #[test]
    fn a_pause_gets_up_to_a_quarter_longer_and_never_shorter() {
        let second = Duration::from_secs(1);
        assert_eq!(spread(second, 0), second);
        assert_eq!(spread(second, 1 << 63), Duration::from_millis(1125));
        assert_eq!(spread(second, u64::MAX).as_millis(), 1249);
        assert_eq!(spread(Duration::ZERO, u64::MAX), Duration::ZERO);
        assert!(spread(Duration::MAX, u64::MAX) >= Duration::from_secs(u64::MAX));
        assert_ne!((random(), random()), (random(), random()));
    }

    #[test]
    fn a_retry_is_counted_once_and_ends_with_the_budget() {
        let feed = Feed::new(&Listeners::default(), "orders");
        let attempts = Attempts::new(Retry { max_retries: 1, backoff: Duration::from_millis(100) }, &feed);
        let (mut window, mut chunk) = (attempts.budget(), attempts.budget_of(2));
        let reset = Error::network("reset");
        let pause = window.next(&reset).unwrap();
        assert!((100..=125).contains(&pause.as_millis()), "{pause:?}");
        assert_eq!(window.next(&reset), None);
        assert!(chunk.next(&reset).is_some() && chunk.next(&reset).is_some() && chunk.next(&reset).is_none());
        assert_eq!(attempts.made(), 3);
        assert_eq!(attempts.budget().next(&Error::permanent("no")), None);
    }
}
