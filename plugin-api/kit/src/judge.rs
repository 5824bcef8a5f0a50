//! Runs trials one by one for a caller that wants to hear of each, such as `rivet plugin verify`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::suite::{Run, Suite, Trial, Verdict};

/// How far the trials are.
#[derive(Clone, Copy, Debug)]
pub enum Progress<'a> {
    /// A trial begins. A library may end the whole process in it.
    Begins(&'a str),
    /// It is over after this time.
    Ended(&'a str, &'a Verdict, Duration),
}

impl Suite {
    /// The names of its trials, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.trials.iter().map(|trial| trial.name.as_str())
    }

    /// Runs the trials whose names are `wanted`, one after the other, and tells how far it is. A trial that has not ended
    /// after `limit` fails; its thread is left behind.
    pub fn judge(self, wanted: impl Fn(&str) -> bool, limit: Duration, mut tell: impl FnMut(Progress<'_>)) {
        for Trial { name, run } in self.trials.into_iter().filter(|trial| wanted(&trial.name)) {
            tell(Progress::Begins(&name));
            let start = Instant::now();
            let verdict = verdict(&name, run, limit);
            tell(Progress::Ended(&name, &verdict, start.elapsed()));
        }
    }
}

fn verdict(name: &str, run: Run, limit: Duration) -> Verdict {
    let (done, wait) = mpsc::channel();
    let spawned = thread::Builder::new().name(name.to_owned()).spawn(move || {
        let _ = done.send(catch_unwind(AssertUnwindSafe(run)));
    });
    let thread = match spawned {
        Ok(thread) => thread,
        Err(e) => return Verdict::Failed(format!("no thread can be started: {e}")),
    };
    let Ok(outcome) = wait.recv_timeout(limit) else {
        return Verdict::Failed(format!("it did not end in {limit:?}"));
    };
    // Later trials count threads.
    let _ = thread.join();
    match outcome {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(failed)) => Verdict::Failed(failed.message().unwrap_or("no reason was given").to_owned()),
        Err(panic) => Verdict::Failed(format!("the trial panicked: {}", text_of(&*panic))),
    }
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> &str {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}
