//! Commands that errors tell the user to type next, whole, with the configuration in use.

use std::path::Path;
use std::sync::OnceLock;

use crate::cli::{Command, ConfigArgs, StateCommand};
use crate::distribution;

/// `--config` and `--state` as they were given.
static CONFIG: OnceLock<String> = OnceLock::new();

/// From now on commands are about the configuration of this one.
pub fn remember(command: &Command) {
    let (config, state) = match command {
        Command::Run(args) => whole(&args.config),
        Command::Check(args) => whole(&args.config),
        Command::Doctor(args) => (args.config.as_path(), None),
        Command::Report(args) => whole(&args.config),
        Command::Metrics { history, .. } | Command::State(StateCommand::Files { history, .. }) => {
            whole(&history.config)
        }
        Command::State(StateCommand::Show { config, .. }) => whole(config),
        Command::State(
            StateCommand::Chunks { export, .. }
            | StateCommand::ResetChunks(export)
            | StateCommand::Reset(export)
            | StateCommand::Adopt(export),
        ) => whole(&export.config),
        _ => return,
    };
    let state = state.map(|state| format!(" --state {}", quoted(state))).unwrap_or_default();
    let _ = CONFIG.set(format!("--config {}{state}", quoted(config)));
}

fn whole(args: &ConfigArgs) -> (&Path, Option<&Path>) {
    (&args.config, args.state.as_deref())
}

/// A command on the configuration in use, such as `` `rivet state reset --config rivet.yaml --export orders` ``.
pub fn command(verb: &str, options: &str) -> String {
    let config = CONFIG.get().map_or("--config rivet.yaml", String::as_str);
    format!("`{} {verb} {config} {options}`", distribution::name())
}

/// Says when the environment names a state that does not exist yet although there is one beside the configuration: an
/// incremental export would begin again.
pub fn warn_of_other_state(args: &ConfigArgs) {
    let (used, beside) = (args.state_file(), args.state_beside());
    if args.state.is_none() && used != beside && !used.exists() && beside.exists() {
        tracing::warn!(
            "RIVET_STATE names \"{}\", which does not exist yet; the cursors in \"{}\" are not used",
            used.display(),
            beside.display()
        );
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '=' | ':' | '@' | ',');
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_quoted_where_a_shell_would_split_them() {
        for (path, expected) in [("a/b.yaml", "a/b.yaml"), ("my file", "'my file'"), ("it's", r"'it'\''s'"), ("", "''")]
        {
            assert_eq!(quoted(Path::new(path)), expected);
        }
    }

    #[test]
    fn a_command_names_a_configuration() {
        assert_eq!(command("state reset", "--export a"), "`rivet state reset --config rivet.yaml --export a`");
    }
}
