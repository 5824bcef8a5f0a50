//! What users write under `source:` for PostgreSQL, and the URLs it understands: those of libpq.

use rivet_plugin_api::{Result, SecretString};
use rivet_plugin_base::net::{Fields, Parameter, Scheme};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use rivet_plugin_base::net::Target;
pub use rivet_plugin_base::net::{Tls, TlsMode};

pub(crate) const SCHEME: Scheme = Scheme {
    names: &["postgresql", "postgres"],
    port: 5432,
    parameters: &[
        ("application_name", Parameter::Setting),
        ("connect_timeout", Parameter::ConnectTimeout),
        ("dbname", Parameter::Database),
        ("host", Parameter::Host),
        ("options", Parameter::Setting),
        ("password", Parameter::Password),
        ("port", Parameter::Port),
        ("sslcert", Parameter::CertFile),
        ("sslkey", Parameter::KeyFile),
        ("sslmode", Parameter::TlsMode),
        ("sslrootcert", Parameter::CaFile),
        ("user", Parameter::User),
    ],
    socket_file: Some(".s.PGSQL."),
    needs_database: true,
    needed_fields: "all of \"host\", \"user\" and \"database\"",
};

/// How to reach a PostgreSQL server: either `url`, or `host`, `user` and `database`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A connection URL: `postgresql://user:password@host:port/database?sslmode=verify-full`. Reserved characters are
    /// percent-encoded. Parameters: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `connect_timeout` in seconds,
    /// `application_name`, `options`, `host`, `port`, `user`, `password`, `dbname`.
    pub url: Option<SecretString>,
    /// Host name or address, or the directory of a Unix socket when it begins with `/`.
    pub host: Option<String>,
    /// Port; 5432 when absent.
    pub port: Option<u16>,
    /// The role to log in as.
    pub user: Option<String>,
    /// Its password, as it is: nothing needs encoding here.
    pub password: Option<SecretString>,
    /// The database.
    pub database: Option<String>,
    /// Encryption; also for `url`, unless the URL has `ssl...` parameters of its own.
    pub tls: Option<Tls>,
}

impl Options {
    /// See [`Target::new`].
    pub(crate) fn target(&self) -> Result<Target> {
        let fields = Fields {
            url: self.url.as_ref(),
            host: self.host.as_deref(),
            port: self.port,
            socket: None,
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
