//! Exports of tables that others work on at the same time: writers whose transactions end late and out of order, and an
//! administrator who ends sessions.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests fail by panicking, and print what they measured")]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use rivet_e2e::{Database, Kind, Sandbox, on_both};
use rusqlite::Connection;

on_both!(
    each_version_is_exported_once_or_came_behind_the_cursor,
    with_a_lag_nothing_comes_behind_the_cursor,
    a_chunk_whose_session_is_ended_is_read_once_more,
);

/// Runs of an export in the sampled form of a test, and in the whole one.
const SOME: usize = 30;
const ALL: usize = 200;
/// The oldest number of an open transaction is never this far behind the newest, where writers heed it.
const LAG: u64 = 150;

#[test]
#[ignore = "slow"]
fn two_hundred_runs_beside_writers_lose_nothing() {
    for kind in [Kind::Postgres, Kind::Mysql] {
        beside_writers(kind, "concurrent_all", ALL, None);
        beside_writers(kind, "concurrent_all_lag", ALL, Some(LAG));
    }
}

fn each_version_is_exported_once_or_came_behind_the_cursor(kind: Kind) {
    beside_writers(kind, "concurrent", SOME, None);
}

fn with_a_lag_nothing_comes_behind_the_cursor(kind: Kind) {
    beside_writers(kind, "concurrent_lag", SOME, Some(LAG));
}

/// What a row was for a while: its key, how often it was changed, and the cursor value of that change.
type Version = (u64, u64, u64);

/// A transaction that was committed: its versions, and between which instants it was.
struct Committed {
    versions: Vec<Version>,
    earliest: Instant,
    latest: Instant,
}

/// One run: its window, what it wrote, and when it went on.
struct Run {
    after: u64,
    upto: u64,
    rows: Vec<Version>,
    began: Instant,
    ended: Instant,
}

/// What writers share. Gives out cursor values as a sequence does: at once, whenever the transaction ends that takes them.
struct Sequence {
    next: AtomicU64,
    open: Mutex<BTreeSet<u64>>,
    lag: Option<u64>,
    /// How long the last run took, in milliseconds.
    pace: AtomicU64,
    is_over: AtomicBool,
}

