//! Connection URLs. Messages never quote a value of them: a URL that is written wrongly may hold its password anywhere.

use std::net::IpAddr;
use std::time::Duration;

use rivet_plugin_api::{Error, Result, SecretString};

use super::target::{CONNECT_TIMEOUT, Host, Parameter, Scheme, Target, Tls, TlsMode};

const ENCODE: &str = "percent-encode \"@\", \":\", \"/\", \"?\", \"#\", \"&\" and \"%\" in user and password";

/// The parts of a URL, decoded.
struct Parts<'a> {
    scheme: &'a Scheme,
    host: Option<String>,
    address: Option<IpAddr>,
    port: Option<u16>,
    socket: Option<String>,
    user: Option<String>,
    password: Option<SecretString>,
    /// Whether the password is one of the parameters.
    has_password_parameter: bool,
    database: Option<String>,
    connect_timeout: Option<Duration>,
    settings: Vec<(&'static str, String)>,
    tls: Tls,
    /// Whether the URL itself says anything about TLS.
    has_tls: bool,
}

/// Reads `url`; `tls` is what the configuration says beside it.
pub(super) fn parse(url: &str, tls: Option<&Tls>, scheme: &Scheme) -> Result<Target> {
    let url = url.trim();
    let rest = scheme.names.iter().find_map(|name| url.strip_prefix(name)?.strip_prefix("://"));
    let rest = rest.ok_or_else(|| {
        let names: Vec<_> = scheme.names.iter().map(|name| format!("\"{name}://\"")).collect();
        let hint = format!(
            "write {}://USER@HOST/DATABASE, or the keys `host`, `user` and `database`; `type` says which connector reads it",
            scheme.names[0]
        );
        Error::config(format!("the URL does not begin with {}", names.join(" or "))).hint(hint)
    })?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    // An "@" further right means that a reserved character in the password cut the URL short: nothing of it may be
    // taken for a database or parameter name and end up in a message.
    if path.contains('@') || query.contains('@') {
        return Err(Error::config("the URL has an \"@\" behind a \"/\" or \"?\"").hint(ENCODE));
    }
    let mut parts = Parts::new(scheme);
    parts.authority(authority)?;
    parts.database = non_empty(decode(path, "the database name")?);
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        parts.pair(pair)?;
    }
    parts.finish(tls)
}

