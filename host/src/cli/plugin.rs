//! The arguments of `rivet plugin …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show every plug-in found, in the order of the search, and why others are refused
    List {
        /// Also search the `plugins:` of this configuration.
        #[arg(short, long, value_name = "PATH")]
        config: Option<PathBuf>,
    },
    /// Write a connector of one's own, to begin with
    ///
    /// It is small and whole: it builds, passes the conformance kit and exports rows as it is. It depends on nothing of
    /// Rivet but the plug-in API. Prints what to do next.
    ///
    /// For example: rivet plugin new acme-crm --kind source
    New(NewArgs),
    /// Judge a library by the conformance suite, before it is installed
    ///
    /// Loads FILE and looks at the loading, at what it says about itself, and, with `verify.yaml`, at everything that a
    /// run may ask of it. Each trial is a line: ok, skipped or FAILED, with the reason. The library runs in this process:
    /// one that crashes ends the command, and the line that is not finished names the trial. Exits 1 when a trial fails.
    #[cfg(feature = "verify")]
    Verify(VerifyArgs),
}

#[derive(Args, Debug)]
pub struct NewArgs {
    /// What users write behind `type:`: a letter, then letters, digits and `-`, all in lower case.
    pub name: String,
    /// What it is.
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: NewKind,
    /// In which language it is written. For C there is a source.
    #[arg(long, value_enum, value_name = "LANGUAGE", default_value_t = NewLanguage::Rust)]
    pub lang: NewLanguage,
    /// Where a connector in Rust takes the plug-in API from: a version, a git URL, or the directory of a checkout
    /// [default: what this binary was released with, or the checkout it lies in].
    #[arg(long, value_name = "VERSION|URL|DIR")]
    pub api: Option<String>,
    /// The directory to write to, which is made when it does not exist [default: the name].
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum NewKind {
    /// It reads rows.
    Source,
    /// It writes rows.
    Destination,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum NewLanguage {
    /// With the traits of the plug-in API.
    Rust,
    /// With a header alone.
    C,
}

#[cfg(feature = "verify")]
#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// The library.
    pub file: PathBuf,
    /// How to open it, and which rows are known [default: verify.yaml, when it is in the working directory].
    #[arg(short, long, value_name = "PATH")]
    pub options: Option<PathBuf>,
    /// Only trials with this text in their name.
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// Print one JSON document instead of lines.
    #[arg(long)]
    pub json: bool,
    /// How many seconds one trial may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
}
