//! The tables and what is in them.

use std::fmt::Write as _;

use crate::cell::Row;
use crate::random::Random;

/// How many rows the main tables have.
#[derive(Clone, Copy, Debug)]
pub struct Counts {
    pub users: u64,
    pub orders: u64,
    pub events: u64,
}

/// A table.
pub struct Table {
    pub name: &'static str,
    /// Names and types, in the words of PostgreSQL.
    pub columns: &'static [(&'static str, &'static str)],
    /// Columns with an index of their own.
    pub indexes: &'static [&'static str],
    pub rows: fn(Counts) -> u64,
    /// Writes row `id`, from 1 on.
    pub fill: fn(&mut Row<'_>, u64, Counts),
}

/// Numbers the rows of `orders_sparse`, whose ids have gaps.
pub const VIEW: &str = "orders_sparse_ordered";

pub const TABLES: &[Table] = &[
    Table { name: "users", columns: USERS, indexes: &["updated_at"], rows: |c| c.users, fill: user },
    Table { name: "orders", columns: ORDERS, indexes: &["user_id", "updated_at"], rows: |c| c.orders, fill: order },
    Table { name: "events", columns: EVENTS, indexes: &["created_at"], rows: |c| c.events, fill: event },
    // No index on `created_at`, on purpose: `rivet check` has something to say.
    Table { name: "page_views", columns: PAGE_VIEWS, indexes: &[], rows: |c| c.users * 2, fill: page_view },
    Table { name: "content_items", columns: CONTENT, indexes: &[], rows: |c| c.users.div_ceil(50), fill: content_item },
    Table { name: "orders_sparse", columns: SPARSE, indexes: &[], rows: |c| c.users.div_ceil(10), fill: sparse },
];

const USERS: &[(&str, &str)] = &[
    ("id", "serial PRIMARY KEY"),
    ("name", "varchar(100) NOT NULL"),
    ("email", "varchar(150) NOT NULL"),
    ("age", "int"),
    ("balance", "numeric(12,2) NOT NULL"),
    ("is_active", "boolean NOT NULL"),
    ("bio", "text"),
    ("created_at", "timestamp NOT NULL"),
    ("updated_at", "timestamp NOT NULL"),
];

const ORDERS: &[(&str, &str)] = &[
    ("id", "serial PRIMARY KEY"),
    ("user_id", "int NOT NULL"),
    ("product", "varchar(100) NOT NULL"),
    ("quantity", "int NOT NULL"),
    ("price", "numeric(10,2) NOT NULL"),
    ("status", "varchar(20) NOT NULL"),
    ("notes", "text"),
    ("ordered_at", "timestamp NOT NULL"),
    ("updated_at", "timestamp NOT NULL"),
];

const EVENTS: &[(&str, &str)] = &[
    ("id", "bigserial PRIMARY KEY"),
    ("user_id", "int NOT NULL"),
    ("event_type", "varchar(40) NOT NULL"),
    ("payload", "jsonb"),
    ("ip_address", "varchar(45)"),
    ("created_at", "timestamp NOT NULL"),
];

const PAGE_VIEWS: &[(&str, &str)] = &[
    ("id", "bigserial PRIMARY KEY"),
    ("user_id", "int"),
    ("session_id", "char(16) NOT NULL"),
    ("url", "varchar(300) NOT NULL"),
    ("path", "varchar(200) NOT NULL"),
    ("title", "varchar(200)"),
    ("referrer", "varchar(300)"),
    ("browser", "varchar(30)"),
    ("browser_version", "varchar(20)"),
    ("os", "varchar(30)"),
    ("device", "varchar(20)"),
    ("language", "varchar(10)"),
    ("country", "char(2)"),
    ("city", "varchar(60)"),
    ("timezone", "varchar(40)"),
    ("screen_width", "int"),
    ("screen_height", "int"),
    ("viewport_width", "int"),
    ("viewport_height", "int"),
    ("utm_source", "varchar(40)"),
    ("utm_medium", "varchar(40)"),
    ("utm_campaign", "varchar(60)"),
    ("load_time_ms", "int"),
    ("scroll_depth", "int"),
    ("duration_s", "int"),
    ("is_bounce", "boolean NOT NULL"),
    ("is_new", "boolean NOT NULL"),
    ("revenue", "numeric(10,2)"),
    ("tags", "jsonb"),
    ("created_at", "timestamp NOT NULL"),
];

