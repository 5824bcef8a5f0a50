//! What an author of a connector does: the guides followed from an empty directory, what `rivet plugin new` writes, and
//! what `rivet plugin verify` says of libraries good and bad.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rivet_e2e::{Outcome, Sandbox, built, workspace};

/// A reader of a guide: where they are, and how they work.
struct Reader {
    sandbox: Sandbox,
    at: PathBuf,
}

impl Reader {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        // `out` is the sandbox's, and guides begin with nothing.
        fs::remove_dir(sandbox.path().join("out")).unwrap();
        Self { at: sandbox.path().to_owned(), sandbox }
    }

    /// Types one line into a shell. Cargo finds what this machine has already, and builds where the other tests do.
    fn types(&mut self, line: &str) -> Outcome {
        if let Some(directory) = line.strip_prefix("cd ") {
            self.at.push(directory);
            return Outcome { code: Some(0), stdout: String::new(), stderr: String::new() };
        }
        let path = format!("{}:{}", built().display(), std::env::var("PATH").unwrap());
        let mut command = self.sandbox.command("sh");
        command.args(["-c", line]).current_dir(&self.at).env("PATH", path);
        // The toolchain lies in the home of the user who runs the tests.
        let home = std::env::var("HOME").unwrap();
        for (variable, folder) in [("CARGO_HOME", ".cargo"), ("RUSTUP_HOME", ".rustup")] {
            let place = std::env::var_os(variable).unwrap_or_else(|| format!("{home}/{folder}").into());
            command.env(variable, place);
        }
        // Optimising is what takes the time of a release, and shows nothing here.
        command.env("CARGO_NET_OFFLINE", "true").env_remove("RUSTFLAGS").env_remove("XDG_DATA_HOME");
        command.env("CARGO_PROFILE_RELEASE_LTO", "off").env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        let outcome = Outcome::of(&mut command);
        if line.starts_with("rivet plugin new") {
            self.prepare();
        }
        outcome
    }

    /// What differs from a machine with a network: the versions are those of the workspace, and the directory of what was
    /// built is shared.
    fn prepare(&self) {
        let made = fs::read_dir(&self.at).unwrap().flatten().map(|entry| entry.path());
        for project in made.filter(|path| path.join("Cargo.toml").exists()) {
            fs::copy(workspace().join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
            let shared = built().parent().unwrap().join("third-party");
            fs::create_dir_all(&shared).unwrap();
            std::os::unix::fs::symlink(shared, project.join("target")).unwrap();
        }
    }

    /// Applies the hunks of a diff: each says by its own lines where it belongs.
    fn edits(&self, diff: &str) {
        for of_file in diff.split("--- a/").skip(1) {
            let (name, hunks) = of_file.split_once('\n').unwrap();
            let path = self.at.join(name);
            let mut text = fs::read_to_string(&path).unwrap();
            for hunk in hunks.split("@@\n").skip(1) {
                let lines = |without: char| -> String {
                    let kept = hunk.lines().filter(|line| !line.starts_with(without));
                    kept.flat_map(|line| [line.get(1..).unwrap_or_default(), "\n"]).collect()
                };
                let (old, new) = (lines('+'), lines('-'));
                assert_eq!(text.matches(&old).count(), 1, "{name} has not one place for\n{old}\nin\n{text}");
                text = text.replacen(&old, &new, 1);
            }
            fs::write(&path, text).unwrap();
        }
    }

    /// Follows every block of a page: commands are run, diffs applied, and each line that is shown is printed.
    fn follows(&mut self, page: &str) {
        let text = fs::read_to_string(workspace().join("docs/src/guides").join(page)).unwrap();
        let (mut printed, mut commands) = (String::new(), 0);
        for block in text.split("\n```").skip(1).step_by(2) {
            let (language, body) = block.split_once('\n').unwrap();
            match language {
                "sh" => {
                    printed.clear();
                    for line in body.lines() {
                        let outcome = self.types(line);
                        assert_eq!(outcome.code, Some(0), "{page}: {line}\n{outcome}");
                        printed.extend([outcome.stdout, outcome.stderr]);
                        commands += 1;
                    }
                }
                "text" => {
                    for line in body.lines() {
                        assert!(printed.contains(line), "{page}: \"{line}\" is not printed, but\n{printed}");
                    }
                }
                "diff" => self.edits(&format!("{body}\n")),
                other => panic!("{page} has a block of \"{other}\", which nobody follows"),
            }
        }
        assert!(commands > 10, "{page} has {commands} commands");
    }
}

