//! The connector against the conformance kit, on the store that RIVET_TEST_S3_ENDPOINT names. What it left there is looked
//! at by plain requests, uploads that are still pending included.

use std::process::ExitCode;
use std::sync::Arc;

use reqsign_aws_v4::{Credential, RequestSigner};
use reqsign_core::{Context, SignRequest as _};
use rivet_connector_kit::DestinationTarget;

/// A folder of this run alone, which also shows that a prefix needs no slash at its end.
fn prefix() -> String {
    format!("kit-{}/under the hood/x+y=", std::process::id())
}

fn main() -> ExitCode {
    let target = match Store::from_env() {
        Ok(store) => {
            let (listed, fetched) = (Arc::new(store), prefix());
            let store = Arc::clone(&listed);
            DestinationTarget {
                options: listed.options(),
                list: Box::new(move || listed.names()),
                fetch: Box::new(move |name| store.get(&format!("/{}", escape(&format!("{fetched}{name}"))))),
                skip: None,
            }
        }
        Err(skip) => DestinationTarget {
            options: serde_json::json!({ "bucket": "none" }),
            list: Box::new(Vec::new),
            fetch: Box::new(|_| Err(std::io::ErrorKind::NotFound.into())),
            skip: Some(skip),
        },
    };
    rivet_connector_kit::destination(&rivet_plugin_s3::PLUGIN, env!("CARGO_PKG_NAME"), target).run()
}

struct Store {
    endpoint: String,
    bucket: String,
    key: String,
    secret: String,
}

impl Store {
    fn from_env() -> Result<Self, String> {
        let var = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        Ok(Self {
            endpoint: var("RIVET_TEST_S3_ENDPOINT")?,
            bucket: var("RIVET_TEST_S3_BUCKET")?,
            key: var("RIVET_TEST_S3_ACCESS_KEY")?,
            secret: var("RIVET_TEST_S3_SECRET_KEY")?,
        })
    }

    fn options(&self) -> serde_json::Value {
        serde_json::json!({
            "bucket": self.bucket, "prefix": prefix(), "endpoint": self.endpoint,
            "access_key": self.key, "secret_key": self.secret,
        })
    }

    /// Objects and pending uploads under the prefix.
    fn names(&self) -> Vec<String> {
        let prefix = prefix();
        let read = |query: String| String::from_utf8(self.get(&query).expect("the store lists")).expect("UTF-8");
        let objects = read(format!("?list-type=2&prefix={}", escape(&prefix)));
        let pending = read(format!("?uploads&prefix={}", escape(&prefix)));
        let keys = |text: &str, mark: &str| -> Vec<String> {
            let keys = text.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next());
            keys.map(|key| format!("{}{mark}", key.strip_prefix(&prefix).unwrap_or(key))).collect()
        };
        [keys(&objects, ""), keys(&pending, " (pending)")].concat()
    }

    fn get(&self, rest: &str) -> std::io::Result<Vec<u8>> {
        let url = format!("{}/{}{rest}", self.endpoint, self.bucket);
        let mut head = http::Request::get(url).body(()).map_err(std::io::Error::other)?.into_parts().0;
        let (access_key_id, secret_access_key) = (self.key.clone(), self.secret.clone());
        let credential = Credential { access_key_id, secret_access_key, session_token: None, expires_in: None };
        let (signer, context) = (RequestSigner::new("s3", "us-east-1"), Context::new());
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime
            .block_on(signer.sign_request(&context, &mut head, Some(&credential), None))
            .map_err(std::io::Error::other)?;
        let answer =
            ureq::Agent::new_with_defaults().run(http::Request::from_parts(head, ())).map_err(std::io::Error::other)?;
        answer.into_body().read_to_vec().map_err(std::io::Error::other)
    }
}

fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}
