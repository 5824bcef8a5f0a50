//! The statement that is sent for a read: the user's query itself where it can be, wrapped where columns have to be
//! printed by the server, picked or ordered.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use rivet_plugin_api::{Error, ReadRequest, Result};

use crate::types::{Decoder, Fetch, Planned};

/// The key under which a field's metadata keeps the type as the server names it.
const NATIVE_TYPE: &str = "rivet.native_type";

/// A statement and what its columns become.
#[derive(Debug)]
pub(crate) struct Select {
    pub(crate) sql: String,
    pub(crate) schema: SchemaRef,
    pub(crate) decoders: Vec<Decoder>,
    /// For messages, in the order of the schema.
    pub(crate) native_types: Vec<String>,
}

impl Select {
    /// Selects what `request` asks of `query`, whose result columns are `all`.
    pub(crate) fn new(query: &str, all: &[Planned], request: &ReadRequest) -> Result<Self> {
        let picked = match &request.columns {
            None => (0..all.len()).collect(),
            Some(names) => names.iter().map(|name| place(all, name)).collect::<Result<Vec<_>>>()?,
        };
        if picked.is_empty() {
            return Err(Error::config("the read asks for no columns"));
        }
        let order = request.order_by.iter().map(|name| place(all, name)).collect::<Result<Vec<_>>>()?;
        let mut items = Vec::with_capacity(picked.len());
        let mut fields = Vec::with_capacity(picked.len());
        let mut decoders = Vec::with_capacity(picked.len());
        let mut native_types = Vec::with_capacity(picked.len());
        let mut as_is = request.columns.is_none() && order.is_empty();
        for index in picked {
            let Planned { name, native, mapped } = &all[index];
            let mapped = mapped.clone()?;
            as_is &= mapped.fetch == Fetch::AsIs;
            items.push(match mapped.fetch {
                Fetch::AsIs => alias(index),
                Fetch::Printed => format!("{}::pg_catalog.text", alias(index)),
                Fetch::Abbreviated => format!("pg_catalog.abbrev({})", alias(index)),
            });
            let metadata = HashMap::from([(NATIVE_TYPE.to_owned(), native.full_name.clone())]);
            fields.push(Field::new(name, mapped.decoder.data_type(), true).with_metadata(metadata));
            decoders.push(mapped.decoder);
            native_types.push(native.full_name.clone());
        }
        let sql = if as_is { query.to_owned() } else { wrap(query, all.len(), &items, &order) };
        Ok(Self { sql, schema: Arc::new(Schema::new(fields)), decoders, native_types })
    }
}

/// `SELECT items FROM (query)`. The columns get names of ours, so that equal or odd names of the query do no harm.
fn wrap(query: &str, columns: usize, items: &[String], order: &[usize]) -> String {
    let aliases: Vec<String> = (0..columns).map(alias).collect();
    let mut sql = format!("SELECT {} FROM ({query}\n) AS \"_rivet\" ({})", items.join(", "), aliases.join(", "));
    if !order.is_empty() {
        let keys: Vec<String> = order.iter().copied().map(alias).collect();
        sql = format!("{sql} ORDER BY {}", keys.join(", "));
    }
    sql
}

fn alias(index: usize) -> String {
    format!("_rivet_{index}")
}

fn place(columns: &[Planned], name: &str) -> Result<usize> {
    columns.iter().position(|c| c.name == name).ok_or_else(|| {
        let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
        Error::config(format!("the query does not return a column \"{name}\""))
            .hint(format!("it returns {}", names.join(", ")))
    })
}
