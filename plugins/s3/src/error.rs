//! Errors of the options, which no store has seen.

use rivet_plugin_api::{Error, Result};

use crate::Options;

/// What a user does who has no credentials.
pub(crate) const NO_CREDENTIALS: &str = "set `access_key_env` and `secret_key_env`, or give this machine credentials of \
AWS: in the environment, in the shared files, or by its role";

/// Refuses options that contradict each other.
pub(crate) fn check(options: &Options) -> Result<()> {
    let exclude = |a: &str, b: &str| {
        Err(Error::config(format!("`{a}` and `{b}` exclude each other")).hint("keep one of the two"))
    };
    let without = |a: &str, b: &str| Err(Error::config(format!("`{a}` without `{b}`")).hint("give both, or neither"));
    let bucket = options.bucket.as_str();
    if bucket.is_empty() || bucket.contains(['/', '?', '#']) || bucket.contains(char::is_whitespace) {
        return Err(Error::config("`bucket` is not the name of a bucket").hint("give the name alone, without a URL"));
    }
    match (&options.access_key, &options.secret_key, &options.session_token) {
        (Some(_), None, _) => return without("access_key_env", "secret_key_env"),
        (None, Some(_), _) => return without("secret_key_env", "access_key_env"),
        (None, None, Some(_)) => return without("session_token_env", "access_key_env"),
        (Some(key), Some(secret), _) if key.expose().is_empty() || secret.expose().is_empty() => {
            return Err(Error::config("the access key or the secret key is empty")
                .hint("set the variables that `access_key_env` and `secret_key_env` name"));
        }
        _ => {}
    }
    let has_keys = options.access_key.is_some();
    if has_keys && options.aws_profile.is_some() {
        return exclude("access_key_env", "aws_profile");
    }
    if options.allow_anonymous && (has_keys || options.aws_profile.is_some()) {
        return exclude("allow_anonymous", if has_keys { "access_key_env" } else { "aws_profile" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rivet_plugin_api::SecretString;

    use super::*;

    #[test]
    fn sources_of_credentials_are_not_mixed() {
        let secret = || Some(SecretString::new("x"));
        let base = || Options { bucket: "b".into(), ..Options::default() };
        assert!(check(&base()).is_ok());
        assert!(check(&Options { access_key: secret(), secret_key: secret(), ..base() }).is_ok());
        let refused = [
            Options { bucket: String::new(), ..base() },
            Options { bucket: "s3://b".into(), ..base() },
            Options { access_key: secret(), ..base() },
            Options { secret_key: secret(), ..base() },
            Options { session_token: secret(), ..base() },
            Options { access_key: Some(SecretString::new("")), secret_key: secret(), ..base() },
            Options { access_key: secret(), secret_key: secret(), aws_profile: Some("p".into()), ..base() },
            Options { access_key: secret(), secret_key: secret(), allow_anonymous: true, ..base() },
            Options { aws_profile: Some("p".into()), allow_anonymous: true, ..base() },
        ];
        assert!(refused.iter().all(|options| check(options).is_err()));
    }
}
