//! Where credentials come from: exactly one place, chosen before anything is asked, and never a mix of two.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use reqsign_core::Env;
use rivet_plugin_api::Result;
use serde::Deserialize;

use crate::error::unusable;

/// The variable that names a file, for Google's own libraries too.
const VARIABLE: &str = "GOOGLE_APPLICATION_CREDENTIALS";

/// Where `gcloud auth application-default login` leaves a user's credentials, below the directory of configurations.
const WELL_KNOWN: &str = "gcloud/application_default_credentials.json";

/// One place that has credentials.
#[derive(Clone)]
pub(crate) struct Source {
    /// For people.
    name: String,
    pub(crate) kind: Kind,
}

/// What a place holds.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) enum Kind {
    /// A service account and its key.
    ServiceAccount(ServiceAccount),
    /// A user who logged in.
    User(User),
    /// The text of a file of another kind, which leads from one token to another.
    Federated(String),
    /// The account of the instance that this runs on, whose metadata service is there or not.
    Instance,
}

/// What a service account's file says.
#[derive(Clone, Deserialize, Eq, Hash, PartialEq)]
pub(crate) struct ServiceAccount {
    pub(crate) client_email: String,
    pub(crate) private_key: String,
    pub(crate) private_key_id: Option<String>,
    pub(crate) token_uri: Option<String>,
}

/// What a user's file says.
#[derive(Clone, Deserialize, Eq, Hash, PartialEq)]
pub(crate) struct User {
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) refresh_token: String,
    pub(crate) token_uri: Option<String>,
}

#[derive(Deserialize)]
struct Header {
    #[serde(rename = "type")]
    kind: String,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// Without what nobody may see.
impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Source {
    /// The file of the configuration; else the one that the environment names; else the one that gcloud wrote; else the
    /// instance. A place that is chosen and unusable is an error, not a reason to try the next one.
    pub(crate) fn find(configured: Option<&Path>, env: &dyn Env) -> Result<Self> {
        if let Some(path) = configured {
            return Self::file(path, "`credentials_file`");
        }
        let set = |name: &str| env.var(name).filter(|value| !value.is_empty());
        if let Some(path) = set(VARIABLE) {
            return Self::file(Path::new(&path), VARIABLE);
        }
        let folder = set("APPDATA").or_else(|| set("XDG_CONFIG_HOME")).map(PathBuf::from);
        let folder = folder.or_else(|| Some(PathBuf::from(set("HOME")?).join(".config")));
        match folder.map(|folder| folder.join(WELL_KNOWN)).filter(|path| path.exists()) {
            Some(path) => Self::file(&path, "`gcloud auth application-default login`"),
            None => Ok(Self { name: "the account of this instance".to_owned(), kind: Kind::Instance }),
        }
    }

    fn file(path: &Path, by: &str) -> Result<Self> {
        let text = fs::read_to_string(path).map_err(|e| {
            let reason = e.to_string();
            unusable(path, by, &format!("cannot be read: {}", reason.split(" (os error").next().unwrap_or_default()))
        })?;
        // What is wrong with it is told without quoting it.
        let wrong = |e: serde_json::Error| {
            let reason = if e.is_data() { "lacks a field" } else { "is not JSON" };
            unusable(path, by, &format!("{reason} at line {}", e.line()))
        };
        let header: Header = serde_json::from_str(&text).map_err(wrong)?;
        let kind = match header.kind.as_str() {
            "service_account" => Kind::ServiceAccount(serde_json::from_str(&text).map_err(wrong)?),
            "authorized_user" => Kind::User(serde_json::from_str(&text).map_err(wrong)?),
            "external_account" | "impersonated_service_account" => Kind::Federated(text),
            _ => return Err(unusable(path, by, "holds credentials of an unknown type")),
        };
        Ok(Self { name: format!("file \"{}\" of {by}", path.display()), kind })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use reqsign_core::StaticEnv;
    use rivet_plugin_api::Category;

    use super::*;

    const USER: &str = r#"{"type": "authorized_user", "client_id": "i", "client_secret": "s", "refresh_token": "r"}"#;

    fn env(pairs: &[(&str, &Path)]) -> StaticEnv {
        let text = |path: &Path| path.display().to_string();
        StaticEnv {
            home_dir: None,
            envs: pairs.iter().map(|(k, v)| ((*k).to_owned(), text(v))).collect::<HashMap<_, _>>(),
        }
    }

    fn name(configured: Option<&Path>, env: &StaticEnv) -> String {
        Source::find(configured, env).unwrap_or_else(|e| panic!("{e}")).to_string()
    }

    #[test]
    fn the_first_place_that_is_there_is_taken() {
        let folder = tempfile::tempdir().expect("a directory");
        let at = |name: &str| folder.path().join(name);
        for (below, kind) in [("home/.config", "gcloud"), ("xdg", "gcloud"), ("config", "."), ("named", ".")] {
            std::fs::create_dir_all(at(below).join(kind).components().collect::<PathBuf>()).expect("a directory");
            std::fs::write(at(below).join(kind).join("application_default_credentials.json"), USER).expect("a file");
        }
        let file = |below: &str| at(below).join("application_default_credentials.json");
        let (config, named, home, xdg) = (file("config"), file("named"), at("home"), at("xdg"));
        let all = env(&[(VARIABLE, &named), ("XDG_CONFIG_HOME", &xdg), ("HOME", &home)]);
        assert!(name(Some(&config), &all).contains("config/"));
        assert!(name(None, &all).contains("named/"));
        assert!(name(None, &env(&[("XDG_CONFIG_HOME", &xdg), ("HOME", &home)])).contains("xdg/gcloud/"));
        assert!(name(None, &env(&[("HOME", &home)])).contains("home/.config/gcloud/"));
        assert_eq!(name(None, &env(&[("HOME", folder.path())])), "the account of this instance");
        assert_eq!(name(None, &env(&[])), "the account of this instance");
        assert_eq!(name(None, &env(&[(VARIABLE, Path::new(""))])), "the account of this instance");
    }

    #[test]
    fn a_place_that_is_chosen_and_unusable_is_an_error() {
        let folder = tempfile::tempdir().expect("a directory");
        let bad = folder.path().join("bad.json");
        for text in
            ["", "{", "[]", "{}", r#"{"type": "other"}"#, r#"{"type": "service_account", "private_key": "canary"}"#]
        {
            std::fs::write(&bad, text).expect("a file");
            let error = Source::find(None, &env(&[(VARIABLE, &bad), ("HOME", folder.path())])).expect_err(text);
            assert_eq!(error.category(), Category::Auth, "{text}");
            assert!(error.to_string().contains("bad.json") && !error.to_string().contains("canary"), "{error}");
        }
        assert!(Source::find(None, &env(&[(VARIABLE, Path::new("/nowhere/x.json"))])).is_err());
    }
}