const CONTENT: &[(&str, &str)] = &[
    ("id", "serial PRIMARY KEY"),
    ("title", "varchar(200) NOT NULL"),
    ("slug", "varchar(200) NOT NULL"),
    ("author_id", "int NOT NULL"),
    ("summary", "text"),
    ("body", "text NOT NULL"),
    ("html", "text"),
    ("metadata", "jsonb"),
    ("created_at", "timestamp NOT NULL"),
    ("updated_at", "timestamp NOT NULL"),
];

const SPARSE: &[(&str, &str)] = &[("id", "bigint PRIMARY KEY"), ("payload", "text NOT NULL")];

/// 2023-01-01T00:00:00Z, in seconds since 1970.
const FIRST: u64 = 1_672_531_200;
/// Three years.
const SPAN: u64 = 3 * 365 * 86_400;

const FIRST_NAMES: &[&str] = &["Ada", "Zoë", "Søren", "Łucja", "José", "Mei 美", "O'Neil", "Renée", "Björn", "Иван"];
const LAST_NAMES: &[&str] = &["Smith", "d'Arcy", "Müller", "García, Jr.", "Ōtani", "Kowalski", "Brontë", "Lee"];
const PRODUCTS: &[&str] = &["Mug", "Lamp", "Chair", "Notebook", "Café press", "Ruler, 12\"", "Teapot", "Desk"];
const STATES: &[&str] = &["new", "paid", "shipped", "returned", "cancelled"];
const KINDS: &[&str] = &["login", "logout", "view", "click", "search", "add_to_cart", "purchase", "error"];
const WORDS: &[&str] = &[
    "alpha",
    "export",
    "größe",
    "naïve",
    "данные",
    "東京",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dog",
    "it's",
    "\"quoted\"",
    "comma,",
    "semi;colon",
    "100%",
    "under_score",
    "back\\slash",
    "line\nbreak",
    "parquet",
    "column",
];
const BROWSERS: &[&str] = &["Firefox", "Chrome", "Safari", "Edge"];
const SYSTEMS: &[&str] = &["Linux", "Windows", "macOS", "iOS", "Android"];
const DEVICES: &[&str] = &["desktop", "phone", "tablet"];
const LANGUAGES: &[&str] = &["en-US", "de-CH", "pl-PL", "pt-BR", "ja-JP"];
const COUNTRIES: &[&str] = &["US", "CH", "PL", "BR", "JP"];
const CITIES: &[&str] = &["Washington, D.C.", "Zürich", "Kraków", "São Paulo", "東京"];
const ZONES: &[&str] = &["America/New_York", "Europe/Zurich", "Europe/Warsaw", "America/Sao_Paulo", "Asia/Tokyo"];
const SOURCES: &[&str] = &["newsletter", "search", "partner", "social"];
const PATHS: &[&str] = &["/", "/products", "/products/42", "/cart", "/checkout", "/blog/größe", "/about"];

/// Later rows are newer, so that a cursor moves as it does in life.
fn moment(id: u64, rows: u64, random: &mut Random) -> u64 {
    let place = u128::from(id) * u128::from(SPAN) / u128::from(rows.max(1));
    FIRST + place as u64 + random.below(3600)
}

fn user(row: &mut Row<'_>, id: u64, counts: Counts) {
    let mut random = Random::new("users", id);
    let name = format!("{} {}", random.pick(FIRST_NAMES), random.pick(LAST_NAMES));
    let created = moment(id, counts.users, &mut random);
    row.int(id).text(&name).text(&format!("user{id}@example.com"));
    if random.one_in(10) {
        row.null()
    } else {
        row.int(18 + random.below(70))
    };
    row.cents(random.below(1_000_000)).bool(!random.one_in(5));
    let bio = (!random.one_in(3)).then(|| words(&mut random, 120));
    row.maybe(bio.as_deref()).time(created).time(created + random.below(30 * 86_400));
}

