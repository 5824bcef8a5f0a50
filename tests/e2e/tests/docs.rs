//! The README and the book tell the truth: their configurations run, and their commands print what is shown.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rivet_e2e::{Mysql, Outcome, Postgres, Sandbox, built, read_with, skip, workspace};

/// One fenced block: the word behind the fence, and what is inside.
struct Block {
    language: String,
    text: String,
}

fn blocks(page: &Path) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in fs::read_to_string(page).unwrap().lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => open = Some(Block { language: language.to_owned(), text: String::new() }),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    blocks
}

fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            pages(&entry.path(), found);
        } else if entry.path().extension().is_some_and(|e| e == "md") {
            found.push(entry.path());
        }
    }
}

/// Text without what differs from run to run: numbers, units, the width of columns, and where things lie.
fn shape(text: &str, sandbox: &Sandbox) -> Vec<String> {
    let output = sandbox.path().join("output");
    let text = text.replace(output.to_str().unwrap(), "…/output").replace(sandbox.path().to_str().unwrap(), "…");
    let text = text.replace(built().to_str().unwrap(), "…/target/release");
    let text = text.replace(workspace().to_str().unwrap(), "…").replace("~/rivet", "…");
    let mut shape = Vec::new();
    for line in text.lines() {
        let mut out = String::new();
        for c in line.chars() {
            let c = if c.is_ascii_digit() || (matches!(c, '.' | ',' | ':') && out.ends_with('#')) { '#' } else { c };
            let repeats = matches!(c, '#' | ' ' | '-' | '─') && out.ends_with(c);
            if !repeats {
                out.push(c);
            }
        }
        for unit in ["KB", "MB", "GB", "ms", "s", "B"] {
            out = out.replace(&format!("#{unit}"), "#").replace(&format!("# {unit}"), "#");
        }
        shape.push(out.trim().to_owned());
    }
    while shape.last().is_some_and(String::is_empty) {
        shape.pop();
    }
    shape
}

/// Runs the commands of a console block and compares what they print on standard output.
fn console(sandbox: &Sandbox, page: &Path, text: &str) {
    let mut rest = text.trim_start_matches("$ ");
    while !rest.is_empty() {
        let (this, next) = rest.split_once("\n$ ").unwrap_or((rest, ""));
        let (command, expected) = this.split_once('\n').unwrap_or((this, ""));
        rest = next;
        let outcome = match command.split_whitespace().collect::<Vec<_>>()[..] {
            ["scripts/test", ..] => continue,
            ["scripts/quickstart"] => Outcome::of(
                sandbox
                    .command(workspace().join("scripts/quickstart"))
                    .args(["--built".as_ref(), built().as_os_str()])
                    .arg(sandbox.path().join("output")),
            ),
            ["rivet", ref args @ ..] => sandbox.rivet(args),
            _ => panic!("{}: the test does not know how to run \"{command}\"", page.display()),
        };
        assert_eq!(outcome.code, Some(0), "{}: {command}\n{outcome}", page.display());
        let found = shape(outcome.stdout.trim_start(), sandbox);
        let expected = shape(expected.trim_start(), sandbox);
        assert_eq!(found, expected, "{}: {command}\n{outcome}", page.display());
    }
}

fn indented(text: &str, by: usize) -> String {
    text.lines().flat_map(|line| [&" ".repeat(by), line, "\n"].map(str::to_owned)).collect()
}

/// The keys of a source, with its type where they do not name one.
fn under_source(keys: &str) -> String {
    let whole = if keys.contains("type:") { "" } else { "  type: sqlite\n  path: shop.db\n" };
    format!("source:\n{whole}{}", indented(keys, 2))
}

const FRAGMENT: &str = "source: { type: sqlite, path: shop.db }
exports:
  - name: fragment
    mode: incremental
    format: csv
    destination: { type: local, path: out }
";

