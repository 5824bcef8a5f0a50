//! What users write under `source:` for MySQL and MariaDB, and the connection target that it comes down to.

use std::path::PathBuf;
use std::time::Duration;

use rivet_plugin_api::{Error, Result, SecretString};
use schemars::JsonSchema;
use serde::Deserialize;

mod url;

const DEFAULT_PORT: u16 = 3306;
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How to reach a MySQL or MariaDB server: either `url`, or `host` (or `socket`) and `user`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// A connection URL: `mysql://user:password@host:port/database?ssl-mode=verify-full`; `mariadb://` is the same.
    /// Reserved characters are percent-encoded. Parameters: `ssl-mode`, `ssl-ca`, `ssl-cert`, `ssl-key`, `socket`,
    /// `connect_timeout` in seconds.
    pub url: Option<SecretString>,
    /// Host name or address.
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
    pub(crate) database: Option<String>,
    pub(crate) tls: Tls,
    /// Limit for connecting and logging in; `None` waits for ever.
    pub(crate) connect_timeout: Option<Duration>,
}

impl Target {
    /// Checks the options. Errors are [`Category::Config`](rivet_plugin_api::Category::Config).
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let target = match &options.url {
            Some(url) => {
                if options.host.is_some()
                    || options.socket.is_some()
                    || options.user.is_some()
                    || options.password.is_some()
                    || options.database.is_some()
                {
                    return Err(Error::config(
                        "\"url\" and \"host\", \"socket\", \"user\", \"password\", \"database\" exclude each other",
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
        let given = |value: &Option<String>| value.clone().filter(|v| !v.is_empty());
        let missing = |name: &str| {
            Error::config(format!("\"{name}\" is missing"))
                .hint("write \"url\", or \"host\" (or \"socket\") and \"user\"")
        };
        let host = match (given(&options.host), &options.socket) {
            (Some(_), Some(_)) => return Err(Error::config("\"host\" and \"socket\" exclude each other")),
            (Some(host), None) => Host::tcp(&host),
            (None, Some(path)) => Host::Unix(path.clone()),
            (None, None) => return Err(missing("host")),
        };
        Ok(Self {
            host,
            port: options.port.unwrap_or(DEFAULT_PORT),
            user: given(&options.user).ok_or_else(|| missing("user"))?,
            password: options.password.clone(),
            database: given(&options.database),
            tls: options.tls.clone().unwrap_or_default(),
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
        let password = self.password.as_ref().map(SecretString::expose);
        let texts = [Some(self.user.as_str()), self.database.as_deref(), password];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            return Err(Error::config("a connection option holds a zero byte"));
        }
        Ok(self)
    }

    /// `host:port` or the socket's path, for messages.
    pub(crate) fn name(&self) -> String {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Host::Tcp(host) => format!("{host}:{}", self.port),
            Host::Unix(path) => path.display().to_string(),
        }
    }
}

impl Host {
    /// A host name or address. An IPv6 address may be written in brackets, as in URLs.
    fn tcp(text: &str) -> Self {
        Self::Tcp(text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).to_owned())
    }
}

#[cfg(test)]
mod tests;
