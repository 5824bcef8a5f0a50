//! Options, opening, closing and `probe`.

use rivet_plugin_api::Cancel;

use super::Source;
use crate::check::{self, ensure};
use crate::suite::Outcome;

pub(super) fn spec_is_sound(source: &Source) -> Outcome {
    check::spec_is_sound(source.plugin.spec(), &source.half()?.options)
}

pub(super) fn wrong_options_are_refused(source: &Source) -> Outcome {
    check::wrong_options_are_refused(&source.half()?.options, &source.target.options, |options| {
        source.plugin.open_source(options, &Cancel::new())
    })
}

pub(super) fn secrets_stay_secret(source: &Source) -> Outcome {
    check::secrets_stay_secret(&source.half()?.options, &source.target.options, |options| {
        source.plugin.open_source(options, &Cancel::new())?.probe().map(drop)
    })
}

pub(super) fn opening_and_closing_holds_nothing(source: &Source) -> Outcome {
    check::holds_nothing(|| source.open().and_then(|mut handle| handle.probe().and_then(|_| handle.close())))
}

pub(super) fn probe_says_who_answers(source: &Source) -> Outcome {
    let probe = source.open()?.probe()?;
    ensure!(!probe.server.is_empty(), "the probe names no server");
    ensure!(!probe.version.is_empty(), "the probe names no version");
    Ok(())
}
