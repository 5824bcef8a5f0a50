//! The `gcs` destination: a bucket of Google Cloud Storage, or of what speaks as it does.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use opendal::Operator;
use opendal::services::Gcs as Service;
use reqsign_core::OsEnv;
use reqsign_google::RequestSigner;
use rivet_plugin_api::{Error, Result, tracing};
use rivet_plugin_base::object::{Connector, Credentials, Exclusive, Settings, Sign};

use crate::Options;
use crate::error::{NO_CREDENTIALS, check};
use crate::source::Source;
use crate::tokens::Tokens;
use crate::whole::whole;

const ENDPOINT: &str = "https://storage.googleapis.com";

/// Writes exports to Google Cloud Storage.
pub struct Gcs;

impl Connector for Gcs {
    type Options = Options;

    const TITLE: &'static str = "GCS";

    fn connect(options: Options) -> Result<(Settings, Operator)> {
        check(&options)?;
        let endpoint = options.endpoint.as_deref().filter(|endpoint| !endpoint.is_empty()).unwrap_or(ENDPOINT);
        let endpoint = endpoint.trim_end_matches('/');
        let endpoint = if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") };
        let service = Service::default().bucket(&options.bucket).endpoint(&endpoint);
        // Everything is decided here, and requests are signed on their way.
        let operator = Operator::new(service.skip_signature().disable_config_load().disable_vm_metadata());
        let operator = operator.map_err(|e| Error::config(e.to_string()))?;
        let settings = Settings {
            scheme: "gs",
            signer: signer(&options)?,
            url: format!("{endpoint}/{}", options.bucket),
            exclusive: Exclusive {
                header: (HeaderName::from_static("x-goog-if-generation-match"), HeaderValue::from_static("0")),
                // Uploads in pieces have no preconditions.
                completes: false,
            },
            whole: Some(whole(&endpoint, &options.bucket)),
            bucket: options.bucket,
            prefix: options.prefix,
            ca_file: options.ca_file,
        };
        Ok((settings, operator))
    }
}

fn signer(options: &Options) -> Result<Option<Arc<dyn Sign>>> {
    let bucket = &options.bucket;
    if options.allow_anonymous {
        tracing::info!("requests to bucket \"{bucket}\" are not signed");
        return Ok(None);
    }
    let source = Source::find(options.credentials_file.as_deref(), &OsEnv)?;
    if options.credentials_file.is_some() {
        tracing::info!("credentials of bucket \"{bucket}\": {source}");
    } else {
        tracing::info!("credentials of bucket \"{bucket}\": default Google credential chain: {source}");
    }
    Ok(Some(Arc::new(Credentials::new(Arc::new(Tokens::new(source)), RequestSigner::new("storage"), NO_CREDENTIALS))))
}
