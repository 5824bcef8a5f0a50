//! Errors of the options and of credentials, which no store has seen.

use std::path::Path;

use rivet_plugin_api::{Error, Result};

use crate::Options;

/// What a user does whose credentials are missing or refused.
pub(crate) const NO_CREDENTIALS: &str = "set `credentials_file` or GOOGLE_APPLICATION_CREDENTIALS, or run \
`gcloud auth application-default login`";

/// Refuses options that contradict each other.
pub(crate) fn check(options: &Options) -> Result<()> {
    let bucket = options.bucket.as_str();
    if bucket.is_empty() || bucket.contains(['/', '?', '#']) || bucket.contains(char::is_whitespace) {
        return Err(Error::config("`bucket` is not the name of a bucket").hint("give the name alone, without a URL"));
    }
    if options.allow_anonymous && options.credentials_file.is_some() {
        let message = "`allow_anonymous` and `credentials_file` exclude each other";
        return Err(Error::config(message).hint("keep one of the two"));
    }
    Ok(())
}

/// A file of credentials that cannot be used. Nothing of what is in it is shown.
pub(crate) fn unusable(path: &Path, by: &str, why: &str) -> Error {
    let message = format!("loading credentials: the file \"{}\" of {by} {why}", path.display());
    Error::auth(message).hint(format!("give {by} a file of credentials as Google's tools write it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let base = || Options { bucket: "b".into(), ..Options::default() };
        let file = || Some("account.json".into());
        assert!(check(&base()).is_ok());
        assert!(check(&Options { credentials_file: file(), ..base() }).is_ok());
        let refused = [
            Options { bucket: String::new(), ..base() },
            Options { bucket: "gs://b".into(), ..base() },
            Options { credentials_file: file(), allow_anonymous: true, ..base() },
        ];
        assert!(refused.iter().all(|options| check(options).is_err()));
    }
}
