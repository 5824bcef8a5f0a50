//! Queries as people write them: comments, semicolons, CTEs, names that need quotes, and results without rows or columns.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::fmt::Write;
use std::fs;

use rivet_e2e::{Database, Kind, Outcome, Sandbox, on_both};

on_both!(
    queries_end_as_people_end_them,
    names_that_need_quotes_survive,
    duplicate_names_get_a_suffix_and_a_warning,
    zero_rows_are_a_success_without_a_file,
    zero_columns_are_refused,
    two_statements_are_refused,
);

const MODES: [&str; 2] = ["full", "incremental\n    cursor_column: id"];

fn run(database: &Database, query: &str, mode: &str) -> (Sandbox, Outcome) {
    let sandbox = database.sandbox(database.url());
    let config = database.config(query, "max_retries: 0, throttle_ms: 0") + &format!("    mode: {mode}\n");
    let outcome = sandbox.try_run(&config);
    (sandbox, outcome)
}

/// Runs each query and its lines under `export` as an export of its own, `q0` and so on, in one run.
fn run_all(database: &Database, exports: &[(&str, String)]) -> Sandbox {
    let sandbox = database.sandbox(database.url());
    let config = database.config("", "max_retries: 0, throttle_ms: 0");
    let mut all = config.split_once("exports:").unwrap().0.to_owned() + "exports:\n";
    for (number, (query, mode)) in exports.iter().enumerate() {
        let one =
            database.config(query, "").split_once("exports:\n").unwrap().1.replace("lines", &format!("q{number}"));
        writeln!(all, "{one}    mode: {mode}").unwrap();
    }
    sandbox.run(&all);
    sandbox
}

/// The lines of the file of an export, in order but for the header.
fn lines_of(sandbox: &Sandbox, export: &str) -> Vec<String> {
    let names = sandbox.out();
    let found: Vec<_> = names.iter().filter(|name| name.starts_with(&format!("{export}_"))).collect();
    assert_eq!(found.len(), 1, "{export}: {names:?}");
    let text = fs::read_to_string(sandbox.path().join("out").join(found[0])).unwrap();
    let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[1..].sort();
    lines
}

/// Whether the server has no `WITH`.
fn is_old(database: &Database) -> bool {
    database.kind() == Kind::Mysql && database.sql("select version()").starts_with("5.6")
}

fn queries_end_as_people_end_them(kind: Kind) {
    kind.each("endings", |database| {
        database.sql("create table t (id int, v varchar(20)); insert into t values (1, 'a'), (2, 'b'), (3, 'c;--')");
        let t = format!("{}.t", database.name());
        let mut queries = vec![
            format!("select id, v from {t};"),
            format!("select id, v from {t} ; \n"),
            format!("select id, v from {t} -- comment"),
            format!("select id, v from {t}; -- comment; and more"),
            format!("select id, v from {t} /* comment; */"),
            format!("-- first; line\nselect id, v /* ' */ from {t}\n-- it's over"),
            format!("select id, v from {t} where v <> ';' and v <> '--' and v <> '/*'"),
            format!("(select id, v from {t})"),
            format!("select id, v from {t} order by id desc"),
            format!("select id, v from {t} where id < 3 union all select 3, 'c;--'"),
            format!("select id, v from {t} limit 100"),
        ];
        if !is_old(database) {
            queries.push(format!("with x as (select id, v from {t}) select id, v from x;"));
            queries.push(format!(
                "-- with\nwith x as (select id, v from {t}), y as (select * from x) select id, v from y -- end"
            ));
        }
        queries.push(match kind {
            Kind::Postgres => {
                format!("select id, v from {t} where v <> $x$;'--$x$ and v <> E'\\'; --' /* a /* nested */ ; */")
            }
            Kind::Mysql => format!("select id, v from {t} where v <> '\\'; --' and v <> \"';\" # comment;"),
        });
        // A limit under a cursor is refused.
        let goes = |query: &str, mode: &str| mode == "full" || !query.contains("limit");
        let exports: Vec<_> = queries
            .iter()
            .flat_map(|query| MODES.map(|mode| (query.as_str(), mode.to_owned())))
            .filter(|(query, mode)| goes(query, mode))
            .collect();
        let sandbox = run_all(database, &exports);
        for (number, export) in exports.iter().enumerate() {
            assert_eq!(lines_of(&sandbox, &format!("q{number}")), ["id,v", "1,a", "2,b", "3,c;--"], "{export:?}");
        }
    });
}