impl<'a> Parts<'a> {
    fn new(scheme: &'a Scheme) -> Self {
        Self {
            scheme,
            host: None,
            address: None,
            port: None,
            socket: None,
            user: None,
            password: None,
            has_password_parameter: false,
            database: None,
            connect_timeout: Some(CONNECT_TIMEOUT),
            settings: Vec::new(),
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
                if !port.is_empty() && !port.starts_with(':') {
                    return Err(Error::config("the URL has text between \"]\" and the port"));
                }
                (host, port.strip_prefix(':').unwrap_or(port))
            }
            None => server.split_once(':').unwrap_or((server, "")),
        };
        self.host = non_empty(decode(host, "the host")?);
        self.port = non_empty(port.to_owned()).map(|p| port_number(&p)).transpose()?;
        Ok(())
    }

    fn pair(&mut self, pair: &str) -> Result<()> {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(Error::config("the URL has a parameter without a value").hint(ENCODE));
        };
        match self.scheme.parameters.iter().find(|(known, _)| *known == name) {
            Some((name, parameter)) => {
                let value = decode(value, &format!("parameter \"{name}\""))?;
                self.parameter(name, *parameter, value)
            }
            None => Err(self.unknown(name)),
        }
    }

    /// Without a user in front of it, it may be the rest of a password that holds a "?", and behind a password among the
    /// parameters the rest of one that holds an "&".
    fn unknown(&self, name: &str) -> Error {
        let is_name = name.bytes().all(|c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
        let text = if is_name && self.user.is_some() && !self.has_password_parameter {
            format!("the URL has the unknown parameter \"{name}\"")
        } else {
            "the URL has an unknown parameter".to_owned()
        };
        let known: Vec<_> = self.scheme.parameters.iter().map(|(name, _)| *name).collect();
        Error::config(text).hint(format!("known are {}", known.join(", ")))
    }

    fn parameter(&mut self, name: &'static str, parameter: Parameter, value: String) -> Result<()> {
        use Parameter::{CaFile, CertFile, KeyFile};
        self.has_tls |= matches!(parameter, Parameter::TlsMode | CaFile | CertFile | KeyFile);
        match parameter {
            Parameter::Host => self.host = non_empty(value),
            Parameter::Address => {
                let address = non_empty(value).map(|address| address.parse::<IpAddr>()).transpose();
                self.address =
                    address.map_err(|_| Error::config(format!("URL parameter \"{name}\" is not an IP address")))?;
            }
            Parameter::Port => self.port = Some(port_number(&value)?),
            Parameter::User => self.user = non_empty(value),
            Parameter::Password => {
                self.password = Some(SecretString::new(value));
                self.has_password_parameter = true;
            }
            Parameter::Database => self.database = non_empty(value),
            Parameter::Socket => self.socket = non_empty(value),
            Parameter::ConnectTimeout => {
                let seconds: u64 = value
                    .parse()
                    .map_err(|_| Error::config(format!("URL parameter \"{name}\" is not a number of seconds")))?;
                self.connect_timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            Parameter::Setting => {
                self.settings.retain(|(n, _)| *n != name);
                self.settings.extend(non_empty(value).map(|value| (name, value)));
            }
            Parameter::TlsMode => self.tls.mode = tls_mode(name, &value)?,
            // libpq's word for the authorities of the operating system, which are the default.
            CaFile => self.tls.ca_file = (value != "system").then(|| value.into()),
            CertFile => self.tls.cert_file = Some(value.into()),
            KeyFile => self.tls.key_file = Some(value.into()),
        }
        Ok(())
    }

    fn finish(self, tls: Option<&Tls>) -> Result<Target> {
        if self.has_tls && tls.is_some() {
            return Err(
                Error::config("both \"tls\" and the URL's \"ssl\" parameters are given").hint("keep one of them")
            );
        }
        let port = self.port.unwrap_or(self.scheme.port);
        let host = self.host.or(self.address.map(|address| address.to_string()));
        Ok(Target {
            host: match self.socket {
                Some(path) => Host::Unix(path.into()),
                None => Host::new(host.as_deref().unwrap_or("localhost"), port, self.scheme),
            },
            address: self.address,
            port,
            user: self.user.ok_or_else(|| {
                Error::config("the URL names no user")
                    .hint("write \"user@\" or \"user:password@\" in front of the host")
            })?,
            password: self.password,
            database: self.database,
            tls: tls.cloned().unwrap_or(self.tls),
            connect_timeout: self.connect_timeout,
            settings: self.settings,
        })
    }
}

fn non_empty(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn port_number(text: &str) -> Result<u16> {
    text.parse().map_err(|_| Error::config("the URL's port is not a number from 1 to 65535").hint(ENCODE))
}

/// The names of libpq and of other MySQL clients: DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY.
fn tls_mode(name: &str, text: &str) -> Result<TlsMode> {
    Ok(match text.to_ascii_lowercase().replace('_', "-").as_str() {
        "disable" | "disabled" => TlsMode::Disable,
        // libpq's `allow` tries plain text first; what prefers encryption satisfies it as well.
        "allow" | "prefer" | "preferred" => TlsMode::Prefer,
        "require" | "required" => TlsMode::Require,
        "verify-ca" => TlsMode::VerifyCa,
        "verify-full" | "verify-identity" => TlsMode::VerifyFull,
        _ => {
            return Err(Error::config(format!("the URL has an unknown {name}"))
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
