//! The files of a new connector, from templates that are compiled in.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error as ApiError;
use rivet_plugin_api::abi::HEADER;
use serde_json::Value;

use crate::error::{Error, Result};
use crate::plugin::Half;

/// Where a connector in Rust takes the plug-in API from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Api {
    /// A directory that holds `plugin-api`.
    Path(PathBuf),
    /// A repository.
    Git(String),
    /// A version in the crate registry.
    Version(String),
}

impl Api {
    /// Reads what a user wrote: a version begins with a digit, a URL has `://`, the rest are paths.
    pub fn parse(text: &str) -> Result<Self> {
        let text = text.trim();
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return Ok(Self::Version(text.to_owned()));
        }
        if text.contains("://") || text.starts_with("git@") {
            return Ok(Self::Git(text.to_owned()));
        }
        Self::checkout(Path::new(text)).ok_or_else(|| {
            let error = ApiError::config(format!("there is no plug-in API in \"{text}\""));
            Error::Usage(error.hint("give a version, a git URL, or a directory that holds `plugin-api/Cargo.toml`"))
        })
    }

    /// The API in the directory of a checkout.
    pub fn checkout(directory: &Path) -> Option<Self> {
        let holds = |directory: &Path| directory.join("plugin-api/kit/Cargo.toml").is_file();
        let found = [directory, directory.parent()?].into_iter().find(|directory| holds(directory))?;
        Some(Self::Path(fs::canonicalize(found).ok()?))
    }

    /// What stands behind `rivet-plugin-api =` and `rivet-connector-kit =` in `Cargo.toml`.
    fn dependencies(&self) -> [String; 2] {
        // A text of JSON is one of TOML too.
        let quoted = |text: &str| Value::from(text).to_string();
        match self {
            Self::Path(directory) => ["plugin-api", "plugin-api/kit"]
                .map(|folder| format!("{{ path = {} }}", quoted(&directory.join(folder).to_string_lossy()))),
            Self::Git(url) => [(); 2].map(|()| format!("{{ git = {} }}", quoted(url))),
            Self::Version(version) => [(); 2].map(|()| quoted(version)),
        }
    }
}

/// In which language a connector is written.
pub enum Language {
    /// With the traits of the plug-in API.
    Rust(Api),
    /// With the header alone.
    C,
}

/// Names that a crate cannot have, or that its tests could not use.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "priv",
    "pub",
    "ref",
    "return",
    "self",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "yield",
    "proc-macro",
    "rivet-plugin-api",
    "rivet-connector-kit",
];

/// Whether a connector can be called so.
pub fn check_name(name: &str) -> Result<()> {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let (why, hint) = match name {
        _ if TAKEN.contains(&name) => {
            ("is a word of Rust or the name of another crate", format!("add to it, as in \"{name}-connector\""))
        }
        _ if !is_plain => {
            let rule = "a name begins with a letter and has up to 64 lower case letters, digits and \"-\"";
            ("is no name for a connector", rule.to_owned())
        }
        _ => return Ok(()),
    };
    Err(Error::Usage(ApiError::config(format!("\"{name}\" {why}")).hint(hint)))
}

/// One file: where it goes, and its text.
type File = (&'static str, &'static str);

macro_rules! template {
    ($path:literal, $($from:literal),+) => {
        ($path, concat!($(include_str!(concat!("../templates/plugin/", $from))),+))
    };
}

const RUST: &[File] = &[
    template!("Cargo.toml", "rust/Cargo.toml.in"),
    template!("README.md", "rust/README.md"),
    template!(".gitignore", "rust/gitignore"),
];
const RUST_SOURCE: &[File] = &[
    template!("src/lib.rs", "rust-source/src/lib.rs"),
    template!("tests/conformance.rs", "rust-source/tests/conformance.rs"),
    template!("rivet.yaml", "rust-source/rivet.yaml"),
    template!("verify.yaml", "rust-source/verify.yaml"),
];
const RUST_DESTINATION: &[File] = &[
    template!("src/lib.rs", "rust-destination/src/lib.rs"),
    template!("tests/conformance.rs", "rust-destination/tests/conformance.rs"),
    template!("rivet.yaml", "rust-destination/rivet.yaml"),
    template!("verify.yaml", "rust-destination/verify.yaml"),
    ("empty.db", ""),
];
const C: &[File] = &[
    ("rivet_plugin.h", HEADER),
    template!("Makefile", "c/Makefile"),
    template!("README.md", "c/README.md"),
    template!(".gitignore", "c/gitignore"),
];
const C_SOURCE: &[File] = &[
    template!("__CRATE__.c", "c/begin.c", "c-source/connector.c", "c/end.c"),
    template!("rivet.yaml", "c-source/rivet.yaml"),
    template!("verify.yaml", "c-source/verify.yaml"),
];
const C_DESTINATION: &[File] = &[
    template!("__CRATE__.c", "c/begin.c", "c-destination/lines.c", "c-destination/connector.c", "c/end.c"),
    template!("rivet.yaml", "c-destination/rivet.yaml"),
    template!("verify.yaml", "c-destination/verify.yaml"),
    ("empty.db", ""),
];

/// Writes the connector called `name` into `directory`, which does not exist or is empty, and answers what it wrote.
pub fn write(directory: &Path, name: &str, half: Half, language: &Language) -> Result<Vec<String>> {
    let [api, kit] = match language {
        Language::Rust(api) => api.dependencies(),
        Language::C => Default::default(),
    };
    let description = match half {
        Half::Source => "The days of a calendar as rows",
        Half::Destination => "Writes rows as JSON lines",
    };
    let (shared, own) = match (language, half) {
        (Language::Rust(_), Half::Source) => (RUST, RUST_SOURCE),
        (Language::Rust(_), Half::Destination) => (RUST, RUST_DESTINATION),
        (Language::C, Half::Source) => (C, C_SOURCE),
        (Language::C, Half::Destination) => (C, C_DESTINATION),
    };
    let words = [
        ("__NAME__", name),
        ("__CRATE__", &name.replace('-', "_")),
        ("__KIND__", half.as_str()),
        ("__DESCRIPTION__", description),
        ("__API__", &api),
        ("__KIT__", &kit),
    ];
    let filled = |text: &str| words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(word, value));
    refuse_full(directory)?;
    let mut written = Vec::new();
    for (path, text) in shared.iter().chain(own) {
        let path = filled(path);
        new_file(&directory.join(&path), &filled(text)).map_err(|e| failed(&directory.join(&path), e))?;
        written.push(path);
    }
    Ok(written)
}

fn refuse_full(directory: &Path) -> Result<()> {
    match fs::read_dir(directory).map(|mut entries| entries.next().is_none()) {
        Ok(false) => {
            let error = ApiError::config(format!("directory \"{}\" is not empty", directory.display()));
            Err(Error::Usage(error.hint("name another directory by `--output`")))
        }
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed(directory, e)),
        _ => Ok(()),
    }
}

/// Nothing that exists is ever replaced.
fn new_file(path: &Path, text: &str) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn failed(path: &Path, error: io::Error) -> Error {
    let error = ApiError::from(error).context(format!("could not write \"{}\"", path.display()));
    Error::Run(error.hint("name another directory by `--output`"))
}
