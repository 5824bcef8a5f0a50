//! What users write under `source:` for PostgreSQL, and the connection target that it comes down to.

use std::path::PathBuf;
use std::time::Duration;

use rivet_plugin_api::{Error, Result, SecretString};
use schemars::JsonSchema;
use serde::Deserialize;

mod url;

const DEFAULT_PORT: u16 = 5432;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

/// Encryption of the connection.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// How much is demanded of the server.
    pub mode: TlsMode,
    /// PEM file of the authorities to trust instead of the system's; needs `verify-ca` or `verify-full`.
    pub ca_file: Option<PathBuf>,
    /// PEM file of a client certificate and its chain; needs `key_file`.
    pub cert_file: Option<PathBuf>,
    /// PEM file of the client certificate's private key.
    pub key_file: Option<PathBuf>,
}

/// How much encryption is demanded.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsMode {
    /// Never encrypt.
    Disable,
    /// Encrypt when the server offers it; whoever answers is believed.
    #[default]
    Prefer,
    /// Encrypt or fail; whoever answers is believed.
    Require,
    /// Encrypt and demand a certificate of a trusted authority, for any host name.
    VerifyCa,
    /// Encrypt and demand a certificate of a trusted authority for this very host name.
    VerifyFull,
}

/// Where the server listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Host {
    Tcp(String),
    Unix(PathBuf),
}

/// Everything needed to connect, checked.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) host: Host,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<SecretString>,
    pub(crate) database: String,
    pub(crate) tls: Tls,
    pub(crate) application_name: Option<String>,
    /// Start-up `options` such as `-c search_path=app`; poolers may refuse them.
    pub(crate) options: Option<String>,
    /// Limit for connecting and logging in; `None` waits for ever.
    pub(crate) connect_timeout: Option<Duration>,
}

impl Target {
    /// Checks the options. Errors are [`Category::Config`](rivet_plugin_api::Category::Config).
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let target = match &options.url {
            Some(url) => {
                if options.host.is_some()
                    || options.user.is_some()
                    || options.password.is_some()
                    || options.database.is_some()
                {
                    return Err(Error::config(
                        "\"url\" and \"host\", \"user\", \"password\", \"database\" exclude each other",
                    )
                    .hint("write either the URL or the single fields"));
                }
                url::parse(url.expose(), options.tls.as_ref())?
            }
            None => Self::from_fields(options)?,
        };
        target.check()
    }

    fn from_fields(options: &Options) -> Result<Self> {
        let required = |value: &Option<String>, name: &str| {
            value.clone().filter(|v| !v.is_empty()).ok_or_else(|| {
                Error::config(format!("\"{name}\" is missing"))
                    .hint("write \"url\", or all of \"host\", \"user\" and \"database\"")
            })
        };
        Ok(Self {
            host: Host::new(&required(&options.host, "host")?),
            port: options.port.unwrap_or(DEFAULT_PORT),
            user: required(&options.user, "user")?,
            password: options.password.clone(),
            database: required(&options.database, "database")?,
            tls: options.tls.clone().unwrap_or_default(),
            application_name: None,
            options: None,
            connect_timeout: Some(DEFAULT_CONNECT_TIMEOUT),
        })
    }

    fn check(self) -> Result<Self> {
        if self.port == 0 {
            return Err(Error::config("\"port\" is 0"));
        }
        if self.tls.cert_file.is_some() != self.tls.key_file.is_some() {
            return Err(Error::config("\"cert_file\" and \"key_file\" need each other"));
        }
        let verified = matches!(self.tls.mode, TlsMode::VerifyCa | TlsMode::VerifyFull);
        if self.tls.ca_file.is_some() && !verified {
            return Err(Error::config("a CA file is given, but the TLS mode does not verify the server")
                .hint("set the mode to \"verify-full\", or \"verify-ca\" where the host name differs"));
        }
        if matches!(self.host, Host::Unix(_)) && !matches!(self.tls.mode, TlsMode::Disable | TlsMode::Prefer) {
            return Err(Error::config("a Unix socket cannot be encrypted")
                .hint("leave the TLS mode out, or connect by host name"));
        }
        let texts = [Some(&self.user), Some(&self.database), self.application_name.as_ref(), self.options.as_ref()];
        let password = self.password.as_ref().map(SecretString::expose);
        if texts.into_iter().flatten().map(String::as_str).chain(password).any(|text| text.contains('\0')) {
            return Err(Error::config("a connection option holds a zero byte"));
        }
        Ok(self)
    }

    /// `host:port` or the socket's path, for messages.
    pub(crate) fn name(&self) -> String {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Host::Tcp(host) => format!("{host}:{}", self.port),
            Host::Unix(_) => self.socket_path().display().to_string(),
        }
    }

    /// The file of the Unix socket; empty for TCP.
    pub(crate) fn socket_path(&self) -> PathBuf {
        match &self.host {
            Host::Tcp(_) => PathBuf::new(),
            Host::Unix(directory) => directory.join(format!(".s.PGSQL.{}", self.port)),
        }
    }
}

impl Host {
    fn new(text: &str) -> Self {
        if text.starts_with('/') {
            return Self::Unix(text.into());
        }
        // An IPv6 address may be written in brackets, as in URLs.
        Self::Tcp(text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).to_owned())
    }
}

#[cfg(test)]
mod tests;
