//! What lies around a program: checksums, completions, manual pages, licences, a bill of materials; and the tarball.
//! Order, owners, modes and times depend on nothing but the sources.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use flate2::{Compression, GzBuilder};

use super::bill::{Subject, bill};
use super::crates::Shape;
use super::graph::Graph;
use super::licences::licences;
use super::trial::{self, file_name};
use super::{Job, cargo, failed};
use crate::error::Result;

const BILL: &str = "sbom.cdx.json";
const LICENCES: &str = "THIRD-PARTY-LICENSES.txt";
const SHELLS: [&str; 5] = ["bash", "elvish", "fish", "powershell", "zsh"];

/// The single binary with its papers, in the output directory.
pub fn single(job: &Job<'_>, graph: &Graph, built: &Path) -> Result<Vec<PathBuf>> {
    let name = &job.recipe.name;
    let stem = format!("{name}-{}", job.target());
    // In a directory of its own, so that it finds no plug-ins beside it.
    let folder = fresh(&job.work.join("single"))?;
    let program = folder.join(&stem);
    copy(&built.join(name), &program, 0o755)?;
    trial::warn_of_paths(job, &program);
    if trial::runs_here(job.target(), &job.machine) {
        trial::judge(job, graph, &program, Shape::Static)?;
    }
    papers(
        job,
        graph,
        Shape::Static,
        &folder.join(format!("{stem}.{BILL}")),
        &folder.join(format!("{stem}.{LICENCES}")),
    )?;
    let sum = format!("{}  {stem}\n", sha256(&program)?);
    write(&folder.join(format!("{stem}.sha256")), sum.as_bytes())?;
    let mut made = Vec::new();
    for file in files_below(&folder)? {
        let place = job.output.join(&file);
        // What runs at the moment keeps its own file.
        fs::rename(folder.join(&file), &place).map_err(|e| failed(e, "could not write", &place))?;
        made.push(place);
    }
    Ok(made)
}

/// The tarball, with the binary and its plug-ins in it, and its checksum beside it.
pub fn tarball(job: &Job<'_>, graph: &Graph, built: &Path) -> Result<Vec<PathBuf>> {
    let name = &job.recipe.name;
    let whole = format!("{name}-{}-{}", job.version(graph), job.target());
    let folder = fresh(&job.work.join("pack"))?.join(&whole);
    let program = folder.join(name);
    copy(&built.join(name), &program, 0o755)?;
    for package in &graph.plugins {
        let library = file_name(package);
        copy(&built.join(&library), &folder.join("plugins").join(&library), 0o644)?;
        trial::warn_of_paths(job, &folder.join("plugins").join(&library));
    }
    trial::warn_of_paths(job, &program);
    if trial::runs_here(job.target(), &job.machine) {
        trial::judge(job, graph, &program, Shape::Tarball)?;
        helpers(&program, &folder)?;
    } else {
        tracing::warn!("this machine cannot run it: it was not tried, and has no completions and no manual pages");
    }
    for (to, from) in &job.recipe.files {
        copy_all(from, &folder.join(to))?;
    }
    papers(job, graph, Shape::Tarball, &folder.join(BILL), &folder.join(LICENCES))?;
    let mut sums = String::new();
    for file in files_below(&folder)? {
        let _ = writeln!(sums, "{}  {}", sha256(&folder.join(&file))?, file.display());
    }
    write(&folder.join("SHA256SUMS"), sums.as_bytes())?;
    let file_name = format!("{name}-{}.tar.gz", job.target());
    let place = job.output.join(&file_name);
    // What is only tried out need not be small.
    let level = if job.options.built.is_some() { Compression::fast() } else { Compression::best() };
    compress(&folder, &whole, &place, job.epoch, level).map_err(|e| failed(e, "could not write", &place))?;
    let sum = job.output.join(format!("{file_name}.sha256"));
    write(&sum, format!("{}  {file_name}\n", sha256(&place)?).as_bytes())?;
    Ok(vec![place, sum])
}

