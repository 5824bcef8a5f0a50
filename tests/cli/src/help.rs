//! The help of every command and the code of every error, as the binary itself lists them.

use std::path::{Path, PathBuf};

use rivet_e2e::{Outcome, Sandbox, built};

/// Every command with its subcommands, as words behind `rivet`; the first is `rivet` itself.
pub fn commands() -> Vec<Vec<String>> {
    let sandbox = Sandbox::new();
    let mut all = vec![Vec::new()];
    let mut next = 0;
    while let Some(command) = all.get(next).cloned() {
        let help = Outcome::of(sandbox.command(built().join("rivet")).args(&command).arg("--help"));
        assert_eq!(help.code, Some(0), "{help}");
        all.extend(listed(&help.stdout).map(|name| [command.as_slice(), &[name]].concat()));
        next += 1;
    }
    all
}

/// The names under `Commands:`.
fn listed(help: &str) -> impl Iterator<Item = String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").map(str::to_owned)
}

/// Every code of an error, as the binary itself lists them.
pub fn codes() -> Vec<String> {
    let listed = Sandbox::new().rivet(&["explain-error"]);
    assert_eq!(listed.code, Some(0), "{listed}");
    listed.stdout.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The command line that shows the help of a command.
pub fn command_of(command: &[String]) -> String {
    ["rivet"].into_iter().chain(command.iter().map(String::as_str)).chain(["--help"]).collect::<Vec<_>>().join(" ")
}

/// The page that holds it.
pub fn page_of(command: &[String], folder: &Path) -> PathBuf {
    let name = if command.is_empty() { "rivet".to_owned() } else { command.join("-") };
    folder.join("help").join(name).with_extension("md")
}
