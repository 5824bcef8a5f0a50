//! What the trials of both kinds check with: categories, clocks, and what a process holds open.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use rivet_plugin_api::{Category, Error, Result};
use serde_json::{Map, Value};

use crate::suite::Outcome;

/// A text that no connector would make up: where it appears, a value was echoed.
pub(crate) const CANARY: &str = "kit-canary-5f0e";

/// How long a connector may take to stop.
pub(crate) const PROMPT: Duration = Duration::from_secs(1);

/// Fails the trial with a formatted reason unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(format!($($reason)+).into());
        }
    };
}
pub(crate) use ensure;

/// The error of a call that must fail with `category`, and whose text must follow the house style.
pub(crate) fn refused<T>(what: &str, outcome: Result<T>, category: Category) -> Result<Error, Failed> {
    let Err(error) = outcome else { return Err(format!("{what} was not refused").into()) };
    ensure!(error.category() == category, "{what} failed as {}, not as {category}: {error}", error.category());
    let message = error.message();
    ensure!(!message.is_empty() && !message.ends_with('.'), "{what}: the message is empty or ends in a stop: {error}");
    Ok(error)
}

/// Whether no text of the error holds the canary.
pub(crate) fn keeps_quiet(what: &str, error: &Error) -> Outcome {
    let all = format!("{error} {} {}", error.hint_text().unwrap_or_default(), error.contexts().join(" "));
    ensure!(!all.contains(CANARY), "{what}: the error shows the value: {}", all.replace(CANARY, "<value>"));
    Ok(())
}

/// Runs `work` on another thread; fails when it does not return in `limit`, leaving the thread behind.
pub(crate) fn within<T: Send + 'static>(
    limit: Duration,
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, Duration), Failed> {
    let (done, wait) = mpsc::channel();
    let start = Instant::now();
    std::thread::spawn(move || {
        let _ = done.send(work());
    });
    match wait.recv_timeout(limit) {
        Ok(value) => Ok((value, start.elapsed())),
        Err(_) => Err(format!("{what} did not return in {limit:?}").into()),
    }
}

/// How many threads and open files this process has.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Held {
    threads: usize,
    files: usize,
}

impl Held {
    pub(crate) fn now() -> Result<Self, Failed> {
        let count = |directory: &str| std::fs::read_dir(directory).map(Iterator::count);
        Ok(Self { threads: count("/proc/self/task")?, files: count("/proc/self/fd")? })
    }

    /// As much, and so many open files more.
    pub(crate) fn with_files(self, more: usize) -> Self {
        Self { files: self.files + more, ..self }
    }

    /// Whether the process comes down to what it held before; threads may need a moment to end.
    pub(crate) fn returns(self) -> Outcome {
        let start = Instant::now();
        loop {
            let now = Self::now()?;
            if now.threads <= self.threads && now.files <= self.files {
                return Ok(());
            }
            ensure!(start.elapsed() < Duration::from_secs(3), "the process held {self:?} before and {now:?} after");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Repeats `round`, which opens and closes, and checks that threads, open files and memory stay what they were.
pub(crate) fn holds_nothing(round: impl Fn() -> Result<()>) -> Outcome {
    const ROUNDS: u64 = 200;
    // Allocators keep some of what they were given back.
    const GROWTH: u64 = 8 << 20;
    // What the first rounds leave may be for the life of the process: a runtime, a cache of certificates.
    for _ in 0..10 {
        round()?;
    }
    let (held, memory) = (Held::now()?, memory()?);
    for _ in 0..ROUNDS {
        round()?;
    }
    held.returns()?;
    let growth = self::memory()?.saturating_sub(memory);
    ensure!(growth < GROWTH, "memory grew by {growth} bytes while it was opened and closed {ROUNDS} times");
    Ok(())
}

/// The bytes of memory of this process alone.
fn memory() -> Result<u64, Failed> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).ok_or("the system does not tell")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes << 10)
}

/// `options` with one more or another entry.
pub(crate) fn with_option(options: &Value, name: &str, value: Value) -> Value {
    let mut options = options.as_object().cloned().unwrap_or_else(Map::new);
    options.insert(name.to_owned(), value);
    Value::Object(options)
}

/// The properties of an options schema.
pub(crate) fn properties(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
}

/// Whether a property is a secret: `writeOnly`, maybe as one of several alternatives.
pub(crate) fn is_secret(property: &Value) -> bool {
    let alternatives = ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| property.get(key)?.as_array());
    property.get("writeOnly") == Some(&Value::Bool(true)) || alternatives.flatten().any(is_secret)
}

/// What both kinds must say about themselves: a sound version, a schema of their options, and which are secret.
pub(crate) fn spec_is_sound(spec: &rivet_plugin_api::Spec, schema: &Value) -> Outcome {
    let name_is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    ensure!(!spec.name.is_empty() && spec.name.chars().all(name_is_plain), "the name is \"{}\"", spec.name);
    semver::Version::parse(&spec.version).map_err(|e| format!("the version is \"{}\": {e}", spec.version))?;
    ensure!(!spec.description.is_empty(), "there is no description: set it in Cargo.toml");
    ensure!(!spec.license.is_empty(), "there is no licence: set it in Cargo.toml");
    ensure!(schema.get("type") == Some(&Value::from("object")), "the schema of the options is not of an object");
    ensure!(
        schema.get("additionalProperties") == Some(&Value::Bool(false)),
        "the schema allows unknown options: use #[serde(deny_unknown_fields)]"
    );
    for (name, property) in properties(schema) {
        let sounds_secret = ["password", "secret", "token", "private_key"].iter().any(|word| name.ends_with(word));
        ensure!(!sounds_secret || is_secret(property), "option \"{name}\" is not marked writeOnly: use SecretString");
        ensure!(property.get("description").is_some(), "option \"{name}\" has no description: write a doc comment");
    }
    Ok(())
}

/// Whether options that make no sense are refused as such, without showing their values.
pub(crate) fn wrong_options_are_refused<T>(
    schema: &Value,
    options: &Value,
    open: impl Fn(&Value) -> Result<T>,
) -> Outcome {
    let unknown = with_option(options, "kit_unknown_option", Value::from(CANARY));
    let error = refused("an unknown option", open(&unknown), Category::Config)?;
    keeps_quiet("an unknown option", &error)?;
    ensure!(error.to_string().contains("kit_unknown_option"), "the error does not name the unknown option: {error}");
    for (name, _) in properties(schema) {
        let what = format!("option \"{name}\" of the wrong type");
        // No option is a list with a list in it, whatever else it may be.
        let wrong = with_option(options, name, serde_json::json!([[CANARY]]));
        keeps_quiet(&what, &refused(&what, open(&wrong), Category::Config)?)?;
    }
    Ok(())
}

/// Whether secrets stay out of errors. Some servers accept any secret, so success is no failure here.
pub(crate) fn secrets_stay_secret(schema: &Value, options: &Value, try_out: impl Fn(&Value) -> Result<()>) -> Outcome {
    for (name, _) in properties(schema).filter(|(_, property)| is_secret(property)) {
        if let Err(error) = try_out(&with_option(options, name, Value::from(CANARY))) {
            keeps_quiet(&format!("option \"{name}\""), &error)?;
        }
    }
    Ok(())
}
