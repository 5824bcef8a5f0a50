//! The pages of the connectors tell the truth: every destination that they show takes an export.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;

use rivet_e2e::{Sandbox, workspace};
use rivet_stores::{Bucket, Identity, Make};

/// The blocks of a page that begin with `destination:`.
fn destinations(page: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join(page)).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.starts_with("destination:")).map(str::to_owned).collect()
}

/// Runs a small export to what a page shows, in a store of ours instead of the one that it names.
fn follow(page: &str, make: Make) {
    let shown = destinations(page);
    assert!(!shown.is_empty(), "{page} shows no destination");
    for block in shown {
        let Some(bucket) = Bucket::new(make) else { return };
        let mut sandbox = Sandbox::new();
        let home = sandbox.path().to_owned();
        sandbox.write(
            "ca.pem",
            &std::env::var("RIVET_TEST_S3_TLS_CA").map_or(String::new(), |p| fs::read_to_string(p).unwrap()),
        );
        if let Some(gcs) = &bucket.gcs {
            gcs.credentials(Identity::ServiceAccount, &home, "service-account.json");
            let user = gcs.credentials(Identity::User, &home, "config/gcloud/application_default_credentials.json");
            assert!(user.exists());
            sandbox.env("XDG_CONFIG_HOME", home.join("config").to_str().unwrap());
        } else {
            let (key, secret) = ("RIVET_TEST_S3_ACCESS_KEY", "RIVET_TEST_S3_SECRET_KEY");
            let [key, secret] = [key, secret].map(|name| std::env::var(name).unwrap());
            for (line, value) in [("access_key_env:", &key), ("secret_key_env:", &secret)] {
                let names = block.lines().filter_map(|l| l.trim().strip_prefix(line)).map(str::trim);
                names.for_each(|name| sandbox.env(name, value.as_str()));
            }
            let keys = format!("aws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
            let profiles = block.lines().filter_map(|l| l.trim().strip_prefix("aws_profile:"));
            let text =
                profiles.fold(format!("[default]\n{keys}"), |text, name| format!("{text}[{}]\n{keys}", name.trim()));
            let path = sandbox.write("credentials.ini", &text);
            sandbox.env("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap());
        }
        let own =
            |line: &str| ["bucket:", "endpoint:", "region:", "prefix:"].iter().any(|key| line.trim().starts_with(key));
        let is_tls = block.contains("https://") && block.contains("ca_file:");
        let endpoint =
            if is_tls { std::env::var("RIVET_TEST_S3_TLS_ENDPOINT").unwrap() } else { bucket.endpoint.clone() };
        let kept: String = block.lines().filter(|line| !own(line)).flat_map(|l| ["    ", l, "\n"]).collect();
        let Bucket { name, prefix, .. } = &bucket;
        let config = format!(
            "source: {{ type: sqlite, path: shop.db }}
exports:
  - name: shown
    query: SELECT 1 AS id
    format: csv
{kept}      bucket: {name}\n      prefix: {prefix}\n      endpoint: \"{endpoint}\"\n"
        );
        rusqlite::Connection::open(home.join("shop.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        sandbox.run(&config);
        if let Some(found) = bucket.list() {
            assert_eq!(found.objects.len(), 1, "{block}: {found:?}");
        }
    }
}

#[test]
fn the_page_of_gcs_does_what_it_shows() {
    follow("docs/src/connectors/gcs.md", Make::Gcs);
}

#[test]
fn the_page_of_s3_does_what_it_shows() {
    follow("docs/src/connectors/s3.md", Make::S3);
}
