//! How hard the source is worked: profiles, the `tuning` maps of source and export, and what results from both.

use rivet_plugin_api::suggest::list;

use super::home;
use super::key::{Key, Takes, choices, find};
use super::node::{Value, shorten};
use super::section::Section;
use crate::code::Code;

/// A named set of defaults.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Profile {
    /// For a replica of one's own: large batches, no pauses, no limits.
    Fast,
    /// For a source with other work to do.
    #[default]
    Balanced,
    /// For a production database under load: small batches, long pauses, patient retries.
    Safe,
}

impl Profile {
    /// The name in configurations and in the state file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fast => "fast",
            Self::Balanced => "balanced",
            Self::Safe => "safe",
        }
    }
}

/// One `tuning` map as written. Absent fields come from the source's map, then from the profile.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TuningSection {
    /// See [`Profile`].
    pub profile: Option<Profile>,
    /// See [`Tuning::batch_size`].
    pub batch_size: Option<usize>,
    /// See [`Tuning::batch_size_memory_mb`].
    pub batch_size_memory_mb: Option<u64>,
    /// See [`Tuning::throttle_ms`].
    pub throttle_ms: Option<u64>,
    /// See [`Tuning::statement_timeout_s`].
    pub statement_timeout_s: Option<u64>,
    /// See [`Tuning::max_retries`].
    pub max_retries: Option<u32>,
    /// See [`Tuning::retry_backoff_ms`].
    pub retry_backoff_ms: Option<u64>,
    /// See [`Tuning::lock_timeout_s`].
    pub lock_timeout_s: Option<u64>,
    /// See [`Tuning::memory_threshold_mb`].
    pub memory_threshold_mb: Option<u64>,
}

/// Servers count milliseconds in 32 bits.
const MAX_MS: i128 = i32::MAX as i128;
const MAX_S: i128 = MAX_MS / 1000;

/// The keys of a `tuning` map.
pub(super) const KEYS: &[Key] = &[
    Key::new(
        "profile",
        Takes::One(|| choices(profiles())),
        "Defaults for all keys that are not given: `fast` for a replica of one's own, `balanced` (the default) for a source \
         with other work to do, `safe` for a database under load.",
    ),
    Key::new("batch_size", Takes::Whole(1, i32::MAX as i128), "Rows of a batch. Excludes `batch_size_memory_mb`."),
    Key::new(
        "batch_size_memory_mb",
        Takes::Whole(1, 1 << 20),
        "MiB of memory that a batch aims at, instead of a number of rows.",
    ),
    Key::new("throttle_ms", Takes::Whole(0, MAX_MS), "Milliseconds of rest between batches."),
    Key::new(
        "statement_timeout_s",
        Takes::Whole(0, MAX_S),
        "Seconds that the server may work on one statement; 0 is no limit. Rests do not count.",
    ),
    Key::new("max_retries", Takes::Whole(0, 1000), "Attempts after the first, where trying again can help."),
    Key::new(
        "retry_backoff_ms",
        Takes::Whole(0, MAX_MS),
        "Milliseconds before the first attempt after a failure; doubles with each further one.",
    ),
    Key::new("lock_timeout_s", Takes::Whole(0, MAX_S), "Seconds to wait for a lock on the server; 0 is no limit."),
    Key::new(
        "memory_threshold_mb",
        Takes::Whole(0, 1 << 30),
        "MiB of resident memory above which reading slows down; 0 is no limit.",
    ),
];

