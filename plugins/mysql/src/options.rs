//! What users write under `source:` for MySQL and MariaDB, and the URLs they understand.

use std::path::PathBuf;

use rivet_plugin_api::{Result, SecretString};
use rivet_plugin_base::net::{Fields, Parameter, Scheme};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use rivet_plugin_base::net::Target;
pub use rivet_plugin_base::net::{Tls, TlsMode};

pub(crate) const SCHEME: Scheme = Scheme {
    names: &["mysql", "mariadb"],
    port: 3306,
    parameters: &[
        ("connect_timeout", Parameter::ConnectTimeout),
        ("socket", Parameter::Socket),
        ("ssl-ca", Parameter::CaFile),
        ("ssl-cert", Parameter::CertFile),
        ("ssl-key", Parameter::KeyFile),
        ("ssl-mode", Parameter::TlsMode),
    ],
    socket_file: None,
    needs_database: false,
    needed_fields: "\"host\" (or \"socket\") and \"user\"",
};

/// How to reach a MySQL or MariaDB server: either `url`, or `host` (or `socket`) and `user`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A connection URL: `mysql://user:password@host:port/database?ssl-mode=verify-full`; `mariadb://` is the same.
    /// Reserved characters are percent-encoded. Parameters: `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`,
    /// `connect_timeout` in seconds.
    pub url: Option<SecretString>,
    /// Host name or address, or the file of a Unix socket when it begins with `/`.
    pub host: Option<String>,
    /// Port; 3306 when absent.
    pub port: Option<u16>,
    /// Path of a Unix socket, instead of host and port.
    pub socket: Option<PathBuf>,
    /// The user to log in as.
    pub user: Option<String>,
    /// Its password, as it is: nothing needs encoding here.
    pub password: Option<SecretString>,
    /// The database that names without one belong to; none when absent.
    pub database: Option<String>,
    /// Encryption; also for `url`, unless the URL has `ssl-...` parameters of its own.
    pub tls: Option<Tls>,
}

impl Options {
    /// See [`Target::new`].
    pub(crate) fn target(&self) -> Result<Target> {
        let fields = Fields {
            url: self.url.as_ref(),
            host: self.host.as_deref(),
            port: self.port,
            socket: self.socket.as_deref(),
            user: self.user.as_deref(),
            password: self.password.as_ref(),
            database: self.database.as_deref(),
            tls: self.tls.as_ref(),
        };
        Target::new(fields, &SCHEME)
    }
}

#[cfg(test)]
mod tests;
