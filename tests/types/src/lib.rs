//! Every SQL type of every source as one case file: what the real binary wrote is compared with what foreign readers see,
//! and the type tables of the documentation are printed from the same files. `tests/README.md` describes the format.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, clippy::print_stderr, reason = "tests fail by panicking")]

mod case;
mod compare;
mod docs;
mod run;
mod server;

pub use case::{Case, Version};
pub use server::{Connector, Server};

use std::path::{Path, PathBuf};

/// Whether expectations that are missing are filled in, and the tables of the documentation printed anew.
pub fn is_updating() -> bool {
    std::env::var_os("RIVET_UPDATE_GOLDENS").is_some()
}

/// The folder of this suite.
fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All cases of `connector`, by name. Panics over a file that is no case.
pub fn cases(connector: Connector) -> Vec<Case> {
    let entries = std::fs::read_dir(folder().join(connector.name())).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "case"));
    files.sort();
    files.iter().map(|path| Case::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))).collect()
}

/// Runs all cases of `connector` on all of its servers, and panics with everything that is not as expected.
pub fn check(connector: Connector) {
    let mut problems = Vec::new();
    for server in connector.servers() {
        let mut cases = cases(connector);
        // To look at one case alone: RIVET_TYPES=numeric.
        if let Ok(word) = std::env::var("RIVET_TYPES") {
            cases.retain(|case| case.name.contains(&word));
        }
        let runs = run::all(&server, &cases);
        let Some(seen) = run::read_back(&runs) else { return };
        for (run, seen) in runs.iter().zip(seen) {
            let differences = compare::differences(run, &seen);
            if is_updating() && differences.is_empty() {
                compare::fill_in(run, &seen);
            }
            problems.extend(differences.iter().map(|d| format!("{server}: {}: {d}", run.case.name)));
        }
    }
    assert!(problems.is_empty(), "{} differences\n\n{}\n", problems.len(), problems.join("\n\n"));
}

/// Compares the tables in the page of `connector` with what the cases say; prints them anew when updating.
pub fn check_docs(connector: Connector) {
    docs::check(connector, &cases(connector));
}
