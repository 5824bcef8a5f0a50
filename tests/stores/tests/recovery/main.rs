//! The recovery sweep on stores. A run is killed at each system call by which it sends, connects or remembers, or one
//! of its requests meets each kind of trouble. Whatever is left, plain runs have to make whole: every row once in the
//! objects that count, no object beside them, and no upload pending.
//!
//! `sampled` visits a few points of each case, `whole` all of them. A failure names its points; one of them again:
//! `RIVET_RECOVERY=write:17 cargo nextest run -p rivet-stores -E 'test(kill::chunked_2::whole)' --run-ignored all`.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests fail by panicking")]

mod case;
mod kill;
mod request;
mod stage;

/// How many points to visit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Extent {
    /// A few, spread over the run.
    Sample,
    /// All.
    Whole,
}

/// Makes the tests `NAME::sampled` and `NAME::whole` of each case; those behind `slow` are only visited as a whole.
macro_rules! sweeps {
    ($sweep:path; $($name:ident: $case:expr,)+; slow $($slow:ident: $slow_case:expr,)+) => {
        $(mod $name {
            use super::*;

            #[test]
            fn sampled() {
                $sweep(stringify!($name), $case, Extent::Sample);
            }

            #[test]
            #[ignore = "slow"]
            fn whole() {
                $sweep(stringify!($name), $case, Extent::Whole);
            }
        })+
        $(mod $slow {
            use super::*;

            #[test]
            #[ignore = "slow"]
            fn whole() {
                $sweep(stringify!($slow), $slow_case, Extent::Whole);
            }
        })+
    };
}

pub(crate) use sweeps;
