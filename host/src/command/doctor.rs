//! `rivet doctor`: what would keep a run from its source and its destinations.

use std::time::Duration;

use rivet_plugin_api::Cancel;

use super::print;
use crate::cli::DoctorArgs;
use crate::config::{self, Config};
use crate::doctor::{self, Check, Kind, Status};
use crate::error::{Error, Result, exit};
use crate::plugin::Catalog;
use crate::report::{CheckReport, document};
use crate::{environment, plan, signal};

/// Looks at everything and answers the exit code.
pub fn doctor(args: &DoctorArgs, catalog: impl Fn(Option<&Config>) -> Result<Catalog>) -> Result<u8> {
    let params = args.exports.params()?;
    let mut told = Told { json: args.json, checks: Vec::new() };
    if !args.json {
        print(&CheckReport::heading(&args.config))?;
    }
    let cancel = Cancel::new();
    signal::install(&cancel, |_| ());
    let looked = look(args, &params, catalog, &cancel, &mut told);
    if let Some(signal) = signal::received() {
        return Err(Error::Stopped(signal));
    }
    match looked {
        Ok(()) => {}
        // What has been printed cannot be read any more.
        Err(e) if !told.checks.is_empty() => return Err(e),
        Err(e) => told.tell(doctor::mistakes(&args.config, &e))?,
    }
    told.end(args)
}

fn look(
    args: &DoctorArgs,
    params: &[(String, String)],
    catalog: impl Fn(Option<&Config>) -> Result<Catalog>,
    cancel: &Cancel,
    told: &mut Told,
) -> Result<()> {
    let mut config = config::load(&args.config, args.exports.export.as_deref(), params, &environment)?;
    config.isolate(args.isolation.isolate);
    let catalog = catalog(Some(&config))?;
    let jobs = plan::prepare(&config, args.exports.export.as_deref(), &catalog)?;
    let limit = Duration::from_secs(args.timeout);
    doctor::examine(&config, &jobs, &catalog, limit, cancel, |checks| told.tell(checks))
}

/// What has been found so far.
struct Told {
    json: bool,
    checks: Vec<Check>,
}

impl Told {
    /// Shows lines at once: some answers take their time.
    fn tell(&mut self, checks: Vec<Check>) -> Result<()> {
        let shown = if self.json { Ok(exit::OK) } else { print(&CheckReport(&checks).to_string()) };
        self.checks.extend(checks);
        shown.map(drop)
    }

    fn end(self, args: &DoctorArgs) -> Result<u8> {
        let failed = |check: &&Check| check.status == Status::Failed;
        let code = match self.checks.iter().find(failed) {
            None => exit::OK,
            Some(check) if check.kind == Kind::Config => exit::USAGE,
            Some(_) => exit::FAILED,
        };
        if self.json {
            print(&document(&args.config, &self.checks)?)?;
        } else {
            print(CheckReport::conclusion(code == exit::OK))?;
        }
        Ok(code)
    }
}