/// What overrides of types stand under.
const OF_PRICES: &str = "query: SELECT id, total AS price FROM orders\ncursor_column: id\n";

const TO_A_STORE: &str = "source: { type: sqlite, path: shop.db }
exports:
  - name: fragment
    query: SELECT 1
    format: csv
";

/// Runs an incremental export of the sample shop with these keys.
fn under_export(keys: &str) {
    let sandbox = Sandbox::new();
    make_shop(&sandbox);
    sandbox.run(&format!("{FRAGMENT}{}", indented(keys, 4)));
}

fn make_shop(sandbox: &Sandbox) {
    let outcome = Outcome::of(sandbox.command(built().join("examples/sample_shop")).arg("shop.db"));
    assert_eq!(outcome.code, Some(0), "{outcome}");
}

/// Loads a configuration that is only a source, whose variables are set.
fn source_alone(text: &str) {
    let mut sandbox = Sandbox::new();
    for line in text.lines() {
        if let Some((_, name)) = line.split_once("_env:") {
            sandbox.env(name.trim(), "something");
        }
    }
    sandbox.run(&format!("{text}\nexports: []\n"));
}

/// Follows a page as a reader does: configurations become `rivet.yaml`, commands are run in order.
fn follow(page: &Path) {
    let blocks = blocks(page);
    let mut sandbox = Sandbox::new();
    // A database of its own: `rivet init` looks at all that is in it.
    let is_init = |b: &Block| b.text.lines().any(|line| line.starts_with("rivet init"));
    let postgres = if blocks.iter().any(|b| b.text.contains("type: postgres") || is_init(b)) {
        let Some(server) = Postgres::schema("docs") else { return };
        server.sql("drop database if exists rivet_docs");
        server.sql("create database rivet_docs");
        let shop = Postgres::on(&format!("{}/rivet_docs", server.url.rsplit_once('/').unwrap().0), "shop");
        shop.sql("create table orders as select i as id, 'note ' || i as note, now() as placed from generate_series(1, 100) i");
        sandbox.env("DATABASE_URL", &shop.url);
        Some((shop, server))
    } else {
        None
    };
    let mysql = if blocks.iter().any(|b| b.text.contains("type: mysql")) {
        let Ok(url) = std::env::var("RIVET_TEST_MYSQL_URL") else {
            return skip("RIVET_TEST_MYSQL_URL names no server: use scripts/test");
        };
        let mysql = Mysql::on(&url, "shop");
        mysql.sql("create table orders as select 1 as id, 1.50 as total, 'raw' as raw");
        sandbox.env("DATABASE_URL", format!("{}/shop", url.rsplit_once('/').unwrap().0));
        Some(mysql)
    } else {
        None
    };
    // The README's quickstart makes its own.
    let wants_shop = |b: &Block| b.language == "yaml" && b.text.contains("shop.db") && b.text.contains("exports:");
    if blocks.iter().any(wants_shop) {
        make_shop(&sandbox);
    }
    let mut config = "";
    for block in &blocks {
        match block.language.as_str() {
            // Only a source: what it may hold is checked, nothing is read.
            "yaml" if block.text.starts_with("source:") && !block.text.contains("\nexports:") => {
                source_alone(&block.text);
            }
            // Keys of a source or an export, without what is around them.
            "yaml" if block.text.starts_with("# under source:") => source_alone(&under_source(&block.text)),
            "yaml" if block.text.starts_with("# under an export") => under_export(&block.text),
            "yaml" if block.text.starts_with("types:") => under_export(&format!("{OF_PRICES}{}", block.text)),
            "yaml" if block.text.starts_with("# a whole source") => source_alone(&block.text),
            // Of a store: `tests/stores` runs them in one.
            "yaml" if block.text.starts_with("destination:") => {}
            // Its bytes are for the commands behind it.
            "yaml" if block.text.contains("format: arrow") && block.text.contains("type: stdout") => {
                sandbox.write("rivet.yaml", &block.text);
            }
            "yaml" => {
                config = &block.text;
                sandbox.run(config);
            }
            // What a mistyped key of that configuration looks like.
            "text" if block.text.starts_with("error:") => {
                let outcome = sandbox.try_run(&config.replace("format:", "fromat:"));
                assert_eq!(shape(&outcome.stderr, &sandbox), shape(&block.text, &sandbox), "{outcome}");
            }
            "console" => console(&sandbox, page, &block.text),
            "sh" | "text" | "" => commands(&sandbox, page, &block.text),
            _ => {}
        }
    }
    drop(mysql);
    if let Some((shop, server)) = postgres {
        drop(shop);
        server.sql("drop database rivet_docs");
    }
}

