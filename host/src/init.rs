//! A first configuration: which connector a location belongs to, what there is to export, and how each table is best
//! read. Nothing here reads a row.

mod choose;
mod glob;
mod survey;
mod text;
mod render;

use std::path::Path;
use std::sync::Arc;

use rivet_plugin_api::Error as ApiError;
use rivet_plugin_api::abi::Plugin;
use rivet_plugin_api::suggest::did_you_mean;

use crate::config::url_secrets;
use crate::error::{Error, Result};

pub use render::{Destination, Source, configuration, report};
pub use survey::{Found, Wanted, survey};

/// The variable that the configuration names when the location holds a password.
pub const URL_VARIABLE: &str = "DATABASE_URL";

/// The connector that opens `location`: the one called `kind`, or else the one that claims such locations.
pub fn connector(plugins: &[Arc<Plugin>], location: &str, kind: Option<&str>) -> Result<Arc<Plugin>> {
    let sources: Vec<_> = plugins.iter().filter(|p| p.spec().source.is_some()).collect();
    if let Some(kind) = kind {
        let names = sources.iter().map(|p| p.spec().name.as_str());
        let found = sources.iter().copied().find(|p| p.spec().name == kind).map(Arc::clone);
        return found.ok_or_else(|| {
            let error = ApiError::config(format!("no source connector is named \"{kind}\""));
            Error::Usage(error.hint(did_you_mean(kind, names, "the sources found are")))
        });
    }
    let scheme = scheme(location);
    let claims = |plugin: &&&Arc<Plugin>| {
        plugin.spec().source.as_ref().is_some_and(|half| match &scheme {
            Some(scheme) => half.schemes.contains(scheme),
            None => half.paths,
        })
    };
    let claimants: Vec<_> = sources.iter().filter(claims).collect();
    match (claimants.as_slice(), &scheme) {
        ([one], Some(_)) => Ok(Arc::clone(one)),
        ([one], None) if Path::new(location).exists() => Ok(Arc::clone(one)),
        ([_, _, ..], _) => {
            let names: Vec<_> = claimants.iter().map(|p| p.spec().name.as_str()).collect();
            let error = ApiError::config(format!("several connectors open such a location: {}", names.join(", ")));
            Err(Error::Usage(error.hint("name one with --type")))
        }
        (_, scheme) => Err(unclaimed(&sources, scheme.as_deref())),
    }
}

/// Never shows the location: it may be a password that was mistaken for one.
fn unclaimed(sources: &[&Arc<Plugin>], scheme: Option<&str>) -> Error {
    let halves = || sources.iter().filter_map(|p| p.spec().source.as_ref());
    let schemes = halves().flat_map(|half| half.schemes.iter().map(String::as_str));
    let error = if let Some(scheme) = scheme {
        ApiError::config(format!("no connector opens URLs that begin with \"{scheme}:\"")).hint(did_you_mean(
            scheme,
            schemes,
            "the connectors found open",
        ))
    } else {
        let known: Vec<_> = schemes.map(|scheme| format!("{scheme}:")).collect();
        ApiError::config("the location is neither a URL nor an existing file")
            .hint(format!("check the path, or give a URL that begins with one of {}", known.join(", ")))
    };
    Error::Usage(error)
}

/// What stands before the `:`, in lower case; `None` for a path.
fn scheme(location: &str) -> Option<String> {
    let (scheme, _) = location.split_once(':')?;
    let is_scheme = scheme.len() > 1
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    is_scheme.then(|| scheme.to_ascii_lowercase())
}

/// Whether `location` must not stand in a file.
pub fn is_secret(location: &str) -> bool {
    !url_secrets(location).is_empty()
}

/// The connector for files below `./output`: one that needs nothing but an option `path`, and makes whole Parquet files.
pub fn destination(plugins: &[Arc<Plugin>]) -> Result<Destination> {
    let fits = |plugin: &&Arc<Plugin>| {
        plugin.spec().destination.as_ref().is_some_and(|half| {
            let takes_path = half.options.pointer("/properties/path").is_some();
            let needs = half.options.get("required").and_then(|r| r.as_array()).map_or(0, Vec::len);
            let can = half.capabilities;
            takes_path && needs == 0 && can.atomic && can.parquet && !can.stream
        })
    };
    let found = plugins.iter().find(fits);
    found.map(|plugin| Destination { kind: plugin.spec().name.clone() }).ok_or_else(|| {
        let error = ApiError::config("no destination connector was found that writes files into a directory");
        Error::Usage(error.hint("`rivet plugin list` shows every plug-in that was looked at"))
    })
}

#[cfg(test)]
mod tests;
