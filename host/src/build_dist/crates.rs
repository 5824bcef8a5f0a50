//! The crate that is written for a distribution: a manifest that names host and connectors, and a `main`.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use super::failed;
use super::graph::Graph;
use super::sources::{FOLDER, Sources};
use crate::config::{CrateEntry, CrateSource, Recipe};
use crate::error::Result;

/// The feature by which a connector leaves its entry symbol out.
pub const LINKED: &str = "linked";

/// What is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Shape {
    /// One binary that needs no plug-ins.
    Static,
    /// A binary with its plug-ins beside it.
    Tarball,
}

impl Shape {
    /// The folder of the crate.
    pub fn folder(self) -> &'static str {
        match self {
            Self::Static => "static",
            Self::Tarball => "tarball",
        }
    }

    /// For messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Static => "single binary",
            Self::Tarball => "tarball",
        }
    }
}

/// A crate to write.
pub struct Crate<'a> {
    pub recipe: &'a Recipe,
    pub sources: &'a Sources,
    pub dir: &'a Path,
}

impl Crate<'_> {
    /// Writes it into its directory. Without a graph it is only good for resolving. What is there already with the same
    /// text stays, so that cargo need not compile again.
    pub fn write(&self, known: Option<(&Graph, Shape, &str)>) -> Result<()> {
        let source = self.dir.join("src");
        fs::create_dir_all(&source).map_err(|e| failed(e, "could not make", &source))?;
        self.sources.link(self.dir)?;
        let links = matches!(known, Some((_, Shape::Static, _)));
        let main = match known {
            Some((graph, shape, version)) => self.main(graph, shape, version),
            None => "fn main() {}\n".to_owned(),
        };
        let files = [(self.dir.join("Cargo.toml"), self.manifest(links)), (source.join("main.rs"), main)];
        for (path, text) in files {
            // `main.rs` of the last time is as good as any for resolving.
            let stays = path.exists() && (known.is_none() && path.extension().is_some_and(|e| e == "rs"));
            if !stays && fs::read_to_string(&path).ok().as_deref() != Some(text.as_str()) {
                fs::write(&path, text).map_err(|e| failed(e, "could not write", &path))?;
            }
        }
        Ok(())
    }

    fn manifest(&self, links: bool) -> String {
        let name = &self.recipe.name;
        let mut text = format!(
            "# Written by `rivet plugin build-dist`, which overwrites it.\n[package]\nname = \"{}\"\nversion = \"0.0.0\"\n\
             edition = \"2024\"\npublish = false\n\n[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\n\n[dependencies]\n",
            package_name(self.recipe)
        );
        text.push_str(&self.dependency(&self.recipe.host, false));
        for plugin in &self.recipe.plugins {
            text.push_str(&self.dependency(plugin, links));
        }
        // As the host's own project builds: the panic of a connector must unwind to the guard at the border.
        let _ = write!(
            text,
            "\n[workspace]\nresolver = \"3\"\nexclude = [\"{FOLDER}\"]\n\n\
             [profile.release]\ncodegen-units = 4\nlto = \"thin\"\npanic = \"unwind\"\nstrip = true\nincremental = false\n\n\
             [profile.dev]\ndebug = false\npanic = \"unwind\"\nstrip = true\nincremental = false\n"
        );
        text
    }

    fn dependency(&self, entry: &CrateEntry, links: bool) -> String {
        let mut keys = match &entry.source {
            CrateSource::Path(path) => vec![format!("path = {}", quoted(&self.sources.seen(path)))],
            CrateSource::Git(url, pin) => {
                let pin = pin.iter().map(|(key, value)| format!("{key} = {}", quoted(value)));
                std::iter::once(format!("git = {}", quoted(url))).chain(pin).collect()
            }
            CrateSource::Registry => {
                let version = entry.version.as_deref().unwrap_or("*");
                vec![format!("version = {}", quoted(&format!("={version}")))]
            }
        };
        let mut features: Vec<String> = entry.features.iter().map(|feature| quoted(feature)).collect();
        if links && !entry.features.iter().any(|feature| feature == LINKED) {
            features.push(quoted(LINKED));
        }
        if !features.is_empty() {
            keys.push(format!("features = [{}]", features.join(", ")));
        }
        if !entry.default_features {
            keys.push("default-features = false".to_owned());
        }
        format!("{} = {{ {} }}\n", entry.name, keys.join(", "))
    }

    fn main(&self, graph: &Graph, shape: Shape, version: &str) -> String {
        let linked = match shape {
            Shape::Static => {
                graph.plugins.iter().filter_map(|p| p.library()).map(|l| format!("&{}::PLUGIN", l.ident())).collect()
            }
            Shape::Tarball => Vec::new(),
        };
        format!(
            "//! Written by `rivet plugin build-dist`, which overwrites it.\n\nfn main() -> std::process::ExitCode {{\n    \
             rivet::main_of(&rivet::Distribution {{\n        name: {},\n        version: {},\n        linked: &[{}],\n    }})\n}}\n",
            quoted(&self.recipe.name),
            quoted(version),
            linked.join(", ")
        )
    }
}

/// The name of the package, which no crate has that it uses.
pub fn package_name(recipe: &Recipe) -> String {
    format!("{}-distribution", recipe.name)
}

/// A string of TOML and of Rust: both know the escapes of JSON that names, paths and URLs need.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
