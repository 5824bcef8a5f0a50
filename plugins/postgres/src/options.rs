//! What users write under `source:` for PostgreSQL, and the URLs it understands: those of libpq.

use rivet_plugin_api::{Result, SecretString};
use rivet_plugin_base::net::{Fields, Parameter, Scheme};
use schemars::JsonSchema;
use serde::Deserialize;

pub(crate) use rivet_plugin_base::net::Target;
pub use rivet_plugin_base::net::{Tls, TlsMode};

mod settings;

pub(crate) const SCHEME: Scheme = Scheme {
    names: &["postgresql", "postgres"],
    port: 5432,
    parameters: &[
        ("application_name", Parameter::Setting),
        ("channel_binding", Parameter::Setting),
        ("client_encoding", Parameter::Setting),
        ("connect_timeout", Parameter::ConnectTimeout),
        ("dbname", Parameter::Database),
        ("fallback_application_name", Parameter::Setting),
        ("gssencmode", Parameter::Setting),
        ("host", Parameter::Host),
        ("hostaddr", Parameter::Address),
        ("keepalives", Parameter::Setting),
        ("keepalives_count", Parameter::Setting),
        ("keepalives_idle", Parameter::Setting),
        ("keepalives_interval", Parameter::Setting),
        ("keepalives_retries", Parameter::Setting),
        ("load_balance_hosts", Parameter::Setting),
        ("options", Parameter::Setting),
        ("password", Parameter::Password),
        ("port", Parameter::Port),
        ("sslcert", Parameter::CertFile),
        ("sslkey", Parameter::KeyFile),
        ("sslmode", Parameter::TlsMode),
        ("sslnegotiation", Parameter::Setting),
        ("sslrootcert", Parameter::CaFile),
        ("target_session_attrs", Parameter::Setting),
        ("tcp_user_timeout", Parameter::Setting),
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
    /// percent-encoded. Parameters: `sslmode`, `sslrootcert`, `sslcert`, `sslkey`, `channel_binding`, `connect_timeout`
    /// in seconds, `target_session_attrs`, `application_name`, `options`, `host`, `hostaddr`, `port`, `user`,
    /// `password`, `dbname`, and those of libpq that change nothing here, which the connector's page lists.
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
        let target = Target::new(fields, &SCHEME)?;
        settings::check(&target)?;
        Ok(target)
    }
}

#[cfg(test)]
mod tests;
