//! `rivet plugin inspect`: what a plug-in file is, needs, can do and takes.

use std::fmt::Write as _;

use rivet_plugin_api::abi::{ABI_MAJOR, ABI_MINOR, Library, Marker, Plugin, Process, Trust};
use rivet_plugin_api::{Error as ApiError, Spec};
use serde::Serialize;
use serde_json::Value;

use super::configuration;
use crate::cli::InspectArgs;
use crate::command::print;
use crate::config::{OptionRow, option_rows};
use crate::environment;
use crate::error::{Error, Result, exit};
use crate::plugin::{Finder, Found, Limits, Policy, Verdict, glance, isolated};

/// All there is to say. What is absent could not be read, and `refused` says why.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    path: String,
    bytes: Option<u64>,
    sha256: Option<String>,
    processor: Option<String>,
    glibc: Option<String>,
    libraries: Vec<String>,
    static_tls: bool,
    name: Option<String>,
    version: Option<String>,
    kinds: Vec<String>,
    abi: Option<String>,
    needs: Option<String>,
    host_abi: String,
    panic: Option<String>,
    /// The lock file, when there is one.
    lock: Option<String>,
    /// Whether the file is the one that the lock file names.
    locked: Option<bool>,
    description: Option<String>,
    license: Option<String>,
    source: Option<Half>,
    destination: Option<Half>,
    refused: Option<String>,
}

/// What one half takes and can do.
#[derive(Debug, Serialize)]
struct Half {
    options: Vec<OptionRow>,
    capabilities: Vec<String>,
}

/// Prints what could be found out, and answers 1 when the file is refused.
pub fn inspect(args: &InspectArgs) -> Result<u8> {
    let config = configuration(args.config.as_deref())?;
    let policy = Policy::of(Finder::directory(config.as_ref()), &environment).map_err(Error::Usage)?;
    let report = look(args, &policy);
    let text = if args.output.json {
        serde_json::to_string_pretty(&report).map_err(|e| ApiError::internal(format!("the answer has no JSON: {e}")))?
            + "\n"
    } else {
        report.text()
    };
    print(&text)?;
    Ok(if report.refused.is_some() { exit::FAILED } else { exit::OK })
}

fn look(args: &InspectArgs, policy: &Policy) -> Report {
    let path = std::path::absolute(&args.file).unwrap_or_else(|_| args.file.clone());
    let mut report =
        Report { path: path.display().to_string(), host_abi: format!("{ABI_MAJOR}.{ABI_MINOR}"), ..Report::default() };
    let glance = match glance(&path) {
        Ok(glance) => glance,
        Err(refusal) => return Report { refused: Some(refusal.reason), ..report },
    };
    report.bytes = Some(glance.bytes);
    if let Some(library) = Library::read(&glance.file) {
        report.processor = Some(library.processor);
        report.glibc = library.glibc;
        report.libraries = library.libraries;
        report.static_tls = library.static_tls;
    }
    if let Some(marker) = Marker::read(&glance.file) {
        if let Some(lock) = &policy.lock {
            report.lock = Some(lock.path.display().to_string());
            report.locked = Some(lock.check(&marker.name, &marker.version, Some(&glance.sha256)).is_ok());
        }
        report.kinds = marker.kinds.split(',').map(str::to_owned).collect();
        (report.name, report.version) = (Some(marker.name), Some(marker.version));
        (report.abi, report.needs, report.panic) = (Some(marker.abi), marker.needs, Some(marker.panic));
    }
    report.sha256 = Some(glance.sha256);
    match load(&Found::at(&path, Trust::Foreign, policy), policy) {
        Ok(plugin) => report.tell(&plugin),
        Err(reason) => report.refused = Some(reason),
    }
    report
}

