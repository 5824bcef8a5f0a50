//! The command line. Its help is the manual.

mod plugin;

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{ArgGroup, Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

#[cfg(feature = "verify")]
pub use plugin::VerifyArgs;
pub use plugin::{BuildDistArgs, InspectArgs, LockArgs, NewArgs, NewKind, NewLanguage, PluginCommand, TrustArgs};

use crate::config::parse_param;
use crate::distribution;
use crate::error::{Error, Result};
use crate::state::FILE_NAME;

/// Export data from databases to files, gently and without loss.
///
/// A run reads what `rivet.yaml` names, writes Parquet, CSV or Arrow files, and records what it did in a state file beside the
/// configuration. Connectors are plug-ins: `rivet plugin list` shows those that are found.
#[derive(Debug, Parser)]
#[command(name = "rivet", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
    /// Look for plug-ins in this directory first; may be given several times.
    #[arg(long, global = true, value_name = "DIR")]
    pub plugin_dir: Vec<PathBuf>,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  an export failed; the others were attempted
  2  the command line or the configuration is wrong; nothing was touched
  3  a data gate refused the result; nothing was published
  4  another run holds the lock of the export
  130, 143  stopped by SIGINT, SIGTERM

Environment:
  RUST_LOG           what is logged to standard error: error, warn (default), info, debug
  RIVET_PLUGIN_PATH  directories of plug-ins, separated by colons
  RIVET_STATE        the state file, as --state
  NO_COLOR           no colours";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the exports of a configuration
    ///
    /// Every export is attempted, also after one failed. A run that was interrupted is redone under the same file
    /// names by the next one. A summary of each export goes to standard output, or to standard error when an export
    /// writes to standard output.
    Run(RunArgs),
    /// Check that the source and every destination can be used, before anything is exported
    ///
    /// Connects to the source, has it look at the query of every export, and at each destination writes, reads back and
    /// removes an object of its own. Nothing is exported, and no state file is made. Exits 1 when a check fails, and 2
    /// when the configuration is wrong.
    Doctor(DoctorArgs),
    /// Tell what each export would do to its source, before it does it
    ///
    /// Asks the source for its plans, its statistics and the ends of its indexes, for the very requests that the next run
    /// would make; tables are not read. Says how the rows would be found, gives a verdict from EFFICIENT to UNSAFE,
    /// recommends a tuning profile, and shows what becomes of each column. An export that cannot be checked fails; the
    /// others are checked even so.
    Check(CheckArgs),
    /// Write a first configuration from a look at the source
    ///
    /// Lists the tables and views of the source, chooses a mode for each from its columns, keys and statistics, and
    /// writes a configuration with comments. No row is read. A password never gets into the file: where the URL holds
    /// one, the file names a variable instead. What was found, and why, goes to standard error.
    ///
    /// For example: rivet init --url-env DATABASE_URL --table 'order*'
    Init(InitArgs),
    /// Show or reset what is remembered between runs
    #[command(subcommand)]
    State(StateCommand),
    /// Show the history of runs, newest first
    Metrics {
        #[command(flatten)]
        history: HistoryArgs,
        /// How many runs.
        #[arg(short, long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
        last: usize,
    },
    /// Write the history as a page for people
    ///
    /// One HTML file with plots and tables of runs, failures, files and cursors. It needs nothing else: no network, no
    /// scripts. Errors are shown as the state file holds them, which is without passwords.
    Report(ReportArgs),
    /// Show plug-ins
    #[command(subcommand, alias = "plugins")]
    Plugin(PluginCommand),
    /// Print schemas
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Say what the code of an error means, what commonly causes it, and what to do
    ///
    /// The last line of an error names its code. Without one, all codes are listed.
    #[command(alias = "explain")]
    ExplainError {
        /// The codes, such as config.unknown-key or auth.
        #[arg(value_name = "CODE")]
        codes: Vec<String>,
    },
    /// Print a completion script for a shell
    ///
    /// For example: rivet completions bash > ~/.local/share/bash-completion/completions/rivet
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Serve a plug-in to the process that started this one
    #[command(hide = true)]
    PluginServe,
    /// Write a manual page for every command, for packages
    #[command(hide = true)]
    Man {
        /// The directory they are written to; it is made when it does not exist.
        #[arg(long, value_name = "DIR")]
        output: PathBuf,
    },
}

