//! The distinct sources and destinations of a configuration, and how each is tried.

use std::collections::HashMap;
use std::fmt::Write as _;

use rivet_plugin_api::{DescribeRequest, DestinationSpec, Error, title};
use serde_json::Value;

use super::check::{Check, Kind, Problem, Server, Status, redacted};
use super::limit::Limit;
use crate::plan::{Endpoint, Job};
use crate::secret::redact;

/// How many exports a sentence names.
const NAMED: usize = 5;

/// Something that exports share.
pub enum Target<'a> {
    /// What they read from.
    Source { endpoint: &'a Endpoint, name: String, jobs: &'a [Job<'a>] },
    /// Where they write to.
    Destination { endpoint: &'a Endpoint, name: String, exports: Vec<&'a str> },
}

/// The source, and each destination once: those are the same whose connector and all of whose options are.
pub fn targets<'a>(jobs: &'a [Job<'a>], alone: Option<&'a Endpoint>) -> Vec<Target<'a>> {
    let source = jobs.first().map(|job| &*job.source).or(alone);
    let mut targets: Vec<Target<'a>> = source
        .into_iter()
        .map(|endpoint| {
            let spec = endpoint.plugin.spec();
            let name = title(spec.source.as_ref().map_or("", |half| &half.title), &spec.name);
            Target::Source { endpoint, name, jobs }
        })
        .collect();
    for job in jobs {
        let (to, export) = (&job.destination, job.export.name.as_str());
        let same = targets.iter_mut().find_map(|target| match target {
            Target::Destination { endpoint, exports, .. } if endpoint.is(to) => Some(exports),
            _ => None,
        });
        match same {
            Some(exports) => exports.push(export),
            None => {
                targets.push(Target::Destination { endpoint: to, name: destination_name(to), exports: vec![export] });
            }
        }
    }
    tell_apart(&mut targets);
    targets
}

/// `S3(my-bucket)`.
fn destination_name(endpoint: &Endpoint) -> String {
    let spec = endpoint.plugin.spec();
    let Some(half) = &spec.destination else { return title("", &spec.name) };
    let mut name = title(&half.title, &spec.name);
    if let Some(place) = place(half, &endpoint.options) {
        // Writing to a string cannot fail.
        let _ = write!(name, "({})", redact(place));
    }
    name
}

/// The value that says where output goes: that of the first option that is set, or the default of the last.
fn place<'v>(half: &'v DestinationSpec, options: &'v Value) -> Option<&'v str> {
    let set = half.place.iter().find_map(|key| options.get(key)?.as_str().filter(|text| !text.is_empty()));
    set.or_else(|| half.options.get("properties")?.get(half.place.last()?)?.get("default")?.as_str())
}

/// Where several destinations have one name, as those of one bucket, says whose they are.
fn tell_apart(targets: &mut [Target<'_>]) {
    let mut seen = HashMap::<String, usize>::new();
    for target in &*targets {
        if let Target::Destination { name, .. } = target {
            *seen.entry(name.clone()).or_default() += 1;
        }
    }
    for target in targets {
        if let Target::Destination { name, exports, .. } = target
            && seen.get(name).is_some_and(|times| *times > 1)
        {
            let _ = write!(name, " of {}", listed(exports));
        }
    }
}

/// `export "a"`, `exports "a", "b"`.
fn listed(exports: &[&str]) -> String {
    let named: Vec<String> = exports.iter().take(NAMED).map(|name| format!("\"{name}\"")).collect();
    let more = exports.len().saturating_sub(NAMED);
    let word = if exports.len() == 1 { "export" } else { "exports" };
    let and = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{word} {}{and}", named.join(", "))
}

impl Target<'_> {
    /// What is told of it when it could not be used.
    pub fn failed(&self, error: &Error) -> Vec<Check> {
        vec![match self {
            Self::Source { name, .. } => self.about(Check::failed(Kind::Source, name, Problem::of(error, None))),
            Self::Destination { endpoint, name, .. } => {
                let half = endpoint.plugin.spec().destination.as_ref();
                let place = half.and_then(|half| half.place.first()).map(String::as_str);
                self.about(Check::failed(Kind::Destination, name, Problem::of(error, place)))
            }
        }]
    }

    /// Adds whose it is.
    fn about(&self, check: Check) -> Check {
        let (endpoint, exports) = match self {
            Self::Source { endpoint, jobs, .. } => (endpoint, jobs.iter().map(|job| job.export.name.clone()).collect()),
            Self::Destination { endpoint, exports, .. } => {
                (endpoint, exports.iter().map(|name| (*name).to_owned()).collect())
            }
        };
        Check { connector: Some(endpoint.plugin.spec().name.clone()), exports, ..check }
    }

    /// Uses it.
    pub fn check(&self, limit: &Limit) -> Vec<Check> {
        match self {
            Self::Source { .. } => self.check_source(limit),
            Self::Destination { .. } => self.check_destination(limit),
        }
    }

    /// Connects, asks who answers, and has the source look at each query.
    fn check_source(&self, limit: &Limit) -> Vec<Check> {
        let Self::Source { endpoint, name, jobs } = self else { return Vec::new() };
        let opened = limit.call(|| endpoint.plugin.open_source(&endpoint.options, limit.cancel()));
        let probed = opened.and_then(|mut source| limit.call(|| source.probe()).map(|probe| (source, probe)));
        let (mut source, probe) = match probed {
            Ok(probed) => probed,
            Err(e) => return self.failed(&e),
        };
        let mut warnings = redacted(&probe.warnings);
        warnings.extend(unlimited(jobs).filter(|_| probe.remote == Some(true)));
        let found = Check { server: Some(Server::from(probe)), warnings, ..Check::ok(Kind::Source, name) };
        let mut checks = vec![self.about(found)];
        for job in *jobs {
            let request = DescribeRequest {
                query: job.export.query.text.clone(),
                params: job.export.params.clone(),
                mapping: job.export.mapping.clone(),
                frugal: true,
                rights: true,
            };
            let export = &job.export.name;
            let check = match limit.call(|| source.describe(&request)) {
                Ok(_) => Check::ok(Kind::Query, export),
                Err(e) => Check::failed(Kind::Query, export, Problem::of_query(&e)),
            };
            checks.push(Check { exports: vec![export.clone()], ..check });
        }
        checks
    }

    /// Writes, reads back and removes.
    fn check_destination(&self, limit: &Limit) -> Vec<Check> {
        let Self::Destination { endpoint, name, .. } = self else { return Vec::new() };
        if endpoint.is_stream() {
            return vec![self.about(Check { status: Status::Skipped, ..Check::ok(Kind::Destination, name) })];
        }
        let opened = limit.call(|| endpoint.plugin.open_destination(&endpoint.options, limit.cancel()));
        match opened.and_then(|mut destination| limit.call(|| destination.probe())) {
            Ok(probe) => {
                let (location, warnings) = (Some(redact(&probe.location)), redacted(&probe.warnings));
                vec![self.about(Check { location, warnings, ..Check::ok(Kind::Destination, name) })]
            }
            Err(e) => self.failed(&e),
        }
    }
}

/// What to say of exports whose statements may take as long as they like.
fn unlimited(jobs: &[Job<'_>]) -> Option<String> {
    let names: Vec<&str> = jobs.iter().filter(|j| j.timeouts().statement_s == 0).map(|j| &*j.export.name).collect();
    let have = if names.len() == 1 { "has" } else { "have" };
    (!names.is_empty()).then(|| {
        format!(
            "{} {have} no limit for statements on a server that others use: set `tuning.profile: balanced` or \
             `statement_timeout_s`",
            listed(&names)
        )
    })
}
