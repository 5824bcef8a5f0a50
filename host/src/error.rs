//! What ends a command: one type, what it prints, and its exit code.

use std::fmt;

use rivet_plugin_api::Category;

use crate::code::Code;
use crate::config::ConfigError;
use crate::distribution;
use crate::state::{StateError, StateErrorKind};

/// Exit codes. Documented in `docs/src/reference/exit-codes.md`.
pub mod exit {
    /// Everything that was asked for is done.
    pub const OK: u8 = 0;
    /// An export failed; the others were attempted.
    pub const FAILED: u8 = 1;
    /// The command line or the configuration is wrong; nothing was touched.
    pub const USAGE: u8 = 2;
    /// A data gate refused the result; nothing was published.
    pub const REFUSED: u8 = 3;
    /// Another run holds the lock of the export.
    pub const LOCKED: u8 = 4;
}

/// Why a command or an export failed.
#[derive(Debug)]
pub enum Error {
    /// The configuration: shown with file, line and caret. The user corrects it.
    Config(ConfigError),
    /// The command line, or a connector that cannot be found or opened as configured.
    Usage(rivet_plugin_api::Error),
    /// A connector or the pipeline.
    Run(rivet_plugin_api::Error),
    /// The state file.
    State(StateError),
    /// A data gate refused the result; nothing was published and nothing moved.
    Refused(rivet_plugin_api::Error),
    /// A run that was interrupted stands in the way: the user says whether to go on with it.
    Unfinished(rivet_plugin_api::Error),
    /// A signal ended the run.
    Stopped(i32),
}

/// The result of a command's steps.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The process's exit code when this error ends it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) | Self::Usage(_) => exit::USAGE,
            Self::State(e) if matches!(e.kind(), StateErrorKind::Locked(_)) => exit::LOCKED,
            Self::Run(_) | Self::State(_) | Self::Unfinished(_) => exit::FAILED,
            Self::Refused(_) => exit::REFUSED,
            Self::Stopped(signal) => 128 + u8::try_from(*signal).unwrap_or(0),
        }
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Config(_) => None,
            Self::Usage(e) | Self::Run(e) | Self::Refused(e) | Self::Unfinished(e) => e.hint_text().map(str::to_owned),
            Self::State(e) => e.hint(),
            Self::Stopped(_) => Some(
                "run the same command again: it redoes what was not finished; chunked exports with `chunk_checkpoint` go on \
                 when it also has `--resume`"
                    .to_owned(),
            ),
        }
    }

    /// Its stable codes, each once, in the order of what is shown.
    pub fn codes(&self) -> Vec<Code> {
        match self {
            Self::Config(e) => {
                let mut codes = Vec::new();
                for code in e.diagnostics().iter().map(|d| d.code) {
                    if !codes.contains(&code) {
                        codes.push(code);
                    }
                }
                codes
            }
            Self::Usage(e) if e.category() == Category::Conflict => vec![Code::PluginLock],
            Self::Usage(_) => vec![Code::Usage],
            Self::Run(e) if e.code_text() == Some(rivet_plugin_api::Error::CRASHED) => vec![Code::Crashed],
            Self::Run(e) => vec![Code::of(e.category())],
            Self::Refused(_) => vec![Code::Refused],
            Self::Unfinished(_) => vec![Code::Unfinished],
            Self::State(e) => vec![match e.kind() {
                StateErrorKind::Locked(_) => Code::Locked,
                StateErrorKind::OtherCursor { .. } => Code::Cursor,
                _ => Code::StateFile,
            }],
            Self::Stopped(_) => vec![Code::Stopped],
        }
    }

    /// The error as the terminal shows it, several lines. The last says where to read more.
    pub fn render(&self) -> String {
        let text = match self {
            Self::Config(e) => e.to_string(),
            _ => rendered(&self.to_string(), self.hint().as_deref()),
        };
        let codes: Vec<&str> = self.codes().into_iter().map(Code::name).collect();
        distribution::commands(&format!("{text}more: rivet explain-error {}\n", codes.join(" "))).into_owned()
    }
}

/// An error and what to do about it, as the terminal shows them.
pub fn rendered(error: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("error: {error}\n\nhint: {hint}\n"),
        None => format!("error: {error}\n"),
    }
}

/// One line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(e) => match e.diagnostics().first() {
                Some(first) => f.write_str(&first.message),
                None => f.write_str("the configuration is wrong"),
            },
            Self::Usage(e) | Self::Run(e) | Self::Refused(e) | Self::Unfinished(e) => e.fmt(f),
            Self::State(e) => e.fmt(f),
            Self::Stopped(signal) => write!(f, "stopped by signal {signal}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<ConfigError> for Error {
    fn from(e: ConfigError) -> Self {
        Self::Config(e)
    }
}

impl From<rivet_plugin_api::Error> for Error {
    fn from(e: rivet_plugin_api::Error) -> Self {
        Self::Run(e)
    }
}

impl From<StateError> for Error {
    fn from(e: StateError) -> Self {
        Self::State(e)
    }
}
