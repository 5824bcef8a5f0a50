//! The statement that is sent for a read: the user's query itself where it can be, wrapped where columns have to be
//! printed by the server, picked, filtered or ordered.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Field, Schema, SchemaRef};
use rivet_plugin_api::{Error, Filter, NULLABLE, ReadRequest, Result};
use rivet_plugin_base::sql;

use crate::filter;
use crate::types::{Decoder, Fetch, Planned};

/// The key under which a field's metadata keeps the type as the server names it.
const NATIVE_TYPE: &str = "rivet.native_type";

/// A statement and what its columns become.
#[derive(Clone, Debug)]
pub(crate) struct Select {
    pub(crate) sql: String,
    pub(crate) schema: SchemaRef,
    pub(crate) decoders: Vec<Decoder>,
    /// For messages, in the order of the schema.
    pub(crate) native_types: Vec<String>,
    /// The select list around the query's rows, and how many columns these have; `None` when the query is sent itself.
    list: Option<(String, usize)>,
}

impl Select {
    /// Selects what `request` asks of the rows of `query` that `filter` wants; `all` are the query's columns.
    pub(crate) fn new(query: &str, all: &[Planned], filter: &Filter, request: &ReadRequest) -> Result<Self> {
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
        let mut as_is = request.columns.is_none() && order.is_empty() && *filter == Filter::All;
        for index in picked {
            let Planned { name, native, mapped } = &all[index];
            let mapped = mapped.clone()?;
            as_is &= mapped.fetch == Fetch::AsIs;
            items.push(match mapped.fetch {
                Fetch::AsIs => column(index),
                Fetch::Printed => format!("{}::pg_catalog.text", column(index)),
                Fetch::PrintedElements => format!("{}::pg_catalog.text::pg_catalog.text[]", column(index)),
                Fetch::Abbreviated => format!("pg_catalog.abbrev({})", column(index)),
            });
            let mut metadata = HashMap::from([(NATIVE_TYPE.to_owned(), native.full_name.clone())]);
            metadata.extend(native.nullable.map(|nullable| (NULLABLE.to_owned(), nullable.to_string())));
            fields.push(Field::new(name, mapped.decoder.data_type(), true).with_metadata(metadata));
            decoders.push(mapped.decoder);
            native_types.push(native.full_name.clone());
        }
        let list = (!as_is).then(|| (items.join(", "), all.len()));
        let sql = match &list {
            None => query.to_owned(),
            Some((list, _)) => {
                let mut sql = format!("SELECT {list} FROM {}", filter::rows(query, all, filter)?);
                if !order.is_empty() {
                    let keys: Vec<String> = order.into_iter().map(column).collect();
                    sql = format!("{sql} ORDER BY {}", keys.join(", "));
                }
                sql
            }
        };
        Ok(Self { sql, schema: Arc::new(Schema::new(fields)), decoders, native_types, list })
    }

    /// The same columns of all rows of another query, in no order.
    pub(crate) fn of(&self, query: &str) -> String {
        match &self.list {
            None => query.to_owned(),
            Some((list, columns)) => format!("SELECT {list} FROM {}", relation(query, *columns)),
        }
    }
}

/// The rows of `query` as a relation. Its columns get names of ours, so that equal or odd names of the query do no harm.
pub(crate) fn relation(query: &str, columns: usize) -> String {
    let aliases: Vec<String> = (0..columns).map(alias).collect();
    // The line break ends a comment at the end of the query.
    format!("({query}\n) AS \"_rivet\" ({})", aliases.join(", "))
}

/// A column of the relation. Without the relation's name, an `ORDER BY` would mean the printed column of that name.
pub(crate) fn column(index: usize) -> String {
    format!("\"_rivet\".{}", alias(index))
}

fn alias(index: usize) -> String {
    format!("_rivet_{index}")
}

/// Where `columns` has the column that the user calls `name`: see [`sql::place`].
pub(crate) fn place(columns: &[Planned], name: &str) -> Result<usize> {
    sql::place(columns.iter().map(|c| c.name.as_str()), name)
}
