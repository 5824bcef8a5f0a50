//! Configurations that must load: every key at once, and the examples of the predecessor's manual.

use std::path::Path;

use super::super::{Mode, Occasion, Profile};
use super::{env, load};

pub(super) const EVERY_KEY: &str = r#"source:
  type: db
  host: db.example.com
  port: 5433
  user: admin
  password: canary-7
  database: mydb
  types: { numeric: decimal }
  columns: { price: "decimal(18,2)" }
  tuning:
    profile: safe
    batch_size: 3000
    throttle_ms: 300
    statement_timeout_s: 60
    max_retries: 2
    retry_backoff_ms: 100
    lock_timeout_s: 5
    memory_threshold_mb: 2048
plugins: [./plugins, /opt/rivet]
parallel_exports: true
parallel_export_processes: false
notifications:
  slack:
    webhook_url: https://hooks.example/canary
    on: [failure, schema_change, degraded]
exports:
  - name: users
    query: "SELECT id, name FROM users WHERE id < ${NUMBER} AND born > :since"
    params: { since: 2024-01-01 }
    mode: incremental
    cursor_column: updated_at
    cursor_lag: 5m
    format: parquet
    compression: zstd
    compression_level: 9
    skip_empty: true
    max_file_size: 1.5GB
    meta_columns: { exported_at: true, row_hash: true, run_id: true }
    quality:
      row_count_min: 1
      row_count_max: 1000000
      null_ratio_max: { email: 0.05 }
      unique_columns: [id]
    on_schema_change: fail
    destination:
      type: store
      bucket: my-bucket
      prefix: exports/data/
      region: us-east-1
      endpoint: https://store.example
      access_key_env: KEY
      secret_key_env: SECRET
    tuning: { profile: fast, memory_threshold_mb: 0 }
  - name: orders
    query: SELECT * FROM orders
    mode: chunked
    chunk_column: id
    chunk_size: 50000
    chunk_dense: true
    chunk_checkpoint: true
    chunk_max_attempts: 3
    parallel: 4
    format: csv
    destination: { type: files, path: ./output }
  - name: events
    query: |
      SELECT * FROM events -- the last week
    mode: time_window
    time_column: created_at
    time_column_type: timestamp
    days_window: 7
    format: arrow
    types: { jsonb: text }
    destination: { type: pipe }
"#;

#[test]
fn every_key() {
    let config = load(EVERY_KEY).unwrap();
    assert_eq!(config.plugins, [Path::new("./plugins"), Path::new("/opt/rivet")]);
    let slack = config.notifications.unwrap().slack.unwrap();
    assert_eq!(slack.on, [Occasion::Failure, Occasion::SchemaChange, Occasion::Degraded]);
    assert_eq!(config.tuning.profile, Some(Profile::Safe));
    let [users, orders, events] = &config.exports[..] else { panic!("three exports") };
    assert_eq!(users.query.text, "SELECT id, name FROM users WHERE id < 5000 AND born > :since");
    assert_eq!(users.max_file_size, Some(1_610_612_736));
    assert_eq!(users.mapping.types["numeric"], "decimal");
    assert!(matches!(orders.mode, Mode::Chunked { size: 50_000, dense: true, max_attempts: Some(3), .. }));
    assert_eq!(events.mapping.types.len(), 2);
    assert_eq!(events.query.text, "SELECT * FROM events -- the last week\n");
    assert_eq!(config.warnings.len(), 1, "{:?}", config.warnings);
}

