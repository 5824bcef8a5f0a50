//! The arguments of `rivet plugin …`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::OutputArgs;

#[derive(Debug, Subcommand)]
pub enum PluginCommand {
    /// Show every plug-in found, in the order of the search, and why others are refused
    ///
    /// LOCK says whether a file is the one that rivet-plugins.lock names: `yes`, `no`, or `-` without such a file.
    List {
        /// Also search the `plugins:` of this configuration, and compare with the lock file beside it.
        #[arg(short, long, value_name = "PATH")]
        config: Option<PathBuf>,
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Look into a plug-in file: what it is, needs, can do and takes
    ///
    /// Checksum, marker and what the library asks of the system are read without loading it. Its options and capabilities
    /// are its own answer, so it is then loaded, if every check allows that. Exits 1 when it is refused.
    Inspect(InspectArgs),
    /// Write down which plug-ins are used, to the byte, in rivet-plugins.lock
    ///
    /// The file lies beside the configuration, or in the working directory, and holds name, version and SHA-256 of every
    /// plug-in that is found. Where it is, every command loads only what it names. Keep it in version control: locked
    /// again on another platform, checksums of the same version are added to it.
    Lock(LockArgs),
    /// Trust the present content of plug-in files that other users could change
    ///
    /// Files and directories that others can write to, or that belong to others, are refused. A trusted file is loaded
    /// from there all the same, as long as its content is what it was. The list is the user's own:
    /// $XDG_CONFIG_HOME/rivet/trusted-plugins.
    Trust(TrustArgs),
    /// Write a connector of one's own, to begin with
    ///
    /// It is small and whole: it builds, passes the conformance kit and exports rows as it is. It depends on nothing of
    /// Rivet but the plug-in API. Prints what to do next.
    ///
    /// For example: rivet plugin new acme-crm --kind source
    New(NewArgs),
    /// Build a program of your own from the host and the connectors that you choose
    ///
    /// Reads a file that names them, has cargo build them, tries the result, and prints the files that were made: one binary
    /// with the connectors linked in, a tarball with the binary and its plug-ins, or both. The same sources and versions
    /// give the same files wherever they are built. Needs Rust and a C compiler.
    ///
    /// For example: rivet plugin build-dist dist.yaml
    BuildDist(BuildDistArgs),
    /// Judge a library by the conformance suite, before it is installed
    ///
    /// Loads FILE and looks at the loading, at what it says about itself, and, with `verify.yaml`, at everything that a
    /// run may ask of it. Each trial is a line: ok, skipped or FAILED, with the reason. The library runs in this process:
    /// one that crashes ends the command, and the line that is not finished names the trial. Exits 1 when a trial fails.
    #[cfg(feature = "verify")]
    Verify(VerifyArgs),
}

#[derive(Args, Debug)]
pub struct InspectArgs {
    /// The library.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Compare it with the lock file beside this configuration.
    #[arg(short, long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    #[command(flatten)]
    pub output: OutputArgs,
}

#[derive(Args, Debug)]
pub struct LockArgs {
    /// Write the file beside this configuration, and search its `plugins:` too.
    #[arg(short, long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Take in only this plug-in, and leave the others as they are locked; may be given several times.
    #[arg(long, value_name = "NAME")]
    pub update: Vec<String>,
    /// Write nothing: exit with 1 when the file is not what would be written.
    #[arg(long, conflicts_with = "update")]
    pub check: bool,
}

#[derive(Args, Debug)]
#[command(arg_required_else_help = true)]
pub struct TrustArgs {
    /// Libraries, or directories of libraries.
    #[arg(value_name = "PATH")]
    pub files: Vec<PathBuf>,
    /// Show what is trusted.
    #[arg(long)]
    pub list: bool,
    /// Trust this file no more, by its path or its SHA-256; may be given several times.
    #[arg(long, value_name = "PATH")]
    pub remove: Vec<String>,
}

#[derive(Args, Debug)]
pub struct NewArgs {
    /// What users write behind `type:`: a letter, then letters, digits and `-`, all in lower case.
    pub name: String,
    /// What it is.
    #[arg(long, value_enum, value_name = "KIND")]
    pub kind: NewKind,
    /// In which language it is written.
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

#[derive(Args, Debug)]
pub struct BuildDistArgs {
    /// What to build: docs/src/guides/distribution.md describes every key.
    #[arg(value_name = "FILE", default_value = "dist.yaml")]
    pub file: PathBuf,
    /// Write the results into this directory instead of the one that FILE names.
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,
    /// Only copy the sources of all crates into the directory that FILE names as `vendor`, for builds without a network.
    #[arg(long)]
    pub vendor: bool,
    /// Choose the versions of all crates anew, instead of those of the last build.
    #[arg(long)]
    pub update: bool,
    /// Pack the binary and plug-ins that lie in this directory into the tarball, instead of building them.
    #[arg(long, value_name = "DIR", conflicts_with = "vendor", hide = true)]
    pub built: Option<PathBuf>,
}
