//! The whole-process benchmark is Python (`harness`, `peers`) and C (`drain.c`), run by `scripts/bench`. This crate is
//! empty: it makes `scripts/test` run the harness's own tests.
