use std::io::Write as _;
use std::thread;
use std::time::Duration;

use rivet_plugin_api::Cancel;

use super::*;
use crate::clock::{self, Stopwatch};

fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    near.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    (near, far)
}

fn header(kind: u8, length: u64) -> Vec<u8> {
    [&[kind, 0, 0, 0, 7, 0, 0, 0][..], &length.to_le_bytes()].concat()
}

#[test]
fn what_is_sent_arrives() {
    let (near, far) = pair();
    let parts: Vec<Vec<u8>> = (0..3_u8).map(|i| vec![i; 1_500_000]).collect();
    let expected = parts.concat();
    let sender = thread::spawn(move || {
        let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        send(&far, Kind::Arrow, 7, &slices, &mut || Ok(())).unwrap();
        send(&far, Kind::Cancel, 8, &[], &mut || Ok(())).unwrap();
    });
    let frame = receive(&near, ARROW_BYTES, &mut || Ok(())).unwrap();
    assert_eq!((frame.kind, frame.channel), (Kind::Arrow, 7));
    assert!(frame.body == expected);
    let frame = receive(&near, ARROW_BYTES, &mut || Ok(())).unwrap();
    assert_eq!((frame.kind, frame.channel, frame.body.len()), (Kind::Cancel, 8, 0));
    sender.join().unwrap();
    assert!(matches!(receive(&near, ARROW_BYTES, &mut || Ok(())), Err(Lost::Gone)));
}

/// A length alone costs nothing: neither memory nor time.
#[test]
fn frames_that_are_longer_than_their_kind_are_refused() {
    let json = JSON_BYTES as u64;
    for (kind, length, said) in [
        (1, json + 1, "a message of "),
        (2, 1001, "a batch of 1001 bytes, more than 1000"),
        (3, json + 1, "a log event of "),
        (4, 1, "a wish to stop of "),
        (1, u64::MAX, "a message of "),
        (2, u64::MAX, "a batch of "),
        (9, 0, "the unknown kind 9"),
    ] {
        let (near, mut far) = pair();
        far.write_all(&header(kind, length)).unwrap();
        let lost = receive(&near, 1000, &mut || Err(Lost::GivenUp)).unwrap_err();
        assert!(matches!(&lost, Lost::Broken(why) if why.contains(said)), "{said}: {lost:?}");
    }
}

#[test]
fn whoever_waits_is_asked_while_bytes_trickle_in() {
    let (near, mut far) = pair();
    far.write_all(&header(2, 1 << 30)).unwrap();
    let trickle = thread::spawn(move || {
        while far.write_all(b"x").is_ok() {
            clock::sleep(Duration::from_millis(10), &Cancel::new());
        }
    });
    let start = Stopwatch::start();
    let mut give_up = || if start.elapsed() > Duration::from_millis(300) { Err(Lost::GivenUp) } else { Ok(()) };
    assert!(matches!(receive(&near, ARROW_BYTES, &mut give_up), Err(Lost::GivenUp)));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    drop(near);
    trickle.join().unwrap();
}

#[test]
fn whoever_waits_is_asked_while_bytes_trickle_out() {
    let (near, far) = pair();
    let trickle = thread::spawn(move || {
        let mut buffer = vec![0; 4096];
        while (&far).read(&mut buffer).is_ok_and(|read| read > 0) {
            clock::sleep(Duration::from_millis(10), &Cancel::new());
        }
    });
    let (start, body) = (Stopwatch::start(), vec![0; 64 << 20]);
    let mut give_up = || if start.elapsed() > Duration::from_millis(300) { Err(Lost::GivenUp) } else { Ok(()) };
    assert!(matches!(send(&near, Kind::Arrow, 7, &[&body], &mut give_up), Err(Lost::GivenUp)));
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    drop(near);
    trickle.join().unwrap();
}

#[test]
fn what_the_other_side_would_refuse_is_not_said() {
    assert!(sayable(vec![0; JSON_BYTES]).is_ok());
    assert!(sayable(vec![0; JSON_BYTES + 1]).is_err());
}
