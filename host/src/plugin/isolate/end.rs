//! How the process of a plug-in ended, and what a user is told of it.

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use rivet_plugin_api::{Category, Error};
use signal_hook::consts::{SIGABRT, SIGKILL};

use super::Limits;

/// How it ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum End {
    /// A signal that the host did not send.
    Signal(i32),
    /// It ended itself.
    Exit(i32),
    /// The host killed it after so many seconds without an answer.
    Silent(u64),
    /// The host killed it because it did not stop within so many seconds.
    Deaf(u64),
    /// The host killed it because of what it sent.
    Nonsense(String),
}

impl End {
    /// What `status` says.
    pub fn of(status: ExitStatus) -> Self {
        match (status.signal(), status.code()) {
            (Some(signal), _) => Self::Signal(signal),
            (None, code) => Self::Exit(code.unwrap_or(-1)),
        }
    }
}

/// Whose process it was.
pub struct Subject {
    pub name: String,
    pub version: String,
    pub limits: Limits,
}

/// What allocators say before they give up, in lower case.
const OUT_OF_MEMORY: [&str; 5] =
    ["memory allocation of", "bad_alloc", "out of memory", "cannot allocate memory", "failed to allocate"];

const DEFECT: &str = "this is a defect of the plug-in or of a library in it: report it with this message to its author";

impl Subject {
    /// The error of a call in which the process ended; `printed` is what it printed last.
    pub fn explain(&self, end: &End, call: &str, printed: &str) -> Error {
        let who = format!("plug-in \"{}\" {}", self.name, self.version);
        let (category, text, hint) = match end {
            End::Deaf(seconds) => {
                tracing::warn!("{who} did not stop within {seconds} s in \"{call}\" and was killed");
                return Error::cancelled();
            }
            End::Silent(seconds) => (
                Category::Timeout,
                format!("{who} did not answer \"{call}\" within {seconds} s and was killed"),
                "raise `call_timeout_s` under `isolation` if the call may take longer; 0 is no limit",
            ),
            End::Nonsense(why) => {
                let error = Error::internal(format!("{who} sent what cannot be understood in \"{call}\": {why}"));
                return error.hint(DEFECT);
            }
            End::Signal(_) | End::Exit(_) if self.lacked_memory(printed) => (
                Category::Capacity,
                format!(
                    "{who} needed more memory in \"{call}\" than memory_mb: {}",
                    self.limits.memory_mb.unwrap_or(0)
                ),
                "raise `memory_mb` under `isolation`, or lower `batch_size`",
            ),
            End::Signal(SIGABRT) => (Category::Network, format!("{who} aborted in \"{call}\""), DEFECT),
            End::Signal(signal) => {
                let hint = if *signal == SIGKILL {
                    "somebody killed it, or the kernel did because memory ran out: `memory_mb` under `isolation` limits it"
                } else {
                    DEFECT
                };
                (Category::Network, format!("{who} was ended by {} in \"{call}\"", named(*signal)), hint)
            }
            End::Exit(code) => (Category::Network, format!("{who} exited with code {code} in \"{call}\""), DEFECT),
        };
        let text = if printed.is_empty() { text } else { format!("{text}: {printed}") };
        Error::new(category, text).hint(hint).code(Error::CRASHED)
    }

    fn lacked_memory(&self, printed: &str) -> bool {
        let printed = printed.to_lowercase();
        self.limits.memory_mb.is_some() && OUT_OF_MEMORY.iter().any(|words| printed.contains(words))
    }
}

/// `signal 11 (SIGSEGV)`.
fn named(signal: i32) -> String {
    match signal_hook::low_level::signal_name(signal) {
        Some(name) => format!("signal {signal} ({name})"),
        None => format!("signal {signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_is_told_with_its_plugin_and_call() {
        let of = |memory_mb| Subject {
            name: "x".to_owned(),
            version: "2.0.0".to_owned(),
            limits: Limits { call_timeout_s: 7, memory_mb },
        };
        for (memory, end, printed, category, expected) in [
            (
                None,
                End::Signal(11),
                "",
                Category::Network,
                "plug-in \"x\" 2.0.0 was ended by signal 11 (SIGSEGV) in \"read\"",
            ),
            (None, End::Signal(6), "no", Category::Network, "plug-in \"x\" 2.0.0 aborted in \"read\": no"),
            (None, End::Exit(3), "", Category::Network, "plug-in \"x\" 2.0.0 exited with code 3 in \"read\""),
            (
                None,
                End::Silent(7),
                "",
                Category::Timeout,
                "plug-in \"x\" 2.0.0 did not answer \"read\" within 7 s and was killed",
            ),
            (
                Some(512),
                End::Signal(6),
                "memory allocation of 9 bytes failed",
                Category::Capacity,
                "plug-in \"x\" 2.0.0 needed more memory in \"read\" than memory_mb: 512: memory allocation of 9 bytes failed",
            ),
            (
                None,
                End::Signal(6),
                "memory allocation of 9 bytes failed",
                Category::Network,
                "plug-in \"x\" 2.0.0 aborted in \"read\": memory allocation of 9 bytes failed",
            ),
        ] {
            let error = of(memory).explain(&end, "read", printed);
            assert_eq!((error.category(), error.message()), (category, expected));
            assert_eq!(error.code_text(), Some(Error::CRASHED));
        }
        assert_eq!(of(None).explain(&End::Deaf(5), "read", "").category(), Category::Cancelled);
        assert_eq!(of(None).explain(&End::Nonsense("?".into()), "read", "").category(), Category::Internal);
    }
}
