//! The stable codes of errors, and what `rivet explain-error` says of each. A code never changes its meaning; what is
//! said of it may.

use rivet_plugin_api::Category;

/// A kind of error, by what its user does next. The table says what each means.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Code {
    Syntax,
    File,
    UnknownKey,
    MissingKey,
    WrongValue,
    Exclusive,
    MisplacedKey,
    Duplicate,
    Placeholder,
    Variable,
    UnknownOption,
    UnknownConnector,
    NotOffered,
    PluginLock,
    Usage,
    Network,
    Timeout,
    Capacity,
    Deadlock,
    Auth,
    NotFound,
    Conflict,
    Config,
    Data,
    Unsupported,
    Permanent,
    Cancelled,
    Internal,
    Crashed,
    Refused,
    Locked,
    StateFile,
    Cursor,
    Unfinished,
    Stopped,
}

/// What there is to say of a code.
pub struct Explanation {
    /// Which one.
    pub code: Code,
    /// What users see and type.
    pub name: &'static str,
    /// The exit code of a process that ends with it.
    pub exit: &'static str,
    /// What it means, in whole sentences.
    pub meaning: &'static str,
    /// What commonly causes it, a sentence each.
    pub causes: &'static [&'static str],
    /// What to do, in whole sentences.
    pub remedy: &'static str,
}

impl Code {
    /// What there is to say of it.
    pub fn explanation(self) -> &'static Explanation {
        &EXPLANATIONS[self as usize]
    }

    /// What users see and type.
    pub fn name(self) -> &'static str {
        self.explanation().name
    }

    /// The code of a connector's error, which is called as its category.
    pub fn of(category: Category) -> Self {
        let found = EXPLANATIONS.iter().find(|explanation| explanation.name == category.as_str());
        found.map_or(Self::Permanent, |explanation| explanation.code)
    }
}

impl Explanation {
    /// The explanation in Markdown, which reads well on a terminal too.
    pub fn markdown(&self) -> String {
        let (meaning, causes, remedy, exit) = (self.meaning, self.causes.join("\n* "), self.remedy, self.exit);
        format!("{meaning}\n\nCommon causes:\n\n* {causes}\n\nWhat to do: {remedy}\n\nExit code: {exit}\n")
    }
}

macro_rules! explain {
    ($($code:ident $name:literal exit $exit:literal: $meaning:literal; $($cause:literal),*; $remedy:literal)*) => {
        /// Every code, in the order of [`Code`].
        pub const EXPLANATIONS: &[Explanation] = &[$(Explanation {
            code: Code::$code,
            name: $name,
            exit: $exit,
            meaning: $meaning,
            causes: &[$($cause),*],
            remedy: $remedy,
        }),*];
    };
}

