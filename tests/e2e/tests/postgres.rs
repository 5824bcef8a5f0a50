//! PostgreSQL to Parquet and CSV: every value as the server prints it itself.

use rivet_e2e::{CANARY, Postgres, Sandbox, read_with};
use serde_json::Value;

const TYPES: &str = r#"
    create table types (
        b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, t text, v varchar(40), raw bytea,
        d date, ts timestamp, tz timestamptz, n numeric, m numeric(12,2), u uuid, j json, jb jsonb);
    insert into types values
        (true, 1, 2, 3, 1.5, 2.5, 'plain', 'short', '\x00ffab', '2024-02-29', '2024-02-29 12:34:56.123456',
         '2024-02-29 12:34:56.123456+05:30', 123.4500, 10.20, '0b9c1b57-9d0c-4a1c-a1a2-0f0e0d0c0b0a', '{"a": 1}', '{"b":[1,null]}'),
        (false, -32768, -2147483648, -9223372036854775808, '-Infinity', '-Infinity', '', '', '', '0001-01-01',
         '0001-01-01 00:00:00', '1900-01-01 00:00:00+00', -0.000000000000000000001, -9999999999.99, '00000000-0000-0000-0000-000000000000', '[]', '"x"'),
        (true, 32767, 2147483647, 9223372036854775807, 'NaN', 'NaN', E'a,"b"\n\tc\r\nd', 'Grüße 🦀', '\x0a', '9999-12-31',
         '9999-12-31 23:59:59.999999', '9999-12-31 23:59:59.999999+00', 'NaN', null, null, '  { "k" : "v" } ', 'null'),
        (null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null),
        (true, 0, 0, 0, '-0', '-0', ' lead', 'trail ', '\x', '1970-01-01', '1969-12-31 23:59:59.999999',
         '2024-03-31 02:30:00 Europe/Berlin', 12345678901234567890123456789012345678901234567890.12345678901234567890, 0,
         'ffffffff-ffff-ffff-ffff-ffffffffffff', '1e5', '100000'),
        (true, 1, 1, 1, 3.4028235e38, 1.7976931348623157e308, '\N', '"', '\xdeadbeef', '2000-02-29', '2000-02-29 00:00:00.000001',
         '2000-02-29 00:00:00.000001+00', 1e-10, 1, '123e4567-e89b-12d3-a456-426614174000', 'true', 'false');"#;

// The two ways in which rows are read: one `COPY`, and page by page, which a statement limit asks for.
const COPY: &str = "statement_timeout_s: 0";
const PAGES: &str = "statement_timeout_s: 60";

fn config(postgres: &Postgres, table: &str, format: &str, way: &str) -> String {
    format!(
        "source: {{ type: postgres, url_env: DATABASE_URL, tuning: {{ {way}, throttle_ms: 0, max_retries: 0 }} }}
exports:
  - name: {table}
    query: select * from {}.{table}
    format: {format}
    destination: {{ type: local, path: out }}
",
        postgres.schema
    )
}

fn sandbox(postgres: &Postgres) -> Sandbox {
    let mut sandbox = Sandbox::new();
    sandbox.env("DATABASE_URL", &postgres.url);
    sandbox
}

#[test]
fn parquet_holds_every_value_of_every_mapped_type() {
    parquet_holds_every_value("e2e_types", COPY);
}

#[test]
fn pages_hold_every_value_of_every_mapped_type() {
    parquet_holds_every_value("e2e_pages", PAGES);
}

fn parquet_holds_every_value(schema: &str, way: &str) {
    let Some(postgres) = Postgres::schema(schema) else { return };
    postgres.sql(TYPES);
    let sandbox = sandbox(&postgres);
    sandbox.run(&config(&postgres, "types", "parquet", way));
    let seen = "BOOLEAN,SMALLINT,INTEGER,BIGINT,FLOAT,DOUBLE,VARCHAR,VARCHAR,BLOB,DATE,TIMESTAMP,\
                TIMESTAMP WITH TIME ZONE,VARCHAR,VARCHAR,VARCHAR,VARCHAR,VARCHAR";
    let Some(found) = read_with("bits.py", &[&sandbox.only("parquet"), seen]) else { return };
    let expected = postgres.sql(
        "select json_build_array(b::text, i2::text, i4::text, i8::text, encode(float4send(f4), 'hex'),
            encode(float8send(f8), 'hex'), t, v, encode(raw, 'hex'), (d - date '1970-01-01')::text,
            (extract(epoch from ts) * 1000000)::bigint::text, (extract(epoch from tz) * 1000000)::bigint::text,
            n::text, m::text, u::text, j::text, jb::text) from types",
    );
    let rows = |text: &str| text.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>();
    assert_eq!(rows(&found).ok(), rows(&expected).ok());
    assert_eq!(found.lines().count(), 6);
}

#[test]
fn csv_goes_back_through_copy_without_a_difference() {
    let Some(postgres) = Postgres::schema("e2e_csv") else { return };
    postgres.sql(TYPES);
    let sandbox = sandbox(&postgres);
    sandbox.run(&config(&postgres, "types", "csv", COPY));
    // Bytes are written as plain hexadecimal, and json has no equality: both are compared as text.
    postgres.sql("create table back (like types); alter table back alter raw type text using '', alter j type text, alter jb type text");
    postgres.copy_from("back", sandbox.only("csv"));
    let sent = "select b, i2, i4, i8, float4send(f4), float8send(f8), t, v, encode(raw, 'hex'), d, ts, tz, n::text, m, u, j::text, jb::text from types";
    let back =
        "select b, i2, i4, i8, float4send(f4), float8send(f8), t, v, raw, d, ts, tz, n::text, m, u, j, jb from back";
    assert_eq!(postgres.sql(&format!("({sent}) except ({back})")), "");
    assert_eq!(postgres.sql(&format!("({back}) except ({sent})")), "");
}

