//! `rivet report`: the page of the whole history. It reads the state file and nothing else, and never creates one.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use jiff::SignedDuration;

use super::print;
use crate::cli::ReportArgs;
use crate::clock;
use crate::error::{Error, Result};
use crate::report::{About, page};
use crate::secret;
use crate::state::{Overview, State};

/// Writes the page, and says where.
pub fn report(args: &ReportArgs) -> Result<u8> {
    let file = args.config.state_file();
    let now = clock::now();
    // Days beyond the calendar are all days.
    let since = args.days.and_then(|days| now.checked_sub(SignedDuration::from_hours(24 * i64::from(days))).ok());
    let overview = if let Some(state) = State::open_read_only(&file)? {
        state.overview(since)?
    } else {
        tracing::warn!("there is no state file \"{}\", so the report is empty", file.display());
        Overview::default()
    };
    let about = About { made_at: now.to_string(), state: file.display().to_string(), days: args.days };
    let html = page(&overview, &about);
    if args.output == Path::new("-") {
        return print(&html);
    }
    let place = resolve(&args.output).map_err(|e| failed(&args.output, e))?;
    write(&place, &secret::redact(&html)).map_err(|e| failed(&args.output, e))?;
    let runs: u64 = overview.exports.iter().flat_map(|export| &export.days).map(|day| day.runs).sum();
    print(&format!("Wrote {} ({} exports, {runs} runs)\n", args.output.display(), overview.exports.len()))
}

/// The file itself behind a link. What is no file, such as a directory or a pipe, would be replaced by one otherwise.
fn resolve(output: &Path) -> io::Result<PathBuf> {
    match fs::metadata(output) {
        Ok(found) if found.is_file() => output.canonicalize(),
        Ok(_) => Err(io::Error::other("it exists and is no file")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(output.to_owned()),
        Err(e) => Err(e),
    }
}

/// Readers find the whole page or the one before.
fn write(place: &Path, html: &str) -> io::Result<()> {
    let directory = place.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    // The umask takes from it what it takes from other files.
    builder.prefix(".rivet-report-").permissions(Permissions::from_mode(0o666));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(html.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(place)?;
    File::open(directory)?.sync_all()
}

fn failed(output: &Path, error: io::Error) -> Error {
    let error = rivet_plugin_api::Error::from(error).context(format!("could not write \"{}\"", output.display()));
    Error::Run(error.hint("name another file by `--output`, or `-` for standard output"))
}
