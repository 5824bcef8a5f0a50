//! Which credentials are used: each place set against each other, and what is said when they are wrong. Nothing that a run
//! prints or remembers holds a secret.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::Path;

use rivet_e2e::{CANARY, Outcome, Sandbox};
use rivet_stores::{Bucket, Gcs, Grant, Identity, Instance, Make, Notes};

/// What a place holds in one case.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Keys {
    No,
    Good,
    Bad,
}

use Keys::{Bad, Good, No};

const WRONG: &str = "S3CR3T-CANARY-wrong";

/// A place of keys: what is in the configuration, in the environment, in the shared files, and at the instance.
type Places = [Keys; 4];

/// What decides, by the precedence that is documented: the first place that has keys, and no other.
const S3_CASES: [(Places, &str); 12] = [
    ([Good, No, No, No], "access_key_env and secret_key_env"),
    ([Good, Bad, Bad, Bad], "access_key_env and secret_key_env"),
    ([Bad, Good, Good, Good], "access_key_env and secret_key_env"),
    ([No, Good, No, No], "the environment"),
    ([No, Good, Bad, Bad], "the environment"),
    ([No, Bad, Good, Good], "the environment"),
    ([No, No, Good, No], "the shared AWS files"),
    ([No, No, Good, Bad], "the shared AWS files"),
    ([No, No, Bad, Good], "the shared AWS files"),
    ([No, No, No, Good], "the instance's role"),
    ([No, No, No, Bad], "the instance's role"),
    ([No, No, No, No], ""),
];

/// A sandbox in which no credentials of this machine are found.
fn alone() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let home = sandbox.path().to_owned();
    for variable in ["XDG_CONFIG_HOME", "APPDATA"] {
        sandbox.env(variable, home.join("none").to_str().unwrap());
    }
    // An address where nobody listens, so that nobody is waited for.
    sandbox.env("GCE_METADATA_HOST", "127.0.0.1:9");
    sandbox.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
    sandbox.env("RUST_LOG", "info");
    sandbox
}

fn config(bucket: &Bucket, keys: &str) -> String {
    let Bucket { name, prefix, endpoint, make, .. } = bucket;
    let kind = if *make == Make::S3 { "s3" } else { "gcs" };
    format!(
        "source: {{ type: sqlite, path: notes.db, tuning: {{ max_retries: 0 }} }}
exports:
  - name: notes
    query: SELECT 1 AS id
    format: csv
    destination: {{ type: {kind}, bucket: {name}, prefix: {prefix}, endpoint: \"{endpoint}\"{keys} }}
"
    )
}

/// Nothing that was printed or written shows a secret.
fn assert_quiet(sandbox: &Sandbox, run: &Outcome) {
    assert!(!run.stdout.contains(CANARY) && !run.stderr.contains(CANARY), "a secret is shown: {run}");
    for entry in fs::read_dir(sandbox.path()).unwrap().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with(".rivet_state") {
            let bytes = fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(CANARY.len()).any(|w| w == CANARY.as_bytes()), "a secret is in {name}");
        }
    }
}