#[test]
fn many_rows_in_many_batches_arrive_once() {
    let Some(postgres) = Postgres::schema("e2e_rows") else { return };
    postgres.sql(
        "create table lines as select i as id, (i * 7919) % 1000003 as part, (i % 50)::numeric(12,2) / 7 as price,
            date '1992-01-01' + (i % 2500)::int as ship, 'comment, number ' || i as comment, i % 3 = 0 as flag
         from generate_series(1, 120000) i; create table back (like lines)",
    );
    for way in [COPY, PAGES] {
        let sandbox = sandbox(&postgres);
        sandbox.run(&config(&postgres, "lines", "csv", way)).expect(0, &["rows:        120000"]);
        postgres.sql("truncate back");
        postgres.copy_from("back", sandbox.only("csv"));
        assert_eq!(postgres.sql("select count(*) from back"), "120000\n");
        let differences = "(table lines except all table back) union all (table back except all table lines)";
        assert_eq!(postgres.sql(differences), "");
    }
}

#[test]
fn a_type_without_a_mapping_is_refused_by_name() {
    let Some(postgres) = Postgres::schema("e2e_unmapped") else { return };
    postgres.sql(
        "create type pair as (a int, b text); create table odd as select 1 as id, row(1, 'x')::pair as both_of_them",
    );
    let sandbox = sandbox(&postgres);
    let outcome = sandbox.try_run(&config(&postgres, "odd", "parquet", COPY));
    if outcome.code == Some(0) {
        // Once composites are mapped, the server's own text output is what arrives.
        let Some(found) = read_with("bits.py", &[&sandbox.only("parquet")]) else { return };
        assert_eq!(found.trim(), r#"["1", "(1,x)"]"#);
    } else {
        outcome.expect(1, &["both_of_them"]);
        assert!(sandbox.out().is_empty(), "{:?}", sandbox.out());
    }
}

#[test]
fn one_failing_export_does_not_stop_the_others() {
    let Some(postgres) = Postgres::schema("e2e_others") else { return };
    postgres.sql("create table good as select 1 as id");
    let sandbox = sandbox(&postgres);
    let bad = "  - name: bad
    query: select * from nowhere.at_all
    format: csv
    destination: { type: local, path: out }
";
    let config = config(&postgres, "good", "csv", COPY).replace("exports:\n", &format!("exports:\n{bad}"));
    sandbox.try_run(&config).expect(1, &["── bad ──", "── good ──", "nowhere.at_all", "42P01"]);
    assert_eq!(sandbox.out().len(), 1);
}

#[test]
fn passwords_are_never_shown_or_stored() {
    let Some(postgres) = Postgres::schema("e2e_secret") else { return };
    postgres.sql("create table t as select 1 as id");
    let mut sandbox = sandbox(&postgres);
    sandbox.env("RUST_LOG", "trace");
    sandbox.env("RUST_BACKTRACE", "1");
    let good = config(&postgres, "t", "csv", COPY);
    let wrong = postgres.url.replace(CANARY, &format!("wrong-{CANARY}"));
    let (before, _) = postgres.url.rsplit_once(':').unwrap();
    let unreachable = format!("{before}:1/rivet");
    let inline = |url: &str| good.replace("url_env: DATABASE_URL", &format!("url: \"{url}\", oops: 1"));
    sandbox.write("password", &wrong);
    let outcomes = [
        sandbox.try_run(&good),
        sandbox.try_run(&good.replace("from e2e", "frm e2e")),
        sandbox.try_run(&good.replace("url_env: DATABASE_URL", "url_file: password")),
        sandbox.try_run(&inline(&postgres.url)),
        sandbox.try_run(&inline(&wrong).replace(", oops: 1", "")),
        sandbox.try_run(&inline(&unreachable).replace(", oops: 1", "")),
        sandbox.try_run(&inline(&postgres.url).replace(", oops: 1", ", tls: banana")),
        sandbox.try_run(&good.replace("exports:", "exprots:")),
    ];
    let codes: Vec<_> = outcomes.iter().filter_map(|o| o.code).collect();
    assert_eq!(codes, [0, 1, 1, 2, 1, 1, 2, 2], "{outcomes:?}");
    for outcome in &outcomes {
        assert!(!outcome.stdout.contains(CANARY) && !outcome.stderr.contains(CANARY), "{outcome}");
    }
    for name in ["metrics", "state files", "state show"] {
        let args: Vec<_> = name.split(' ').chain(["--config", "rivet.yaml"]).collect();
        let outcome = sandbox.rivet(&args);
        assert!(!outcome.stdout.contains(CANARY) && !outcome.stderr.contains(CANARY), "{outcome}");
    }
    for file in std::fs::read_dir(sandbox.path()).unwrap().flatten().filter(|f| f.path().is_file()) {
        let name = file.file_name();
        if name == "rivet.yaml" || name == "password" {
            continue;
        }
        let bytes = std::fs::read(file.path()).unwrap();
        let leaked = bytes.windows(CANARY.len()).any(|w| w == CANARY.as_bytes());
        assert!(!leaked, "{} holds the password", name.display());
    }
}
