//! Connection URLs. Messages never quote the URL: it may hold a password.

use std::time::Duration;

use rivet_plugin_api::{Error, Result, SecretString};

use super::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, Host, Target, Tls, TlsMode};

const PARAMETERS: &str = "connect_timeout, socket, ssl-ca, ssl-cert, ssl-key, ssl-mode";

const ENCODE: &str = "percent-encode \"@\", \":\", \"/\", \"?\" and \"#\" in user and password";

/// The parts of a URL, decoded.
struct Parts {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<SecretString>,
    database: Option<String>,
    socket: Option<String>,
    connect_timeout: Option<Duration>,
    tls: Tls,
    /// Whether the URL itself says anything about TLS.
    has_tls: bool,
}

/// Reads `url`; `tls` is what the configuration says beside it.
pub(super) fn parse(url: &str, tls: Option<&Tls>) -> Result<Target> {
    let url = url.trim();
    let rest = url
        .strip_prefix("mysql://")
        .or_else(|| url.strip_prefix("mariadb://"))
        .ok_or_else(|| Error::config("the URL does not begin with \"mysql://\" or \"mariadb://\""))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // An "@" further right means that a reserved character in the password cut the URL short: nothing of it may be
    // taken for a database or parameter name and end up in a message.
    if path.contains('@') || query.contains('@') {
        return Err(Error::config("the URL has an \"@\" behind a \"/\" or \"?\"").hint(ENCODE));
    }
    let mut parts = Parts::new();
    parts.authority(authority)?;
    parts.database = non_empty(decode(path, "the database name")?);
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = decode(name, "a parameter name")?;
        let value = decode(value, &format!("parameter \"{name}\""))?;
        parts.parameter(&name, value)?;
    }
    parts.finish(tls)
}

impl Parts {
    fn new() -> Self {
        Self {
            host: None,
            port: None,
            user: None,
            password: None,
            database: None,
            socket: None,
            connect_timeout: Some(DEFAULT_CONNECT_TIMEOUT),
            tls: Tls::default(),
            has_tls: false,
        }
    }

    fn authority(&mut self, authority: &str) -> Result<()> {
        let server = match authority.rsplit_once('@') {
            Some((login, server)) => {
                let (user, password) = login.split_once(':').map_or((login, None), |(u, p)| (u, Some(p)));
                self.user = non_empty(decode(user, "the user name")?);
                self.password = password.map(|p| decode(p, "the password")).transpose()?.map(SecretString::new);
                server
            }
            None => authority,
        };
        if server.contains(',') {
            return Err(Error::config("the URL names more than one host").hint("name one host"));
        }
        let (host, port) = match server.strip_prefix('[') {
            Some(v6) => {
                let (host, port) =
                    v6.split_once(']').ok_or_else(|| Error::config("the URL has a \"[\" without \"]\""))?;
                (host, port.strip_prefix(':').unwrap_or(port))
            }
            None => server.split_once(':').unwrap_or((server, "")),
        };
        self.host = non_empty(decode(host, "the host")?);
        self.port = non_empty(port.to_owned()).map(|p| port_number(&p)).transpose()?;
        Ok(())
    }

    fn parameter(&mut self, name: &str, value: String) -> Result<()> {
        match name {
            "socket" => self.socket = non_empty(value),
            "connect_timeout" => {
                let seconds: u64 = value
                    .parse()
                    .map_err(|_| Error::config("URL parameter \"connect_timeout\" is not a number of seconds"))?;
                self.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            "ssl-mode" | "ssl-ca" | "ssl-cert" | "ssl-key" => {
                self.has_tls = true;
                match name {
                    "ssl-mode" => self.tls.mode = tls_mode(&value)?,
                    "ssl-ca" => self.tls.ca_file = Some(value.into()),
                    "ssl-cert" => self.tls.cert_file = Some(value.into()),
                    _ => self.tls.key_file = Some(value.into()),
                }
            }
            _ => {
                return Err(Error::config(format!("the URL has the unknown parameter \"{name}\""))
                    .hint(format!("known parameters are {PARAMETERS}")));
            }
        }
        Ok(())
    }

    fn finish(self, tls: Option<&Tls>) -> Result<Target> {
        if self.has_tls && tls.is_some() {
            return Err(
                Error::config("both \"tls\" and the URL's \"ssl-...\" parameters are given").hint("keep one of them")
            );
        }
        let user = self.user.ok_or_else(|| Error::config("the URL names no user"))?;
        let host = match self.socket {
            Some(path) => Host::Unix(path.into()),
            None => Host::tcp(self.host.as_deref().unwrap_or("localhost")),
        };
        Ok(Target {
            host,
            port: self.port.unwrap_or(DEFAULT_PORT),
            database: self.database,
            user,
            password: self.password,
            tls: tls.cloned().unwrap_or(self.tls),
            connect_timeout: self.connect_timeout,
        })
    }
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn port_number(text: &str) -> Result<u16> {
    text.parse().map_err(|_| Error::config("the URL's port is not a number from 1 to 65535").hint(ENCODE))
}

fn tls_mode(text: &str) -> Result<TlsMode> {
    // The names of other MySQL clients are understood as well: DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY.
    Ok(match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => TlsMode::Disable,
        "prefer" | "preferred" => TlsMode::Prefer,
        "require" | "required" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" | "verify-identity" => TlsMode::VerifyFull,
        _ => {
            return Err(Error::config(format!("the URL has the unknown ssl-mode \"{text}\""))
                .hint("use disable, prefer, require, verify-ca or verify-full"));
        }
    })
}

/// Percent-decodes; `+` stays.
fn decode(text: &str, what: &str) -> Result<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
            _ => {
                return Err(Error::config(format!("the URL has a \"%\" in {what} without two hexadecimal digits"))
                    .hint("write a literal \"%\" as \"%25\""));
            }
        }
    }
    String::from_utf8(out).map_err(|_| Error::config(format!("the URL has text in {what} that is not UTF-8")))
}