/// Lines that look like commands and are not run, and why.
const NOT_RUN: [(&str, &str); 3] = [
    ("scripts/test", "this is one of its tests"),
    ("rivet run --config rivet.yaml --resume", "it wants a run that failed: tests/e2e/tests/chunked.rs has some"),
    ("rivet check --config PATH [", "a synopsis"),
];

/// The lines of a block that a reader types.
fn typed(text: &str) -> impl Iterator<Item = &str> {
    let is_command = |line: &&str| line.starts_with("rivet ") || line.starts_with("scripts/");
    text.lines().filter(is_command).filter(|line| !NOT_RUN.iter().any(|(skipped, _)| line.starts_with(skipped)))
}

/// Runs the commands of a block that shows no output. Those that begin with `rivet init` have a directory without a
/// configuration.
fn commands(sandbox: &Sandbox, page: &Path, text: &str) {
    // These guides build connectors and distributions: tests/e2e/tests/authoring.rs, adbc.rs and dist.rs follow them.
    let name = page.file_name().unwrap_or_default().to_string_lossy();
    if name.starts_with("connector-") || name == "adbc.md" || name == "distribution.md" {
        return;
    }
    let begins = typed(text).next().is_some_and(|line| line.starts_with("rivet init"));
    let fresh = begins.then(|| sandbox.copy());
    if let Some(fresh) = &fresh {
        let _ = fs::remove_file(fresh.path().join("rivet.yaml"));
    }
    for line in typed(text) {
        let outcome = Outcome::of(&mut shell(fresh.as_ref().unwrap_or(sandbox), line));
        assert_eq!(outcome.code, Some(0), "{}: {line}\n{outcome}", page.display());
    }
}

/// A line of a reader's shell, which finds the binary, and Python and DuckDB where there are.
fn shell(sandbox: &Sandbox, line: &str) -> Command {
    let python = std::env::var("RIVET_TEST_PYTHON").unwrap_or_default();
    let python = Path::new(&python).parent().unwrap_or(Path::new(""));
    let path = format!("{}:{}:{}", built().display(), python.display(), std::env::var("PATH").unwrap_or_default());
    let mut command = sandbox.command("bash");
    command.args(["-o", "pipefail", "-c", line]).env("PATH", path);
    command
}

/// One test for all pages: their configurations name the same tables, so they cannot run at once.
#[test]
fn the_readme_and_the_book_do_what_they_show() {
    let found = shown_pages();
    for page in &found {
        follow(page);
    }
    // What is not run is there.
    let all: String = found.iter().map(|page| fs::read_to_string(page).unwrap()).collect();
    for (line, why) in NOT_RUN {
        assert!(all.contains(&format!("\n{line}")) || all.contains(&format!("$ {line}")), "{line} ({why})");
    }
}

/// The README, the book, and the page of each connector.
fn shown_pages() -> Vec<PathBuf> {
    let mut found = vec![workspace().join("README.md")];
    pages(&workspace().join("docs/src"), &mut found);
    let plugins = fs::read_dir(workspace().join("plugins")).unwrap().flatten();
    found.extend(plugins.map(|plugin| plugin.path().join("README.md")).filter(|page| page.exists()));
    found
}