#[test]
fn the_guide_in_rust_makes_a_third_party_connector() {
    let mut reader = Reader::new();
    reader.follows("connector-rust.md");
    // What was installed serves a configuration that knows of no build directory.
    let config = fs::read_to_string(reader.at.join("rivet.yaml")).unwrap();
    let installed = reader.sandbox.path().join("rivet/plugins");
    fs::create_dir_all(&installed).unwrap();
    fs::copy(reader.sandbox.path().join(".local/share/rivet/plugins/libmy_days.so"), installed.join("libmy_days.so"))
        .unwrap();
    reader.sandbox.run(&config.replace("plugins: [target/debug]\n", "")).expect(0, &["── days ──"]);
}

#[test]
fn the_guide_in_c_makes_a_connector() {
    Reader::new().follows("connector-c.md");
}

#[test]
fn a_new_third_party_destination_writes_what_others_read() {
    let mut reader = Reader::new();
    let new = format!("rivet plugin new json-lines --kind destination --api {}", workspace().display());
    reader.types(&new).expect(0, &["cargo build", "cargo test", "rivet run"]);
    reader.types("cd json-lines");
    for command in ["cargo build", "cargo test", "rivet plugin verify target/debug/libjson_lines.so"] {
        reader.types(command).expect(
            0,
            &["nothing_is_visible_before_finish"].map(|trial| if command == "cargo build" { "" } else { trial }),
        );
    }
    reader.types("rivet run --config rivet.yaml").expect(0, &["rows:        3"]);
    reader.types("cat out/*.jsonl").expect(0, &["{\"id\":1,\"name\":\"apple\"}\n", "{\"id\":3,\"name\":null}\n"]);
    reader.types("rivet doctor --config rivet.yaml").expect(0, &["Json-lines(out)"]);
}

/// What only a destination in C does by itself: it has no library that writes JSON.
#[test]
fn a_new_destination_in_c_writes_every_value_or_says_why_not() {
    let mut reader = Reader::new();
    reader.types("rivet plugin new c-lines --kind destination --lang c").expect(0, &["make verify"]);
    reader.types("cd c-lines");
    // The tools that find wrong memory and undefined arithmetic end the process.
    let flags = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all";
    reader.types(&format!("make CFLAGS='{flags}'")).expect(0, &[]);
    let rivet = "LD_PRELOAD=$(cc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 rivet";
    reader.types(&format!("{rivet} plugin verify libc_lines.so")).expect(0, &["0 skipped, 0 failed"]);
    let database = rusqlite::Connection::open(reader.at.join("t.db")).unwrap();
    database.execute_batch(VALUES).unwrap();
    drop(database);
    let config = |query: &str, path: &str| {
        format!(
            "plugins: [libc_lines.so]\nsource: {{ type: sqlite, path: t.db }}\nexports: [{{ name: t, format: csv, \
             query: \"{query}\", destination: {{ type: c-lines, path: '{path}' }} }}]\n"
        )
    };
    let place = "out/a \"b\" ü";
    fs::write(reader.at.join("values.yaml"), config("SELECT * FROM t", place)).unwrap();
    reader.types(&format!("{rivet} run -c values.yaml")).expect(0, &["rows:        3"]);
    let written = fs::read_dir(reader.at.join(place)).unwrap().flatten().next().unwrap();
    let text = fs::read_to_string(written.path()).unwrap();
    let rows: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let expected: Vec<serde_json::Value> = EXPECTED.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows, expected, "{text}");
    for (query, why) in [
        ("SELECT 9e999 AS infinite", "column \"infinite\" has a value that has no form in JSON"),
        ("SELECT x'00ff' AS raw", "column \"raw\" has Arrow format"),
    ] {
        fs::write(reader.at.join("refused.yaml"), config(query, "refused")).unwrap();
        reader.types(&format!("{rivet} run -c refused.yaml")).expect(1, &[why, "explain-error data"]);
        assert_eq!(fs::read_dir(reader.at.join("refused")).map_or(0, Iterator::count), 0, "{query}");
    }
}

