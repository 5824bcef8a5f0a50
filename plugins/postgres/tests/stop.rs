//! Limits, cancelling and broken sessions, against the server in `RIVET_TEST_POSTGRES_URL`, whose role may create tables
//! and end sessions.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rivet_plugin_api::{BatchSize, Cancel, Category, Context, ReadRequest, Source, Strategy, Timeouts};

use common::{STRATEGIES, open, psql, read, request, url};

mod common;

#[test]
fn limits_count_the_servers_work_and_not_the_hosts_pauses() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let timeouts = Timeouts { statement_s: 1, lock_s: 1 };
    let error = read(&mut source, &ReadRequest { timeouts, ..request("SELECT pg_sleep(3)") }).unwrap_err();
    assert_eq!((error.category(), error.code_text()), (Category::Timeout, Some("57014")));
    // Far more than what fits into the socket's buffers, read with pauses longer than the limit.
    let wide = "SELECT repeat('x', 1000) AS t FROM generate_series(1, 60000)";
    let batch = BatchSize { rows: 100_000, bytes: 20 << 20 };
    let mut reader = source.read(&ReadRequest { timeouts, batch, ..request(wide) }, &Context::default()).unwrap();
    let mut rows = 0;
    while let Some(batch) = reader.next().unwrap() {
        rows += batch.num_rows();
        thread::sleep(Duration::from_millis(1300));
    }
    assert_eq!(rows, 60_000);
}

#[test]
fn a_lock_that_does_not_come_is_a_timeout() {
    let Some(url) = url() else { return };
    psql(&url, "DROP TABLE IF EXISTS rivet_locked; CREATE TABLE rivet_locked (id int)");
    let script = "BEGIN; LOCK TABLE rivet_locked; SELECT pg_sleep(3); DROP TABLE rivet_locked; COMMIT";
    let mut holder = Command::new("psql").args([url.as_str(), "-qXo", "/dev/null", "-c", script]).spawn().unwrap();
    thread::sleep(Duration::from_millis(500));
    let timeouts = Timeouts { lock_s: 1, ..Timeouts::default() };
    let error = read(&mut open(&url), &ReadRequest { timeouts, ..request("TABLE rivet_locked") }).unwrap_err();
    assert_eq!((error.category(), error.code_text()), (Category::Timeout, Some("55P03")), "{error}");
    assert!(holder.wait().unwrap().success());
}

/// The number of statements that run on the server and hold `mark`.
fn running(url: &str, mark: &str) -> u32 {
    let sql = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%{mark}%' AND pid <> pg_backend_pid()"
    );
    psql(url, &sql).trim().parse().unwrap()
}

fn assert_stops(url: &str, mark: &str) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while running(url, mark) > 0 {
        assert!(Instant::now() < deadline, "still running on the server: {mark}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_wish_to_stop_ends_the_statement_on_the_server() {
    let Some(url) = url() else { return };
    for (strategy, mark) in [(Strategy::Stream, "cancel_me_1"), (Strategy::Cursor, "cancel_me_2")] {
        let cancel = Cancel::new();
        let (sender, receiver) = mpsc::channel();
        let (context, address) = (Context::new(cancel.clone()), url.clone());
        thread::spawn(move || {
            let query = format!("SELECT pg_sleep(30), '{mark}' AS m");
            let mut source = open(&address);
            let result = source
                .read(&ReadRequest { strategy, ..request(&query) }, &context)
                .and_then(|mut reader| reader.next());
            sender.send(result.map(drop)).unwrap();
        });
        while running(&url, mark) == 0 {
            thread::sleep(Duration::from_millis(20));
        }
        cancel.cancel();
        let error = receiver.recv_timeout(Duration::from_secs(3)).unwrap().unwrap_err();
        assert_eq!(error.category(), Category::Cancelled, "{error}");
        assert_stops(&url, mark);
    }
}

#[test]
fn closing_in_the_middle_leaves_nothing_running() {
    let Some(url) = url() else { return };
    for strategy in STRATEGIES {
        let mut source = open(&url);
        let query = "SELECT i, 'closed_early' AS m FROM generate_series(1, 50000000) AS i";
        let mut reader = source.read(&ReadRequest { strategy, ..request(query) }, &Context::default()).unwrap();
        assert!(reader.next().unwrap().is_some());
        reader.close().unwrap();
        assert!(reader.next().unwrap().is_none());
        assert_stops(&url, "closed_early");
        // The source goes on with the same or a new connection.
        assert_eq!(read(&mut source, &request("SELECT 1")).unwrap().len(), 1);
    }
}

#[test]
fn a_terminated_session_is_worth_a_retry() {
    let Some(url) = url() else { return };
    let mut source = open(&url);
    let query = "SELECT i, 'terminated' AS m FROM generate_series(1, 50000000) AS i";
    let mut reader = source.read(&request(query), &Context::default()).unwrap();
    assert!(reader.next().unwrap().is_some());
    psql(&url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY%terminated%'");
    let error = loop {
        match reader.next() {
            Ok(batch) => assert!(batch.is_some(), "the read ended as if it were whole"),
            Err(e) => break e,
        }
    };
    assert!(error.category().is_transient(), "{error}");
}

#[test]
fn few_bytes_that_print_as_many_do_not_burst_a_batch() {
    let Some(url) = url() else { return };
    let limit = BatchSize { rows: 100_000, bytes: 1 << 20 };
    // A row is 131 kB of digits, from a dozen bytes on the wire.
    for list in ["1e131071::numeric", "ARRAY[1e131071::numeric]"] {
        for strategy in STRATEGIES {
            let query = format!("SELECT i, {list} AS n FROM generate_series(1, 100) AS i");
            let read = ReadRequest { strategy, batch: limit, ..request(&query) };
            let mut reader = open(&url).read(&read, &Context::default()).unwrap();
            let mut rows = 0;
            while let Some(batch) = reader.next().unwrap() {
                assert!(batch.num_rows() <= limit.bytes / 131_072 + 1, "{list}: {}", batch.num_rows());
                rows += batch.num_rows();
            }
            assert_eq!(rows, 100);
        }
    }
}