fn order(row: &mut Row<'_>, id: u64, counts: Counts) {
    let mut random = Random::new("orders", id);
    let ordered = moment(id, counts.orders, &mut random);
    row.int(id).int(1 + random.below(counts.users)).text(random.pick(PRODUCTS)).int(1 + random.below(5));
    row.cents(99 + random.below(50_000)).text(random.pick(STATES));
    let notes = random.one_in(6).then(|| words(&mut random, 60));
    row.maybe(notes.as_deref()).time(ordered).time(ordered + random.below(14 * 86_400));
}

fn event(row: &mut Row<'_>, id: u64, counts: Counts) {
    let mut random = Random::new("events", id);
    let at = moment(id, counts.events, &mut random);
    row.int(id).int(1 + random.below(counts.users)).text(random.pick(KINDS));
    if random.one_in(20) {
        row.null();
    } else {
        let mut payload = String::with_capacity(80);
        let (page, ms) = (random.pick(PATHS), random.below(3000));
        let _ = write!(
            payload,
            "{{\"page\": \"{page}\", \"ms\": {ms}, \"tags\": [\"a\", null], \"deep\": {{\"on\": true}}}}"
        );
        row.text(&payload);
    }
    let ip = random.next().to_be_bytes();
    let ip = (!random.one_in(15)).then(|| format!("10.{}.{}.{}", ip[0], ip[1], ip[2]));
    row.maybe(ip.as_deref()).time(at);
}

fn page_view(row: &mut Row<'_>, id: u64, counts: Counts) {
    let mut random = Random::new("page_views", id);
    let (path, place) = (random.pick(PATHS), random.below(5) as usize);
    let at = moment(id, counts.users * 2, &mut random);
    row.int(id);
    if random.one_in(3) {
        row.null()
    } else {
        row.int(1 + random.below(counts.users))
    };
    row.text(&format!("{:016x}", random.next())).text(&format!("https://shop.example{path}?v={}", random.below(99)));
    row.text(path).text(&words(&mut random, 30));
    let referrer = random.one_in(2).then(|| format!("https://search.example/?q={}", random.below(9999)));
    row.maybe(referrer.as_deref()).text(random.pick(BROWSERS)).text(&format!("{}.0", 90 + random.below(60)));
    row.text(random.pick(SYSTEMS)).text(random.pick(DEVICES)).text(LANGUAGES[place]).text(COUNTRIES[place]);
    row.text(CITIES[place]).text(ZONES[place]);
    for (least, span) in [(320, 3520), (480, 1680), (300, 3500), (400, 1600)] {
        row.int(least + random.below(span));
    }
    let campaign = random.one_in(4);
    row.maybe(campaign.then(|| random.pick(SOURCES))).maybe(campaign.then_some("email"));
    row.maybe(campaign.then(|| random.pick(WORDS)));
    row.int(random.below(9000)).int(random.below(101)).int(random.below(1800));
    row.bool(random.one_in(3)).bool(random.one_in(4));
    if random.one_in(30) {
        row.cents(random.below(90_000))
    } else {
        row.null()
    };
    row.text(if random.one_in(2) { "[\"a\", \"b\"]" } else { "[]" }).time(at);
}

/// About 17 KB.
fn content_item(row: &mut Row<'_>, id: u64, counts: Counts) {
    let mut random = Random::new("content_items", id);
    let created = moment(id, counts.users.div_ceil(50), &mut random);
    row.int(id).text(&words(&mut random, 60)).text(&format!("item-{id}")).int(1 + random.below(counts.users));
    row.text(&words(&mut random, 500)).text(&words(&mut random, 8000));
    row.text(&format!("<article><p>{}</p></article>", words(&mut random, 8000)));
    row.text(&format!("{{\"words\": {}, \"draft\": {}}}", random.below(3000), random.one_in(8)));
    row.time(created).time(created + random.below(90 * 86_400));
}

/// Ids with gaps of up to 2000, and a great one in the middle.
fn sparse(row: &mut Row<'_>, id: u64, counts: Counts) {
    let mut random = Random::new("orders_sparse", id);
    let middle = counts.users.div_ceil(10) / 2;
    let jump = if id > middle { 1_000_000_000 } else { 0 };
    row.int(id * 1000 + random.below(1000) + jump).text(&words(&mut random, 40));
}

fn words(random: &mut Random, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 24);
    random.text(WORDS, bytes, &mut text);
    text
}
