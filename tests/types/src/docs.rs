//! The tables of types in the documentation, printed from the cases.

use std::fmt::Write;

use rivet_e2e::workspace;

use crate::{Case, Connector};

const BEGIN: &str = "<!-- The tables below are printed from tests/types; see tests/README.md. -->\n";
const END: &str = "<!-- end of the printed tables -->\n";

/// Compares the page with what it should hold, or writes it.
pub(crate) fn check(connector: Connector, cases: &[Case]) {
    let path = workspace().join(format!("docs/src/connectors/{}.md", connector.name()));
    let page = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (before, rest) = page.split_once(BEGIN).expect("the page has the line at which the tables begin");
    let (_, after) = rest.split_once(END).expect("the page has the line at which the tables end");
    let wanted = format!("{before}{BEGIN}{}\n{END}{after}", tables(cases));
    if crate::is_updating() {
        std::fs::write(&path, wanted).unwrap();
    } else {
        let command = "RIVET_UPDATE_GOLDENS=1 cargo nextest run -p rivet-types docs";
        assert!(page == wanted, "{} is not what the cases say: run {command}", path.display());
    }
}

fn tables(cases: &[Case]) -> String {
    let shown: Vec<_> = cases.iter().filter(|case| case.in_docs).collect();
    let overrides =
        |case: &Case| [case.section("source"), case.section("config")].into_iter().flatten().next().is_some();
    let mut out = String::new();
    table(&mut out, "### By default", ["Database type", "Arrow", "Parquet", "Notes"], &shown, |case| {
        let default = !overrides(case) && !case.is_refused();
        default.then(|| [types(case), kinds(case, "arrow"), kinds(case, "parquet"), notes(case)])
    });
    table(&mut out, "### By override", ["Database type", "Written", "Arrow", "Notes"], &shown, |case| {
        let written = || {
            let lines = ["source", "config"].into_iter().filter_map(|name| case.lines(name)).flatten();
            lines.map(code).collect::<Vec<_>>().join(" ")
        };
        (overrides(case) && !case.is_refused()).then(|| [types(case), written(), kinds(case, "arrow"), notes(case)])
    });
    table(&mut out, "### Refused", ["Database type", "Query or override", "The run says", "Notes"], &shown, |case| {
        let what = ["query", "source", "config"].into_iter().filter_map(|name| case.lines(name)).flatten();
        let says = || case.lines("error").unwrap_or_default().into_iter().map(code).collect::<Vec<_>>().join(" ");
        case.is_refused().then(|| [types(case), what.map(code).collect::<Vec<_>>().join(" "), says(), notes(case)])
    });
    out
}

fn table(out: &mut String, title: &str, heads: [&str; 4], cases: &[&Case], row: impl Fn(&Case) -> Option<[String; 4]>) {
    let rows: Vec<_> = cases.iter().filter_map(|case| row(case)).collect();
    if rows.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(out, "\n{title}\n\n| {} |\n|---|---|---|---|", heads.join(" | "));
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
}

/// The names of the types as code, what is in parentheses as words, and where they are found.
fn types(case: &Case) -> String {
    let name = |name: &str| match name.strip_prefix('(').and_then(|words| words.strip_suffix(')')) {
        Some(words) => words.to_owned(),
        None => code(name),
    };
    let names: Vec<_> = split_names(&case.database_type).into_iter().map(name).collect();
    let mut where_found = Vec::new();
    where_found.extend(case.only.as_ref().map(|only| product(only).to_owned()));
    where_found.extend(case.since.map(|version| format!("since {version}")));
    where_found.extend(case.until.map(|version| format!("until {version}")));
    where_found.extend(case.extension.as_ref().map(|_| "extension".to_owned()));
    let found = if where_found.is_empty() { String::new() } else { format!(" ({})", where_found.join(", ")) };
    format!("{}{found}", names.join(", "))
}

/// Splits at commas outside of parentheses.
fn split_names(names: &str) -> Vec<&str> {
    let mut depth = 0;
    let at_comma = |c: char| {
        depth += i32::from(c == '(') - i32::from(c == ')');
        c == ',' && depth == 0
    };
    names.split(at_comma).map(str::trim).collect()
}

fn product(name: &str) -> &str {
    match name {
        "mariadb" => "MariaDB",
        "mysql" => "MySQL",
        _ => name,
    }
}

/// The distinct types that a section gives its columns.
fn kinds(case: &Case, section: &str) -> String {
    let mut kinds: Vec<String> = Vec::new();
    for line in case.lines(section).unwrap_or_default() {
        let (name, kind) = line.rsplit_once(": ").unwrap_or(("", line));
        let kind = if name.contains(".list.") { format!("list of {kind}") } else { kind.to_owned() };
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.join(", ").replace('|', "\\|")
}

fn notes(case: &Case) -> String {
    case.comment.replace('|', "\\|")
}

/// Text as code in the cell of a table.
fn code(text: &str) -> String {
    let text = text.trim().replace('|', "\\|");
    if text.contains('`') { format!("`` {text} ``") } else { format!("`{text}`") }
}
