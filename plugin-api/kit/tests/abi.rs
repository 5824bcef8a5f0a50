//! The border itself, shown with connectors made to misbehave: the fault connector as the library that a host loads,
//! and plug-ins in plain C. Nothing a plug-in does may end the process or leave its maker unnamed.

#![expect(clippy::unwrap_used, unreachable_pub, reason = "tests and their helpers")]

#[path = "abi/support.rs"]
mod support;
#[path = "abi/panics.rs"]
mod panics;
#[path = "abi/errors.rs"]
mod errors;
#[path = "abi/batches.rs"]
mod batches;
#[path = "abi/cancel.rs"]
mod cancel;
#[path = "abi/log.rs"]
mod log;
#[path = "abi/files.rs"]
mod files;