explain! {
    Syntax "config.syntax" exit "2":
        "The configuration is not YAML that can be read.";
        "Tabs indent a line.", "A bracket or quote is not closed.", "A value with `: ` or ` #` in it stands without quotes.",
        "There are two documents, tags, or keys that are no text.";
        "Look at the line with the caret and the one before it."
    File "config.file" exit "2":
        "The configuration, or a file that it names, cannot be read.";
        "The path is wrong: `query_file` starts at the configuration's directory, `*_file` and `credentials_file` at the \
         working directory.", "The rights are missing.", "The file is not UTF-8, or larger than 8 MiB.";
        "Correct the path or the file."
    UnknownKey "config.unknown-key" exit "2":
        "A key is none of those that its map can have. None is ignored, because a mistyped key would change what is \
         exported without a word.";
        "A slip of the finger: the hint names the nearest key.", "The key belongs into another map: the hint says which.";
        "Correct, move or remove the key. `rivet schema config` prints all of them, for editors."
    MissingKey "config.missing-key" exit "2":
        "A key is missing without which the export, or its mode, cannot run.";
        "The key has no value, which counts as absent.", "The mode needs a column: `cursor_column`, `chunk_column` or `time_column`.";
        "Add the key that is named."
    WrongValue "config.wrong-value" exit "2":
        "A value is of another type or out of range.";
        "A number or `true` stands in quotes, or `yes` is meant as a boolean.", "A name is none of those listed.",
        "A number is outside of its bounds.";
        "Write what the message asks for."
    Exclusive "config.exclusive" exit "2":
        "Two keys exclude each other, or one needs another that is not there.";
        "Both `query` and `query_file`, or both `batch_size` and `batch_size_memory_mb`.", "A URL and fields such as `host`.",
        "`cursor_lag` without `mode: incremental`, `chunk_dense: true` without `mode: chunked`, or an `arrow_layout` or codec \
         that the format does not have. Other keys of another mode are ignored, with a warning.";
        "Keep one of the two, or add what is missing."
    MisplacedKey "config.misplaced-key" exit "2":
        "Keys of `tuning` stand directly in `source` or in an export.";
        "The file was written by hand from memory.";
        "Move them under `tuning:`."
    Duplicate "config.duplicate" exit "2":
        "A key stands twice in one map, or two exports have one name. Of two values only one could hold, and two exports \
         of one name would share their state.";
        "A block was copied.";
        "Remove or rename one of them."
    Placeholder "config.placeholder" exit "2":
        "A `${NAME}` has no value, or is no placeholder.";
        "Neither `--param` nor the environment has the name.", "The text is meant literally.";
        "Set the variable, pass `--param NAME=VALUE`, write `${NAME:-default}`, or `$${` for a literal `${`."
    Variable "config.variable" exit "2":
        "An environment variable that an option names is not set.";
        "The service or cron job has another environment than the shell.";
        "Set the variable where the command runs."
    UnknownOption "config.unknown-option" exit "2":
        "A key under `source` or `destination` is no option of the connector.";
        "A slip of the finger.", "The option is another connector's, or a newer version's.";
        "Correct or remove the key. The connector's page lists its options."
    UnknownConnector "config.unknown-connector" exit "2":
        "No connector of this `type` was found, or it is no source or destination.";
        "A slip of the finger: the hint names the nearest one.", "The plug-in is in a directory that is not searched.",
        "The plug-in was found and refused.";
        "`rivet plugin list` shows where plug-ins are looked for, and why some are refused."
    NotOffered "config.not-offered" exit "2":
        "The connector does not offer what the export asks for.";
        "Its mode, `params` or `manifest` is beyond the connector.";
        "Choose another mode or connector, or update the plug-in."
    PluginLock "plugin.lock" exit "2":
        "A plug-in is not the one that `rivet-plugins.lock` beside the configuration names, or that file cannot be read. \
         Where it is, only what it names is loaded.";
        "The plug-in was updated, or replaced by something else.", "It was installed after the file was written.",
        "The file was written on another platform.", "The file was damaged by a merge.";
        "Install the plug-in that is named, or accept what is installed with `rivet plugin lock --update NAME`."
    Usage "usage" exit "2":
        "The command line, or what the configuration asks of this query or connector, cannot be.";
        "An export, file or connector that is named does not exist.", "A name is taken, such as that of a column of \
         `meta_columns`.", "`--param` without `=`.",
        "Several exports, one of which writes to standard output.";
        "Correct what the message names; `--help` is the manual of a command."
    Network "network" exit "1":
        "A connection could not be made or broke. It was tried again as often as `max_retries` allows.";
        "The address or port is wrong.", "A firewall, proxy or the server's restart.", "TLS fails.";
        "Check the address from this machine, then run the command again: a run that stopped in the middle is redone."
    Timeout "timeout" exit "1":
        "A limit on time was reached, also when it was tried again.";
        "A statement works for longer than `statement_timeout_s`.", "Another session holds a lock for longer than \
         `lock_timeout_s`.", "The server does not answer.";
        "Raise the limit, export in chunks, or add the index that the query lacks."
    Capacity "capacity" exit "1":
        "The server is full, starting or shutting down.";
        "Too many connections.", "No room for temporary files.";
        "Lower `parallel`, or wait and run again."
    Deadlock "deadlock" exit "1":
        "The database ended the statement in favour of another one, also when it was tried again.";
        "Much is written to the same rows meanwhile.";
        "Run again, at a quieter time."
    Auth "auth" exit "1":
        "Credentials are missing, expired or refused, or a right is missing. It is not tried again.";
        "The password was changed.", "The user may not read the table, or write into the directory or bucket.";
        "Correct the credentials, or have the right granted."
    NotFound "not_found" exit "1":
        "What the configuration names does not exist: a database, a file, a bucket or a directory.";
        "A slip of the finger.", "Another environment than was meant.";
        "Correct the name, or create it."
    Conflict "conflict" exit "1":
        "A file of the name that a run chose is there already, and belongs to something else.";
        "Another program writes into the same place.";
        "Run again: another name is chosen. Give every export a place of its own."
    Config "config" exit "1, or 2 for a column of `quality`":
        "A connector refuses what the export asks for, once it is opened or knows the query.";
        "A URL is malformed, or options of the connector do not go together.",
        "A column of `cursor_column`, `chunk_column`, `time_column`, `columns` or `quality` is not in the result: the hint \
         names the nearest one.", "A column's type has no order, or cannot become what `columns` wishes.",
        "The query returns no columns.";
        "Correct the key or the query."
    Data "data" exit "1":
        "A value cannot be kept exactly as its column's type. Nothing is rounded, cut or replaced.";
        "A date beyond what Arrow holds, `infinity`, or a zero date.", "Text in a column of numbers (SQLite).",
        "A number with more digits than the `decimal(p,s)` that was asked for.";
        "Override the type under `columns` or `types`, for example with `text`, or change the query."
    Unsupported "unsupported" exit "1":
        "The connector does not offer the call.";
        "An older plug-in.";
        "Choose another mode or connector, or update the plug-in."
    Permanent "permanent" exit "1":
        "The server refuses in a way that repeating cannot cure.";
        "A syntax error in the query.", "A table or column that does not exist.", "A full or broken disk.";
        "Read the server's message; its code stands in parentheses."
    Cancelled "cancelled" exit "1":
        "The work was stopped on request.";
        "An administrator ended the session.", "A signal.";
        "Run the same command again: it redoes what was not finished. Chunked exports with `chunk_checkpoint` go on when it \
         also has `--resume`."
    Internal "internal" exit "1":
        "A defect in a connector or in Rivet: a panic, or a broken promise of the contract.";
        "A plug-in of another version.", "A bug.";
        "Run again with `RUST_LOG=debug`, and report it with the message."
    Crashed "plugin.crashed" exit "1":
        "The process of an isolated connector ended in the middle of a call, also when it was tried again. Nothing else of \
         the run was touched.";
        "A defect in the plug-in or in a library of it: the message says how it ended and what it printed last.",
        "A call took longer than `call_timeout_s`, or needed more memory than `memory_mb`.",
        "The kernel or somebody killed it (signal 9).";
        "Raise the limit that the message names, or report the message to the author of the plug-in. The next run redoes \
         what was not finished."
    Refused "gate.refused" exit "3":
        "A gate refused the result: nothing of this window was published, and the cursor did not move.";
        "Rules under `quality` are broken.", "`--validate` found a file that is not what was written.",
        "`--reconcile` counted another number of rows.", "Columns changed under `on_schema_change: fail`.";
        "Look at the data, then change the rule or run again."
    Locked "state.locked" exit "4":
        "Another run of the same export is alive.";
        "The schedule starts runs faster than they end.";
        "Wait for it, or stop it. The message says who holds the lock."
    StateFile "state.file" exit "1":
        "The state file cannot be opened, read or written.";
        "Its directory is read-only or full.", "The file is damaged, or another program's.", "A newer Rivet wrote it.";
        "See the message. A damaged file is never overwritten: move it away, or restore it."
    Cursor "state.cursor" exit "1":
        "The stored cursor belongs to another column, type or source than is configured now. Going on would lose rows.";
        "`cursor_column` or the source was changed.";
        "Undo the change, or forget the cursor with `rivet state reset`, which exports everything again."
    Unfinished "state.unfinished" exit "1":
        "A chunked run of the export was interrupted, and this run was not told what to do about it; or it was told to \
         `--resume`, and there is nothing to go on with.";
        "A run with `chunk_checkpoint: true` failed or was stopped, and the next one has no `--resume`.", "The export was \
         changed in between, so that the chunks that are done no longer belong to it.", "`--resume` after a run that \
         finished.";
        "Go on with `rivet run --resume`, or give the chunks up with `rivet state reset-chunks`. With nothing to go on with, \
         run without `--resume`."
    Stopped "signal" exit "129, 130, 143":
        "SIGHUP, SIGINT or SIGTERM ended the run. With `chunk_checkpoint`, chunks that were done are kept.";
        "Ctrl-C, a deadline of the scheduler, a shutdown.";
        "Run the same command again: it redoes what was not finished. Chunked exports with `chunk_checkpoint` go on when it \
         also has `--resume`."
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_codes() {
        for (place, explanation) in EXPLANATIONS.iter().enumerate() {
            assert_eq!(explanation.code as usize, place, "{}", explanation.name);
        }
        assert_eq!(Code::Stopped as usize + 1, EXPLANATIONS.len());
    }

    #[test]
    fn names_are_unique_and_those_of_categories_are_theirs() {
        let mut names: Vec<_> = EXPLANATIONS.iter().map(|e| e.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), EXPLANATIONS.len());
        for category in Category::ALL {
            assert_eq!(Code::of(category).name(), category.as_str());
        }
    }

    /// The page is printed from the table; `RIVET_UPDATE_GOLDENS=1 cargo test` writes it.
    #[test]
    fn the_page_is_what_the_table_says() {
        let mut page = String::from(
            "# Errors\n\nAn error says what happened, where, and what to do next. Its last line names its code, which \
             never changes its meaning and\nwhich scripts may rely on: `rivet explain-error CODE` prints what stands here.\n",
        );
        for explanation in EXPLANATIONS {
            page.extend(["\n## ", explanation.name, "\n\n", &explanation.markdown()]);
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/reference/errors.md");
        if std::env::var_os("RIVET_UPDATE_GOLDENS").is_some() {
            std::fs::write(path, &page).unwrap();
        }
        assert_eq!(std::fs::read_to_string(path).unwrap_or_default(), page, "run it with RIVET_UPDATE_GOLDENS=1");
    }
}