fn papers(job: &Job<'_>, graph: &Graph, shape: Shape, bill_path: &Path, licences_path: &Path) -> Result<()> {
    let lock = job.work.join(shape.folder()).join("Cargo.lock");
    let lock = fs::read_to_string(&lock).map_err(|e| failed(e, "could not read", &lock))?;
    let subject = Subject { name: &job.recipe.name, version: job.version(graph), epoch: job.epoch };
    write(bill_path, bill(&subject, graph, &lock)?.as_bytes())?;
    write(licences_path, licences(&job.recipe.name, graph).as_bytes())
}

/// Completions, manual pages and the lock of the plug-ins, from the program itself.
fn helpers(program: &Path, folder: &Path) -> Result<()> {
    let name = program.file_name().unwrap_or_default().to_string_lossy();
    for shell in SHELLS {
        let mut command = trial::program(program);
        command.args(["completions", shell]);
        let text = cargo::answer(command, "have completions printed")?;
        write(&folder.join("completions").join(format!("{name}.{shell}")), text.as_bytes())?;
    }
    let mut command = trial::program(program);
    command.args(["man", "--output"]).arg(folder.join("man"));
    cargo::answer(command, "have manual pages written")?;
    let mut command = trial::program(program);
    command.args(["plugin", "lock"]).current_dir(folder);
    cargo::answer(command, "have the plug-ins locked").map(drop)
}

/// A directory without anything in it.
fn fresh(folder: &Path) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| failed(e, "could not empty", folder))?;
    }
    fs::create_dir_all(folder).map_err(|e| failed(e, "could not make", folder))?;
    Ok(folder.to_owned())
}

fn parent(path: &Path) -> Result<()> {
    let dir = path.parent().unwrap_or(path);
    fs::create_dir_all(dir).map_err(|e| failed(e, "could not make", dir))
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<()> {
    parent(to)?;
    fs::copy(from, to).map_err(|e| failed(e, "could not copy", from))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(|e| failed(e, "could not set the mode of", to))
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if from.is_dir() {
        let entries = fs::read_dir(from).map_err(|e| failed(e, "could not read", from))?;
        for entry in entries {
            let entry = entry.map_err(|e| failed(e, "could not read", from))?;
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
        return Ok(());
    }
    let metadata = fs::metadata(from).map_err(|e| failed(e, "could not read", from))?;
    copy(from, to, if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 })
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    parent(path)?;
    fs::write(path, bytes).map_err(|e| failed(e, "could not write", path))
}

/// All files, relative to `folder`, in order.
fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut files, mut next) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(dir) = next.pop() {
        for entry in fs::read_dir(&dir).map_err(|e| failed(e, "could not read", &dir))? {
            let path = entry.map_err(|e| failed(e, "could not read", &dir))?.path();
            match path.strip_prefix(folder) {
                _ if path.is_dir() => next.push(path),
                Ok(inside) => files.push(inside.to_owned()),
                Err(_) => {}
            }
        }
    }
    files.sort();
    Ok(files)
}

fn sha256(path: &Path) -> Result<String> {
    File::open(path).and_then(|file| crate::plugin::sha256(&file)).map_err(|e| failed(e, "could not read", path))
}

/// Writes `folder` as `whole` into the archive `place`, which is replaced in one step.
fn compress(folder: &Path, whole: &str, place: &Path, epoch: u64, level: Compression) -> std::io::Result<()> {
    let directory = place.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::NamedTempFile::new_in(directory)?;
    let packed = GzBuilder::new().write(BufWriter::new(temporary.as_file_mut()), level);
    let mut archive = tar::Builder::new(packed);
    let files = files_below(folder).map_err(std::io::Error::other)?;
    for file in files {
        let mut content = File::open(folder.join(&file))?;
        let metadata = content.metadata()?;
        let mut header = tar::Header::new_ustar();
        header.set_size(metadata.len());
        header.set_mode(metadata.permissions().mode() & 0o777);
        header.set_mtime(epoch);
        archive.append_data(&mut header, Path::new(whole).join(&file), &mut content)?;
    }
    archive.into_inner()?.finish()?.flush()?;
    temporary.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    temporary.as_file().sync_all()?;
    temporary.persist(place).map_err(|e| e.error)?;
    Ok(())
}