/// Which configuration, and where its state is.
#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "PATH")]
    pub config: PathBuf,
    /// The state file [default: .rivet_state.db beside the configuration].
    #[arg(long, value_name = "PATH")]
    pub state: Option<PathBuf>,
}

impl ConfigArgs {
    /// The state file of this configuration. A configuration that is read from a pipe has its state in the working
    /// directory.
    pub fn state_file(&self) -> PathBuf {
        let given = self.state.clone().or_else(|| crate::environment("RIVET_STATE").map(PathBuf::from));
        given.unwrap_or_else(|| self.state_beside())
    }

    /// Where it is unless something else is said.
    pub fn state_beside(&self) -> PathBuf {
        crate::config::directory(&self.config).join(FILE_NAME)
    }
}

/// Which exports of it, with which values.
#[derive(Args, Debug)]
pub struct ExportsArgs {
    /// Only this export.
    #[arg(short, long, value_name = "NAME")]
    pub export: Option<String>,
    /// Set a parameter: `${KEY}` in the configuration becomes VALUE. Wins over the environment.
    #[arg(short, long = "param", value_name = "KEY=VALUE")]
    pub params: Vec<String>,
}

impl ExportsArgs {
    /// The parameters as names and values.
    ///
    /// # Errors
    /// One that has no `=`, or a name that none can have.
    pub fn params(&self) -> Result<Vec<(String, String)>> {
        self.params.iter().map(|param| parse_param(param)).collect::<Result<_, _>>().map_err(Error::Usage)
    }
}

/// Where connectors run.
#[derive(Args, Clone, Copy, Debug)]
pub struct IsolationArgs {
    /// Run every connector in a process of its own, whatever the configuration says: one that crashes or hangs then only
    /// fails what it was doing.
    #[arg(long)]
    pub isolate: bool,
}

#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub exports: ExportsArgs,
    /// Read every finished file back and compare it with what was written before it becomes visible.
    #[arg(long)]
    pub validate: bool,
    /// Count the rows of each export's window in the source afterwards, and refuse files with another number of rows.
    ///
    /// Rows that are written to the source meanwhile can make the numbers differ, unless the source has snapshots.
    #[arg(long)]
    pub reconcile: bool,
    /// Run the exports side by side, one thread each.
    #[arg(long)]
    pub parallel_exports: bool,
    /// Run the exports side by side, one process each; wins over --parallel-exports.
    #[arg(long)]
    pub parallel_export_processes: bool,
    /// Go on with a chunked run that failed or was interrupted: chunks that are done are not read again.
    ///
    /// For exports with `chunk_checkpoint: true`; others ignore it.
    #[arg(long)]
    pub resume: bool,
    /// Print a line of JSON for each event, and one for the result, instead of summaries.
    ///
    /// The lines go where the summaries would. Every field is described in docs/src/reference/json.md.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    /// Print nothing about exports that succeed: no progress, no summary. Warnings and errors stay.
    #[arg(short, long)]
    pub quiet: bool,
    /// Write how each export ended to this file, as OpenMetrics text, also after failures.
    ///
    /// For the textfile collector of node_exporter, whose files end in `.prom`. The file is replaced in one step.
    #[arg(long, value_name = "PATH")]
    pub metrics_file: Option<PathBuf>,
    /// Tell events to the process that started this one.
    #[arg(long, hide = true)]
    pub as_child: bool,
    #[command(flatten)]
    pub isolation: IsolationArgs,
}

#[derive(Args, Debug)]
pub struct DoctorArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "PATH")]
    pub config: PathBuf,
    #[command(flatten)]
    pub exports: ExportsArgs,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    pub json: bool,
    /// How many seconds the source and each destination may take for one answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub timeout: u64,
    #[command(flatten)]
    pub isolation: IsolationArgs,
}

#[derive(Args, Debug)]
pub struct CheckArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub exports: ExportsArgs,
    /// Print one JSON document instead.
    #[arg(long)]
    pub json: bool,
    /// Exit with 3 when a verdict is DEGRADED or UNSAFE.
    #[arg(long)]
    pub strict: bool,
    #[command(flatten)]
    pub isolation: IsolationArgs,
}

