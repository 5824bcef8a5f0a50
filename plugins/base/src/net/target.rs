//! Where a server is and how to log in there, from a URL or from single fields, and checked.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rivet_plugin_api::{Error, Result, SecretString};
use schemars::JsonSchema;
use serde::Deserialize;

use super::url;

pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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
pub enum Host {
    /// A host name or address.
    Tcp(String),
    /// The file of a Unix socket.
    Unix(PathBuf),
}

/// What the configuration says, before it is checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fields<'a> {
    /// Excludes all others but `tls`.
    pub url: Option<&'a SecretString>,
    /// Host name or address; a path that begins with `/` is a Unix socket.
    pub host: Option<&'a str>,
    /// The scheme's when absent.
    pub port: Option<u16>,
    /// The file of a Unix socket, instead of `host`.
    pub socket: Option<&'a Path>,
    /// Whom to log in as.
    pub user: Option<&'a str>,
    /// The password as it is.
    pub password: Option<&'a SecretString>,
    /// The database.
    pub database: Option<&'a str>,
    /// Encryption.
    pub tls: Option<&'a Tls>,
}

/// What differs between the servers of different makers.
#[derive(Debug)]
pub struct Scheme {
    /// What URLs begin with; the first is the one to recommend.
    pub names: &'static [&'static str],
    /// The port when none is given.
    pub port: u16,
    /// The parameters of URLs, in order.
    pub parameters: &'static [(&'static str, Parameter)],
    /// How the file of a Unix socket is called in the directory given as host, without the port at its end. `None` when
    /// the file itself is given.
    pub socket_file: Option<&'static str>,
    /// Whether single fields must name a database.
    pub needs_database: bool,
    /// Which single fields there must be, for messages.
    pub needed_fields: &'static str,
}

/// What a parameter of a URL means.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Parameter {
    /// As in front of the `?`.
    Host,
    /// The address behind the host's name.
    Address,
    /// As in front of the `?`.
    Port,
    /// As in front of the `?`.
    User,
    /// As in front of the `?`.
    Password,
    /// As in front of the `?`.
    Database,
    /// The file of a Unix socket.
    Socket,
    /// Seconds; 0 for no limit.
    ConnectTimeout,
    /// [`Tls::mode`].
    TlsMode,
    /// [`Tls::ca_file`]; `system` stands for the system's authorities.
    CaFile,
    /// [`Tls::cert_file`].
    CertFile,
    /// [`Tls::key_file`].
    KeyFile,
    /// Kept for the connector; see [`Target::setting`].
    Setting,
}

/// Everything needed to connect, checked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where the server listens.
    pub host: Host,
    /// The address to connect to instead of those of the host's name, which the certificate is for.
    pub address: Option<IpAddr>,
    /// On which port; without meaning for a Unix socket.
    pub port: u16,
    /// Whom to log in as.
    pub user: String,
    /// The password.
    pub password: Option<SecretString>,
    /// The database.
    pub database: Option<String>,
    /// Encryption.
    pub tls: Tls,
    /// Limit for connecting and logging in; `None` waits for ever.
    pub connect_timeout: Option<Duration>,
    pub(super) settings: Vec<(&'static str, String)>,
}

impl Target {
    /// Checks what the configuration says. Errors are [`Category::Config`](rivet_plugin_api::Category::Config), and
    /// quote nothing that may be part of a password.
    pub fn new(fields: Fields<'_>, scheme: &Scheme) -> Result<Self> {
        let Some(url) = fields.url else { return Self::from_fields(fields, scheme)?.check() };
        let Fields { host, socket, user, password, database, .. } = fields;
        if host.or(user).or(database).is_some() || socket.is_some() || password.is_some() {
            return Err(Error::config("\"url\" and the single fields of the connection exclude each other")
                .hint("write either the URL or the single fields"));
        }
        url::parse(url.expose(), fields.tls, scheme)?.check()
    }

    fn from_fields(fields: Fields<'_>, scheme: &Scheme) -> Result<Self> {
        let given = |value: Option<&str>| value.filter(|v| !v.is_empty()).map(str::to_owned);
        let missing = |name: &str| {
            Error::config(format!("\"{name}\" is missing")).hint(format!("write \"url\", or {}", scheme.needed_fields))
        };
        let port = fields.port.unwrap_or(scheme.port);
        let host = match (given(fields.host), fields.socket) {
            (Some(_), Some(_)) => return Err(Error::config("\"host\" and \"socket\" exclude each other")),
            (Some(host), None) => Host::new(&host, port, scheme),
            (None, Some(path)) => Host::Unix(path.to_owned()),
            (None, None) => return Err(missing("host")),
        };
        let user = given(fields.user).ok_or_else(|| missing("user"))?;
        let database = given(fields.database);
        if database.is_none() && scheme.needs_database {
            return Err(missing("database"));
        }
        Ok(Self {
            host,
            address: None,
            port,
            user,
            password: fields.password.cloned(),
            database,
            tls: fields.tls.cloned().unwrap_or_default(),
            connect_timeout: Some(CONNECT_TIMEOUT),
            settings: Vec::new(),
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
        if matches!(self.host, Host::Unix(_)) && self.address.is_some() {
            return Err(Error::config("a Unix socket has no IP address").hint("keep one of the two"));
        }
        if self.holds_zero_byte() {
            return Err(Error::config("a connection option holds a zero byte"));
        }
        Ok(self)
    }

    /// Protocols and file names end texts with one.
    fn holds_zero_byte(&self) -> bool {
        let host = match &self.host {
            Host::Tcp(name) => name.as_bytes(),
            Host::Unix(path) => path.as_os_str().as_encoded_bytes(),
        };
        let texts = [Some(&self.user), self.database.as_ref()].into_iter().flatten();
        let texts = texts.chain(self.settings.iter().map(|(_, value)| value)).map(String::as_bytes);
        let password = self.password.as_ref().map(|password| password.expose().as_bytes());
        texts.chain(password).chain([host]).any(|text| text.contains(&0))
    }

    /// What the URL says under a name of [`Parameter::Setting`].
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find(|(n, _)| *n == name).map(|(_, value)| value.as_str())
    }

    /// `host:port` or the socket's path, for messages.
    pub fn name(&self) -> String {
        match &self.host {
            Host::Tcp(host) if host.contains(':') => format!("[{host}]:{}", self.port),
            Host::Tcp(host) => format!("{host}:{}", self.port),
            Host::Unix(path) => path.display().to_string(),
        }
    }

    /// What rows of `database` are rows of, for [`Bounds::place`](rivet_plugin_api::Bounds::place): the same however the
    /// options say it, and whoever logs in.
    pub fn place(&self, scheme: &Scheme, database: &str) -> String {
        format!("{}://{}/{database}", scheme.names.first().unwrap_or(&""), self.name())
    }
}

impl Host {
    pub(super) fn new(text: &str, port: u16, scheme: &Scheme) -> Self {
        if text.starts_with('/') {
            let path = Path::new(text);
            return Self::Unix(match scheme.socket_file {
                Some(name) => path.join(format!("{name}{port}")),
                None => path.to_owned(),
            });
        }
        // An IPv6 address may be written in brackets, as in URLs.
        Self::Tcp(text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text).to_owned())
    }
}

#[cfg(test)]
mod tests;
