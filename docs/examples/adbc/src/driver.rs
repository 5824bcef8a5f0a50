//! Loads a driver and connects.

use adbc_core::error::Status;
use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Database as _, Driver as _, LOAD_FLAG_DEFAULT};
use adbc_driver_manager::{ManagedConnection, ManagedDatabase, ManagedDriver};
use rivet_plugin_api::{Error, Result};

use crate::error::Secrets;
use crate::options::Options;

/// A database that connections can be made to.
pub(crate) struct Database {
    database: ManagedDatabase,
    secrets: Secrets,
}

impl Database {
    pub(crate) fn open(options: &Options) -> Result<Self> {
        let exposed = options.uri.iter().chain(&options.password).chain(options.secret_options.values());
        let secrets = Secrets::new(exposed.map(|secret| secret.expose().to_owned()));
        let mut driver = load(options, &secrets)?;
        let text = |value: &str| OptionValue::String(value.to_owned());
        let mut settings: Vec<(OptionDatabase, OptionValue)> = Vec::new();
        settings.extend(options.uri.iter().map(|uri| (OptionDatabase::Uri, text(uri.expose()))));
        settings.extend(options.username.iter().map(|user| (OptionDatabase::Username, text(user))));
        settings.extend(options.password.iter().map(|secret| (OptionDatabase::Password, text(secret.expose()))));
        settings.extend(options.options.iter().map(|(name, value)| (name.as_str().into(), text(value))));
        let of_secret =
            |(name, value): (&String, &rivet_plugin_api::SecretString)| (name.as_str().into(), text(value.expose()));
        settings.extend(options.secret_options.iter().map(of_secret));
        let database = driver.new_database_with_opts(settings).map_err(|e| secrets.error(&e))?;
        Ok(Self { database, secrets })
    }

    pub(crate) fn connect(&self) -> Result<ManagedConnection> {
        self.database.new_connection().map_err(|e| self.secrets.error(&e).context("could not connect"))
    }

    /// What hides this database's secrets in its errors.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}

/// Loads the driver for the newest version of ADBC that it speaks.
fn load(options: &Options, secrets: &Secrets) -> Result<ManagedDriver> {
    let is_path = options.driver.contains(['/', '\\']) || options.driver.contains(".so");
    let entrypoint = options.entrypoint.as_deref().map(str::as_bytes);
    let of_version = |version| {
        if is_path {
            let path = std::path::absolute(&options.driver).unwrap_or_else(|_| options.driver.clone().into());
            ManagedDriver::load_dynamic_from_filename(path, entrypoint, version)
        } else {
            ManagedDriver::load_from_name(&options.driver, entrypoint, version, LOAD_FLAG_DEFAULT, None)
        }
    };
    let loaded = match of_version(AdbcVersion::V110) {
        Err(e) if e.status == Status::NotImplemented => of_version(AdbcVersion::V100),
        loaded => loaded,
    };
    // The library stays loaded for good: a batch is released by the driver that made it, and may outlive all handles.
    loaded.map_err(|e| {
        let error = Error::config(secrets.error(&e).message()).context(format!("driver \"{}\"", options.driver));
        error.hint(if options.entrypoint.is_some() {
            "give the path of the driver's library in `driver`, and leave `entrypoint` out unless its manual names one"
        } else {
            "give the path of the driver's library in `driver`; when its manual names an entry point, set `entrypoint`"
        })
    })
}