impl Sequence {
    /// The first of `count` values. With a lag, waits until no open transaction has one that is too old.
    fn take(&self, count: u64) -> u64 {
        loop {
            let mut open = self.open.lock().unwrap();
            let next = self.next.load(Ordering::SeqCst);
            let oldest = open.first().copied().unwrap_or(next);
            if self.lag.is_none_or(|lag| next + count - oldest < lag) {
                self.next.store(next + count, Ordering::SeqCst);
                open.insert(next);
                return next;
            }
            drop(open);
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(&self, first: u64) {
        self.open.lock().unwrap().remove(&first);
    }
}

/// Inserts and changes rows of its own, some in each transaction, which stays open for as long as so many runs take.
fn write(database: &Database, number: u64, runs: u64, sequence: &Sequence) -> Vec<Committed> {
    let (mut present, mut log) = (Vec::<(u64, u64)>::new(), Vec::new());
    for step in 1_u64.. {
        if sequence.is_over.load(Ordering::SeqCst) {
            break;
        }
        let pause = Duration::from_millis(runs * sequence.pace.load(Ordering::SeqCst));
        let sleep = match database.kind() {
            Kind::Postgres => format!("select pg_sleep({})", pause.as_secs_f64()),
            Kind::Mysql => format!("do sleep({})", pause.as_secs_f64()),
        };
        let first = sequence.take(5);
        let mut after = present.clone();
        let (mut statements, mut versions) = (vec!["begin".to_owned()], Vec::new());
        for seq in first..first + 5 {
            // Two are new rows; the others change one, the same one again now and then.
            let (id, version) = if seq % 5 < 2 || after.is_empty() {
                after.push((number * 1_000_000 + seq, 1));
                let id = number * 1_000_000 + seq;
                statements.push(format!("insert into t values ({id}, 1, {seq})"));
                (id, 1)
            } else {
                let place = (seq * 7919) as usize % after.len();
                let (id, version) = &mut after[place];
                *version += 1;
                statements.push(format!("update t set version = {version}, seq = {seq} where id = {id}"));
                (*id, *version)
            };
            statements.push(format!("insert into history values ({id}, {version}, {seq})"));
            versions.push((id, version, seq));
        }
        let is_kept = step % 7 != 0;
        let end = if is_kept { "commit" } else { "rollback" };
        let start = Instant::now();
        database.sql(&format!("{}; {sleep}; {end}", statements.join("; ")));
        let latest = Instant::now();
        sequence.end(first);
        if is_kept {
            present = after;
            log.push(Committed { versions, earliest: start + pause, latest });
        }
    }
    log
}

fn beside_writers(kind: Kind, name: &str, runs: usize, lag: Option<u64>) {
    kind.each(name, |database| {
        database.sql(
            "create table t (id bigint primary key, version bigint, seq bigint);
             create index by_seq on t (seq); create table history (id bigint, version bigint, seq bigint)",
        );
        let (pace, is_over) = (AtomicU64::new(100), AtomicBool::new(false));
        let sequence = Sequence { next: AtomicU64::new(1), open: Mutex::default(), lag, pace, is_over };
        let mut export = Export::new(database, lag);
        let log = thread::scope(|scope| {
            let start = |(number, runs)| {
                scope.spawn({
                    let sequence = &sequence;
                    move || write(database, number, runs, sequence)
                })
            };
            let writers = [(1, 0), (2, 1), (3, 3)].map(start);
            let end = End(&sequence);
            for _ in 0..runs {
                let took = export.run(lag);
                sequence.pace.store(took.as_millis() as u64, Ordering::SeqCst);
            }
            drop(end);
            writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect::<Vec<_>>()
        });
        // What a lag has left, and what came last.
        export.run(None);
        judge(database, &log, &export.runs, lag.is_some());
    });
}

/// Lets the writers end, also when a run fails.
struct End<'a>(&'a Sequence);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

/// An incremental export, run again and again.
struct Export {
    sandbox: Sandbox,
    config: String,
    seen: HashSet<String>,
    runs: Vec<Run>,
}

impl Export {
    fn new(database: &Database, lag: Option<u64>) -> Self {
        let query = format!("select id, version, seq from {}.t", database.name());
        let config = database.config(&query, "profile: fast, max_retries: 0")
            + "    mode: incremental\n    cursor_column: seq\n"
            + &lag.map(|lag| format!("    cursor_lag: {lag}\n")).unwrap_or_default();
        Self { sandbox: database.sandbox(database.url()), config, seen: HashSet::new(), runs: Vec::new() }
    }

