//! Who hears of a run, as the command line and the configuration say.

use std::sync::Arc;

use crate::cli::RunArgs;
use crate::config::Config;
use crate::error::{Error, Result, exit};
use crate::event::{Event, Listener, Listeners};
use crate::notify::Notifier;
use crate::report::{Bars, Board, Json, MetricsFile, Printer, has_room};

/// Those who hear also of a run that does not come to its first export.
pub(super) struct Offices<'a> {
    names: Vec<&'a str>,
    json: Option<&'a Arc<Json>>,
    /// A child leaves this to its parent.
    notifier: Option<Arc<Notifier>>,
    metrics: Option<Arc<MetricsFile>>,
}

impl<'a> Offices<'a> {
    /// Those who are told of the exports `names`.
    pub(super) fn new(args: &RunArgs, config: &Config, names: Vec<&'a str>, json: Option<&'a Arc<Json>>) -> Self {
        let notifier = (!args.as_child).then(|| Arc::new(Notifier::new(config.notifications.as_ref())));
        let metrics = args.metrics_file.as_deref().map(|path| MetricsFile::new(path, args.config.state_file()));
        Self { names, json, notifier, metrics: metrics.map(Arc::new) }
    }

    /// Tells of exports that failed before they began.
    pub(super) fn not_begun(&self, error: &Error) {
        if let Some(notifier) = &self.notifier {
            notifier.failed(&self.names, error);
        }
        if let Some(metrics) = &self.metrics {
            self.names.iter().for_each(|name| metrics.failed(name));
        }
    }

    /// Lets everybody else in, now that it is known what standard output is for.
    pub(super) fn open(&self, args: &RunArgs, data_on_stdout: bool) -> Audience {
        let board = Arc::new(Board::new(&self.names));
        let wanted = !args.quiet && self.json.is_none() && has_room(data_on_stdout);
        let bars = wanted.then(|| Bars::start(Arc::clone(&board)));
        let mut listeners: Vec<Arc<dyn Listener>> = vec![board.clone()];
        listeners.extend(bars.as_ref().map(Bars::listener));
        let mut printer = None;
        if let Some(json) = self.json {
            json.open(data_on_stdout);
            listeners.push(Arc::clone(json) as Arc<dyn Listener>);
        } else {
            let prints = Arc::new(Printer::new(data_on_stdout, args.quiet));
            listeners.push(prints.clone());
            printer = Some(prints);
        }
        listeners.extend(self.metrics.clone().map(|metrics| metrics as Arc<dyn Listener>));
        listeners.extend(self.notifier.clone().map(|notifier| notifier as Arc<dyn Listener>));
        Audience { board, printer, listeners: Listeners::new(listeners), _bars: bars }
    }

    /// Waits until everybody has heard everything. A metrics file that cannot be written is a failure of its own.
    pub(super) fn close(self, outcome: Result<u8>) -> Result<u8> {
        if let Some(notifier) = &self.notifier {
            notifier.wait();
        }
        match (self.metrics.map_or(Ok(()), |metrics| metrics.write()), outcome) {
            (Err(e), Ok(exit::OK)) => Err(e),
            (Err(e), outcome) => {
                tracing::warn!("{e}");
                outcome
            }
            (Ok(()), outcome) => outcome,
        }
    }
}

/// Everybody who hears of exports.
pub(super) struct Audience {
    board: Arc<Board>,
    printer: Option<Arc<Printer>>,
    listeners: Listeners,
    _bars: Option<Bars>,
}

impl Audience {
    /// All of them.
    pub(super) fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    /// Tells what will be run.
    pub(super) fn begins(&self, offices: &Offices<'_>) {
        let exports = offices.names.iter().map(|name| (*name).to_owned()).collect();
        self.listeners.tell(None, &Event::RunStarted { version: env!("CARGO_PKG_VERSION").to_owned(), exports });
    }

    /// What to say when a signal comes; the parent of a child says it for all of them.
    pub(super) fn stopping(&self, as_child: bool) -> impl Fn(i32) + Send + Sync + 'static {
        let (listeners, board) = (self.listeners.clone(), Arc::clone(&self.board));
        move |signal| {
            let under_way = board.under_way();
            listeners.tell(None, &Event::Cancelled { signal });
            if !as_child {
                let again = if signal == signal_hook::consts::SIGINT { "press Ctrl-C again" } else { "send another" };
                tracing::warn!(target: "rivet::signal", "stopping: {under_way}; {again} to exit at once");
            }
        }
    }

    /// The exit code of several exports: that of the first failure. Every export was attempted before a summary that
    /// nobody could read counts.
    pub(super) fn outcome(&self, done: &[u8]) -> Result<u8> {
        if let Some(code) = done.iter().find(|code| **code != exit::OK) {
            return Ok(*code);
        }
        self.printer.as_ref().map_or(Ok(()), |printer| printer.end())?;
        Ok(exit::OK)
    }
}
