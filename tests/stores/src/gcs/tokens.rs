//! The tokens that a store believes, and where they come from: `/token` exchanges what an identity has for one, and an
//! instance gets them from its metadata.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Gcs, JSON, Message, answer, decode};

/// A kind of request for a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Grant {
    /// A user's refresh token.
    Refresh,
    /// A service account's signed statement.
    Assertion,
    /// The token of another provider.
    Exchange,
    /// An instance's own account.
    Metadata,
}

/// Who may have a token, as a file of credentials says it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Identity {
    /// A user, as `gcloud auth application-default login` writes it.
    User,
    /// A service account with a key.
    ServiceAccount,
    /// A workload of another provider, whose token is in a file beside.
    Workload,
}

#[derive(Default)]
pub(super) struct Tokens {
    valid: Vec<String>,
    pub(super) granted: Vec<Grant>,
    pub(super) lifetime: Option<u64>,
    given: u32,
}

/// What each identity has and nobody may see.
const REFRESH: &str = "S3CR3T-CANARY-refresh";
const SUBJECT: &str = "S3CR3T-CANARY-subject";

/// The private key of a service account that does not exist, for RS256.
const KEY: &str = include_str!("key.pem");

impl Tokens {
    pub(super) fn admit(&mut self, token: &str) {
        self.valid.push(token.to_owned());
    }

    pub(super) fn expire(&mut self) {
        // Whoever looks from outside may go on.
        self.valid.truncate(1);
    }

    /// Whether an `Authorization` header holds a token that was given out.
    pub(super) fn are_valid(&self, header: Option<&str>) -> bool {
        header.and_then(|header| header.strip_prefix("Bearer ")).is_some_and(|t| self.valid.iter().any(|v| v == t))
    }

    /// The answer to a request for a token; `None` when it is none.
    pub(super) fn serve(&mut self, request: &Message, path: &str) -> Option<Message> {
        if path == "/token" {
            let body = String::from_utf8_lossy(&request.body);
            let form = fields(&body);
            let value = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
            let is_assertion = value("grant_type").ends_with("jwt-bearer");
            if is_assertion && !is_timely(value("assertion")) {
                return Some(untimely());
            }
            let grant = match value("grant_type") {
                "refresh_token" if value("refresh_token") == REFRESH => Grant::Refresh,
                "urn:ietf:params:oauth:grant-type:jwt-bearer" if value("assertion").split('.').count() == 3 => {
                    Grant::Assertion
                }
                "urn:ietf:params:oauth:grant-type:token-exchange" if value("subject_token") == SUBJECT => {
                    Grant::Exchange
                }
                _ => return Some(answer(400, &JSON, json!({ "error": "invalid_grant" }).to_string())),
            };
            return Some(self.grant(grant));
        }
        let account = path.strip_prefix("/computeMetadata/v1/instance/service-accounts/")?;
        if request.header("metadata-flavor") != Some("Google") || !account.ends_with("/token") {
            return Some(answer(403, &[], ""));
        }
        Some(self.grant(Grant::Metadata))
    }

    fn grant(&mut self, grant: Grant) -> Message {
        self.granted.push(grant);
        self.given += 1;
        let token = format!("S3CR3T-CANARY-token-{}", self.given);
        self.admit(&token);
        let body = json!({
            "access_token": token,
            "expires_in": self.lifetime.unwrap_or(3600),
            "token_type": "Bearer",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
        });
        answer(200, &JSON, body.to_string())
    }
}

/// Whether a signed statement was made in these minutes, by whoever's clock.
fn is_timely(assertion: &str) -> bool {
    let claims = assertion.split('.').nth(1).and_then(|claims| BASE64_URL_SAFE_NO_PAD.decode(claims).ok());
    let claims: Value = claims.and_then(|claims| serde_json::from_slice(&claims).ok()).unwrap_or_default();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    claims["iat"].as_u64().is_some_and(|iat| iat.abs_diff(now) < 600)
}

/// What Google says then.
fn untimely() -> Message {
    let why = "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat \
               and exp values in the JWT claim.";
    let date = Command::new("date").args(["-u", "+%a, %d %b %Y %H:%M:%S GMT"]).env("LC_ALL", "C").output().unwrap();
    let date = String::from_utf8(date.stdout).unwrap();
    let body = json!({ "error": "invalid_grant", "error_description": why }).to_string();
    answer(400, &[JSON[0], ("Date", date.trim())], body)
}

/// The fields of a form or of a JSON object.
fn fields(body: &str) -> Vec<(String, String)> {
    if let Ok(Value::Object(map)) = serde_json::from_str(body) {
        return map.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect();
    }
    let pairs = body.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(key, value)| (decode(key), decode(&value.replace('+', " ")))).collect()
}

impl Gcs {
    /// Writes the credentials of `identity` to `name` in `folder`.
    pub fn credentials(&self, identity: Identity, folder: &Path, name: &str) -> PathBuf {
        let token_url = format!("{}/token", self.url);
        let content = match identity {
            Identity::User => json!({
                "type": "authorized_user",
                "client_id": "rivet.apps.example.com",
                "client_secret": "S3CR3T-CANARY-client",
                "refresh_token": REFRESH,
                "token_uri": token_url,
            }),
            Identity::ServiceAccount => json!({
                "type": "service_account",
                "project_id": "rivet",
                "private_key_id": "1",
                "private_key": KEY,
                "client_email": "rivet@example.iam.gserviceaccount.com",
                "client_id": "1",
                "token_uri": token_url,
            }),
            Identity::Workload => {
                let subject = folder.join(format!("{name}.subject"));
                fs::write(&subject, SUBJECT).unwrap();
                json!({
                    "type": "external_account",
                    "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
                    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                    "token_url": token_url,
                    "credential_source": { "file": subject, "format": { "type": "text" } },
                })
            }
        };
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content.to_string()).unwrap();
        path
    }
}
