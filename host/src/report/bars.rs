//! One bar for each export on the terminal. A thread of its own draws them, so that whoever works never waits for a
//! terminal, and only where there is one.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use indicatif::{FormattedDuration, HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::{Board, Look};
use super::screen;
use crate::event::{Event, Listener};
use crate::state::human_bytes;

/// A run that is over sooner shows no bars: they would only flicker.
const FIRST: Duration = Duration::from_millis(250);
/// How often bars are drawn.
const EVERY: Duration = Duration::from_millis(100);
/// The seconds over which the speed is measured.
const WINDOW: f64 = 5.0;

/// With the share of rows that are there, and without.
const MEASURED: &str = "{prefix} {bar:20.cyan} {percent:>3}%  {wide_msg}";
const OPEN: &str = "{prefix} {spinner:.cyan} {wide_msg}";

/// The bars of a run; dropped, they are gone from the screen.
pub struct Bars {
    easel: Arc<Easel>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What is drawn on.
struct Easel {
    board: Arc<Board>,
    all: MultiProgress,
    bars: Mutex<Vec<Bar>>,
    /// Whether nothing is drawn any more.
    over: AtomicBool,
}

struct Bar {
    index: usize,
    drawn: ProgressBar,
    measured: bool,
    speed: Speed,
}

impl Bars {
    /// Draws what `board` shows, until dropped.
    pub fn start(board: Arc<Board>) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        screen::show(Some(all.clone()));
        let easel = Arc::new(Easel { board, all, bars: Mutex::default(), over: AtomicBool::new(false) });
        let (stop, stopped) = mpsc::channel();
        let drawn = Arc::clone(&easel);
        let draw = move || {
            let mut pause = FIRST;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                drawn.draw();
                pause = EVERY;
            }
        };
        // A run without bars is a run all the same.
        let thread = thread::Builder::new().name("bars".to_owned()).spawn(draw).ok();
        Self { easel, stop: Some(stop), thread }
    }

    /// Takes the bar of an export away when it has ended.
    pub fn listener(&self) -> Arc<dyn Listener> {
        self.easel.clone()
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
        self.easel.clear(self.easel.bars());
        screen::show(None);
    }
}

impl Listener for Easel {
    fn hear(&self, export: Option<&str>, event: &Event) {
        match event {
            Event::ExportFinished(_) => {
                let mut bars = self.bars();
                let (ended, running) =
                    bars.drain(..).partition(|bar| export.is_some_and(|name| self.board.is(bar.index, name)));
                *bars = running;
                self.remove(ended);
            }
            // What is printed from now on stays where it is, also when the process ends at once.
            Event::Cancelled { .. } => self.stop(),
            _ => {}
        }
    }

    fn wants_estimate(&self) -> bool {
        true
    }
}

impl Easel {
    fn bars(&self) -> MutexGuard<'_, Vec<Bar>> {
        self.bars.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As [`Easel::clear`], after a key was pressed. The terminal has echoed it behind the last bar, whose line is full,
    /// and so on a line of its own. Where there is no echo, the blank begins that line.
    fn stop(&self) {
        let bars = self.bars();
        if !bars.is_empty() {
            let _ = std::io::stderr().write_all(b" \r\x1b[2K\x1b[A");
        }
        self.clear(bars);
    }

    fn clear(&self, mut bars: MutexGuard<'_, Vec<Bar>>) {
        self.over.store(true, Ordering::Relaxed);
        self.remove(bars.drain(..).collect());
    }

    fn remove(&self, bars: Vec<Bar>) {
        for Bar { drawn, .. } in bars {
            drawn.finish_and_clear();
            self.all.remove(&drawn);
        }
    }

