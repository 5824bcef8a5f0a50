//! The recovery sweep: a run is killed, or told of a broken or full disk, at each system call by which it changes
//! something. Whatever is left, plain runs have to make whole: every row once in the files that count, and no litter.
//!
//! `sampled` visits a few points of each case, `whole` all of them. A failure names its points; one of them again:
//! `RIVET_RECOVERY=pwrite64:17:kill cargo nextest run -p rivet-plugin-fault -E 'test(chunked_2::whole)' --run-ignored all`.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests fail by panicking")]

mod case;
mod stage;
mod sweep;
mod trace;

use case::{Before, Case, Make};

/// Makes the tests `NAME::sampled` and `NAME::whole` of each case.
macro_rules! sweeps {
    ($($name:ident: $case:expr,)+) => {
        $(mod $name {
            use super::*;

            #[test]
            fn sampled() {
                sweep::sweep(stringify!($name), $case, sweep::Extent::Sample);
            }

            #[test]
            #[ignore = "slow"]
            fn whole() {
                sweep::sweep(stringify!($name), $case, sweep::Extent::Whole);
            }
        })+
    };
}

/// As [`sweeps!`], for cases that are only visited as a whole.
macro_rules! slow_sweeps {
    ($($name:ident: $case:expr,)+) => {
        $(mod $name {
            use super::*;

            #[test]
            #[ignore = "slow"]
            fn whole() {
                sweep::sweep(stringify!($name), $case, sweep::Extent::Whole);
            }
        })+
    };
}

sweeps! {
    incremental_first: Case::incremental(Make::Sqlite, Before::Nothing),
    incremental_next: Case::incremental(Make::Sqlite, Before::Export),
    // One of the window's three files is there.
    incremental_redo: Case::incremental(Make::Sqlite, Before::KilledAt("linkat", 2)),
    chunked_1: Case::chunked(Make::Sqlite, 1, false, Before::Export),
    chunked_2: Case::chunked(Make::Sqlite, 2, false, Before::Export),
    chunked_redo: Case::chunked(Make::Sqlite, 1, false, Before::KilledAt("linkat", 4)),
    checkpoint_1: Case::chunked(Make::Sqlite, 1, true, Before::Export),
    checkpoint_2: Case::chunked(Make::Sqlite, 2, true, Before::Export),
    checkpoint_redo: Case::chunked(Make::Sqlite, 1, true, Before::KilledAt("linkat", 4)),
}

slow_sweeps! {
    postgres_incremental: Case::incremental(Make::Postgres, Before::Export),
    postgres_checkpoint: Case::chunked(Make::Postgres, 2, true, Before::Export),
}