fn database(sandbox: &Sandbox) {
    rusqlite::Connection::open(sandbox.path().join("notes.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
}

#[test]
fn of_the_places_for_keys_of_s3_the_first_one_decides() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let variable = |name: &str| std::env::var(format!("RIVET_TEST_S3_{name}")).unwrap();
    let key = variable("ACCESS_KEY");
    let secret = |keys| if keys == Good { variable("SECRET_KEY") } else { WRONG.to_owned() };
    for (places, says) in S3_CASES {
        let mut sandbox = alone();
        database(&sandbox);
        let [configured, environment, files, instance] = places;
        let mut keys = ", region: us-east-1";
        if configured != No {
            sandbox.env("MY_KEY", key.as_str());
            sandbox.env("MY_SECRET", secret(configured));
            keys = ", region: us-east-1, access_key_env: MY_KEY, secret_key_env: MY_SECRET";
        }
        if environment != No {
            sandbox.env("AWS_ACCESS_KEY_ID", key.as_str());
            sandbox.env("AWS_SECRET_ACCESS_KEY", secret(environment));
        }
        if files != No {
            let lines = format!("aws_access_key_id = {key}\naws_secret_access_key = {}\n", secret(files));
            let path = sandbox.write("credentials.ini", &format!("[default]\n{lines}"));
            sandbox.env("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap());
        }
        if instance != No {
            sandbox.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", Instance::new(&key, &secret(instance)).url);
        }
        let run = sandbox.try_run(&config(&bucket, keys));
        let decides = places.into_iter().find(|keys| *keys != No).unwrap_or(Bad);
        let chain = if configured == No { "default AWS credential chain" } else { "" };
        assert_eq!(run.code, Some(i32::from(decides == Bad)), "{places:?}: {run}");
        run.expect(run.code.unwrap(), &[says, chain]);
        if decides == Bad && !says.is_empty() {
            run.expect(1, &["SignatureDoesNotMatch", "secret"]);
        } else if decides == Bad {
            run.expect(1, &["loading credentials", "access_key_env"]);
        }
        assert_quiet(&sandbox, &run);
    }
}

#[test]
fn a_profile_of_the_configuration_decides_against_the_environment() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let variable = |name: &str| std::env::var(format!("RIVET_TEST_S3_{name}")).unwrap();
    let (key, secret) = (variable("ACCESS_KEY"), variable("SECRET_KEY"));
    for (profile, code) in [("good", 0), ("bad", 1), ("absent", 1)] {
        let mut sandbox = alone();
        database(&sandbox);
        sandbox.env("AWS_ACCESS_KEY_ID", key.as_str());
        sandbox.env("AWS_SECRET_ACCESS_KEY", if code == 0 { WRONG } else { &secret });
        let lines = |secret: &str| format!("aws_access_key_id = {key}\naws_secret_access_key = {secret}\n");
        let text = format!("[default]\n{0}[good]\n{0}[bad]\n{1}", lines(&secret), lines(WRONG));
        let path = sandbox.write("credentials.ini", &text);
        sandbox.env("AWS_SHARED_CREDENTIALS_FILE", path.to_str().unwrap());
        let run = sandbox.try_run(&config(&bucket, &format!(", region: us-east-1, aws_profile: {profile}")));
        run.expect(code, &[&format!("AWS profile \"{profile}\"")]);
        assert_quiet(&sandbox, &run);
    }
}

#[test]
fn half_a_pair_of_keys_is_refused_before_anything_is_done() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let mut sandbox = alone();
    database(&sandbox);
    sandbox.env("MY_KEY", "k");
    for (given, absent) in [("access_key_env", "secret_key_env"), ("secret_key_env", "access_key_env")] {
        sandbox.try_run(&config(&bucket, &format!(", {given}: MY_KEY"))).expect(2, &[given, absent]);
    }
    let both = ", access_key_env: MY_KEY, secret_key_env: MY_UNSET";
    sandbox.try_run(&config(&bucket, both)).expect(2, &["MY_UNSET", "is not set"]);
}

#[test]
fn what_a_store_refuses_is_told_apart() {
    let Some(bucket) = Bucket::new(Make::S3) else { return };
    let variable = |name: &str| std::env::var(format!("RIVET_TEST_S3_{name}")).unwrap();
    let mut sandbox = alone();
    database(&sandbox);
    sandbox.env("MY_KEY", variable("ACCESS_KEY"));
    sandbox.env("MY_SECRET", variable("SECRET_KEY"));
    sandbox.env("OTHER_KEY", "nobody");
    let with = |key: &str| format!(", region: us-east-1, access_key_env: {key}, secret_key_env: MY_SECRET");
    let right = config(&bucket, &with("MY_KEY"));
    let wrong = [
        (config(&bucket, &with("OTHER_KEY")), "InvalidAccessKeyId"),
        (right.replace(&format!("bucket: {}", bucket.name), "bucket: absent"), "NoSuchBucket"),
        (right.replace("http://", "ftp://"), "endpoint"),
        (right.replace("http://", "https://"), "InvalidContentType"),
    ];
    for (config, text) in wrong {
        let run = sandbox.try_run(&config);
        assert_ne!(run.code, Some(0), "{text}: {run}");
        run.expect(run.code.unwrap(), &[text, "hint: "]);
        assert_quiet(&sandbox, &run);
    }
    sandbox.run(&right);
}

/// What is at a place: nothing, credentials of the store, or those of another one.
fn identity(folder: &Path, name: &str, keys: Keys, right: &Gcs, wrong: &Gcs, identity: Identity) -> Option<String> {
    let store = match keys {
        No => return None,
        Good => right,
        Bad => wrong,
    };
    Some(store.credentials(identity, folder, name).to_str().unwrap().to_owned())
}

const GCS_CASES: [(Places, &str); 12] = [
    ([Good, No, No, No], "credentials_file"),
    ([Good, Bad, Bad, Bad], "credentials_file"),
    ([Bad, Good, Good, Good], "credentials_file"),
    ([No, Good, No, No], "GOOGLE_APPLICATION_CREDENTIALS"),
    ([No, Good, Bad, Bad], "GOOGLE_APPLICATION_CREDENTIALS"),
    ([No, Bad, Good, Good], "GOOGLE_APPLICATION_CREDENTIALS"),
    ([No, No, Good, No], "gcloud auth application-default login"),
    ([No, No, Good, Bad], "gcloud auth application-default login"),
    ([No, No, Bad, Good], "gcloud auth application-default login"),
    ([No, No, No, Good], "the account of this instance"),
    ([No, No, No, Bad], "the account of this instance"),
    ([No, No, No, No], "the account of this instance"),
];