fn names_that_need_quotes_survive(kind: Kind) {
    kind.each("names", |database| {
        let q = database.either("\"", "`");
        let names = [
            "Order",
            "select",
            "größe Ω",
            "with space",
            "a.b",
            "1st",
            "it's",
            "semi;--",
            "a\\b",
            "$1",
            "?",
            "%s",
            "{x}",
        ];
        let doubled = format!("a{q}b");
        let quoted = |name: &str| format!("{q}{}{q}", name.replace(q, &q.repeat(2)));
        let names: Vec<_> = names.into_iter().chain([doubled.as_str()]).collect();
        let mut queries = Vec::new();
        for name in &names {
            let name = quoted(name);
            database.sql(&format!("create table {name} ({name} int); insert into {name} values (1), (2)"));
            queries.push(format!("select {name} from {}.{name}", database.name()));
        }
        let mode = |name: &str| format!("incremental\n    cursor_column: '{}'", name.replace('\'', "''"));
        let modes = names.iter().map(|name| ["full".to_owned(), mode(name)]);
        let exports: Vec<_> =
            queries.iter().zip(modes).flat_map(|(query, modes)| modes.map(|mode| (query.as_str(), mode))).collect();
        let sandbox = run_all(database, &exports);
        for (number, export) in exports.iter().enumerate() {
            let name = names[number / 2];
            let header =
                if name.contains('"') { format!("\"{}\"", name.replace('"', "\"\"")) } else { name.to_owned() };
            assert_eq!(lines_of(&sandbox, &format!("q{number}")), [header.as_str(), "1", "2"], "{export:?}");
        }
    });
}

fn duplicate_names_get_a_suffix_and_a_warning(kind: Kind) {
    kind.each("duplicates", |database| {
        let is_old = is_old(database);
        for mode in MODES {
            let mut headers = Vec::new();
            for _ in 0..2 {
                let (sandbox, outcome) = run(database, "select 1 as id, 2 as a, 3 as a, 4 as a_2, 5 as a", mode);
                if is_old && mode != "full" {
                    // Nothing but WITH can give columns of a query other names.
                    outcome.expect(1, &["Duplicate column name 'a'", "1060"]);
                    assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
                    continue;
                }
                assert_eq!(outcome.code, Some(0), "{mode}: {outcome}");
                outcome.expect(0, &["WARN", "\"a\""]);
                let lines = lines_of(&sandbox, "lines");
                assert_eq!(lines[1], "1,2,3,4,5");
                let mut names: Vec<_> = lines[0].split(',').collect();
                assert_eq!(names[..2], ["id", "a"]);
                names.sort_unstable();
                names.dedup();
                assert_eq!(names.len(), 5, "{names:?}");
                headers.push(lines[0].clone());
            }
            headers.dedup();
            assert!(headers.len() < 2, "{headers:?}");
        }
    });
}

fn zero_rows_are_a_success_without_a_file(kind: Kind) {
    kind.each("zero_rows", |database| {
        database.fill("t", 5);
        for mode in MODES {
            let (sandbox, outcome) = run(database, &format!("select id from {}.t where id > 5", database.name()), mode);
            outcome.expect(0, &["status:      success", "rows:        0", "files:       0"]);
            assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
        }
    });
}

fn zero_columns_are_refused(kind: Kind) {
    kind.each("zero_columns", |database| {
        database.fill("t", 5);
        let query = match kind {
            Kind::Postgres => format!("select from {}.t", database.name()),
            Kind::Mysql => "do 1".to_owned(),
        };
        for mode in MODES {
            let (sandbox, outcome) = run(database, &query, mode);
            outcome.expect(1, &["── lines ──", "the query returns no columns"]);
            assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
        }
    });
}

fn two_statements_are_refused(kind: Kind) {
    kind.each("two", |database| {
        database.fill("t", 5);
        let t = format!("{}.t", database.name());
        let second = [
            format!("select id from {t}; select id from {t}"),
            format!("select id from {t}; drop table {t}"),
            format!("select id from {t} /* ; */ ; -- x\n delete from {t};"),
        ];
        for query in &second {
            for mode in MODES {
                let (sandbox, outcome) = run(database, query, mode);
                outcome.expect(1, &["── lines ──", "status:      failed", "one"]);
                assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
            }
        }
        assert_eq!(database.sql(&format!("select count(*) from {t}")), "5\n");
    });
}