/// The YAML of the predecessor's manual, block by block. `…` stands for what a block leaves out.
const MANUAL: [&str; 13] = [
    "source:\n  type: db\n  url: \"db://user:pass@db.example:5432/mydb\"\n  tuning:\n    profile: safe\n\nexports:\n  - name: users\n    \
     query: \"SELECT id, name, email, updated_at FROM users\"\n    mode: incremental\n    cursor_column: updated_at\n    \
     format: parquet\n    destination:\n      type: files\n      path: ./output\n",
    "source:\n  type: db   # one | other\n  url: \"db://user:pass@host:port/db\"\n  tuning:          # optional, defaults to \
     balanced\n    profile: safe  # safe | balanced | fast\n",
    "source:\n  type: db\n  url_env: DATABASE_URL   # read full URL from this env var\n",
    "source:\n  type: db\n  host: db.example.com\n  port: 5433              # optional\n  user: admin\n  password_env: DB_PASS\n  \
     database: mydb\n",
    "source:\n  type: db\n  url: \"...\"\n  tuning:\n    profile: safe              # base profile\n    batch_size: 3000\n    \
     throttle_ms: 300\n    statement_timeout_s: 60\n",
    "exports:\n  - name: my_export            # unique name, used for state tracking\n    query: \"SELECT ...\"\n    mode: full\n    \
     cursor_column: updated_at  # required for incremental mode\n    format: parquet            # parquet | csv\n    \
     destination:\n      type: files\n      path: ./output\n",
    "exports:\n  - name: page_views\n    query: \"SELECT * FROM page_views\"\n    format: parquet\n    meta_columns:\n      \
     exported_at: true\n      row_hash: true\n    destination:\n      type: store\n      bucket: my-bucket\n",
    "exports:\n  - name: orders\n    query: \"SELECT * FROM orders\"\n    format: parquet\n    compression: zstd\n    \
     compression_level: 9\n    destination:\n      type: files\n      path: ./output\n",
    "exports:\n  - name: events_inc\n    query: \"SELECT * FROM events\"\n    mode: incremental\n    cursor_column: updated_at\n    \
     format: parquet\n    skip_empty: true             # no file\n    destination:\n      type: store\n      bucket: my-bucket\n",
    "destination:\n  type: files\n  path: ./output\n",
    "destination:\n  type: store\n  bucket: my-bucket\n  prefix: exports/data/\n  region: us-east-1\n  endpoint: https://...\n",
    "destination:\n  type: store\n  bucket: my-bucket\n  prefix: exports/data/\n  endpoint: https://...\n",
    "destination:\n  type: pipe\n",
];

#[test]
fn examples_of_the_manual_load() {
    for block in MANUAL {
        let mut yaml = match block.strip_prefix("destination:") {
            None => block.to_owned(),
            Some(rest) => format!(
                "exports:\n  - name: a\n    query: SELECT 1\n    format: csv\n    destination:{}",
                rest.replace('\n', "\n    ")
            ),
        };
        if !yaml.contains("source:") {
            yaml.insert_str(0, "source: { type: db, url_env: U }\n");
        }
        if !yaml.contains("exports:") {
            yaml.push_str("exports: []\n");
        }
        load(&yaml).unwrap_or_else(|e| panic!("{yaml}\n{e}"));
    }
}

/// Relative paths start from the file's directory, from the working directory for a pipe.
#[test]
fn the_directory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("rivet.yaml");
    std::fs::write(&path, EVERY_KEY).unwrap();
    let config = super::super::load(&path, None, &[], &env).unwrap();
    assert_eq!((config.dir.as_path(), config.file.as_path()), (dir.path(), path.as_path()));
    assert_eq!(config.plugins[0], dir.path().join("./plugins"));
    let directory = super::super::file::directory;
    assert_eq!(directory(Path::new("rivet.yaml")), Path::new("."));
    assert_eq!(directory(Path::new("/dev/stdin")), Path::new("."));
    assert_eq!(directory(Path::new("/dev/fd/63")), Path::new("."));
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe() {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(EVERY_KEY.as_bytes()).unwrap();
    drop(writer);
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let config = super::super::load(path.as_ref(), None, &[], &env).unwrap();
    assert_eq!(config.dir, Path::new("."));
    assert_eq!(config.exports.len(), 3);
}