fn profiles() -> [(&'static str, Profile); 3] {
    [Profile::Fast, Profile::Balanced, Profile::Safe].map(|p| (p.as_str(), p))
}

impl TuningSection {
    /// Reads the `tuning` map of `parent`, if there is one, and reports what is wrong with it.
    pub(super) fn of(parent: &Section<'_>, label: &str) -> Self {
        let Some(section) = parent.section("tuning", label) else { return Self::default() };
        section.only(KEYS, &[], home);
        let tuning = Self {
            profile: section.choice("profile", &profiles()),
            batch_size: section.integer(KEYS, "batch_size"),
            batch_size_memory_mb: section.integer(KEYS, "batch_size_memory_mb"),
            throttle_ms: section.integer(KEYS, "throttle_ms"),
            statement_timeout_s: section.integer(KEYS, "statement_timeout_s"),
            max_retries: section.integer(KEYS, "max_retries"),
            retry_backoff_ms: section.integer(KEYS, "retry_backoff_ms"),
            lock_timeout_s: section.integer(KEYS, "lock_timeout_s"),
            memory_threshold_mb: section.integer(KEYS, "memory_threshold_mb"),
        };
        if tuning.is_contradictory() {
            section.problem_as(
                Code::Exclusive,
                section.place("batch_size_memory_mb"),
                exclusive(&section.label),
                KEEP_ONE,
            );
        }
        tuning
    }

    /// Whether both ways to size a batch are given.
    pub(super) fn is_contradictory(&self) -> bool {
        self.batch_size.is_some() && self.batch_size_memory_mb.is_some()
    }

    /// `self` with its gaps filled from `base`.
    #[must_use]
    pub fn over(&self, base: &Self) -> Self {
        Self {
            profile: self.profile.or(base.profile),
            batch_size: self.batch_size.or(base.batch_size),
            batch_size_memory_mb: self.batch_size_memory_mb.or(base.batch_size_memory_mb),
            throttle_ms: self.throttle_ms.or(base.throttle_ms),
            statement_timeout_s: self.statement_timeout_s.or(base.statement_timeout_s),
            max_retries: self.max_retries.or(base.max_retries),
            retry_backoff_ms: self.retry_backoff_ms.or(base.retry_backoff_ms),
            lock_timeout_s: self.lock_timeout_s.or(base.lock_timeout_s),
            memory_threshold_mb: self.memory_threshold_mb.or(base.memory_threshold_mb),
        }
    }
}

/// Reports tuning keys that stand in `section` instead of in its `tuning` map, the most frequent mistake in these files.
pub(super) fn misplaced(section: &Section<'_>, place: &str, home: &str) {
    let misplaced: Vec<_> = section.entries.iter().filter(|e| find(KEYS, &e.key).is_some()).collect();
    let Some(first) = misplaced.first() else { return };
    let names = list(misplaced.iter().map(|e| e.key.as_str()), "and");
    let example = match &first.value.value {
        Value::Scalar(scalar) if scalar.origin.is_none() => shorten(&scalar.text),
        _ => "…".to_owned(),
    };
    let hint = format!("move to `{home}`, for example `tuning: {{ {}: {example} }}`", first.key);
    section.problem_as(Code::MisplacedKey, first.key_span, format!("tuning keys directly in {place}: {names}"), hint);
}

pub(super) const KEEP_ONE: &str = "keep one of the two";

pub(super) fn exclusive(label: &str) -> String {
    format!("`batch_size` and `batch_size_memory_mb` exclude each other in {label}")
}

/// What one export runs with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tuning {
    /// The profile that filled the gaps.
    pub profile: Profile,
    /// Whether the configuration names the profile.
    pub profile_given: bool,
    /// Rows of a batch, at least 1. The cap while [`Self::batch_size_memory_mb`] is set too.
    pub batch_size: usize,
    /// MiB of Arrow data a batch aims at; takes the place of `batch_size`.
    pub batch_size_memory_mb: Option<u64>,
    /// Milliseconds to sleep between batches.
    pub throttle_ms: u64,
    /// Seconds of server work for one statement; 0 is no limit.
    pub statement_timeout_s: u64,
    /// Attempts after the first.
    pub max_retries: u32,
    /// Milliseconds before the first retry; doubles with each further one.
    pub retry_backoff_ms: u64,
    /// Seconds to wait for a lock on the server; 0 is no limit.
    pub lock_timeout_s: u64,
    /// MiB of resident memory above which reading slows down; 0 is no limit.
    pub memory_threshold_mb: u64,
}

impl Tuning {
    /// Field by field: the export's value, else the source's, else the profile's. An export's profile replaces only
    /// the profile: explicit fields of the source still win over it.
    pub fn merge(source: &TuningSection, export: &TuningSection) -> Self {
        let given = export.over(source);
        let base = Self::of_profile(given.profile.unwrap_or_default());
        Self {
            profile_given: given.profile.is_some(),
            batch_size: given.batch_size.unwrap_or(base.batch_size),
            batch_size_memory_mb: given.batch_size_memory_mb,
            throttle_ms: given.throttle_ms.unwrap_or(base.throttle_ms),
            statement_timeout_s: given.statement_timeout_s.unwrap_or(base.statement_timeout_s),
            max_retries: given.max_retries.unwrap_or(base.max_retries),
            retry_backoff_ms: given.retry_backoff_ms.unwrap_or(base.retry_backoff_ms),
            lock_timeout_s: given.lock_timeout_s.unwrap_or(base.lock_timeout_s),
            memory_threshold_mb: given.memory_threshold_mb.unwrap_or(base.memory_threshold_mb),
            ..base
        }
    }

    fn of_profile(profile: Profile) -> Self {
        // batch_size, throttle_ms, statement_timeout_s, max_retries, retry_backoff_ms, lock_timeout_s
        let (rows, throttle, statement, retries, backoff, lock) = match profile {
            Profile::Fast => (50_000, 0, 0, 1, 1000, 0),
            Profile::Balanced => (10_000, 50, 300, 3, 2000, 30),
            Profile::Safe => (2000, 500, 120, 5, 5000, 10),
        };
        Self {
            profile,
            profile_given: false,
            batch_size: rows,
            batch_size_memory_mb: None,
            throttle_ms: throttle,
            statement_timeout_s: statement,
            max_retries: retries,
            retry_backoff_ms: backoff,
            lock_timeout_s: lock,
            memory_threshold_mb: 0,
        }
    }

    /// The profile for people: `safe`, or `balanced (default)` when the configuration names none.
    pub fn profile_label(&self) -> String {
        format!("{}{}", self.profile.as_str(), if self.profile_given { "" } else { " (default)" })
    }

    /// The `tuning:` line of the summary.
    pub fn label(&self) -> String {
        let memory = self.batch_size_memory_mb.map(|mb| format!(" (batch_size_memory_mb={mb}MiB)")).unwrap_or_default();
        format!("profile={}, batch_size={}{memory}", self.profile_label(), self.batch_size)
    }
}
