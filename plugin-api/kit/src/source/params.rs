//! The values that a query names, with everything in them that could end a literal early.

use rivet_plugin_api::{
    BoundsRequest, Category, CursorValue, DescribeRequest, ParamValue, Params, ReadRequest, SplitRequest,
};

use super::Source;
use crate::check::{ensure, refused};
use crate::suite::Outcome;

/// Texts that mean something to some scanner, in some mode, at some place.
const TEXTS: [&str; 14] = [
    "",
    " a ",
    "it's",
    "''",
    "\\",
    "\\'",
    "a\\' or 1=1 -- ",
    "'; select 1; --",
    "\"`[]()",
    "/* :value */ -- :value",
    "$$ $value$ ${value} ? %s",
    "line\nbreak\r\n\ttab",
    "\u{bf}' \u{e9} \u{65e5}\u{672c} \u{1f980} \u{2019}\u{ff07}\u{202e}",
    ":value",
];

fn params(value: ParamValue) -> Params {
    Params::from([("value".to_owned(), value)])
}

pub(super) fn params_arrive_as_they_are(source: &Source) -> Outcome {
    let query = source.target.echo.clone().ok_or("the target has no query in `echo`")?;
    let read =
        |value| source.read(&ReadRequest { query: query.clone(), params: params(value), ..ReadRequest::default() });
    for text in TEXTS {
        let found = read(ParamValue::Text(text.to_owned()))?.values("v")?;
        ensure!(found == [Some(CursorValue::Text(text.to_owned()))], "{text:?} arrived as {found:?}");
    }
    for number in [0, -1, i64::from(i32::MAX) + 1, i64::MAX, i64::MIN] {
        let found = read(ParamValue::Int(number))?.values("v")?;
        ensure!(found == [Some(CursorValue::Int(number))], "{number} arrived as {found:?}");
    }
    let params = params(ParamValue::Int(1));
    source.open()?.describe(&DescribeRequest { query: query.clone(), params: params.clone(), ..Default::default() })?;
    let can = source.half()?.capabilities;
    let request = ReadRequest { query: query.clone(), params: params.clone(), ..ReadRequest::default() };
    if can.count {
        ensure!(source.open()?.count(&request)? == 1, "not one row was counted");
    }
    if can.explain {
        source.open()?.explain(&request)?;
    }
    if can.bounds {
        let (query, params) = (query.clone(), params.clone());
        let request = BoundsRequest { query, params, column: "v".to_owned(), ..BoundsRequest::default() };
        let bounds = source.open()?.bounds(&request)?;
        ensure!(bounds.min == Some(CursorValue::Int(1)), "the least of the values 1 is {:?}", bounds.min);
    }
    if can.split {
        source.open()?.split(&SplitRequest { query, params, parts: 2, ..SplitRequest::default() })?;
    }
    Ok(())
}

pub(super) fn params_that_are_not_used_are_refused(source: &Source) -> Outcome {
    let request = ReadRequest { params: params(ParamValue::Null), ..source.request() };
    let error = refused("a parameter without a use", source.attempt(&request), Category::Config)?;
    ensure!(error.message().contains("\"value\""), "the error does not name the parameter: {error}");
    Ok(())
}
