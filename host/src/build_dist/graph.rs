//! What cargo resolved: which packages there are, who uses whom, and whether that is what `dist.yaml` asked for.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error as ApiError;
use serde::Deserialize;

use super::crates::Shape;
use crate::config::{CrateEntry, Recipe};
use crate::error::{Error, Result};

/// The crate that host and connectors have to share.
const API: &str = "rivet-plugin-api";

/// The part of `cargo metadata` that is read.
#[derive(Deserialize)]
pub struct Metadata {
    pub packages: Vec<Package>,
    pub resolve: Option<Resolve>,
    pub workspace_root: PathBuf,
}

#[derive(Clone, Deserialize)]
pub struct Package {
    pub id: String,
    pub name: String,
    pub version: String,
    pub license: Option<String>,
    pub license_file: Option<String>,
    pub description: Option<String>,
    pub repository: Option<String>,
    /// Absent for a directory of this machine.
    pub source: Option<String>,
    pub manifest_path: PathBuf,
    pub targets: Vec<Target>,
    pub features: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Deserialize)]
pub struct Target {
    pub name: String,
    pub kind: Vec<String>,
    pub crate_types: Vec<String>,
}

#[derive(Deserialize)]
pub struct Resolve {
    nodes: Vec<Node>,
    root: Option<String>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Package {
    /// Its library.
    pub fn library(&self) -> Option<&Target> {
        let types = ["lib", "rlib", "cdylib", "dylib"];
        self.targets.iter().find(|t| t.crate_types.iter().any(|c| types.contains(&c.as_str())))
    }

    fn runs_at_build(&self) -> bool {
        self.targets.iter().any(|t| t.kind.iter().any(|kind| kind == "proc-macro"))
    }
}

impl Target {
    /// The name in code and in file names.
    pub fn ident(&self) -> String {
        self.name.replace('-', "_")
    }

    fn is(&self, types: &[&str]) -> bool {
        self.crate_types.iter().any(|c| types.contains(&c.as_str()))
    }
}

/// The packages of one build.
pub struct Graph {
    pub host: Package,
    /// The connectors, in the order of the file.
    pub plugins: Vec<Package>,
    packages: HashMap<String, Package>,
    /// What each package uses at run time.
    uses: HashMap<String, Vec<String>>,
}

impl Graph {
    /// The packages that `recipe` names, with all they use.
    pub fn of(recipe: &Recipe, metadata: Metadata) -> Result<Self> {
        let internal = |what: &str| Error::Run(ApiError::internal(format!("cargo metadata says nothing of {what}")));
        let packages: HashMap<_, _> = metadata.packages.into_iter().map(|p| (p.id.clone(), p)).collect();
        let resolve = metadata.resolve.ok_or_else(|| internal("versions"))?;
        let root = resolve.root.ok_or_else(|| internal("the crate itself"))?;
        let mut uses = HashMap::new();
        for node in resolve.nodes {
            let normal = node.deps.into_iter().filter(|d| d.dep_kinds.iter().any(|k| k.kind.is_none())).map(|d| d.pkg);
            let mut normal: Vec<String> =
                normal.filter(|id| !packages.get(id).is_some_and(Package::runs_at_build)).collect();
            normal.sort();
            uses.insert(node.id, normal);
        }
        let direct: Vec<&Package> = uses.get(&root).into_iter().flatten().filter_map(|id| packages.get(id)).collect();
        let find = |entry: &CrateEntry| {
            let of_that_name = |p: &&Package| p.name == entry.name;
            let used = direct.iter().copied().find(of_that_name);
            // One without a library cannot be used, which is judged later.
            used.or_else(|| packages.values().find(of_that_name)).cloned().ok_or_else(|| internal(&entry.name))
        };
        let host = find(&recipe.host)?;
        let plugins = recipe.plugins.iter().map(find).collect::<Result<_>>()?;
        Ok(Self { host, plugins, packages, uses })
    }

