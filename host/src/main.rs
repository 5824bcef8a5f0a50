//! The `rivet` binary with connectors found as libraries. A custom distribution calls the same function with its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    rivet::main_with(&[])
}
