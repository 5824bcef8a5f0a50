//! Makes tables to try Rivet on, the same on every machine, and fills them: `seed --target both --users 100000`.
//!
//! It speaks to the servers through their own clients, psql and mariadb or mysql, which everybody has who has a server:
//! libraries for both would be more code than all of Rivet's tests need.
#![expect(clippy::print_stderr, reason = "a tool of the command line says how far it is")]

mod cell;
mod client;
mod engine;
mod random;
mod tables;
mod url;

use std::process::ExitCode;
use std::time::Instant;

use clap::{Parser, ValueEnum};

use engine::Engine;
use tables::{Counts, TABLES, Table};

/// Fill databases with tables to try Rivet on.
///
/// Makes users, orders, events, page_views (30 columns), content_items (wide texts), orders_sparse (ids with gaps) and
/// the view orders_sparse_ordered. The content depends on the numbers alone. Needs the client of each server: psql, and
/// mariadb or mysql.
#[derive(Debug, Parser)]
#[command(name = "seed", version)]
struct Arguments {
    /// Which database to fill.
    #[arg(long, value_enum, default_value = "both")]
    target: Target,
    /// The number of users; there are 2 page views for each, and a content item for every 50.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = number())]
    users: u64,
    /// Orders for each user, on average.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = number())]
    orders_per_user: u64,
    /// Events for each user, on average.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = number())]
    events_per_user: u64,
    /// Rows in one INSERT of MySQL. PostgreSQL is filled by COPY.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = number())]
    batch_size: u64,
    /// The URL of PostgreSQL [default: $RIVET_TEST_POSTGRES_URL, or postgresql://rivet:rivet@127.0.0.1:5432/rivet].
    #[arg(long, value_name = "URL", hide_default_value = true)]
    pg_url: Option<String>,
    /// The URL of MySQL or MariaDB [default: $RIVET_TEST_MYSQL_URL, or mysql://rivet:rivet@127.0.0.1:3306/rivet].
    #[arg(long, value_name = "URL", hide_default_value = true)]
    mysql_url: Option<String>,
    /// Drop these tables first where they exist; without it, that is an error.
    #[arg(long)]
    recreate: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Target {
    Postgres,
    Mysql,
    Both,
}

fn number() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=10_000_000_000)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let counts = Counts {
        users: arguments.users,
        orders: arguments.users.saturating_mul(arguments.orders_per_user),
        events: arguments.users.saturating_mul(arguments.events_per_user),
    };
    let url = |given: &Option<String>, variable: &str, default: &str| {
        given.clone().or_else(|| std::env::var(variable).ok()).unwrap_or_else(|| default.to_owned())
    };
    let mut engines = Vec::new();
    if arguments.target != Target::Mysql {
        let default = "postgresql://rivet:rivet@127.0.0.1:5432/rivet";
        engines.push((Engine::Postgres, url(&arguments.pg_url, "RIVET_TEST_POSTGRES_URL", default)));
    }
    if arguments.target != Target::Postgres {
        let default = "mysql://rivet:rivet@127.0.0.1:3306/rivet";
        engines.push((Engine::Mysql, url(&arguments.mysql_url, "RIVET_TEST_MYSQL_URL", default)));
    }
    // Each server is filled by a thread and a client of its own.
    let done = std::thread::scope(|scope| {
        let fill = |(engine, url): &(Engine, String)| seed(*engine, url, counts, &arguments);
        let running: Vec<_> = engines.iter().map(|target| scope.spawn(move || fill(target))).collect();
        running.into_iter().map(|one| one.join().unwrap_or_else(|_| Err("it panicked".to_owned()))).collect::<Vec<_>>()
    });
    let mut code = ExitCode::SUCCESS;
    for ((engine, _), result) in engines.iter().zip(done) {
        if let Err(error) = result {
            eprintln!("error: could not fill {}: {error}", engine.name());
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Makes and fills all tables of one server.
fn seed(engine: Engine, url: &str, counts: Counts, arguments: &Arguments) -> Result<(), String> {
    let start = Instant::now();
    let client = client::Client::new(engine, url)?;
    let present = client.ask(&engine.present())?;
    if !present.is_empty() && !arguments.recreate {
        let names = present.split_whitespace().collect::<Vec<_>>().join(", ");
        return Err(format!("these exist already: {names}; `--recreate` drops them and makes new ones"));
    }
    let mut session = client.start()?;
    let written = fill(engine, counts, arguments, &mut session);
    // What the client says comes first: when it has ended, writing to it fails for that reason.
    session.finish()?;
    written.map_err(|e| format!("could not write to {}: {e}", engine.client()))?;
    let rows: u64 = TABLES.iter().map(|table| (table.rows)(counts)).sum();
    eprintln!("{}: {rows} rows in {:.1} s", engine.name(), start.elapsed().as_secs_f64());
    Ok(())
}

fn fill(engine: Engine, counts: Counts, arguments: &Arguments, session: &mut client::Session) -> std::io::Result<()> {
    let out = session.input();
    out.extend_from_slice(engine.begin().as_bytes());
    out.extend_from_slice(engine::drop_all().as_bytes());
    for table in TABLES {
        let start = Instant::now();
        let rows = (table.rows)(counts);
        write_table(engine, table, rows, counts, arguments.batch_size, session)?;
        eprintln!("{}: {} ({rows} rows) sent in {:.1} s", engine.name(), table.name, start.elapsed().as_secs_f64());
    }
    session.input().extend_from_slice(engine.end().as_bytes());
    session.flush()
}

fn write_table(
    engine: Engine,
    table: &Table,
    rows: u64,
    counts: Counts,
    batch_size: u64,
    session: &mut client::Session,
) -> std::io::Result<()> {
    session.input().extend_from_slice(engine.create(table).as_bytes());
    let mut batch = engine.batch(table, batch_size);
    for id in 1..=rows {
        batch.row(session.input(), |row| (table.fill)(row, id, counts));
        session.flush_if_full()?;
    }
    batch.end(session.input());
    session.input().extend_from_slice(engine.finish(table).as_bytes());
    session.flush()
}
