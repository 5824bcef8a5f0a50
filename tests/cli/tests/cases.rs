//! A trial for each page under `cases`, and one that no command lacks a page with its help.

use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use rivet_cli_cases::{check, codes, command_of, commands, folder, overwrites, page_of, pages};

fn main() -> ExitCode {
    let folder = folder();
    let trial = |path: std::path::PathBuf| {
        let name = path.strip_prefix(&folder).unwrap_or(&path).with_extension("").display().to_string();
        Trial::test(name, move || check(&path).map_err(Failed::from))
    };
    let mut trials: Vec<Trial> = pages(&folder).into_iter().map(trial).collect();
    trials.push(Trial::test("every_command_has_a_page_with_its_help", every_command));
    trials.push(Trial::test("every_code_of_an_error_is_on_a_page", every_code));
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

fn every_code() -> Result<(), Failed> {
    let texts: String = pages(&folder()).iter().map(fs::read_to_string).collect::<Result<_, _>>()?;
    let shown: Vec<&str> = texts
        .lines()
        .filter_map(|line| line.split_once("more: rivet explain-error "))
        .flat_map(|(_, codes)| codes.split_whitespace())
        .collect();
    let missing: Vec<String> = codes().into_iter().filter(|code| !shown.contains(&code.as_str())).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("no page shows an error with the codes {missing:?}").into()) }
}
