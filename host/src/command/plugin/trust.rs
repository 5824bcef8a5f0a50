//! `rivet plugin trust`: the user's own list of files that may be loaded although others could change them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error as ApiError;
use rivet_plugin_api::abi::{Process, inspect_for};

use crate::cli::TrustArgs;
use crate::command::print;
use crate::environment;
use crate::error::{Error, Result};
use crate::plugin::{Trusted, glance};

/// Adds, removes, and shows.
pub fn trust(args: &TrustArgs) -> Result<u8> {
    let mut trusted = Trusted::read(&environment).map_err(Error::Usage)?;
    let mut text = String::new();
    for what in &args.remove {
        if !trusted.remove(what) {
            let error = ApiError::config(format!("\"{what}\" is not trusted"));
            return Err(Error::Usage(error.hint("`rivet plugin trust --list` shows what is")));
        }
        let _ = writeln!(text, "no longer trusted: {what}");
    }
    for file in libraries(&args.files)? {
        let refuse = |e: rivet_plugin_api::abi::Refusal| {
            Error::Usage(ApiError::config(format!("cannot be trusted: {e}")).hint("name a plug-in"))
        };
        let glance = glance(&file).map_err(refuse)?;
        // Where it is to run is not decided here.
        let marker = inspect_for(&file, &glance.file, Process::Isolated).map_err(refuse)?;
        let _ = writeln!(text, "trusted: {} {} {}  {}", marker.name, marker.version, glance.sha256, file.display());
        trusted.add(glance.sha256, file).map_err(Error::Usage)?;
    }
    if !text.is_empty() {
        trusted.write()?;
    }
    if args.list {
        for (sha256, file) in trusted.files() {
            let _ = writeln!(text, "{sha256}  {}", file.display());
        }
    }
    print(&text)
}

/// The files that are named, and the libraries in the directories that are.
fn libraries(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in named {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let mut inside = entries(&path)?;
        inside.retain(|file| file.extension().is_some_and(|e| e == std::env::consts::DLL_EXTENSION));
        if inside.is_empty() {
            let error = ApiError::config(format!("there is no library in {}", path.display()));
            return Err(Error::Usage(error.hint("name a directory of plug-ins")));
        }
        inside.sort();
        files.append(&mut inside);
    }
    Ok(files)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).and_then(|all| all.map(|entry| Ok(entry?.path())).collect());
    entries.map_err(|e| Error::Usage(ApiError::from(e).context(format!("could not read {}", dir.display()))))
}