    fn draw(&self) {
        let mut bars = self.bars();
        if self.over.load(Ordering::Relaxed) {
            return;
        }
        for (index, place) in self.board.running() {
            if let Some(bar) = bars.iter_mut().find(|bar| bar.index == index) {
                bar.show(&place.look());
                continue;
            }
            // A new one is drawn when it has something to show.
            let hidden = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
            let drawn = hidden.with_style(style(false)).with_prefix(place.export.clone());
            let mut bar = Bar { index, drawn, measured: false, speed: Speed::default() };
            bar.show(&place.look());
            bar.drawn = self.all.add(bar.drawn);
            bar.drawn.tick();
            bars.push(bar);
        }
    }
}

impl Bar {
    fn show(&mut self, look: &Look) {
        let speed = self.speed.at(look.seconds, look.rows);
        if self.measured != look.of.is_some() {
            self.measured = look.of.is_some();
            self.drawn.set_style(style(self.measured));
        }
        if let Some(of) = look.of {
            self.drawn.set_length(of);
            self.drawn.set_position(look.rows);
        }
        self.drawn.set_message(text(look, speed));
        self.drawn.tick();
    }
}

/// Colours are those of the terminal, and none with `NO_COLOR`.
fn style(measured: bool) -> ProgressStyle {
    let style = ProgressStyle::with_template(if measured { MEASURED } else { OPEN });
    style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━━─")
}

/// Rows, bytes, speed, chunks, and the time to go when that can be said.
fn text(look: &Look, speed: f64) -> String {
    let mut facts = vec![format!("{} rows", HumanCount(look.rows))];
    if look.bytes > 0 {
        facts.push(human_bytes(look.bytes));
    }
    if speed >= 1.0 {
        facts.push(format!("{} rows/s", HumanCount(speed as u64)));
    }
    if look.chunks > 1 {
        facts.push(format!("{}/{} chunks", look.done, look.chunks));
    }
    if let Some(of) = look.of.filter(|_| speed >= 1.0) {
        let left = Duration::from_secs_f64(of.saturating_sub(look.rows) as f64 / speed);
        facts.push(format!("ETA {}", FormattedDuration(left)));
    }
    facts.join("  ")
}

/// Rows a second of late.
#[derive(Default)]
struct Speed(VecDeque<(f64, u64)>);

impl Speed {
    fn at(&mut self, seconds: f64, rows: u64) -> f64 {
        // Rows of a failed attempt were taken back.
        if self.0.back().is_some_and(|(_, before)| *before > rows) {
            self.0.clear();
        }
        self.0.push_back((seconds, rows));
        while self.0.len() > 2 && self.0.front().is_some_and(|(then, _)| seconds - then > WINDOW) {
            self.0.pop_front();
        }
        match self.0.front() {
            Some((then, before)) if seconds > *then => (rows - before) as f64 / (seconds - then),
            _ => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_templates() {
        assert!([MEASURED, OPEN].into_iter().all(|template| ProgressStyle::with_template(template).is_ok()));
    }

    #[test]
    fn a_bar_says_what_is_known() {
        let look = Look { rows: 1_234_567, ..Look::default() };
        assert_eq!(text(&look, 0.0), "1,234,567 rows");
        let look = Look { bytes: 2048, done: 3, chunks: 12, of: Some(2_234_567), ..look };
        let whole = "1,234,567 rows  2.0 KB  10,000 rows/s  3/12 chunks  ETA 00:01:40";
        assert_eq!(text(&look, 10_000.0), whole);
        assert_eq!(text(&look, 0.0), "1,234,567 rows  2.0 KB  3/12 chunks");
    }

    #[test]
    fn speed_is_that_of_the_last_seconds() {
        let mut speed = Speed::default();
        // An attempt fails after six seconds.
        let rows = [(0.0, 0), (1.0, 100), (5.0, 500), (6.0, 1500), (7.0, 10), (8.0, 60)];
        let speeds = rows.map(|(at, rows)| speed.at(at, rows).round() as u64);
        assert_eq!(speeds, [0, 100, 100, 280, 0, 50]);
    }
}
