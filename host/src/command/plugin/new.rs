//! `rivet plugin new`: a connector of one's own that builds, passes the conformance kit, and exports rows.

use std::io::{self, BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error as ApiError;

use crate::cli::{NewArgs, NewKind, NewLanguage};
use crate::command::print;
use crate::distribution;
use crate::error::{Error, Result};
use crate::plugin::{Catalog, Half, Verdict};
use crate::scaffold::{self, Api, Language};

/// What a release has its users depend on; set when it is built.
const RELEASED: Option<&str> = option_env!("RIVET_PLUGIN_API");

/// Writes the files, and says what to do next.
pub fn new(args: &NewArgs, catalog: &Catalog) -> Result<u8> {
    scaffold::check_name(&args.name)?;
    let half = match args.kind {
        NewKind::Source => Half::Source,
        NewKind::Destination => Half::Destination,
    };
    let language = match args.lang {
        NewLanguage::Rust => Language::Rust(api(args.api.as_deref())?),
        NewLanguage::C => Language::C,
    };
    warn_of_namesake(&args.name, catalog);
    let directory = args.output.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    let written = scaffold::write(&directory, &args.name, half, &language)?;
    print(&next_steps(&directory, half, &language, &written))
}

/// Where the plug-in API is: as asked for, as released, beside this binary, or as the user says.
fn api(given: Option<&str>) -> Result<Api> {
    if let Some(text) = given.or(RELEASED) {
        return Api::parse(text);
    }
    let executable = std::env::current_exe().unwrap_or_default();
    if let Some(found) = executable.ancestors().skip(1).find_map(Api::checkout) {
        return Ok(found);
    }
    if io::stdin().is_terminal() && io::stderr().is_terminal() {
        crate::report::eprint("Where is the plug-in API of Rivet? A version, a git URL, or a directory: ");
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map_err(|e| Error::Usage(e.into()))?;
        return Api::parse(&answer);
    }
    let error = ApiError::config("it is not known where the plug-in API is");
    Err(Error::Usage(error.hint("give `--api` a version, a git URL, or the directory of a checkout of Rivet")))
}

/// Two connectors of one name do no harm here, but only the first one found is used.
fn warn_of_namesake(name: &str, catalog: &Catalog) {
    let (linked, found) = catalog.list();
    let place = linked.iter().find(|plugin| plugin.spec().name == name).map(|_| "this binary".to_owned());
    let place = place.or_else(|| {
        let same = |marker: &rivet_plugin_api::abi::Marker| marker.name == name;
        let file = found.iter().find(|f| matches!(&f.verdict, Verdict::Usable(marker) if same(marker)))?;
        Some(file.path.display().to_string())
    });
    if let Some(place) = place {
        tracing::warn!(
            "there is a connector \"{name}\" already, in {place}: `rivet plugin list` shows which one is used"
        );
    }
}

fn next_steps(directory: &Path, half: Half, language: &Language, written: &[String]) -> String {
    let (name, commands) = match language {
        Language::Rust(_) => ("Rust", ["cargo build", "cargo test", "rivet run --config rivet.yaml"]),
        Language::C => ("C", ["make", "make verify", "make run"]),
    };
    let what = ["builds it", "judges it by the conformance suite", "exports rows"];
    let lines = commands.iter().zip(what).map(|(command, what)| format!("  {command:<32}{what}\n"));
    let lines = lines.collect::<Vec<_>>().concat();
    let (half, directory) = (half.as_str(), directory.display());
    let text =
        format!("Wrote a {half} in {name} to {directory}: {}\n\nNext:\n  cd {directory}\n{lines}", written.join(", "));
    distribution::commands(&text).into_owned()
}
