//! A trial for each page under `cases`, and one that no command lacks a page with its help.

use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use rivet_cli_cases::{check, command_of, commands, folder, overwrites, page_of, pages};

fn main() -> ExitCode {
    let folder = folder();
    let trial = |path: std::path::PathBuf| {
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("").display().to_string();
        Trial::test(name, move || check(&path).map_err(Failed::from))
    };
    let mut trials: Vec<Trial> = pages(&folder).into_iter().map(trial).collect();
    trials.push(Trial::test("every_command_has_a_page_with_its_help", every_command));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn every_command() -> Result<(), Failed> {
    let mut missing = Vec::new();
    for command in commands() {
        let (page, typed) = (page_of(&command, &folder()), command_of(&command));
        let text = fs::read_to_string(&page).unwrap_or_default();
        if text.contains(&format!("$ {typed}\n")) {
            continue;
        }
        if overwrites() {
            fs::write(&page, format!("```console\n$ {typed}\n```\n"))?;
            check(&page)?;
        } else {
            missing.push(format!("{} for `{typed}`", page.display()));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let hint = "SNAPSHOTS=overwrite cargo nextest run -p rivet-cli-cases makes them";
    Err(format!("these pages are missing: {missing:#?}\n{hint}").into())
}