/// Editors check by the schema: what the pages show must not be flagged.
#[test]
fn the_schema_takes_what_the_pages_show() {
    let sandbox = Sandbox::new();
    let schema = sandbox.rivet(&["schema", "config"]);
    assert_eq!(schema.code, Some(0), "{schema}");
    let schema = sandbox.write("rivet.schema.json", &schema.stdout);
    let mut count = 0;
    for block in shown_pages().iter().flat_map(|page| blocks(page)).filter(|block| block.language == "yaml") {
        let text = &block.text;
        let is_source = text.starts_with("source:") && !text.contains("\nexports:");
        let whole = match text {
            _ if text.starts_with("# under source:") => format!("{}\nexports: []\n", under_source(text)),
            _ if text.starts_with("types:") => format!("{FRAGMENT}{}", indented(&format!("{OF_PRICES}{text}"), 4)),
            _ if text.starts_with("# under an export") => format!("{FRAGMENT}{}", indented(text, 4)),
            _ if text.starts_with("destination:") => format!("{TO_A_STORE}{}", indented(text, 4)),
            _ if is_source || text.starts_with("# a whole source") => format!("{text}\nexports: []\n"),
            _ => text.clone(),
        };
        // A key for one mode stands in another one there.
        let whole = if text.contains("mode:") {
            whole.replace("    mode: incremental\n    format: csv", "    format: csv")
        } else {
            whole
        };
        sandbox.write(&format!("{count:03}.yaml"), &whole);
        count += 1;
    }
    assert!(count > 10, "there are {count} blocks");
    let Some(said) = read_with("schema.py", &[schema.to_str().unwrap(), sandbox.path().to_str().unwrap()]) else {
        return;
    };
    let wrong = said.lines().filter(|line| !line.ends_with(": ok")).map(|line| {
        let name = line.split(':').next().unwrap_or_default();
        let text = fs::read_to_string(sandbox.path().join(format!("{name}.yaml"))).unwrap();
        format!("{line}\n{text}")
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_second_quickstart_works_too() {
    let sandbox = Sandbox::new();
    for run in 1..=2 {
        let outcome = Outcome::of(
            sandbox
                .command(workspace().join("scripts/quickstart"))
                .args(["--built".as_ref(), built().as_os_str()])
                .arg(sandbox.path().join("output")),
        );
        outcome.expect(0, &["── orders ──", "── orders_csv ──", "status:      success"]);
        // What it names as the next steps, from where it says.
        for line in outcome.stdout.lines().filter_map(|line| line.strip_prefix("  rivet ")) {
            let line = format!("cd output && rivet {line}");
            Outcome::of(&mut shell(&sandbox, &line)).expect(0, &[]);
        }
        let names = fs::read_dir(sandbox.path().join("output")).unwrap().flatten().map(|e| e.path());
        let of = |extension: &str, names: &[PathBuf]| {
            names.iter().filter(|p| p.extension().is_some_and(|e| e == extension)).count()
        };
        let names: Vec<_> = names.collect();
        assert_eq!((of("parquet", &names), of("csv", &names)), (run, run), "{names:?}");
    }
}

#[test]
fn every_page_is_in_the_summary_and_every_link_leads_somewhere() {
    let src = workspace().join("docs/src");
    let mut found = vec![workspace().join("README.md"), workspace().join("tests/README.md")];
    pages(&src, &mut found);
    let summary = fs::read_to_string(src.join("SUMMARY.md")).unwrap();
    let mut broken = Vec::new();
    for page in &found {
        if let Ok(name) = page.strip_prefix(&src)
            && name != Path::new("SUMMARY.md")
            && !summary.contains(&format!("({})", name.display()))
        {
            broken.push(format!("{} is not in SUMMARY.md", name.display()));
        }
        for link in fs::read_to_string(page).unwrap().split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.contains("://") && !target.is_empty() && !page.parent().unwrap().join(target).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}