#[test]
fn of_the_places_for_credentials_of_gcs_the_first_one_decides() {
    for (places, says) in GCS_CASES {
        let Some(bucket) = Bucket::new(Make::Gcs) else { return };
        let (right, wrong) = (bucket.gcs.as_ref().unwrap(), Gcs::closed());
        let mut sandbox = alone();
        database(&sandbox);
        let folder = sandbox.path().to_owned();
        let at = |name: &str, keys, kind| identity(&folder, name, keys, right, &wrong, kind);
        let mut keys = String::new();
        if let Some(path) = at("configured.json", places[0], Identity::ServiceAccount) {
            keys = format!(", credentials_file: {path}");
        }
        if let Some(path) = at("named.json", places[1], Identity::Workload) {
            sandbox.env("GOOGLE_APPLICATION_CREDENTIALS", path);
        }
        sandbox.env("XDG_CONFIG_HOME", folder.join("config").to_str().unwrap());
        sandbox.env("APPDATA", "");
        at("config/gcloud/application_default_credentials.json", places[2], Identity::User);
        if places[3] != No {
            let store = if places[3] == Good { right } else { &wrong };
            sandbox.env("GCE_METADATA_HOST", store.url.strip_prefix("http://").unwrap());
        }
        let run = sandbox.try_run(&config(&bucket, &keys));
        let first = places.iter().position(|keys| *keys != No);
        let decides = first.map_or(Bad, |first| places[first]);
        let chain = if places[0] == No { "default Google credential chain" } else { "" };
        assert_eq!(run.code, Some(i32::from(decides == Bad)), "{places:?}: {run}");
        run.expect(run.code.unwrap(), &[says, chain]);
        if first.is_none() {
            run.expect(1, &["loading credentials", "gcloud auth application-default login"]);
        }
        if decides == Good {
            // One token for all requests of the run, and from one place alone.
            let kinds = [Grant::Assertion, Grant::Exchange, Grant::Refresh, Grant::Metadata];
            assert_eq!(right.granted(), [kinds[first.unwrap()]], "{places:?}");
            assert_eq!(wrong.granted(), [], "{places:?}");
        }
        assert_quiet(&sandbox, &run);
    }
}

#[test]
fn one_token_serves_every_worker_of_a_run() {
    let Some(bucket) = Bucket::new(Make::Gcs) else { return };
    let notes = Notes::new(bucket, 1000);
    let keys = "mode: chunked\n    chunk_column: id\n    chunk_size: 100\n    parallel: 2\n    format: csv";
    notes.sandbox.run(&notes.plain(keys));
    let gcs = notes.bucket.gcs.as_ref().unwrap();
    assert_eq!((gcs.names().len(), gcs.granted()), (10, vec![Grant::Assertion]));
}

#[test]
fn a_refused_or_broken_file_of_credentials_is_said_to_be_so() {
    let Some(bucket) = Bucket::new(Make::Gcs) else { return };
    let gcs = bucket.gcs.as_ref().unwrap();
    let sandbox = alone();
    database(&sandbox);
    let good = gcs.credentials(Identity::User, sandbox.path(), "user.json");
    let text = fs::read_to_string(&good).unwrap();
    let cases = [
        (text.replace("S3CR3T-CANARY-refresh", "S3CR3T-CANARY-revoked"), "invalid_grant"),
        (text.replace("http://127.0.0.1", "http://example.com"), "token_uri"),
        (text.replace("authorized_user", "something_else"), "unknown type"),
        ("{ \"type\": \"service_account\", \"private_key\": \"S3CR3T-CANARY-key\" }".to_owned(), "lacks a field"),
        ("S3CR3T-CANARY is no JSON".to_owned(), "is not JSON"),
    ];
    for (text, says) in cases {
        sandbox.write("case.json", &text);
        let run = sandbox.try_run(&config(&bucket, ", credentials_file: case.json"));
        run.expect(1, &["loading credentials", says, "hint: "]);
        assert_quiet(&sandbox, &run);
    }
    sandbox.try_run(&config(&bucket, ", credentials_file: absent.json")).expect(2, &["does not exist"]);
    let both = ", credentials_file: user.json, allow_anonymous: true";
    sandbox.try_run(&config(&bucket, both)).expect(2, &["exclude each other"]);
    let anonymous = sandbox.try_run(&config(&bucket, ", allow_anonymous: true"));
    anonymous.expect(1, &["not signed", "hint: "]);
}
