//! Distributions: what the guide builds, offline from vendored crates, in a directory of its own.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rivet_e2e::{Outcome, Sandbox, built, read_with, workspace};

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// The fenced blocks of the guide with this word behind the fence.
fn blocks(info: &str) -> Vec<String> {
    let text = fs::read_to_string(workspace().join("docs/src/guides/distribution.md")).unwrap();
    let fence = format!("```{info}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// The triple of this machine, which the guide writes as that of most.
fn machine() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned()
}

/// Where compiled crates of these tests stay from one run to the next.
fn shared(name: &str) -> PathBuf {
    let dir = built().parent().unwrap().join("dist-test").join(name);
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The checkout, as git knows it, in `to`. What is there already and the same stays, and is not compiled again.
fn check_out(to: &Path) {
    let listed = Command::new("git").args(["ls-files", "-co", "--exclude-standard"]).current_dir(workspace()).output();
    for name in String::from_utf8(listed.unwrap().stdout).unwrap().lines() {
        let from = workspace().join(name);
        // What was deleted and not committed yet is still listed.
        if from.is_file() {
            write(&to.join(name), &fs::read(&from).unwrap());
        }
    }
}

fn write(path: &Path, bytes: &[u8]) {
    if fs::read(path).ok().as_deref() != Some(bytes) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// The connector on the crate page of `rivet-plugin-api`, as a crate in `to` that lies beside the checkout.
fn write_counter(to: &Path) {
    let page = fs::read_to_string(workspace().join("plugin-api/src/lib.rs")).unwrap();
    let lines = page.lines().take_while(|l| l.starts_with("//!")).map(|l| l.trim_start_matches("//!"));
    let lines = lines.map(|l| l.strip_prefix(' ').unwrap_or(l)).skip_while(|l| *l != "```").skip(1);
    let code: Vec<&str> =
        lines.take_while(|l| *l != "```").filter(|l| !l.starts_with('#') || l.starts_with("#[")).collect();
    write(&to.join("src/lib.rs"), code.join("\n").as_bytes());
    let [library] = &blocks("toml")[..] else { panic!("the guide has other blocks") };
    let package =
        "[package]\nname = \"counter\"\nversion = \"0.7.0\"\nedition = \"2024\"\nlicense = \"MIT\"\n\n[workspace]\n";
    let api = "[dependencies]\nrivet-plugin-api = { path = \"../../../rivet/plugin-api\" }\n";
    write(&to.join("Cargo.toml"), format!("{package}\n{library}\n{api}").as_bytes());
}

/// What the guide begins with: a checkout in `rivet`, and a directory `acme` with `dist.yaml` and a connector.
fn project(place: &Path, kind: &str) -> PathBuf {
    check_out(&place.join("rivet"));
    let acme = place.join("acme");
    write_counter(&acme.join("connectors/counter"));
    let [recipe] = &blocks("yaml dist.yaml")[..] else { panic!("the guide has other blocks") };
    // Quick to compile, and with the crates where the last run of this test left them.
    let ours = format!("vendor: {}\nprofile: dev\nkind: {kind}", shared("vendor").display());
    let recipe = recipe.replace("vendor: vendor", &ours);
    fs::write(acme.join("dist.yaml"), recipe).unwrap();
    acme
}

/// A shell in `acme` that finds `rivet`, cargo and the compiler, and whatever else the guide may type.
fn shell(sandbox: &Sandbox, acme: &Path, script: &str) -> Command {
    let home = std::env::var("HOME").unwrap();
    let mut command = sandbox.command("sh");
    let path = format!("{}:{}", built().display(), std::env::var("PATH").unwrap());
    command.args(["-e", "-c", script]).current_dir(acme).env("PATH", path).env_remove("RUSTFLAGS");
    let rustup = std::env::var("RUSTUP_HOME").unwrap_or_else(|_| format!("{home}/.rustup"));
    command.env("RUSTUP_HOME", rustup).env("CARGO_TARGET_DIR", shared("target")).env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

/// Vendors, with the crates that this machine has already.
fn vendor(sandbox: &Sandbox, acme: &Path) {
    let home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    let script = &blocks("sh")[2];
    assert!(script.contains("--vendor"), "{script}");
    Outcome::of(shell(sandbox, acme, script).env("CARGO_HOME", home)).expect(0, &[]);
}

/// Builds without a network and without the crates that cargo has: only the vendored ones are left.
fn build(sandbox: &Sandbox, acme: &Path, script: &str) -> Outcome {
    let empty = shared("cargo-home");
    assert!(!empty.join("registry/src").exists(), "{} holds crates", empty.display());
    let outcome = Outcome::of(shell(sandbox, acme, script).env("CARGO_HOME", empty).env("CARGO_NET_OFFLINE", "true"));
    outcome.expect(0, &[]);
    outcome
}

/// One export of these rows into `out`.
fn config(source: &str, query: &str) -> String {
    format!(
        "source: {source}
exports: [{{ name: t, query: \"{query}\", format: parquet, destination: {{ type: local, path: out }} }}]
"
    )
}

/// Runs the program alone: exports by the connector of the guide and from a database, as they are and with connectors in
/// processes of their own.
fn exports(program: &Path) {
    for isolate in [&[][..], &["--isolate"]] {
        let sandbox = Sandbox::new();
        let run = |config: &str| {
            sandbox.write("rivet.yaml", config);
            Outcome::of(sandbox.command(program).args(["run", "--config", "rivet.yaml"]).args(isolate))
        };
        let database = sandbox.path().join("x.db");
        let rows = "CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL), (3, 'long ' || hex(zeroblob(99)))";
        rusqlite::Connection::open(&database).unwrap().execute_batch(rows).unwrap();
        run(&config("{ type: sqlite, path: x.db }", "select a, b from t order by a")).expect(0, &["rows:        3"]);
        let file = sandbox.only("parquet");
        let rows =
            read_with("same_as_sqlite.py", &[database.to_str().unwrap(), "select a, b from t order by a", &file]);
        assert!(rows.is_none_or(|rows| rows.trim() == "3"));
        fs::remove_file(file).unwrap();
        run(&config("{ type: counter, rows: 1000 }", "all")).expect(0, &["rows:        1000"]);
        let numbers: Vec<[u32; 1]> = (0..1000).map(|n| [n]).collect();
        let numbers = sandbox.write("numbers.json", &format!("{numbers:?}"));
        let rows = read_with("values.py", &[numbers.to_str().unwrap(), &sandbox.only("parquet")]);
        assert!(rows.is_none_or(|rows| rows.trim() == "1000"));
        // Nothing else is in it, and it says so under its own name.
        let unknown = run(&config("{ type: postgres, url: x }", "select 1"));
        unknown.expect(2, &["\"postgres\"", "`counter`", "more: acme-rivet explain-error"]);
    }
}

/// A call without an end is ended when the linked connector has a process of its own, which is this program once more.
fn hangs_alone(program: &Path) {
    let sandbox = Sandbox::new();
    let endless = "with recursive n (i) as (select 1 union all select i + 1 from n) select count(*) as c from n";
    let source = "{ type: sqlite, path: x.db, tuning: { max_retries: 0 }, \
                  isolation: { mode: process, call_timeout_s: 1 } }";
    sandbox.write("rivet.yaml", &config(source, endless));
    rusqlite::Connection::open(sandbox.path().join("x.db")).unwrap().execute_batch("create table t (a)").unwrap();
    let outcome = Outcome::of(sandbox.command(program).args(["run", "--config", "rivet.yaml"]));
    outcome.expect(1, &["plug-in \"sqlite\"", "within 1 s and was killed", "explain-error plugin.crashed"]);
    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
}

/// The checksums of what was made.
fn sums(dist: &Path, ends: &[&str]) -> Vec<String> {
    let name = |end: &&str| format!("acme-rivet-{}{end}.sha256", machine());
    ends.iter().map(name).map(|name| fs::read_to_string(dist.join(name)).unwrap()).collect()
}

/// The commands of the guide: the build, the look at the one file, and the look at the tarball.
fn guide() -> [String; 3] {
    let [build_it, see_it, _] = &blocks("sh")[..] else { panic!("the guide has other blocks") };
    let (one_file, tarball) = see_it.split_at(see_it.find("tar ").unwrap());
    [build_it, one_file, tarball].map(|text| text.replace(TRIPLE, &machine()))
}

/// Builds in the place where the last run of these tests did, or nothing that was compiled then could be used. Only one
/// test at a time may be there.
fn at_home(sandbox: &Sandbox, kind: &str) -> (PathBuf, Outcome, fs::File) {
    let alone = fs::File::create(shared("").join("lock")).unwrap();
    alone.lock().unwrap();
    let acme = project(&shared("project"), kind);
    for left in ["dist/build/static", "dist/build/tarball", "dist.lock"] {
        let left = acme.join(left);
        let _ = fs::remove_dir_all(&left).or_else(|_| fs::remove_file(&left));
    }
    vendor(sandbox, &acme);
    let outcome = build(sandbox, &acme, &guide()[0]);
    (acme, outcome, alone)
}

/// That the files were made and named.
fn were_made(acme: &Path, outcome: &Outcome, ends: &[&str]) {
    for end in ends {
        let path = acme.join("dist").join(format!("acme-rivet-{}{end}", machine()));
        assert!(path.is_file() && outcome.stdout.contains(path.to_str().unwrap()), "{end}: {outcome}");
    }
}

/// That the program works, wherever it is, and says its own name and no path of this machine.
fn works(program: &Path) {
    exports(program);
    hangs_alone(program);
    let sandbox = Sandbox::new();
    let help = Outcome::of(sandbox.command(program).arg("--help"));
    help.expect(0, &["Usage: acme-rivet", "`acme-rivet plugin list`"]);
    let bytes = fs::read(program).unwrap();
    let place = shared("project").to_str().unwrap().as_bytes().to_vec();
    assert!(!bytes.windows(place.len()).any(|window| window == place), "it holds a path of this machine");
}

/// That the bill of materials and the licences name what is in it and nothing else.
fn papers(bill: &Path, licences: &Path) {
    let bill = fs::read_to_string(bill).unwrap();
    assert!(["\"counter\"", "\"rivet\"", "\"libsqlite3-sys\""].iter().all(|name| bill.contains(name)), "{bill}");
    assert!(!bill.contains("\"rivet-plugin-postgres\"") && !bill.contains("\"clap_derive\""), "{bill}");
    let licences = fs::read_to_string(licences).unwrap();
    assert!(licences.contains("rivet 0.") && licences.contains("Apache License"));
}

const ONE_FILE: [&str; 4] = ["", ".sha256", ".sbom.cdx.json", ".THIRD-PARTY-LICENSES.txt"];
const TARBALL: [&str; 2] = [".tar.gz", ".tar.gz.sha256"];

#[test]
fn one_file_is_built_as_the_guide_says() {
    let sandbox = Sandbox::new();
    let (acme, outcome, _alone) = at_home(&sandbox, "static");
    were_made(&acme, &outcome, &ONE_FILE);
    let [build_it, see_it, _] = guide();
    let dist = acme.join("dist");
    let file = |end: &str| dist.join(format!("acme-rivet-{}{end}", machine()));
    let first = sums(&dist, &[""]);
    let seen = build(&sandbox, &acme, &see_it);
    let whole = format!("acme-rivet 1.2.0 (rivet {})\n", env!("CARGO_PKG_VERSION"));
    assert!(seen.stdout.starts_with(&whole), "{seen}");
    assert_eq!(seen.stdout.matches(" built in\n").count(), 3, "{seen}");
    assert!(!seen.stdout.contains(".so\n"), "{seen}");
    // Under another name, with nothing beside it.
    let alone = sandbox.path().join("acme-rivet");
    fs::copy(file(""), &alone).unwrap();
    works(&alone);
    papers(&file(ONE_FILE[2]), &file(ONE_FILE[3]));
    // The versions are kept, and another build with them makes the same.
    let lock = fs::read_to_string(acme.join("dist.lock")).unwrap();
    assert!(lock.contains("name = \"counter\""));
    build(&sandbox, &acme, &build_it);
    assert_eq!(sums(&dist, &[""]), first);
    assert_eq!(fs::read_to_string(acme.join("dist.lock")).unwrap(), lock);
}

/// Nothing is shared between the two places but the vendored crates, not even the length of a path.
#[test]
#[ignore = "slow"]
fn both_shapes_are_the_same_wherever_they_are_built() {
    let (sandbox, elsewhere) = (Sandbox::new(), Sandbox::new());
    let (acme, outcome, _alone) = at_home(&sandbox, "both");
    were_made(&acme, &outcome, &[&ONE_FILE[..], &TARBALL].concat());
    let [build_it, _, unpack_it] = guide();
    let seen = build(&sandbox, &acme, &unpack_it);
    assert_eq!(seen.stdout.matches("/plugins/lib").count(), 3, "{seen}");
    let unpacked = acme.join(format!("acme-rivet-1.2.0-{}", machine()));
    works(&unpacked.join("acme-rivet"));
    let sums_hold =
        Outcome::of(sandbox.command("sha256sum").args(["--quiet", "-c", "SHA256SUMS"]).current_dir(&unpacked));
    sums_hold.expect(0, &[]);
    for name in ["completions/acme-rivet.bash", "man/acme-rivet.1", "man/acme-rivet-run.1"] {
        assert!(fs::read_to_string(unpacked.join(name)).unwrap().contains("acme-rivet"), "{name}");
    }
    papers(&unpacked.join("sbom.cdx.json"), &unpacked.join("THIRD-PARTY-LICENSES.txt"));
    let place = elsewhere.path().join("much/deeper/than/the/other");
    let other = project(&place, "both");
    vendor(&elsewhere, &other);
    build(&elsewhere, &other, &format!("CARGO_TARGET_DIR={} {build_it}", place.join("target").display()));
    let ends = ["", ".tar.gz"];
    assert_eq!(sums(&acme.join("dist"), &ends), sums(&other.join("dist"), &ends));
}

/// What only cargo knows: versions, and what a crate is.
#[test]
fn what_cargo_finds_wrong_is_shown_where_it_was_asked_for() {
    let sandbox = Sandbox::new();
    let root = workspace();
    let root = root.display();
    let judged = |host: &str, plugin: &str| {
        let recipe = format!("name: acme\nkind: static\nhost: {host}\nplugins:\n  - {plugin}\n");
        fs::write(sandbox.path().join("dist.yaml"), recipe).unwrap();
        build_of(&sandbox)
    };
    let host = format!("{{ path: {root}/host }}");
    let sqlite = |more: &str| format!("{{ crate: rivet-plugin-sqlite, path: {root}/plugins/sqlite{more} }}");
    judged(&host, &sqlite(", version: 9.8.7")).expect(2, &["dist.yaml:5:14", "not 9.8.7", "hint: write `version: "]);
    judged(&host, &format!("{{ crate: acme, path: {root}/plugins/sqlite }}"))
        .expect(2, &["dist.yaml:5:14", "is `rivet-plugin-sqlite`, not `acme`"]);
    judged(&host, &format!("{{ crate: rivet-tidy, path: {root}/tests/tidy }}"))
        .expect(2, &["dist.yaml:5:14", "it is no connector"]);
    judged(&host, &format!("{{ crate: rivet-plugin-base, path: {root}/plugins/base }}"))
        .expect(2, &["dist.yaml:5:14", "has no feature `linked`", "plugins/base/Cargo.toml"]);
    judged(&format!("{{ path: {root}/host, version: 0.0.1 }}"), &sqlite("")).expect(2, &["dist.yaml:3:", "not 0.0.1"]);
    // An API of its own, where it should be the host's.
    let elsewhere = sandbox.path().join("elsewhere");
    check_out(&elsewhere);
    let other = format!("{{ crate: rivet-plugin-sqlite, path: {}/plugins/sqlite }}", elsewhere.display());
    judged(&host, &other)
        .expect(1, &["rivet-plugin-api", "elsewhere/plugin-api", "hint: let the host and all connectors"]);
}

fn build_of(sandbox: &Sandbox) -> Outcome {
    let home = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{}/.cargo", std::env::var("HOME").unwrap()));
    let mut command = shell(sandbox, sandbox.path(), "rivet plugin build-dist dist.yaml");
    Outcome::of(command.env("CARGO_HOME", home).env("CARGO_NET_OFFLINE", "true"))
}
