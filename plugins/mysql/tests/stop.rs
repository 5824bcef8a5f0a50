//! Limits, cancelling and broken sessions, against the server in `RIVET_TEST_MYSQL_URL`, whose user may create tables and
//! end sessions.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rivet_plugin_api::{BatchSize, Cancel, Category, Context, ReadRequest, Source, Timeouts};

use common::{client, on_each_server, open, read, request, thousand};

#[expect(dead_code, reason = "shared with tests that need more")]
mod common;

#[test]
fn limits_count_the_servers_work_and_not_the_hosts_pauses() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        let timeouts = Timeouts { statement_s: 2, lock_s: 1 };
        let slow = ReadRequest { timeouts, ..request("SELECT SLEEP(10) AS limit_2") };
        let started = Instant::now();
        assert_eq!(read(&mut source, &slow).unwrap_err().category(), Category::Timeout);
        assert_eq!(source.count(&slow, &Context::default()).unwrap_err().category(), Category::Timeout);
        assert!(started.elapsed() < Duration::from_secs(8));
        // Far more than what fits into the socket's buffers, read with pauses longer than the limit.
        let wide = format!("SELECT REPEAT('x', 1000) AS t FROM {}, {} WHERE b.i < 60", thousand("a"), thousand("b"));
        let batch = BatchSize { rows: 100_000, bytes: 20 << 20 };
        let mut reader = source.read(&ReadRequest { timeouts, batch, ..request(&wide) }, &Context::default()).unwrap();
        let mut rows = 0;
        while let Some(batch) = reader.next().unwrap() {
            rows += batch.num_rows();
            thread::sleep(Duration::from_millis(2300));
        }
        assert_eq!(rows, 60_000);
    });
}

#[test]
fn a_lock_that_does_not_come_is_a_timeout() {
    on_each_server(|server| {
        let url = &server.url;
        client(url, "DROP TABLE IF EXISTS rivet_locked; CREATE TABLE rivet_locked (id INT)");
        let address = url.clone();
        let holder =
            thread::spawn(move || client(&address, "LOCK TABLE rivet_locked WRITE; DO SLEEP(3); UNLOCK TABLES"));
        thread::sleep(Duration::from_millis(500));
        let timeouts = Timeouts { lock_s: 1, ..Timeouts::default() };
        let error =
            read(&mut open(url), &ReadRequest { timeouts, ..request("SELECT * FROM rivet_locked") }).unwrap_err();
        assert_eq!((error.category(), error.code_text()), (Category::Timeout, Some("1205")), "{error}");
        holder.join().unwrap();
        client(url, "DROP TABLE rivet_locked");
    });
}

/// The sessions that run a statement that holds `mark`.
fn running(url: &str, mark: &str) -> Vec<String> {
    let sql =
        format!("SELECT id FROM information_schema.processlist WHERE info LIKE '%{mark}%' AND id <> CONNECTION_ID()");
    client(url, &sql).lines().map(str::to_owned).collect()
}

fn assert_stops(url: &str, mark: &str) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while !running(url, mark).is_empty() {
        assert!(Instant::now() < deadline, "still running on the server: {mark}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_wish_to_stop_ends_the_statement_on_the_server() {
    on_each_server(|server| {
        let url = &server.url;
        let cancel = Cancel::new();
        let (sender, receiver) = mpsc::channel();
        let (context, address) = (Context::new(cancel.clone()), url.clone());
        thread::spawn(move || {
            let mut source = open(&address);
            let query = "SELECT SLEEP(30) AS s, 'cancel_me' AS m";
            let result = source.read(&request(query), &context).and_then(|mut reader| reader.next());
            sender.send(result.map(drop)).unwrap();
        });
        while running(url, "cancel_me").is_empty() {
            assert!(matches!(receiver.try_recv(), Err(mpsc::TryRecvError::Empty)), "the read ended by itself");
            thread::sleep(Duration::from_millis(20));
        }
        cancel.cancel();
        let error = receiver.recv_timeout(Duration::from_secs(3)).unwrap().unwrap_err();
        assert_eq!(error.category(), Category::Cancelled, "{error}");
        assert_stops(url, "cancel_me");
    });
}

#[test]
fn closing_in_the_middle_leaves_nothing_running() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        let query = endless("closed_early");
        let mut reader = source.read(&request(&query), &Context::default()).unwrap();
        assert!(reader.next().unwrap().is_some());
        reader.close().unwrap();
        assert!(reader.next().unwrap().is_none());
        assert_stops(url, "closed_early");
        // The source goes on with a new connection.
        assert_eq!(read(&mut source, &request("SELECT 1")).unwrap().len(), 1);
    });
}

#[test]
fn readers_are_independent_and_outlive_the_source() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        let mut first = source.read(&request("SELECT 1 AS a"), &Context::default()).unwrap();
        let mut second = source.read(&request("SELECT 2 AS a"), &Context::default()).unwrap();
        drop(source);
        for reader in [&mut first, &mut second] {
            assert_eq!(reader.next().unwrap().unwrap().num_rows(), 1);
            assert!(reader.next().unwrap().is_none());
        }
    });
}

#[test]
fn a_terminated_session_is_worth_a_retry() {
    on_each_server(|server| {
        let url = &server.url;
        let mut source = open(url);
        let query = endless("terminated");
        let mut reader = source.read(&request(&query), &Context::default()).unwrap();
        assert!(reader.next().unwrap().is_some());
        for id in running(url, "terminated") {
            client(url, &format!("KILL {id}"));
        }
        let error = loop {
            match reader.next() {
                Ok(batch) => assert!(batch.is_some(), "the read ended as if it were whole"),
                Err(e) => break e,
            }
        };
        assert!(error.category().is_transient(), "{error}");
    });
}

/// A query of more rows than anybody waits for. With its hash joins MySQL would collect them before it sends any.
fn endless(mark: &str) -> String {
    format!("SELECT /*+ NO_BNL() */ a.i, '{mark}' AS m FROM {}, {}, {}", thousand("a"), thousand("b"), thousand("c"))
}