#[derive(Args, Debug)]
#[command(group(ArgGroup::new("location").required(true).args(["url", "url_env"])))]
pub struct InitArgs {
    /// The source: a connection URL, or the path of a database file.
    #[arg(value_name = "URL")]
    pub url: Option<String>,
    /// Take the URL from this environment variable, and name the variable in the file.
    #[arg(long, value_name = "NAME")]
    pub url_env: Option<String>,
    /// The connector to use, where the URL does not tell.
    #[arg(long = "type", value_name = "NAME")]
    pub kind: Option<String>,
    /// Only tables of this name, with or without the schema in front; `*` and `?` stand for any characters and for one.
    /// May be given several times.
    #[arg(short, long = "table", value_name = "PATTERN")]
    pub tables: Vec<String>,
    /// Only tables of this schema, which is the database where a server has no schemas inside one; may be given several
    /// times [default: all that are not the server's own, or the database of the URL].
    #[arg(long = "schema", value_name = "NAME")]
    pub schemas: Vec<String>,
    /// The file to write; `-` is standard output.
    #[arg(short, long, value_name = "PATH", default_value = "rivet.yaml")]
    pub output: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub isolation: IsolationArgs,
}

#[derive(Debug, Subcommand)]
pub enum StateCommand {
    /// Show the cursor of every export
    Show {
        #[command(flatten)]
        config: ConfigArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Show the files that runs made, newest first
    Files {
        #[command(flatten)]
        history: HistoryArgs,
        /// How many files.
        #[arg(short, long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
        last: usize,
    },
    /// Show how far the latest chunked run of an export is
    Chunks {
        #[command(flatten)]
        export: ExportArgs,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Give up the unfinished chunked run of an export, so that its next run begins from scratch
    ///
    /// Files of chunks that are done stay where they are; they are in no manifest.
    ResetChunks(ExportArgs),
    /// Forget the cursor of an export, so that its next run begins from scratch
    ///
    /// Files, history and schema stay.
    Reset(ExportArgs),
    /// Keep the cursor of an export although its source is another one now
    ///
    /// A cursor belongs to one database. After a move of the same data (another host, a restored copy), the next run goes on
    /// from it in the database that it then finds.
    Adopt(ExportArgs),
}

/// One export of a configuration.
#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The export.
    #[arg(short, long, value_name = "NAME")]
    pub export: String,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    let number = text.parse::<NonZeroUsize>().map_err(|_| "not a whole number from 1 on".to_owned())?;
    Ok(number.get())
}

/// Which part of the history.
#[derive(Args, Debug)]
pub struct HistoryArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Only this export.
    #[arg(short, long, value_name = "NAME")]
    pub export: Option<String>,
    #[command(flatten)]
    pub output: OutputArgs,
}

/// How a table is printed.
#[derive(Args, Clone, Copy, Debug)]
pub struct OutputArgs {
    /// Print JSON instead of a table. Every field is described in docs/src/reference/json.md.
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    pub config: ConfigArgs,
    /// The page, replaced in one step when it exists; `-` is standard output.
    #[arg(short, long, value_name = "PATH", default_value = "report.html")]
    pub output: PathBuf,
    /// Only the runs of the last days [default: all].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub days: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub enum SchemaCommand {
    /// Print the JSON Schema of configurations, for editors
    ///
    /// It holds the options of the connectors that are found. For example:
    /// rivet schema config > rivet.schema.json
    Config {
        /// Also search the `plugins:` of this configuration.
        #[arg(short, long, value_name = "PATH")]
        config: Option<PathBuf>,
    },
}

/// Reads the command line; ends the process on a mistake in it (exit 2) and after help or version (exit 0).
pub fn parse() -> Cli {
    let mut command = description();
    let matches = command.get_matches_mut();
    Cli::from_arg_matches(&matches).unwrap_or_else(|e| e.format(&mut command).exit())
}

/// The command line's description, for completions, under the name that this program has.
pub fn description() -> clap::Command {
    let (name, stock) = (distribution::name(), Cli::command());
    // The stock program has nothing to replace, at every start.
    let command = if name == stock.get_name() { stock } else { named(stock) };
    command.name(name).bin_name(name).version(distribution::version())
}

/// The help of a command and all below it names commands as they are typed.
fn named(mut command: clap::Command) -> clap::Command {
    if let Some(text) = command.get_about().map(ToString::to_string)
        && let Cow::Owned(text) = distribution::commands(&text)
    {
        command = command.about(text);
    }
    if let Some(text) = command.get_long_about().map(ToString::to_string)
        && let Cow::Owned(text) = distribution::commands(&text)
    {
        command = command.long_about(text);
    }
    command.mut_subcommands(named)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::description().debug_assert();
    }
}
