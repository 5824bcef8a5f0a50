//! A prefix of one test in a bucket, and what clients that know nothing of Rivet see there.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use rivet_e2e::{Sandbox, skip};
use serde_json::Value;

use crate::Gcs;
use crate::gcs::BUCKET;

/// The make of a store.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Make {
    /// SeaweedFS.
    S3,
    /// Our own, which wants tokens.
    Gcs,
    /// fake-gcs-server.
    FakeGcs,
}

/// A prefix that nobody else uses.
pub struct Bucket {
    /// The store's make.
    pub make: Make,
    /// The store's address.
    pub endpoint: String,
    /// The bucket.
    pub name: String,
    /// The prefix, with a slash at its end.
    pub prefix: String,
    /// The store itself, where it is ours.
    pub gcs: Option<Gcs>,
}

/// What is under a prefix.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Found {
    /// Names without the prefix, and sizes.
    pub objects: BTreeMap<String, u64>,
    /// Names without the prefix of uploads that have begun and not ended.
    pub uploads: Vec<String>,
}

impl Bucket {
    /// A prefix in a store of `make`, `None` where the tests have none.
    pub fn new(make: Make) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("test-{}-{number}/", std::process::id());
        let bucket = |endpoint, name, gcs| Some(Self { make, endpoint, name, prefix, gcs });
        match make {
            Make::S3 => bucket(variable("S3_ENDPOINT")?, variable("S3_BUCKET")?, None),
            Make::FakeGcs => bucket(variable("GCS_ENDPOINT")?, variable("GCS_BUCKET")?, None),
            Make::Gcs => {
                let gcs = Gcs::closed();
                bucket(gcs.url.clone(), BUCKET.to_owned(), Some(gcs))
            }
        }
    }

    /// Gives runs in `sandbox` what they need to know besides the configuration.
    pub fn admit(&self, sandbox: &mut Sandbox) {
        match self.make {
            Make::S3 => {
                sandbox.env("RIVET_TEST_KEY", variable("S3_ACCESS_KEY").unwrap());
                sandbox.env("RIVET_TEST_SECRET", variable("S3_SECRET_KEY").unwrap());
            }
            Make::Gcs => {
                let gcs = self.gcs.as_ref().unwrap();
                gcs.credentials(crate::Identity::ServiceAccount, sandbox.path(), "account.json");
            }
            Make::FakeGcs => {}
        }
    }

    /// What stands under `destination:`, on one line.
    pub fn destination(&self) -> String {
        self.destination_at(&self.endpoint)
    }

    /// As [`Self::destination`], by way of a proxy.
    pub fn destination_at(&self, endpoint: &str) -> String {
        let (name, prefix) = (&self.name, &self.prefix);
        let (kind, more) = match self.make {
            Make::S3 => {
                ("s3", ", region: us-east-1, access_key_env: RIVET_TEST_KEY, secret_key_env: RIVET_TEST_SECRET")
            }
            Make::Gcs => ("gcs", ", credentials_file: account.json"),
            Make::FakeGcs => ("gcs", ", allow_anonymous: true"),
        };
        format!("{{ type: {kind}, bucket: {name}, prefix: {prefix}, endpoint: \"{endpoint}\"{more} }}")
    }

    /// What another client sees, or `None` when the environment has no Python for it.
    pub fn list(&self) -> Option<Found> {
        self.ask(&["list"])
    }

    /// As [`Self::list`], and every object goes to the directory `to`.
    pub fn fetch(&self, to: &Path) -> Option<Found> {
        self.ask(&["fetch", to.to_str().unwrap()])
    }

    /// Puts objects of this content under the prefix, as another program would.
    pub fn put(&self, text: &str, names: &[&str]) -> Option<()> {
        match &self.gcs {
            Some(gcs) => names.iter().for_each(|name| gcs.put(&format!("{}{name}", self.prefix), text.as_bytes())),
            None => drop(self.ask(&[&["put", text], names].concat())?),
        }
        Some(())
    }

    /// Begins uploads in parts under the prefix and leaves them, as another program would.
    pub fn leave(&self, names: &[&str]) -> Option<()> {
        self.ask(&[&["leave"], names].concat()).map(drop)
    }

    /// Removes every object under the prefix and ends every upload there.
    pub fn clear(&self) {
        match &self.gcs {
            Some(gcs) => gcs.clear(&self.prefix),
            None => drop(self.ask(&["clear"])),
        }
    }

    fn ask(&self, order: &[&str]) -> Option<Found> {
        let Ok(python) = env::var("RIVET_TEST_PYTHON") else {
            skip("RIVET_TEST_PYTHON names no python with boto3 and pyarrow: use scripts/test");
            return None;
        };
        let mut command = Command::new(python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/store.py"));
        let kind = if self.make == Make::S3 { "s3" } else { "gcs" };
        command.args([kind, &self.endpoint, &self.name, &self.prefix]).args(order);
        if let Some(gcs) = &self.gcs {
            command.env("STORE_TOKEN", gcs.reader_token());
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{order:?}: {}", String::from_utf8_lossy(&output.stderr));
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let objects = answer["objects"].as_object().unwrap().iter().map(|(k, v)| (k.clone(), v.as_u64().unwrap()));
        let uploads = answer["uploads"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
        let mut found = Found { objects: objects.collect(), uploads: uploads.collect() };
        if let Some(gcs) = &self.gcs {
            // The library of the reader does not know uploads in parts.
            found.uploads = gcs.pending().iter().filter_map(|n| n.strip_prefix(&self.prefix)).map(Into::into).collect();
        }
        Some(found)
    }
}

impl Found {
    /// The names of the objects, in order.
    pub fn names(&self) -> Vec<&str> {
        self.objects.keys().map(String::as_str).collect()
    }
}

fn variable(name: &str) -> Option<String> {
    let name = format!("RIVET_TEST_{name}");
    let value = env::var(&name).ok();
    if value.is_none() {
        skip(&format!("{name} names no store: use scripts/test"));
    }
    value
}
