//! Getting a token for what a place holds.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use opendal::raw::percent_encode_path;
use reqsign_core::jwt::encode_rs256_pem;
use reqsign_core::time::Timestamp;
use reqsign_core::{Context, Error, ProvideCredential as _, Result};
use reqsign_google::{Credential, StaticCredentialProvider, Token, VmMetadataCredentialProvider};
use rivet_plugin_base::object::drift;
use serde::{Deserialize, Serialize};

use crate::source::{Kind, ServiceAccount, User};

/// To read and to write objects, and nothing else.
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// Where Google gives tokens out, for files that name no other place.
const TOKENS: &str = "https://oauth2.googleapis.com/token";

/// For how long a signed statement holds; Google allows no more.
const STATEMENT: Duration = Duration::from_hours(1);

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    scope: &'static str,
    aud: &'a str,
    iat: i64,
    exp: i64,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refused {
    error: String,
}

/// A token, by asking for one.
pub(crate) async fn token(kind: &Kind, context: &Context) -> Result<Credential> {
    match kind {
        Kind::ServiceAccount(account) => assert_account(account, context).await,
        Kind::User(user) => refresh(user, context).await,
        Kind::Federated(text) => {
            let provider = StaticCredentialProvider::new(text).with_scope(SCOPE);
            provider.provide_credential(context).await?.ok_or_else(|| Error::credential_invalid("no token"))
        }
        Kind::Instance => {
            let provider = VmMetadataCredentialProvider::new().with_scope(SCOPE);
            let answer = provider.provide_credential(context).await;
            // Elsewhere than on an instance there is nobody to ask, and asking again does not help.
            let nobody = |e: Error| Error::credential_invalid(format!("this machine has no account of its own: {e}"));
            answer.map_err(nobody)?.ok_or_else(|| Error::credential_invalid("this machine has no account of its own"))
        }
    }
}

async fn assert_account(account: &ServiceAccount, context: &Context) -> Result<Credential> {
    let place = account.token_uri.as_deref().unwrap_or(TOKENS);
    let iat = Timestamp::now().as_second();
    let claims =
        Claims { iss: &account.client_email, scope: SCOPE, aud: place, iat, exp: iat + STATEMENT.as_secs() as i64 };
    let header = Header { alg: "RS256", typ: "JWT", kid: account.private_key_id.as_deref() };
    let assertion = encode_rs256_pem(&header, &claims, account.private_key.as_bytes());
    // The library's reason might quote the key.
    let assertion =
        assertion.map_err(|_| Error::credential_invalid("the private key of the service account is unusable"))?;
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    ask(place, &[("grant_type", grant), ("assertion", assertion.as_str())], context).await
}

async fn refresh(user: &User, context: &Context) -> Result<Credential> {
    let User { client_id, client_secret, refresh_token, token_uri } = user;
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client_id.as_str()),
        ("client_secret", client_secret.as_str()),
        ("refresh_token", refresh_token.as_str()),
    ];
    ask(token_uri.as_deref().unwrap_or(TOKENS), &form, context).await
}

async fn ask(place: &str, form: &[(&str, &str)], context: &Context) -> Result<Credential> {
    let place: Uri = place.parse().map_err(|_| Error::config_invalid("`token_uri` is not a URL"))?;
    if !is_private(&place) {
        return Err(Error::config_invalid("`token_uri` does not begin with https, and secrets are sent there"));
    }
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", percent_encode_path(value))).collect();
    let kind = "application/x-www-form-urlencoded";
    let request = Request::builder().method(Method::POST).uri(place).header("content-type", kind);
    let request = request.body(Bytes::from(pairs.join("&"))).map_err(|e| Error::unexpected(e.to_string()))?;
    let began = Timestamp::now();
    let answer = context.http_send(request).await?;
    if answer.status() != StatusCode::OK {
        let refused = refused(answer.status(), answer.body());
        let is_dated = form.iter().any(|(name, _)| *name == "assertion");
        return Err(match drift(answer.headers()) {
            Some(drift) if is_dated && !refused.is_retryable() => {
                Error::request_invalid(format!("{refused}: the clock of this machine is {drift} the server's"))
            }
            _ => refused,
        });
    }
    let granted: Granted = serde_json::from_slice(answer.body())
        .map_err(|_| Error::unexpected("the token server's answer is no token"))?;
    let expires_at = granted.expires_in.map(|seconds| began + Duration::from_secs(seconds));
    Ok(Credential::with_token(Token { access_token: granted.access_token, expires_at }))
}

/// Whether nobody on the way can read what is sent there.
fn is_private(place: &Uri) -> bool {
    let is_loopback = matches!(place.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    place.scheme_str() == Some("https") || (place.scheme_str() == Some("http") && is_loopback)
}

/// The code of OAuth says enough, and other words may quote the request.
fn refused(status: StatusCode, body: &[u8]) -> Error {
    let code = serde_json::from_slice::<Refused>(body).unwrap_or_default().error;
    let is_code = !code.is_empty() && code.len() < 40 && code.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let why = if is_code { code } else { status.as_u16().to_string() };
    let passes = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
    let text = format!("the token server answered {why}");
    if passes { Error::unexpected(text).set_retryable(true) } else { Error::credential_invalid(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_nowhere_in_clear() {
        let is = |place: &str| is_private(&place.parse().unwrap_or_default());
        assert!(is("https://oauth2.googleapis.com/token") && is("http://127.0.0.1:1/token") && is("http://[::1]/"));
        assert!(!is("http://oauth2.googleapis.com/token") && !is("http://127.0.0.1.example.com/") && !is("/token"));
    }

    #[test]
    fn a_refusal_says_the_code_and_no_more() {
        let text = |body: &str| refused(StatusCode::BAD_REQUEST, body.as_bytes()).to_string();
        assert!(text(r#"{"error": "invalid_grant", "error_description": "canary"}"#).contains("invalid_grant"));
        assert!(!text(r#"{"error": "invalid_grant", "error_description": "canary"}"#).contains("canary"));
        assert!(text(r#"{"error": {"code": 400, "message": "canary"}}"#).ends_with("400"));
        assert!(refused(StatusCode::BAD_GATEWAY, b"").is_retryable());
    }
}