    /// Runs, with the lag or without, and answers how long it took.
    fn run(&mut self, lag: Option<u64>) -> Duration {
        let lines = self.config.lines().filter(|line| lag.is_some() || !line.contains("cursor_lag"));
        let config: String = lines.flat_map(|line| [line, "\n"]).collect();
        let began = Instant::now();
        self.sandbox.run(&config);
        let ended = Instant::now();
        let mut rows = Vec::new();
        for name in self.sandbox.out() {
            if self.seen.insert(name.clone()) {
                let text = fs::read_to_string(self.sandbox.path().join("out").join(name)).unwrap();
                rows.extend(text.lines().skip(1).map(version));
            }
        }
        let state = Connection::open(self.sandbox.path().join(".rivet_state.db")).unwrap();
        let stored = "select coalesce(max(cast(last_cursor_value as integer)), 0) from export_state";
        let upto = state.query_row(stored, [], |row| row.get(0)).unwrap();
        let after = self.runs.last().map_or(0, |run| run.upto);
        self.runs.push(Run { after, upto, rows, began, ended });
        ended - began
    }
}

/// A version as it stands in a file, or as a server's client prints it.
fn version(line: &str) -> Version {
    let mut cells = line.split([',', '|', '\t']).map(|cell| cell.parse::<u64>().unwrap());
    let mut next = || cells.next().unwrap();
    (next(), next(), next())
}

/// Holds what was exported against what was committed. A run sees a version when its transaction was committed before
/// the run read, and no later one has replaced it by then; it exports what it sees within its window. Where a commit and
/// a run were under way together, either may be: then all of a transaction is seen or nothing, and with it everything
/// that was committed before.
fn judge(database: &Database, log: &[Committed], runs: &[Run], lags: bool) {
    let history: HashSet<Version> = database.sql("select id, version, seq from history").lines().map(version).collect();
    let logged: HashSet<Version> = log.iter().flat_map(|transaction| transaction.versions.iter().copied()).collect();
    assert_eq!(history, logged, "the log is not what the database says");
    let of: HashMap<(u64, u64), &Committed> =
        log.iter().flat_map(|t| t.versions.iter().map(move |(id, version, _)| ((*id, *version), t))).collect();
    let mut exported = HashSet::new();
    let mut windows = BTreeMap::new();
    for run in runs {
        let mut saw = run.began;
        for row in &run.rows {
            assert!(exported.insert(*row), "{row:?} was exported twice");
            assert!(history.contains(row), "{row:?} was never committed");
            assert!(row.2 > run.after && row.2 <= run.upto, "{row:?} is not in ({}, {}]", run.after, run.upto);
            saw = saw.max(of[&(row.0, row.1)].earliest);
        }
        if run.upto > run.after {
            windows.insert(run.upto, (run, saw));
        }
    }
    let (mut late, mut replaced, mut close) = (0, 0, 0);
    for transaction in log {
        let mut whole = HashMap::new();
        for row in &transaction.versions {
            let (_, (run, saw)) = windows.range(row.2..).next().expect("no window holds it");
            let successor = of.get(&(row.0, row.1 + 1));
            let (in_time, too_late) = (transaction.latest < *saw, transaction.earliest > run.ended);
            let may_be_replaced = successor.is_some_and(|next| next.earliest < run.ended);
            let is_replaced = successor.is_some_and(|next| next.latest < *saw);
            let is_exported = exported.contains(row);
            if is_exported {
                assert!(!too_late && !is_replaced, "{row:?} was exported, and was not there to see");
            } else {
                assert!(
                    may_be_replaced || !in_time,
                    "{row:?} is missing, and was committed before its window was read"
                );
                assert!(may_be_replaced || !lags, "{row:?} is missing in spite of the lag");
                late += u32::from(!may_be_replaced);
                replaced += u32::from(is_replaced);
            }
            if !may_be_replaced {
                let others = *whole.entry(run.upto).or_insert(is_exported);
                assert_eq!(is_exported, others, "{row:?}: a part of a transaction was exported");
            }
            close += u32::from(!in_time && !too_late);
        }
    }
    println!(
        "{}: {} versions committed, {} exported by {} runs, {late} missing behind the cursor, {replaced} replaced before, \
         {close} committed while their window was read",
        database.kind().name(),
        history.len(),
        exported.len(),
        runs.len()
    );
    assert!(lags || late > 0, "no row was committed behind the cursor: this shows nothing");
}

const CHUNK: u32 = 1000;

/// One row of each chunk takes the server a second, in which the session is ended.
fn a_chunk_whose_session_is_ended_is_read_once_more(kind: Kind) {
    kind.each("killed", |database| {
        if !database.merges_subqueries() {
            // Each chunk would run the whole query, with the pauses of all of them.
            return;
        }
        // A session that PostgreSQL ends may mean that the server shuts down, so that the next attempt waits for 15 s.
        let chunks = if kind == Kind::Postgres { 4 } else { 8 };
        database.fill("t", chunks * CHUNK);
        let pause = database.either("pg_sleep(1)", "sleep(2)");
        let note = format!("case when id % {CHUNK} = 500 then concat(note, {pause}) else note end");
        let query = format!("select id, {note} as note from {}.t", database.name());
        let config = database.config(&query, "profile: fast, max_retries: 1, retry_backoff_ms: 10")
            + &format!("    mode: chunked\n    chunk_column: id\n    chunk_size: {CHUNK}\n    parallel: 4\n");
        let sandbox = database.sandbox(database.url());
        let running = sandbox.start(&config);
        let (start, mut ended) = (Instant::now(), BTreeSet::new());
        while ended.len() < chunks as usize {
            for (chunk, session) in chunks_under_way(database) {
                if !ended.contains(&chunk) && end(database, session) {
                    ended.insert(chunk);
                }
            }
            assert!(start.elapsed() < Duration::from_mins(1), "only {ended:?} were ended: {}", sandbox.log());
        }
        assert_eq!(running.wait_for(Duration::from_mins(1)), Some(0), "{}", sandbox.log());
        let summary = [format!("rows:        {}", chunks * CHUNK), format!("retries:     {chunks}")];
        assert!(summary.iter().all(|line| sandbox.log().contains(line)), "{}", sandbox.log());
        let read = |name: &String| fs::read_to_string(sandbox.path().join("out").join(name)).unwrap();
        let files: Vec<_> = sandbox.out().iter().map(read).collect();
        let id = |line: &str| line.split(',').next().unwrap().parse::<u32>().unwrap();
        let mut ids: Vec<_> = files.iter().flat_map(|text| text.lines().skip(1).map(id)).collect();
        ids.sort_unstable();
        assert!(ids.iter().copied().eq(1..=chunks * CHUNK), "{} rows", ids.len());
        let report = sandbox.rivet(&["state", "chunks", "--config", "rivet.yaml", "--export", "lines"]);
        let attempts = |line: &str| line.split_whitespace().nth(4)?.parse::<u32>().ok();
        let attempts: Vec<_> =
            report.stdout.lines().filter(|l| l.contains(" completed ")).filter_map(attempts).collect();
        let twice = attempts.iter().filter(|attempts| **attempts == 2).count();
        // The first chunk's session may have been ended while the run was still about to begin with its chunks.
        assert!(attempts.iter().all(|a| *a <= 2) && twice + 1 >= chunks as usize, "{attempts:?}\n{report}");
        println!("{}: {chunks} chunks lost their sessions, and were there after {:?}", kind.name(), start.elapsed());
    });
}

/// The chunks that some session reads just now, and the numbers of these sessions.
fn chunks_under_way(database: &Database) -> Vec<(u32, u64)> {
    let sessions = database.sql(database.either(
        "select pid, replace(query, chr(10), ' ') from pg_stat_activity
         where state = 'active' and query like '%e2e_killed.t%' and pid <> pg_backend_pid()",
        "select id, replace(info, char(10), ' ') from information_schema.processlist
         where info like '%e2e_killed.t%' and id <> connection_id()",
    ));
    let chunk = |line: &str| {
        let (session, text) = line.split_once(['|', '\t'])?;
        // Where the chunk ends, behind which the next one begins.
        let numbers = text.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse::<u32>().ok());
        let end = numbers.filter(|number| *number > CHUNK && number % CHUNK == 1).max()?;
        Some((end / CHUNK - 1, session.parse().ok()?))
    };
    sessions.lines().filter_map(chunk).collect()
}

/// Ends a session; false when it was over before.
fn end(database: &Database, session: u64) -> bool {
    match database.kind() {
        Kind::Postgres => database.sql(&format!("select pg_terminate_backend({session})")).trim() == "t",
        Kind::Mysql => database.start(&format!("kill connection {session}")).wait().unwrap().success(),
    }
}
