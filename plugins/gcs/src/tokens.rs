//! Tokens, each asked for once: all bucket handles of this process that use the same place share what it gave out.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use reqsign_core::{Context, ProvideCredential, Result, SigningCredential as _};
use reqsign_google::Credential;
use tokio::sync::Mutex as AsyncMutex;

use crate::exchange;
use crate::source::{Kind, Source};

/// The last token of a place. Whoever asks for one holds it locked, so that the others wait for the same.
type Shared = Arc<AsyncMutex<Option<Credential>>>;

static PLACES: LazyLock<Mutex<HashMap<Kind, Shared>>> = LazyLock::new(Mutex::default);

/// Gives out tokens of one place.
#[derive(Debug)]
pub(crate) struct Tokens {
    source: Source,
    shared: Shared,
    /// The last one that was given out here. Who asks again although it is valid was refused with it.
    given: Mutex<Option<String>>,
}

impl Tokens {
    pub(crate) fn new(source: Source) -> Self {
        let shared = {
            let mut places = PLACES.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(places.entry(source.kind.clone()).or_default())
        };
        Self { source, shared, given: Mutex::default() }
    }

    fn was_given(&self, token: &str) -> bool {
        self.given.lock().unwrap_or_else(PoisonError::into_inner).as_deref() == Some(token)
    }
}

impl ProvideCredential for Tokens {
    type Credential = Credential;

    async fn provide_credential(&self, context: &Context) -> Result<Option<Credential>> {
        let mut shared = self.shared.lock().await;
        let known = shared.as_ref().filter(|known| known.is_valid() && !self.was_given(text(known)));
        let credential = match known {
            Some(known) => known.clone(),
            None => exchange::token(&self.source.kind, context).await?,
        };
        *self.given.lock().unwrap_or_else(PoisonError::into_inner) = Some(text(&credential).to_owned());
        *shared = Some(credential.clone());
        Ok(Some(credential))
    }
}

fn text(credential: &Credential) -> &str {
    credential.token.as_ref().map_or("", |token| &token.access_token)
}