    /// That the versions are those that are listed, that everybody speaks through one plug-in API, and that each connector
    /// can be had in this shape.
    pub fn judge(&self, recipe: &Recipe, shape: Shape) -> Result<()> {
        let entries = || std::iter::once((&recipe.host, &self.host)).chain(recipe.plugins.iter().zip(&self.plugins));
        for (entry, package) in entries() {
            if let Some(asked) = entry.version.as_ref().filter(|asked| **asked != package.version) {
                let message = format!("`{}` is {} there, not {asked}", entry.name, package.version);
                let hint = format!("write `version: {}`, or name the source that has {asked}", package.version);
                return Err(Error::Config(recipe.problem(entry.at, message, hint)));
            }
        }
        let host = self.apis(&self.host);
        for (entry, package) in recipe.plugins.iter().zip(&self.plugins) {
            let own = self.apis(package);
            let Some(other) = own.iter().find(|id| !host.contains(id)).or(host.first().filter(|_| own.is_empty()))
            else {
                Self::has_shape(recipe, entry, package, shape)?;
                continue;
            };
            if own.is_empty() {
                let message = format!("`{}` does not use {API}: it is no connector", entry.name);
                return Err(Error::Config(recipe.problem(
                    entry.at,
                    message,
                    "remove it, or name the crate of a connector",
                )));
            }
            let hosts = host.first().map_or_else(|| "none".to_owned(), |id| self.place(id));
            let message =
                format!("`{}` uses another {API} than the host: {}, not {hosts}", entry.name, self.place(other));
            let hint = "let both come from one place: the same directory, commit or version";
            return Err(Error::Config(recipe.problem(entry.at, message, hint)));
        }
        Ok(())
    }

    fn has_shape(recipe: &Recipe, entry: &CrateEntry, package: &Package, shape: Shape) -> Result<()> {
        // As the user knows it, not behind the link.
        let manifest = package.manifest_path.canonicalize().unwrap_or_else(|_| package.manifest_path.clone());
        let manifest = manifest.display();
        let (types, wanted): (&[&str], _) = match shape {
            Shape::Static => (&["lib", "rlib"], "\"rlib\""),
            Shape::Tarball => (&["cdylib"], "\"cdylib\""),
        };
        let problem = |message, hint: String| Err(Error::Config(recipe.problem(entry.at, message, hint)));
        if !package.library().is_some_and(|library| library.is(types)) {
            let message = format!("`{}` cannot become a part of a {}", entry.name, shape.word());
            return problem(message, format!("add {wanted} to `crate-type` under `[lib]` in {manifest}"));
        }
        if shape == Shape::Static && !package.features.contains_key(crate::build_dist::crates::LINKED) {
            let message = format!("`{}` has no feature `linked`", entry.name);
            return problem(
                message,
                format!("write `linked = []` under `[features]` in {manifest}: it leaves the entry symbol out"),
            );
        }
        Ok(())
    }

    /// The plug-in APIs that `package` reaches.
    fn apis(&self, package: &Package) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for id in self.linked(&[package]).into_keys() {
            found.extend(self.packages.get(&id).filter(|p| p.name == API).map(|p| p.id.as_str()));
        }
        found
    }

    fn place(&self, id: &str) -> String {
        let Some(package) = self.packages.get(id) else { return id.to_owned() };
        let from = package.source.clone().unwrap_or_else(|| {
            let dir = package.manifest_path.parent().unwrap_or(&package.manifest_path);
            dir.canonicalize().unwrap_or_else(|_| dir.to_owned()).display().to_string()
        });
        format!("{} from {from}", package.version)
    }

    /// The manifest of a directory that is not below `dir`, if there is one.
    pub fn outside(&self, dir: &Path) -> Option<&Path> {
        let mut paths: Vec<&Path> =
            self.packages.values().filter(|p| p.source.is_none()).map(|p| p.manifest_path.as_path()).collect();
        paths.sort_unstable();
        paths.into_iter().find(|path| !path.starts_with(dir))
    }

    /// Host and connectors.
    pub fn roots(&self) -> Vec<&Package> {
        std::iter::once(&self.host).chain(&self.plugins).collect()
    }

    /// Everything that is linked into `roots`, and what each of them uses.
    pub fn linked(&self, roots: &[&Package]) -> BTreeMap<String, Vec<String>> {
        let mut linked = BTreeMap::new();
        let mut next: Vec<String> = roots.iter().map(|p| p.id.clone()).collect();
        while let Some(id) = next.pop() {
            linked.entry(id).or_insert_with_key(|id| {
                let uses = self.uses.get(id).cloned().unwrap_or_default();
                next.extend(uses.iter().cloned());
                uses
            });
        }
        linked
    }

    /// The package of that id.
    pub fn package(&self, id: &str) -> Option<&Package> {
        self.packages.get(id)
    }
}