const VALUES: &str = r#"
    CREATE TABLE t (id INTEGER PRIMARY KEY, f REAL, s TEXT, d DATE, at TIMESTAMP, b BOOLEAN);
    INSERT INTO t VALUES
        (-9223372036854775808, 0.1, '', '2000-03-01', NULL, NULL),
        (1, 1e300, 'a"b\' || char(1, 10) || 'é', '0001-01-01', '1969-12-31 23:59:59.999999', 1),
        (2, -2.5, NULL, '9999-12-31', '2024-02-29 12:00:00', 0)"#;
const EXPECTED: &str = r#"{"id":-9223372036854775808,"f":0.1,"s":"","d":"2000-03-01","at":null,"b":null}
{"id":1,"f":1e300,"s":"a\"b\\\u0001\né","d":"0001-01-01","at":"1969-12-31T23:59:59.999999","b":true}
{"id":2,"f":-2.5,"s":null,"d":"9999-12-31","at":"2024-02-29T12:00:00.000000","b":false}"#;

#[test]
fn names_and_places_are_checked_before_anything_is_written() {
    let sandbox = Sandbox::new();
    let api = workspace();
    let new = |name: &str, more: &[&str]| {
        let all = [&["plugin", "new", name, "--kind", "source", "--api", api.to_str().unwrap()], more].concat();
        sandbox.rivet(&all)
    };
    for name in ["Crm", "1st", "a_b", "", "é", "match", "rivet-plugin-api", &"a".repeat(65)] {
        new(name, &[]).expect(2, &["hint:"]);
    }
    new("days", &["--output", "out/days"]).expect(0, &["cd out/days"]);
    new("days", &["--output", "out/days"]).expect(2, &["\"out/days\" is not empty", "--output"]);
    new("days", &["--output", "out/days/Cargo.toml"]).expect(1, &["could not write", "Cargo.toml"]);
    new("local", &["--output", "out/local"]).expect(0, &["there is a connector \"local\" already", "plugin list"]);
    sandbox
        .rivet(&["plugin", "new", "x", "--kind", "source", "--api", "out"])
        .expect(2, &["no plug-in API in \"out\""]);
    assert_eq!(sandbox.out(), ["days", "local"]);
    for (api, line) in [("1.0", "\"1.0\""), ("https://x.example/r.git", "{ git = \"https://x.example/r.git\" }")] {
        let place = format!("out/{}", api.len());
        sandbox.rivet(&["plugin", "new", "x", "--kind", "source", "--api", api, "-o", &place]).expect(0, &[]);
        let manifest = fs::read_to_string(sandbox.path().join(place).join("Cargo.toml")).unwrap();
        for package in ["rivet-plugin-api", "rivet-connector-kit"] {
            assert!(manifest.contains(&format!("{package} = {line}\n")), "{manifest}");
        }
    }
}

const VERIFY: &str = "
source:
  options: { path: x.db }
  query: SELECT n, nullif(n % 5, 0) AS maybe FROM t
  rows: 100
  key: n
  nullable_key: maybe
  empty: SELECT n FROM t WHERE n < 0
  wrong: SELECT FROM
  forbidden: [DELETE FROM t]
  echo: SELECT :value AS v
  table: { name: t }
  since: { column: n, instant: 1970-01-01T00:00:51Z, encoding: unix, rows: 50 }
";

#[test]
fn verify_judges_a_bundled_source_by_its_own_options() {
    let sandbox = Sandbox::new();
    let database = rusqlite::Connection::open(sandbox.path().join("x.db")).unwrap();
    database
        .execute_batch(
            "CREATE TABLE t AS WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 100) SELECT n FROM c",
        )
        .unwrap();
    drop(database);
    let library = built().join("librivet_plugin_sqlite.so");
    let verify = |more: &[&str]| sandbox.rivet(&[&["plugin", "verify", library.to_str().unwrap()], more].concat());
    // Without options only what needs none is judged.
    let alone = verify(&[]);
    alone.expect(0, &["source::spec_is_sound", "skipped  it was not said how to open it", "verify.yaml"]);
    sandbox.write("verify.yaml", VERIFY);
    let judged = verify(&[]);
    judged.expect(0, &["source::since_counts_right", "0 failed"]);
    assert!(!judged.stdout.contains("FAILED"), "{judged}");
    // A known count that is not right is a failure with a reason, and nothing else is.
    sandbox.write("other.yaml", &VERIFY.replace("rows: 100", "rows: 99"));
    let wrong = verify(&["--options", "other.yaml", "--filter", "all_rows_arrive", "--json"]);
    assert_eq!(wrong.code, Some(1), "{wrong}");
    let document: serde_json::Value = serde_json::from_str(&wrong.stdout).unwrap();
    assert_eq!((&document["failed"], &document["passed"]), (&1.into(), &0.into()), "{wrong}");
    assert_eq!(document["trials"][0]["why"], "100 rows of 99 arrived");
    // Mistakes are shown with their place, all at once.
    sandbox.write("other.yaml", "source:\n  options: { pth: x.db }\n  qeury: x\n");
    verify(&["-o", "other.yaml"]).expect(2, &["other.yaml:2:14", "`path`?", "other.yaml:3:3", "`query`?", "`rows`"]);
    verify(&["--filter", "no such trial"]).expect(2, &["no trial has \"no such trial\" in its name"]);
}

fn compile(sandbox: &Sandbox, source: &Path) -> PathBuf {
    let library = sandbox.path().join("library.so");
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-shared", "-fPIC", "-I"]).arg(workspace().join("plugin-api/include"));
    let outcome = Outcome::of(command.arg("-o").arg(&library).arg(source));
    assert_eq!(outcome.code, Some(0), "{outcome}");
    library
}

#[test]
fn verify_names_what_is_wrong_with_a_library() {
    let sandbox = Sandbox::new();
    let verify = |path: &Path| sandbox.rivet(&["plugin", "verify", path.to_str().unwrap()]);
    verify(&sandbox.write("text.so", "not a library, but a text that is long enough"))
        .expect(1, &["load::is_a_plugin", "FAILED", "not a shared library"]);
    verify(Path::new("absent.so")).expect(2, &["there is no file \"absent.so\""]);
    // It takes options that it does not know.
    let careless = compile(&sandbox, &workspace().join("tests/fault/c/bad_batch.c"));
    verify(&careless).expect(1, &["source::spec_is_sound", "FAILED  there is no description"]);
    // A batch that lies is refused by name, and the trial that met it fails.
    sandbox.write("verify.yaml", "source: { options: {}, query: words, rows: 6, key: word }\n");
    verify(&careless).expect(1, &["source::all_rows_arrive", "the key has 3 values in 6 rows"]);
    // What loading does to the process is seen.
    let noisy = sandbox.write(
        "noisy.c",
        &fs::read_to_string(workspace().join("tests/fault/c/bad_batch.c")).unwrap().replace(
            "static int32_t init(const RvHost *host, RvError *err) {",
            "#include <signal.h>\n#include <unistd.h>\nint leak(void) { return dup(1); }\n\
             __attribute__((constructor)) static void start(void) { signal(SIGUSR1, SIG_IGN); leak(); }\n\
             static int32_t init(const RvHost *host, RvError *err) {",
        ),
    );
    verify(&compile(&sandbox, &noisy)).expect(
        1,
        &["it also exports \"leak\"", "load::loading_changes_nothing_else", "FAILED  it changed what signals"],
    );
}
