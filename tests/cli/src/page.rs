//! Follows a page: its files are laid down, its commands run, and what they print takes the place of what the page says.

use std::fs;
use std::process::Command;

use rivet_e2e::{Database, Outcome, Sandbox, Terminal, built};

/// The page with what its commands print in `sandbox`. SQL runs in `database`.
pub(crate) fn follow(page: &str, sandbox: &Sandbox, database: Option<&Database>) -> Result<String, String> {
    let mut followed = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        followed.extend([line, "\n"]);
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        match info.split_once(' ') {
            _ if info == "console" => run_all(&block, sandbox, &mut followed, piped)?,
            _ if info == "terminal" => run_all(&block, sandbox, &mut followed, on_terminal)?,
            _ if info == "sql" => {
                let database = database.ok_or("SQL wants a server: write `needs: postgres` or `needs: mysql`")?;
                database.sql(&block.join("\n"));
                followed.extend(block.iter().flat_map(|line| [*line, "\n"]));
            }
            Some((_, name)) => {
                let text = block.iter().flat_map(|line| [*line, "\n"]).collect::<String>();
                fs::write(sandbox.path().join(name), &text).map_err(|e| format!("{name}: {e}"))?;
                followed.push_str(&text);
            }
            None => {
                return Err(format!("a block is `console`, `terminal` or `sql`, or names the file that it is: {line}"));
            }
        }
        followed.push_str("```\n");
    }
    Ok(followed)
}

fn run_all(
    block: &[&str],
    sandbox: &Sandbox,
    followed: &mut String,
    run: impl Fn(&str, &Sandbox) -> (Option<i32>, String),
) -> Result<(), String> {
    if block.first().is_none_or(|line| !line.starts_with("$ ")) {
        return Err("a block of commands begins with `$ ` and a command".to_owned());
    }
    for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
        followed.extend(["$ ", command, "\n"]);
        let (code, printed) = run(command, sandbox);
        match code {
            Some(0) => {}
            Some(code) => followed.extend(["? ", &code.to_string(), "\n"]),
            None => return Err(format!("`{command}` was killed")),
        }
        followed.push_str(&printed);
    }
    Ok(())
}

/// What is printed into pipes: standard output, and standard error behind it.
fn piped(command: &str, sandbox: &Sandbox) -> (Option<i32>, String) {
    let outcome = Outcome::of(&mut shell(command, sandbox));
    let mut printed = String::new();
    printed.extend(outcome.stdout.lines().flat_map(|line| [line.trim_end(), "\n"]));
    for line in outcome.stderr.lines() {
        printed.push_str(format!("2> {line}").trim_end());
        printed.push('\n');
    }
    (outcome.code, printed)
}

/// What a terminal shows in the end.
fn on_terminal(command: &str, sandbox: &Sandbox) -> (Option<i32>, String) {
    let shown = Terminal::shell(sandbox, command, &[("PATH", &path())]).end();
    (shown.code, shown.styled.lines().flat_map(|line| [line, "\n"]).collect())
}

/// The built binaries come first, and lines are as long as in a terminal of 100 columns.
fn shell(command: &str, sandbox: &Sandbox) -> Command {
    let mut shell = sandbox.command("sh");
    shell.args(["-c", command]).env("PATH", path()).env("COLUMNS", "100");
    shell
}

fn path() -> String {
    format!("{}:{}", built().display(), std::env::var("PATH").unwrap_or_default())
}
