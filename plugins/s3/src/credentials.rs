//! Which credentials sign: exactly one source, decided by the configuration, and never a mix of two.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqsign_aws_v4::{
    AssumeRoleWithWebIdentityCredentialProvider, Credential, ECSCredentialProvider, EnvCredentialProvider,
    IMDSv2CredentialProvider, ProfileCredentialProvider, RequestSigner, SSOCredentialProvider,
    StaticCredentialProvider,
};
use reqsign_core::{Context, ProvideCredential, ProvideCredentialDyn};
use rivet_plugin_base::object::{Credentials, Sign};

use crate::Options;
use crate::error::NO_CREDENTIALS;

type Provider = Arc<dyn ProvideCredentialDyn<Credential = Credential>>;

/// What signs requests for the region; nothing with `allow_anonymous`.
pub(crate) fn signer(options: &Options, region: &str) -> Option<Arc<dyn Sign>> {
    let bucket = &options.bucket;
    let provider: Provider = if options.allow_anonymous {
        tracing::info!("requests to bucket \"{bucket}\" are not signed");
        return None;
    } else if let (Some(key), Some(secret)) = (&options.access_key, &options.secret_key) {
        tracing::info!("credentials of bucket \"{bucket}\": access_key_env and secret_key_env");
        let fixed = StaticCredentialProvider::new(key.expose(), secret.expose());
        match &options.session_token {
            Some(token) if !token.expose().is_empty() => Arc::new(fixed.with_session_token(token.expose())),
            _ => Arc::new(fixed),
        }
    } else if let Some(profile) = &options.aws_profile {
        tracing::info!("credentials of bucket \"{bucket}\": AWS profile \"{profile}\"");
        Arc::new(Chain::of_profile(profile))
    } else {
        tracing::info!("credentials of bucket \"{bucket}\": default AWS credential chain");
        Arc::new(Chain::by_default())
    };
    Some(Arc::new(Credentials::new(provider, RequestSigner::new("s3", region), NO_CREDENTIALS)))
}

/// For so long a chain without credentials is not gone through again: requests side by side all fail by the first time.
const EMPTY: Duration = Duration::from_secs(5);

/// Sources in order. The first that has credentials decides; a later one is not even asked.
#[derive(Debug)]
struct Chain {
    sources: Vec<(&'static str, Provider)>,
    /// When the last of them had none.
    empty: Mutex<Option<Instant>>,
}

impl Chain {
    fn of(sources: Vec<(&'static str, Provider)>) -> Self {
        Self { sources, empty: Mutex::default() }
    }

    fn by_default() -> Self {
        Self::of(vec![
            ("the environment", Arc::new(EnvCredentialProvider::new())),
            ("the shared AWS files", Arc::new(ProfileCredentialProvider::new())),
            ("AWS single sign-on", Arc::new(SSOCredentialProvider::default())),
            ("a web identity token", Arc::new(AssumeRoleWithWebIdentityCredentialProvider::default())),
            ("the container's role", Arc::new(ECSCredentialProvider::default())),
            ("the instance's role", Arc::new(IMDSv2CredentialProvider::new())),
        ])
    }

    fn of_profile(profile: &str) -> Self {
        Self::of(vec![
            ("the shared AWS files", Arc::new(ProfileCredentialProvider::new().with_profile(profile))),
            ("AWS single sign-on", Arc::new(SSOCredentialProvider::default().with_profile(profile))),
        ])
    }
}

impl ProvideCredential for Chain {
    type Credential = Credential;

    async fn provide_credential(&self, context: &Context) -> reqsign_core::Result<Option<Credential>> {
        let is_empty = self.empty.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at.elapsed() < EMPTY);
        if is_empty {
            return Ok(None);
        }
        for (name, provider) in &self.sources {
            match provider.provide_credential_dyn(context).await {
                Ok(Some(found)) => {
                    tracing::info!("AWS credentials come from {name}");
                    return Ok(Some(found));
                }
                Ok(None) => tracing::debug!("no AWS credentials in {name}"),
                Err(error) => tracing::debug!("no AWS credentials in {name}: {error}"),
            }
        }
        *self.empty.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(None)
    }
}
