//! Connection URLs as libpq documents them. Messages never quote the URL: it may hold a password.

use std::time::Duration;

use rivet_plugin_api::{Error, Result, SecretString};

use super::{DEFAULT_CONNECT_TIMEOUT, DEFAULT_PORT, Host, Target, Tls, TlsMode};

const PARAMETERS: &str = "application_name, connect_timeout, dbname, host, options, password, port, sslcert, sslkey, \
                          sslmode, sslrootcert, user";

const ENCODE: &str = "percent-encode \"@\", \":\", \"/\", \"?\" and \"#\" in user and password";

/// The parts of a URL, decoded.
struct Parts {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<SecretString>,
    database: Option<String>,
    application_name: Option<String>,
    options: Option<String>,
    connect_timeout: Option<Duration>,
    tls: Tls,
    /// Whether the URL itself says anything about TLS.
    has_tls: bool,
}

/// Reads `url`; `tls` is what the configuration says beside it.
pub(super) fn parse(url: &str, tls: Option<&Tls>) -> Result<Target> {
    let url = url.trim();
    let rest = url
        .strip_prefix("postgresql://")
        .or_else(|| url.strip_prefix("postgres://"))
        .ok_or_else(|| Error::config("the URL does not begin with \"postgresql://\" or \"postgres://\""))?;
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
            application_name: None,
            options: None,
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
            "host" => self.host = non_empty(value),
            "port" => self.port = Some(port_number(&value)?),
            "user" => self.user = non_empty(value),
            "password" => self.password = Some(SecretString::new(value)),
            "dbname" => self.database = non_empty(value),
            "application_name" => self.application_name = non_empty(value),
            "options" => self.options = non_empty(value),
            "connect_timeout" => {
                let seconds: u64 = value
                    .parse()
                    .map_err(|_| Error::config("URL parameter \"connect_timeout\" is not a number of seconds"))?;
                self.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            "sslmode" | "sslrootcert" | "sslcert" | "sslkey" => {
                self.has_tls = true;
                match name {
                    "sslmode" => self.tls.mode = tls_mode(&value)?,
                    // "system" is libpq's word for the authorities of the operating system, which are our default.
                    "sslrootcert" => self.tls.ca_file = (value != "system").then(|| value.into()),
                    "sslcert" => self.tls.cert_file = Some(value.into()),
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
                Error::config("both \"tls\" and the URL's \"ssl...\" parameters are given").hint("keep one of them")
            );
        }
        let user = self.user.ok_or_else(|| Error::config("the URL names no user"))?;
        Ok(Target {
            host: Host::new(self.host.as_deref().unwrap_or("localhost")),
            port: self.port.unwrap_or(DEFAULT_PORT),
            database: self.database.unwrap_or_else(|| user.clone()),
            user,
            password: self.password,
            tls: tls.cloned().unwrap_or(self.tls),
            application_name: self.application_name,
            options: self.options,
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
    Ok(match text {
        "disable" => TlsMode::Disable,
        "prefer" => TlsMode::Prefer,
        "require" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" => TlsMode::VerifyFull,
        _ => {
            return Err(Error::config(format!("the URL has the unknown sslmode \"{text}\""))
                .hint("use disable, prefer, require, verify-ca or verify-full"));
        }
    })
}

/// Percent-decodes; `+` stays, as in libpq.
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