/// Loads it where it can run: in a process of its own when this one would not survive it.
fn load(found: &Found, policy: &Policy) -> std::result::Result<Plugin, String> {
    let aborts = matches!(&found.verdict, Verdict::Usable(marker) if marker.panic == "abort");
    if !aborts {
        return found.load(policy, Process::Own).map_err(|refusal| refusal.reason);
    }
    // Asked here too, so that a refusal has the same words in both cases.
    policy.admit(&found.path, Process::Isolated).map_err(|refusal| refusal.reason)?;
    isolated(found, policy, Limits::DEFAULT).map_err(|e| e.to_string())
}

impl Report {
    fn tell(&mut self, plugin: &Plugin) {
        let Spec { description, license, source, destination, .. } = plugin.spec();
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        (self.description, self.license) = (text(description), text(license));
        self.source = source.as_ref().map(|half| Half::new(&half.options, &half.capabilities));
        self.destination = destination.as_ref().map(|half| Half::new(&half.options, &half.capabilities));
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", self.path);
        let mut line = |name: &str, value: Option<&String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                let _ = writeln!(text, "  {name:<14} {value}");
            }
        };
        line("name", self.name.as_ref());
        line("version", self.version.as_ref());
        line("kind", Some(&self.kinds.join(",")));
        line("about", self.description.as_ref());
        line("licence", self.license.as_ref());
        let needs = self.needs.as_ref().map_or(String::new(), |needs| format!(", needs {needs}"));
        let abi =
            self.abi.as_ref().map(|abi| format!("{abi}{needs} (this host speaks {ABI_MAJOR}.0 to {})", self.host_abi));
        line("plug-in ABI", abi.as_ref());
        let panic = self.panic.as_ref().map(|panic| match panic.as_str() {
            "abort" => "abort (runs with `isolation: process` or --isolate only)".to_owned(),
            other => other.to_owned(),
        });
        line("panic", panic.as_ref());
        line("size", self.bytes.map(|bytes| format!("{bytes} bytes")).as_ref());
        line("sha256", self.sha256.as_ref());
        line("processor", self.processor.as_ref());
        line("glibc", self.glibc.as_ref().map(|version| format!("{version} or newer")).as_ref());
        line("libraries", Some(&self.libraries.join(" ")));
        if self.static_tls {
            line("static TLS", Some(&"yes: loading it may fail".to_owned()));
        }
        let locked = match (&self.lock, self.locked) {
            (Some(lock), Some(true)) => Some(format!("it is the one that {lock} names")),
            (Some(lock), _) => Some(format!("it is not the one that {lock} names")),
            (None, _) => None,
        };
        line("lock", locked.as_ref());
        for (name, half) in [("source", &self.source), ("destination", &self.destination)] {
            if let Some(half) = half {
                half.write(name, &mut text);
            }
        }
        if let Some(why) = &self.refused {
            let _ = writeln!(text, "\nrefused: {why}");
        }
        text
    }
}

impl Half {
    fn new(options: &Value, capabilities: &impl Serialize) -> Self {
        let announced = serde_json::to_value(capabilities).unwrap_or_default();
        let names = announced.as_object().into_iter().flatten().filter(|(_, can)| **can == Value::Bool(true));
        Self { options: option_rows(options), capabilities: names.map(|(name, _)| name.clone()).collect() }
    }

    fn write(&self, name: &str, text: &mut String) {
        let can = if self.capabilities.is_empty() {
            "only what every one can".to_owned()
        } else {
            self.capabilities.join(", ")
        };
        let _ = writeln!(text, "\n{name} can: {can}\n{name} options:");
        for OptionRow { name, kind, required, default, secret, about } in &self.options {
            let mut notes = Vec::new();
            if *required {
                notes.push("required".to_owned());
            }
            if *secret {
                notes.push("secret".to_owned());
            }
            notes.extend(default.as_ref().map(|value| format!("default {value}")));
            let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
            let _ = writeln!(text, "  {name:<20} {kind}{notes}");
            if !about.is_empty() {
                let _ = writeln!(text, "  {:<20} {about}", "");
            }
        }
    }
}
