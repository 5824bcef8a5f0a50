//! What a query may be, and what its description says.

use rivet_plugin_api::{Category, DescribeRequest, ReadRequest, declared_nullable};

use super::{Source, same_rows};
use crate::check::{ensure, refused};
use crate::suite::Outcome;

pub(super) fn description_equals_schema(source: &Source) -> Outcome {
    let schema = source.read(&source.request())?.schema;
    for rights in [false, true] {
        let request = DescribeRequest { query: source.target.query.clone(), rights, ..DescribeRequest::default() };
        let described = source.open()?.describe(&request)?.columns;
        ensure!(
            described.len() == schema.fields().len(),
            "{} columns are described, {} are read",
            described.len(),
            schema.fields().len()
        );
        for (column, field) in described.iter().zip(schema.fields()) {
            let described = (column.name.as_str(), column.arrow_type.clone(), column.nullable);
            let read = (field.name().as_str(), field.data_type().to_string(), declared_nullable(field).unwrap_or(true));
            ensure!(described == read, "described as {described:?}, read as {read:?} (name, type, nullable)");
            ensure!(!column.native_type.is_empty(), "the description of \"{}\" names no native type", column.name);
        }
    }
    Ok(())
}

pub(super) fn no_rows_mean_a_schema_and_no_batch(source: &Source) -> Outcome {
    let query = source.target.empty.clone().unwrap_or_default();
    let table = source.read(&ReadRequest { query, ..ReadRequest::default() })?;
    ensure!(!table.schema.fields().is_empty(), "the schema has no columns");
    ensure!(table.batches.is_empty(), "{} batches arrived", table.batches.len());
    Ok(())
}

pub(super) fn syntax_error_is_permanent(source: &Source) -> Outcome {
    let query = source.target.wrong.clone().unwrap_or_default();
    let request = ReadRequest { query: query.clone(), ..ReadRequest::default() };
    refused("a syntax error in \"read\"", source.attempt(&request), Category::Permanent)?;
    let request = DescribeRequest { query, ..DescribeRequest::default() };
    refused("a syntax error in \"describe\"", source.open()?.describe(&request), Category::Permanent)?;
    Ok(())
}

pub(super) fn two_statements_are_refused(source: &Source) -> Outcome {
    let query = &source.target.query;
    for two in [format!("{query}; {query}"), format!("{query} ; -- one\n {query}"), format!("{query};;{query};")] {
        let request = ReadRequest { query: two.clone(), ..ReadRequest::default() };
        let Err(error) = source.attempt(&request) else { return Err(format!("\"{two}\" was not refused").into()) };
        ensure!(!error.category().is_transient(), "\"{two}\" would be tried again: {error}");
    }
    Ok(())
}

pub(super) fn semicolon_and_comments_do_no_harm(source: &Source) -> Outcome {
    let query = &source.target.query;
    let whole = source.read(&source.request())?;
    for written in [
        format!("{query};"),
        format!("{query} ; -- the end"),
        format!("-- the start; of it\n{query} /* one; two */ ;\n\n-- the end"),
        format!("{query} -- a last line without an end"),
    ] {
        let table = source.read(&ReadRequest { query: written.clone(), ..ReadRequest::default() });
        let table = table.map_err(|e| format!("\"{written}\": {}", e.message().unwrap_or_default()))?;
        same_rows(&written, &whole, &table)?;
        let request = DescribeRequest { query: written.clone(), ..DescribeRequest::default() };
        source.open()?.describe(&request).map_err(|e| format!("describing \"{written}\": {e}"))?;
    }
    Ok(())
}

pub(super) fn writing_is_refused(source: &Source) -> Outcome {
    let whole = source.read(&source.request())?;
    for statement in &source.target.forbidden {
        let request = ReadRequest { query: statement.clone(), ..ReadRequest::default() };
        let Err(error) = source.attempt(&request) else {
            return Err(format!("\"{statement}\" was not refused").into());
        };
        ensure!(!error.category().is_transient(), "\"{statement}\" would be tried again: {error}");
        let request = DescribeRequest { query: statement.clone(), ..DescribeRequest::default() };
        // A description may come from the parser alone, so that only the rows tell whether it did harm.
        drop(source.open()?.describe(&request));
        same_rows(statement, &whole, &source.read(&source.request())?)?;
    }
    Ok(())
}
