//! Makes a distribution: the host and chosen connectors as one binary, or as a tarball with plug-ins. Cargo resolves and
//! compiles; what is written here is a crate whose `main` names the connectors, and what lies around the result.

mod bill;
mod cargo;
mod crates;
mod flags;
mod graph;
mod licences;
mod pack;
mod sources;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use rivet_plugin_api::Error as ApiError;

use crate::config::Recipe;
use crate::error::{Error, Result};
use cargo::Cargo;
use crates::{Crate, Shape};
use graph::Graph;
use sources::Sources;

/// How to go about it, beyond what `dist.yaml` says.
pub struct Options {
    /// Fetch the sources of all crates into the directory that `vendor` names, and build nothing.
    pub vendor: bool,
    /// Choose the versions of all crates anew.
    pub update: bool,
    /// Pack what lies in this directory instead of compiling.
    pub built: Option<PathBuf>,
}

/// Builds everything that `recipe` asks for; what was made, in order.
pub fn build(recipe: &Recipe, options: &Options) -> Result<Vec<PathBuf>> {
    let job = Job::new(recipe, options)?;
    if options.vendor {
        return job.vendor();
    }
    let mut made = Vec::new();
    for shape in job.shapes() {
        let graph = job.prepare(shape, options.update && made.is_empty())?;
        let result = match &options.built {
            Some(dir) => dir.clone(),
            None => job.compile(shape, &graph)?,
        };
        let made_here = match shape {
            Shape::Static => pack::single(&job, &graph, &result),
            Shape::Tarball => pack::tarball(&job, &graph, &result),
        };
        made.extend(made_here?);
    }
    Ok(made)
}

/// One build: the recipe with what is known of this machine.
struct Job<'a> {
    recipe: &'a Recipe,
    options: &'a Options,
    cargo: Cargo,
    sources: Sources,
    /// Where results go, absolute.
    output: PathBuf,
    /// Where the crates are written and compiled, absolute.
    work: PathBuf,
    /// This machine's triple.
    machine: String,
    /// The time in everything that holds one, in seconds since 1970.
    epoch: u64,
}

impl<'a> Job<'a> {
    fn new(recipe: &'a Recipe, options: &'a Options) -> Result<Self> {
        fs::create_dir_all(&recipe.output).map_err(|e| failed(e, "could not make", &recipe.output))?;
        let output = recipe.output.canonicalize().map_err(|e| failed(e, "could not find", &recipe.output))?;
        let work = output.join("build");
        let vendored = recipe.vendor.as_deref().filter(|_| !options.vendor);
        if let Some(dir) = vendored.filter(|dir| !dir.join(cargo::VENDOR_CONFIG).is_file()) {
            let message = format!("\"{}\" holds no crates", dir.display());
            let hint = "fill it with `rivet plugin build-dist --vendor` where there is a network";
            return Err(Error::Config(recipe.vendor_problem(message, hint)));
        }
        let cargo = Cargo::new(vendored, &work)?;
        let machine = cargo.machine()?;
        let sources = Sources::of(recipe, &cargo)?;
        let epoch = flags::epoch(&recipe.file);
        Ok(Self { recipe, options, cargo, sources, output, work, machine, epoch })
    }

    fn shapes(&self) -> Vec<Shape> {
        let wanted = [
            (Shape::Static, self.recipe.makes_static && self.options.built.is_none()),
            (Shape::Tarball, self.recipe.makes_tarball),
        ];
        wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(shape, _)| shape).collect()
    }

    /// The triple that is built for.
    fn target(&self) -> &str {
        self.recipe.target.as_deref().unwrap_or(&self.machine)
    }

    /// The version that the program shows.
    fn version<'g>(&'g self, graph: &'g Graph) -> &'g str {
        self.recipe.version.as_deref().unwrap_or(&graph.host.version)
    }

    /// Writes the crate, has cargo resolve it, `anew` if the kept versions do not count, and judges what it resolved.
    fn prepare(&self, shape: Shape, anew: bool) -> Result<Graph> {
        let dir = self.work.join(shape.folder());
        let it = Crate { recipe: self.recipe, sources: &self.sources, dir: &dir };
        // Features are known only when the crates are.
        it.write(None)?;
        let locked = self.seed_lock(&dir, anew)?;
        let resolve = || Graph::of(self.recipe, self.cargo.metadata(&dir, self.target(), locked)?);
        let mut graph = resolve()?;
        if let Some(path) = graph.outside(&dir).filter(|_| self.sources.is_linked()) {
            let path = path.parent().unwrap_or(path).display();
            tracing::warn!("a crate names {path} by its absolute path: built elsewhere, the result will differ");
            self.sources.unlink();
            it.write(None)?;
            graph = resolve()?;
        }
        graph.judge(self.recipe, shape)?;
        it.write(Some((&graph, shape, self.version(&graph))))?;
        let graph = resolve()?;
        if !locked {
            let lock = &self.recipe.lock;
            fs::copy(dir.join("Cargo.lock"), lock).map_err(|e| failed(e, "could not write", lock))?;
        }
        Ok(graph)
    }

    /// Lays the kept versions into `dir`; whether there are any. The first time, the host's own are a beginning: what its
    /// project tested.
    fn seed_lock(&self, dir: &Path, anew: bool) -> Result<bool> {
        let (kept, own) = (&self.recipe.lock, dir.join("Cargo.lock"));
        let from = match &self.sources.host_lock {
            _ if kept.exists() && !anew => Some(kept),
            Some(host) => Some(host),
            None => None,
        };
        match from {
            Some(from) => drop(fs::copy(from, &own).map_err(|e| failed(e, "could not read", from))?),
            None => drop(fs::remove_file(&own)),
        }
        Ok(kept.exists() && !anew)
    }

    fn compile(&self, shape: Shape, graph: &Graph) -> Result<PathBuf> {
        eprint(&format!("building {} as a {}\n", self.recipe.name, shape.word()));
        let packages = match shape {
            Shape::Static => Vec::new(),
            Shape::Tarball => graph.plugins.iter().map(|p| p.id.as_str()).collect(),
        };
        // Only now everything is where it is compiled from.
        let vendored = self.recipe.vendor.as_ref().and_then(|dir| dir.canonicalize().ok());
        let paths = flags::Paths { work: &self.work, vendored: vendored.as_deref(), sources: self.sources.root() };
        let environment = flags::environment_of(&paths, self.epoch);
        self.cargo.build(&self.work.join(shape.folder()), self.recipe, &packages, environment)
    }

    fn vendor(&self) -> Result<Vec<PathBuf>> {
        let Some(dir) = &self.recipe.vendor else {
            let message = "`vendor` is not set in the distribution";
            return Err(Error::Config(
                self.recipe.vendor_problem(message, "name a directory, such as `vendor: vendor`"),
            ));
        };
        let shape = self.shapes().first().copied().unwrap_or(Shape::Static);
        self.prepare(shape, self.options.update)?;
        self.cargo.vendor(&self.work.join(shape.folder()), dir)?;
        Ok(vec![dir.clone()])
    }
}

/// That `what` could not be done to `path`.
fn failed(e: std::io::Error, what: &str, path: &Path) -> Error {
    Error::Run(ApiError::from(e).context(format!("{what} \"{}\"", path.display())))
}

fn eprint(text: &str) {
    crate::report::eprint(text);
}
