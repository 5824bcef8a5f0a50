//! Connectors that end their process in every way there is, each as a source and as a destination, in processes of their
//! own: the run says what happened and goes on as after any other failure. In the host's process, where nothing can be
//! caught, it says at least whose fault it was.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod stage;
mod ends;
mod retries;
mod stops;
mod in_process;
mod signals;
mod secrets;
mod output;
mod lies;
