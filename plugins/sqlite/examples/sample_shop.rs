//! Writes the sample database of the quick start: `sample_shop [PATH]`, by default `shop.db`. The content is the same on
//! every machine, and an existing file is replaced in one step.

use std::error::Error;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, params};

const CUSTOMERS: i64 = 5_000;
const PRODUCTS: i64 = 500;
const ORDERS: i64 = 120_000;

/// Seconds since 1970 of 2024-01-01T00:00:00Z, the first order.
const FIRST_ORDER: i64 = 1_704_067_200;

const SCHEMA: &str = "
    CREATE TABLE customers (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL, email VARCHAR(120), city TEXT, born DATE, newsletter BOOLEAN NOT NULL,
        note TEXT);
    CREATE TABLE products (
        id INTEGER PRIMARY KEY, sku CHAR(8) NOT NULL UNIQUE, title TEXT NOT NULL, price DECIMAL(10,2) NOT NULL, weight REAL,
        thumbnail BLOB, attributes JSON);
    CREATE TABLE orders (
        id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id),
        product_id INTEGER NOT NULL REFERENCES products(id), quantity INTEGER NOT NULL, total DECIMAL(12,2) NOT NULL,
        status TEXT NOT NULL, comment TEXT, ordered_at TIMESTAMP NOT NULL, shipped_on DATE);
    CREATE INDEX orders_by_time ON orders(ordered_at);
    PRAGMA user_version = 1;";

const FIRST_NAMES: [&str; 12] =
    ["Ada", "Zoë", "Søren", "Łucja", "José", "Mei 美", "O'Neil", "Renée", "Björn", "Anaïs", "Иван", "Nuñez"];
const LAST_NAMES: [&str; 10] =
    ["Smith", "d'Arcy", "van der Berg", "Müller", "García, Jr.", "Ōtani", "Kowalski", "Brontë", "Lee", "Ångström"];
const CITIES: [&str; 8] =
    ["Zürich", "São Paulo", "Kraków", "London", "東京", "Washington, D.C.", "'s-Hertogenbosch", "Malmö"];
const GOODS: [&str; 8] = ["Mug", "Lamp", "Chair", "Notebook", "Café press", "Ruler, 12\"", "Teapot", "Desk"];
const STATES: [&str; 5] = ["new", "paid", "shipped", "returned", "cancelled"];
const COMMENTS: [&str; 6] = [
    "Please ring twice",
    "Gift: \"Happy birthday\", wrap it",
    "Leave it at the neighbour's, thanks",
    "line one\nline two",
    "¡Gracias! 🎁",
    "",
];

/// Knuth's 64-bit linear congruential generator: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as i64 % end
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as i64) as usize]
    }

    fn one_in(&mut self, n: i64) -> bool {
        self.below(n) == 0
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let target = std::env::args_os().nth(1).map_or_else(|| PathBuf::from("shop.db"), PathBuf::from);
    // In the same directory, so that the rename is one step.
    let mut temporary = target.clone().into_os_string();
    temporary.push(".tmp");
    let temporary = PathBuf::from(temporary);
    if temporary.exists() {
        std::fs::remove_file(&temporary)?;
    }
    // A log left by the old database would be taken for the new one's.
    for suffix in ["-wal", "-journal", "-shm"] {
        let mut log = target.clone().into_os_string();
        log.push(suffix);
        if Path::new(&log).exists() {
            return Err(format!("\"{}\" is in use", target.display()).into());
        }
    }
    write(&temporary)?;
    std::fs::rename(&temporary, &target)?;
    Ok(())
}

fn write(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut connection = Connection::open(path)?;
    // Until the rename nobody needs this file to survive a crash.
    connection.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")?;
    let transaction = connection.transaction()?;
    transaction.execute_batch(SCHEMA)?;
    let mut random = Random(42);
    customers(&transaction, &mut random)?;
    let prices = products(&transaction, &mut random)?;
    orders(&transaction, &mut random, &prices)?;
    transaction.commit()?;
    connection.execute_batch("ANALYZE;")?;
    connection.close().map_err(|(_, e)| e)?;
    std::fs::File::open(path)?.sync_all()?;
    Ok(())
}

fn customers(connection: &Connection, random: &mut Random) -> rusqlite::Result<()> {
    let mut insert = connection.prepare(
        "INSERT INTO customers VALUES (?1, ?2, ?3, ?4, CASE WHEN ?5 IS NOT NULL THEN date('1940-01-01', ?5 || ' days') END, ?6, ?7)",
    )?;
    for id in 1..=CUSTOMERS {
        let name = format!("{} {}", random.pick(&FIRST_NAMES), random.pick(&LAST_NAMES));
        let email = (!random.one_in(10)).then(|| format!("customer{id}@example.com"));
        let city = (!random.one_in(20)).then(|| random.pick(&CITIES));
        let born = (!random.one_in(5)).then(|| random.below(25_000));
        let note = random.one_in(4).then(|| random.pick(&COMMENTS));
        insert.execute(params![id, name, email, city, born, random.one_in(3), note])?;
    }
    Ok(())
}

/// Returns the prices in cents.
fn products(connection: &Connection, random: &mut Random) -> rusqlite::Result<Vec<i64>> {
    let mut insert = connection.prepare("INSERT INTO products VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
    let mut prices = Vec::new();
    for id in 1..=PRODUCTS {
        let cents = 99 + random.below(50_000);
        let title = format!("{} no. {id}", random.pick(&GOODS));
        let weight = (!random.one_in(8)).then(|| random.below(20_000) as f64 / 1000.0);
        let thumbnail = (!random.one_in(4)).then(|| (0..24).map(|_| random.below(256) as u8).collect::<Vec<_>>());
        let attributes =
            format!("{{\"color\": \"{}\", \"tags\": [\"a\", null]}}", random.pick(&["red", "blue", "weiß"]));
        insert.execute(params![id, format!("SKU{id:05}"), title, decimal(cents), weight, thumbnail, attributes])?;
        prices.push(cents);
    }
    Ok(prices)
}

fn orders(connection: &Connection, random: &mut Random, prices: &[i64]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare(
        "INSERT INTO orders VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, strftime('%Y-%m-%d %H:%M:%S', ?8, 'unixepoch'),
         CASE WHEN ?9 IS NOT NULL THEN date(?9, 'unixepoch') END)",
    )?;
    let mut at = FIRST_ORDER;
    for id in 1..=ORDERS {
        at += random.below(600);
        let product = random.below(PRODUCTS);
        let quantity = 1 + random.below(5);
        let total = decimal(prices[product as usize] * quantity);
        let status = random.pick(&STATES);
        let comment = random.one_in(6).then(|| random.pick(&COMMENTS));
        let shipped = matches!(status, "shipped" | "returned").then(|| at + 86_400 * (1 + random.below(5)));
        let customer = 1 + random.below(CUSTOMERS);
        insert.execute(params![id, customer, product + 1, quantity, total, status, comment, at, shipped])?;
    }
    Ok(())
}

/// Cents as decimal text, which a column of numeric affinity stores as a number.
fn decimal(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
