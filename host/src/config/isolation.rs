//! `isolation`: whether connectors run in processes of their own, and what these may use.

use super::connector::Connector;
use super::key::{Key, Takes, choices};
use super::node::Value;
use super::section::Section;
use crate::plugin::{Isolation, Limits};

/// The keys of the long form.
pub(super) const KEYS: &[Key] = &[
    Key::new("mode", Takes::One(|| choices(modes())), "Where the connector runs: `none` is in Rivet's own process."),
    Key::new(
        "call_timeout_s",
        Takes::Whole(0, 7 * 24 * 3600),
        "Seconds within which the connector has to answer a call, 900 by default; 0 is no limit. Time in which it is not \
         asked does not count.",
    ),
    Key::new(
        "memory_mb",
        Takes::Whole(256, 1 << 24),
        "MiB of address space that the process may use; no limit by default. Threads and libraries count, also where they \
         use little of what they reserve.",
    ),
];

pub(super) fn modes() -> [(&'static str, Isolation); 2] {
    [("process", Isolation::Process(DEFAULT)), ("none", Isolation::None)]
}

const DEFAULT: Limits = Limits::DEFAULT;

impl Section<'_> {
    /// The `isolation` of a map, in its short or its long form.
    pub(super) fn isolation(&self) -> Option<Isolation> {
        let entry = self.get("isolation")?;
        let Value::Map(_) = &entry.value.value else {
            return self.choice("isolation", &modes());
        };
        let long = self.section("isolation", format!("`isolation` of {}", self.label))?;
        long.only(KEYS, &[], |_| None);
        let mode = long.choice("mode", &modes()).unwrap_or(Isolation::Process(DEFAULT));
        let limits = Limits {
            call_timeout_s: long.integer(KEYS, "call_timeout_s").unwrap_or(DEFAULT.call_timeout_s),
            memory_mb: long.integer(KEYS, "memory_mb"),
        };
        let limited = ["call_timeout_s", "memory_mb"].into_iter().find(|key| long.has(key));
        match (mode, limited) {
            (Isolation::None, Some(key)) => {
                let message = format!("`{key}` has no meaning with `mode: none` in {}", long.label);
                long.problem(long.place(key), message, "use `mode: process`, or remove it");
                None
            }
            (Isolation::None, None) => Some(Isolation::None),
            (Isolation::Process(_), _) => Some(Isolation::Process(limits)),
        }
    }
}

impl Connector {
    /// Where it runs, when nothing but what it says itself and what holds for all is known.
    pub(super) fn inherit(&mut self, isolation: Option<Isolation>) {
        self.isolation = self.own_isolation.or(isolation).unwrap_or_default();
    }

    /// Puts it into a process of its own, with the limits of `otherwise` when it has none.
    pub(super) fn isolate(&mut self, otherwise: Option<Isolation>) {
        if self.isolation == Isolation::None {
            self.isolation = otherwise.unwrap_or_default().enforced();
        }
    }
}
