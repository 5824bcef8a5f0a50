//! strace: which system calls a run makes, and a run with a fault at one of them.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs;
use std::process::Command;
use std::str::FromStr;

use rivet_e2e::{Outcome, Sandbox, built, skip};

/// Calls that change something. A name that a machine does not know is no error with the question mark.
const CHANGES: &str = "write writev pwrite64 sendto fsync fdatasync ftruncate rename renameat renameat2 link linkat \
    unlink unlinkat mkdir mkdirat flock openat";

/// Calls that find something out. What is unknown must not be taken for absent.
const LOOKS: &str = "statx newfstatat getdents64 pread64 read lseek";

const LOG: &str = "strace.log";

/// The longest run takes a second, so that this one hangs.
const LIMIT_S: &str = "60";

/// What happens at a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Fault {
    /// The process is gone before the call does anything.
    Kill,
    /// This one call fails.
    Eio,
    /// This call fails, and all later ones of its kind.
    Enospc,
}

/// The n-th call of its kind in the first thread that makes as many. strace counts each thread by itself.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Call {
    pub name: String,
    pub number: usize,
}

/// A fault at a call.
#[derive(Clone, Debug)]
pub struct Point {
    pub call: Call,
    pub fault: Fault,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "kill",
            Self::Eio => "eio",
            Self::Enospc => "enospc",
        })
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.call.name, self.call.number, self.fault)
    }
}

impl FromStr for Point {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = || {
            let mut words = text.split(':');
            let call = Call { name: words.next()?.to_owned(), number: words.next()?.parse().ok()? };
            let fault = words.next()?;
            let fault = [Fault::Kill, Fault::Eio, Fault::Enospc].into_iter().find(|f| f.to_string() == fault)?;
            words.next().is_none().then_some(Self { call, fault })
        };
        parsed().ok_or_else(|| format!("\"{text}\" is no point: write one as \"pwrite64:17:kill\""))
    }
}

impl Call {
    /// The faults that make sense at it.
    pub fn faults(&self) -> &'static [Fault] {
        match self.name.as_str() {
            name if is_in(LOOKS, name) => &[Fault::Eio],
            "unlink" | "unlinkat" | "flock" => &[Fault::Kill, Fault::Eio],
            _ => &[Fault::Kill, Fault::Eio, Fault::Enospc],
        }
    }

    /// Whether it changes something.
    pub fn changes(&self) -> bool {
        is_in(CHANGES, &self.name)
    }
}

fn is_in(names: &str, name: &str) -> bool {
    names.split(' ').any(|known| known == name)
}

/// Whether runs can be traced here; says why not.
pub fn is_possible() -> bool {
    let tried = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).output();
    let reason = match tried {
        Ok(output) if output.status.success() => return true,
        Ok(output) => format!("strace cannot trace here: {}", String::from_utf8_lossy(&output.stderr).trim()),
        Err(e) => format!("strace does not start: {e}"),
    };
    skip(&reason);
    false
}

/// `rivet run` that ends by force should it hang. `before` is put before the program.
fn limited(sandbox: &Sandbox, before: &[&str], args: &[&str]) -> Outcome {
    let mut command = sandbox.command("timeout");
    // Cargo's directories, in each of which the loader would look for every library.
    command.env_remove("LD_LIBRARY_PATH");
    command.args(["-k", "5", LIMIT_S]).args(before).arg(built().join("rivet"));
    Outcome::of(command.args(["run", "--config", "rivet.yaml"]).args(args))
}

/// Runs without a fault.
pub fn plain(sandbox: &Sandbox, args: &[&str]) -> Outcome {
    limited(sandbox, &[], args)
}

/// Runs with a fault at `point`, and says whether it got there.
pub fn faulted(sandbox: &Sandbox, point: &Point, args: &[&str]) -> (Outcome, bool) {
    let Point { call: Call { name, number }, fault } = point;
    let fault = match fault {
        Fault::Kill => format!("signal=KILL:when={number}"),
        Fault::Eio => format!("error=EIO:when={number}"),
        Fault::Enospc => format!("error=ENOSPC:when={number}+"),
    };
    let (trace, inject) = (format!("trace={name}"), format!("inject={name}:{fault}"));
    let outcome = limited(sandbox, &["strace", "-f", "-o", LOG, "-e", &trace, "-e", &inject], args);
    let log = fs::read_to_string(sandbox.path().join(LOG)).unwrap();
    let reached = log.contains("(INJECTED)") || log.contains("killed by SIGKILL");
    (outcome, reached)
}

/// The calls of a run that succeeds, in the order in which they are reached.
pub fn calls(sandbox: &Sandbox, args: &[&str]) -> Vec<Call> {
    let trace = format!("trace=?{}", format!("{CHANGES} {LOOKS}").replace(' ', ",?"));
    limited(sandbox, &["strace", "-f", "-o", LOG, "-e", &trace], args).expect(0, &[]);
    let log = fs::read_to_string(sandbox.path().join(LOG)).unwrap();
    let (mut counts, mut seen, mut calls) = (HashMap::new(), HashSet::new(), Vec::new());
    for line in log.lines() {
        // `PID NAME(ARGUMENTS...`; the rest of an interrupted call is `PID <... NAME resumed>`.
        let Some((thread, (name, arguments))) =
            line.split_once(' ').and_then(|(thread, rest)| Some((thread, rest.trim_start().split_once('(')?)))
        else {
            continue;
        };
        if !is_in(CHANGES, name) && !is_in(LOOKS, name) {
            continue;
        }
        let count = counts.entry((thread.to_owned(), name.to_owned())).or_insert(0_usize);
        *count += 1;
        let call = Call { name: name.to_owned(), number: *count };
        // The fault meets the first thread that gets there. Of the opens only those that may create a file change something.
        if seen.insert(call.clone()) && (name != "openat" || arguments.contains("O_CREAT")) {
            calls.push(call);
        }
    }
    calls
}
