//! Golden cases: a page that says what somebody types and what is printed then. The page itself is what is compared, so
//! that a case is read, reviewed and mended as one file.
#![expect(clippy::unwrap_used, clippy::missing_panics_doc, reason = "tests fail by panicking")]

mod help;
mod page;

pub use help::{codes, command_of, commands, page_of};

use std::path::{Path, PathBuf};
use std::{env, fs};

use rivet_e2e::{Kind, Sandbox, skip};
use rusqlite::Connection;
use snapbox::filter::NormalizeToExpected;
use snapbox::report::{Palette, write_diff};
use snapbox::{Data, Redactions};

/// The small shop that every case finds as `shop.db`.
const SHOP: &str = "
    create table orders (id integer primary key, customer text not null, total decimal(9,2), placed datetime);
    insert into orders values
        (1, 'Ada', 12.50, '2026-03-01 09:00:00'), (2, 'Brook', 7.00, '2026-03-01 10:30:00'),
        (3, 'Ada', null, '2026-03-02 11:00:00'), (4, 'Chen', 99.90, '2026-03-03 08:15:00'),
        (5, 'Brook', 1.25, '2026-03-03 18:45:00');
";

/// Where the pages lie.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// The pages below `folder`, in order.
pub fn pages(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(pages(&path));
        } else if path.extension().is_some_and(|e| e == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether pages are written instead of compared.
pub fn overwrites() -> bool {
    env::var("SNAPSHOTS").is_ok_and(|value| value == "overwrite")
}

/// Follows a page in a directory of its own, and answers how what is printed differs from what the page says. With
/// `SNAPSHOTS=overwrite` the page is written instead. A page that needs a server that is not there is skipped.
pub fn check(path: &Path) -> Result<(), String> {
    let expected = fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mut sandbox = Sandbox::new();
    Connection::open(sandbox.path().join("shop.db")).unwrap().execute_batch(SHOP).unwrap();
    let database = match needed(&expected) {
        None => None,
        Some(kind) => {
            let variable = format!("RIVET_TEST_{}_URL", kind.name().to_uppercase());
            let Ok(url) = env::var(&variable) else {
                skip(&format!("{variable} names no server: use scripts/test"));
                return Ok(());
            };
            sandbox.env("DATABASE_URL", &url);
            sandbox.env("WRONG_URL", url.replace("S3CR3T", "wrong"));
            Some(kind.on(&url, "golden"))
        }
    };
    let followed = page::follow(&expected, &sandbox, database.as_ref())?;
    let (expected, redactions) = (Data::text(expected), redactions(&sandbox));
    let found = NormalizeToExpected::new().redact_with(&redactions).normalize(Data::text(followed), &expected);
    if found == expected {
        return Ok(());
    }
    if overwrites() {
        return fs::write(path, found.to_string()).map_err(|e| e.to_string());
    }
    let mut diff = String::new();
    write_diff(&mut diff, &expected, &found, Some(&path.display()), None, Palette::plain()).unwrap();
    Err(format!("{diff}\nif this is as it should be: SNAPSHOTS=overwrite cargo nextest run -p rivet-cli-cases\n"))
}

/// The server that a page asks for by a line of its own.
fn needed(page: &str) -> Option<Kind> {
    let needs = page.lines().find_map(|line| line.strip_prefix("needs: "))?;
    [Kind::Postgres, Kind::Mysql].into_iter().find(|kind| kind.name() == needs)
}

/// What differs from run to run, and what stands for it.
fn redactions(sandbox: &Sandbox) -> Redactions {
    let mut redactions = Redactions::new();
    redactions.insert("[DIR]", sandbox.path().to_owned()).unwrap();
    redactions.insert("[BUILT]", rivet_e2e::built().to_owned()).unwrap();
    redactions.insert("[VERSION]", env!("CARGO_PKG_VERSION")).unwrap();
    // Columns are padded, so that the blanks in front belong to what varies.
    for (name, pattern) in [
        ("[TIME]", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}(\.[0-9]+)?(\+00:00|Z)"),
        ("[RUN]", r"_(?<redacted>[0-9]{8}T[0-9]{6}\.[0-9]{3})"),
        ("[STAMP]", r"_(?<redacted>[0-9]{8}_[0-9]{6})"),
        ("[DURATION]", r"(?<redacted> *(?-u:\b)([0-9]+ms|[0-9]+\.[0-9]s)(?-u:\b))"),
        ("[RSS]", r"(?<redacted> *(?-u:\b)[0-9]+MB(?-u:\b))"),
        ("[HASH]", r#"plan_hash(:  |":")(?<redacted>[0-9a-f]{16})"#),
        ("[PID]", r"process (?<redacted>[0-9]+)"),
        ("[HOST]", r#"on host "(?<redacted>[^"]+)""#),
        ("[PORT]", r"127\.0\.0\.1:(?<redacted>[0-9]{2,5})"),
        ("[SERVER]", r"server: (PostgreSQL|MariaDB|MySQL|SQLite) (?<redacted>[^,\n]+)"),
    ] {
        redactions.insert(name, regex::Regex::new(pattern).unwrap()).unwrap();
    }
    redactions
}
