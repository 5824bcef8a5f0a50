//! Follows a page: its files are laid down, its commands run, and what they print takes the place of what the page says.

use std::fs;
use std::process::Command;

use rivet_e2e::{Outcome, Sandbox, built};

/// The page with what its commands print in `sandbox`.
pub(crate) fn follow(page: &str, sandbox: &Sandbox) -> Result<String, String> {
    let mut followed = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        followed.extend([line, "\n"]);
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<&str> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
        match info.split_once(' ') {
            _ if info == "console" => run_all(&block, sandbox, &mut followed)?,
            Some((_, name)) => {
                let text = block.iter().flat_map(|line| [*line, "\n"]).collect::<String>();
                fs::write(sandbox.path().join(name), &text).map_err(|e| format!("{name}: {e}"))?;
                followed.push_str(&text);
            }
            None => return Err(format!("a block is `console`, or names the file that it is: {line}")),
        }
        followed.push_str("```\n");
    }
    Ok(followed)
}

fn run_all(block: &[&str], sandbox: &Sandbox, followed: &mut String) -> Result<(), String> {
    if block.first().is_none_or(|line| !line.starts_with("$ ")) {
        return Err("a console block begins with `$ ` and a command".to_owned());
    }
    for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
        followed.extend(["$ ", command, "\n"]);
        let outcome = Outcome::of(&mut shell(command, sandbox));
        match outcome.code {
            Some(0) => {}
            Some(code) => followed.extend(["? ", &code.to_string(), "\n"]),
            None => return Err(format!("`{command}` was killed")),
        }
        followed.extend(outcome.stdout.lines().flat_map(|line| [line.trim_end(), "\n"]));
        for line in outcome.stderr.lines() {
            followed.push_str(format!("2> {line}").trim_end());
            followed.push('\n');
        }
    }
    Ok(())
}

/// The built binaries come first, and lines are as long as in a terminal of 100 columns.
fn shell(command: &str, sandbox: &Sandbox) -> Command {
    let mut shell = sandbox.command("sh");
    let path = std::env::var("PATH").unwrap_or_default();
    shell.args(["-c", command]).env("PATH", format!("{}:{path}", built().display())).env("COLUMNS", "100");
    shell
}
