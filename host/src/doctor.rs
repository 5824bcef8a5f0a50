//! What `rivet doctor` finds out: whether the source and every destination of a configuration can be used as they are
//! configured. Each is really used, and left as it was; several side by side, and none keeps another from its turn.

mod check;
mod limit;
mod target;

use std::path::Path;
use std::thread;
use std::time::Duration;

use rivet_plugin_api::{Cancel, Error as ApiError};

pub use check::{Check, Kind, Problem, Server, Status};

use self::limit::Limit;
use self::target::targets;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::plan::{self, Job};
use crate::plugin::Catalog;

/// How many are used at a time.
const SIDE_BY_SIDE: usize = 8;

/// Looks at the source that `jobs`, or else the configuration alone, read from and at their destinations. Each answer of
/// a connector may take `limit`. What was found goes to `tell`, in the order of the configuration.
pub fn examine(
    config: &Config,
    jobs: &[Job<'_>],
    catalog: &Catalog,
    limit: Duration,
    cancel: &Cancel,
    mut tell: impl FnMut(Vec<Check>) -> Result<()>,
) -> Result<()> {
    let alone = if jobs.is_empty() { Some(plan::source(config, catalog)?) } else { None };
    let targets = targets(jobs, alone.as_ref());
    tell(vec![Check::of_config(&config.file, &config.warnings)])?;
    for some in targets.chunks(SIDE_BY_SIDE) {
        thread::scope(|scope| {
            let running: Vec<_> =
                some.iter().map(|target| scope.spawn(move || target.check(&Limit::new(limit, cancel)))).collect();
            running.into_iter().zip(some).try_for_each(|(thread, target)| {
                tell(thread.join().unwrap_or_else(|_| target.failed(&ApiError::internal("the check panicked"))))
            })
        })?;
    }
    Ok(())
}

/// The mistakes in a configuration, for which nothing else can be looked at.
pub fn mistakes(file: &Path, error: &Error) -> Vec<Check> {
    match error {
        Error::Config(e) => e.diagnostics().iter().map(|mistake| Check::of_mistake(file, mistake)).collect(),
        Error::Usage(e) | Error::Run(e) | Error::Refused(e) | Error::Unfinished(e) => {
            vec![Check::failed(Kind::Config, file.display().to_string(), Problem::of_config(e))]
        }
        Error::State(_) | Error::Stopped(_) => Vec::new(),
    }
}
