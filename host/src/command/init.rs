//! `rivet init`: looks at a source and writes a configuration that exports it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;
use std::sync::Arc;

use rivet_plugin_api::abi::Plugin;
use rivet_plugin_api::{Cancel, Error as ApiError};
use serde_json::{Value, json};

use super::print_as_it_is;
use crate::cli::InitArgs;
use crate::error::{Error, Result, exit};
use crate::init::{self, Found, Source, URL_VARIABLE, Wanted};
use crate::plugin::{Catalog, Isolation};
use crate::{config, distribution, environment, secret, signal};

/// Looks, tells what it found, and writes.
pub fn init(args: &InitArgs, catalog: &Catalog) -> Result<u8> {
    let location = location(args)?;
    if init::is_secret(&location) {
        secret::add(&[vec![location.clone()], config::url_secrets(&location)].concat());
        if args.url.is_some() {
            tracing::warn!("other users of this machine can see the password on the command line: use --url-env");
        }
    }
    // Before the source is asked anything: an answer that cannot be kept is of no use.
    if !args.force && !is_stdout(&args.output) && args.output.exists() {
        return Err(taken(&args.output));
    }
    let isolation = if args.isolation.isolate { Isolation::default().enforced() } else { Isolation::None };
    let plugins = catalog.all(isolation);
    let plugin = init::connector(&plugins, &location, args.kind.as_deref())?;
    let destination = init::destination(&plugins)?;
    let found = look(&plugin, &location, args)?;
    let _ = std::io::stderr().write_all(secret::redact(&init::report(&found)).as_bytes());
    let source = source(args, &plugin, location);
    let text = init::configuration(&source, &destination, &found);
    verify(&text, &source, &args.output, &plugins)?;
    if is_stdout(&args.output) {
        return print_as_it_is(&text);
    }
    write(&args.output, &text, args.force)?;
    let _ = std::io::stderr().write_all(next_steps(args, &source, &found).as_bytes());
    Ok(exit::OK)
}

fn is_stdout(output: &Path) -> bool {
    output == Path::new("-")
}

fn location(args: &InitArgs) -> Result<String> {
    match (&args.url, &args.url_env) {
        (_, Some(name)) => environment(name).ok_or_else(|| {
            let error = ApiError::config(format!("environment variable \"{name}\" is not set"));
            Error::Usage(error.hint("set it to the connection URL"))
        }),
        (url, None) => Ok(url.clone().unwrap_or_default()),
    }
}

/// The source as the file names it: a URL with a password stays in the environment.
fn source(args: &InitArgs, plugin: &Plugin, location: String) -> Source {
    let kind = plugin.spec().name.clone();
    match &args.url_env {
        Some(name) => Source { kind, key: "url_env", value: name.clone() },
        None if init::is_secret(&location) => Source { kind, key: "url_env", value: URL_VARIABLE.to_owned() },
        None => Source { kind, key: "url", value: location },
    }
}

fn look(plugin: &Arc<Plugin>, location: &str, args: &InitArgs) -> Result<Vec<Found>> {
    let name = &plugin.spec().name;
    if !plugin.spec().source.as_ref().is_some_and(|half| half.capabilities.tables) {
        let error = ApiError::config(format!("connector \"{name}\" does not tell which tables there are"));
        return Err(Error::Usage(
            error.hint("write the configuration by hand, or use a newer version of the connector"),
        ));
    }
    let cancel = Cancel::new();
    signal::install(&cancel, |_| ());
    let mut handle = plugin.open_source(&json!({ "url": location }), &cancel)?;
    let wanted = Wanted { patterns: args.tables.clone(), schemas: args.schemas.clone() };
    let found = init::survey(&mut handle, &wanted)?;
    handle.close()?;
    Ok(found)
}

/// Reads the text as `run` will, so that nothing is written that would be refused.
fn verify(text: &str, source: &Source, output: &Path, plugins: &[Arc<Plugin>]) -> Result<()> {
    // The variable need not be set for the text to be right.
    let known = |name: &str| environment(name).or_else(|| (name == source.value).then(|| "scheme://host".to_owned()));
    let internal =
        |e: &dyn std::fmt::Display| Error::Run(ApiError::internal(format!("init wrote what is refused:\n{e}")));
    let config = config::parse_text(text, output, &known).map_err(|e| internal(&e))?;
    let check = |connector: &config::Connector, options: Option<&Value>| {
        connector.resolve(options.unwrap_or(&Value::Null), &known).map(drop).map_err(|e| internal(&e))
    };
    let spec = |kind: &str| plugins.iter().map(|p| p.spec()).find(|spec| spec.name == kind);
    check(&config.source, spec(&config.source.kind).and_then(|s| s.source.as_ref()).map(|half| &half.options))?;
    config.exports.iter().try_for_each(|export| {
        let half = spec(&export.destination.kind).and_then(|s| s.destination.as_ref());
        check(&export.destination, half.map(|half| &half.options))
    })
}

/// Writes the whole file or nothing.
fn write(output: &Path, text: &str, force: bool) -> Result<()> {
    let fail = |e: std::io::Error| match e.kind() {
        ErrorKind::AlreadyExists => taken(output),
        _ => Error::Run(ApiError::from(e).context(format!("could not write \"{}\"", output.display()))),
    };
    if force && output.exists() {
        let dir = output.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir).map_err(fail)?;
        file.write_all(text.as_bytes()).map_err(fail)?;
        // What the temporary file may be read by is not what the user chose for the old one.
        let rights = fs::metadata(output).map_err(fail)?.permissions();
        file.as_file().set_permissions(rights).and_then(|()| file.as_file().sync_all()).map_err(fail)?;
        file.persist(output).map_err(|e| fail(e.error))?;
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(output).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)
}

fn taken(output: &Path) -> Error {
    let error = ApiError::config(format!("\"{}\" exists already", output.display()));
    Error::Usage(error.hint("name another file with --output, or replace it with --force"))
}

fn next_steps(args: &InitArgs, source: &Source, found: &[Found]) -> String {
    let exports = found.iter().filter(|found| found.problem.is_none()).count();
    let (output, plural) = (args.output.display(), if exports == 1 { "" } else { "s" });
    let variable = if source.key == "url_env" && environment(&source.value).is_none() {
        let name = &source.value;
        format!("  read -rs {name} && export {name}   # paste the URL; it is not in the file\n")
    } else {
        String::new()
    };
    let commands = ["doctor", "check", "run"].map(|command| format!("  rivet {command} --config {output}\n")).concat();
    let text = format!("\nwrote {output} with {exports} export{plural}; next:\n{variable}{commands}");
    distribution::commands(&text).into_owned()
}
