//! The parts of a URL, so that its password reaches a client by the environment and not by its arguments, which all
//! users of a machine can read.

/// A URL taken apart.
#[derive(Debug, Eq, PartialEq)]
pub struct Parts {
    pub user: String,
    pub password: String,
    pub host: String,
    pub port: Option<String>,
    pub database: String,
    /// The whole URL without the password.
    pub bare: String,
    /// Whether something follows a question mark.
    pub has_parameters: bool,
}

/// Takes a URL apart. Errors do not show it.
pub fn parse(url: &str, schemes: &[&str]) -> Result<Parts, String> {
    let wanted =
        || format!("the URL does not look like {}://USER:PASSWORD@HOST:PORT/DATABASE", schemes.join(":// or "));
    let (scheme, rest) = url.split_once("://").ok_or_else(wanted)?;
    if !schemes.contains(&scheme) {
        return Err(wanted());
    }
    let (main, parameters) = rest.split_once('?').map_or((rest, None), |(main, p)| (main, Some(p)));
    let (login, server) = main.rsplit_once('@').unwrap_or(("", main));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (address, database) = server.split_once('/').unwrap_or((server, ""));
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port.to_owned())),
        _ => (address, None),
    };
    if host.is_empty() || database.is_empty() {
        return Err(wanted());
    }
    let at = if user.is_empty() { String::new() } else { format!("{user}@") };
    let parameters_text = parameters.map(|p| format!("?{p}")).unwrap_or_default();
    Ok(Parts {
        user: decoded(user)?,
        password: decoded(password)?,
        host: host.trim_matches(['[', ']']).to_owned(),
        port,
        database: decoded(database)?,
        bare: format!("{scheme}://{at}{server}{parameters_text}"),
        has_parameters: parameters.is_some(),
    })
}

fn decoded(text: &str) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits: Vec<u8> = bytes.by_ref().take(2).collect();
            let value = std::str::from_utf8(&digits).ok().and_then(|d| u8::from_str_radix(d, 16).ok());
            out.push(value.ok_or("a % in the URL is not followed by two hexadecimal digits")?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map_err(|_| "the URL is not UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart_and_its_password_out() {
        let parts = parse("postgresql://me:p%40s%2Fs@db.example:5433/shop?sslmode=require", &["postgresql"]).unwrap();
        assert_eq!((parts.user.as_str(), parts.password.as_str()), ("me", "p@s/s"));
        assert_eq!((parts.host.as_str(), parts.port.as_deref()), ("db.example", Some("5433")));
        assert_eq!(parts.bare, "postgresql://me@db.example:5433/shop?sslmode=require");
        let parts = parse("mysql://[::1]/shop", &["mysql"]).unwrap();
        assert_eq!((parts.host.as_str(), parts.port, parts.database.as_str()), ("::1", None, "shop"));
        for wrong in [
            "mysql://u:S3CR3T-CANARY@h",
            "http://u:S3CR3T-CANARY@h/d",
            "S3CR3T-CANARY",
            "mysql://u:%zzS3CR3T-CANARY@h/d",
        ] {
            assert!(!parse(wrong, &["mysql"]).unwrap_err().contains("CANARY"));
        }
    }
}
