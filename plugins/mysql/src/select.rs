//! The statement that is sent for a read: the user's query itself where it can be, wrapped where columns have to be
//! picked, filtered or ordered.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_schema::{Schema, SchemaRef};
use rivet_plugin_api::{Error, Filter, NULLABLE, ReadRequest, Result};
use rivet_plugin_base::sql;

use crate::filter;
use crate::key::ordered;
use crate::sql::identifier;
use crate::types::{Mapped, Planned};
use crate::wire::Server;

/// The key under which a field's metadata keeps the type as the server names it.
const NATIVE_TYPE: &str = "rivet.native_type";

/// A column of the result, and what becomes of it.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) mapped: Mapped,
    /// For messages.
    pub(crate) native_type: String,
}

/// A statement and what its columns become.
#[derive(Debug)]
pub(crate) struct Select {
    /// Absent when the user's query runs as it is.
    pub(crate) sql: Option<String>,
    pub(crate) schema: SchemaRef,
    pub(crate) fields: Vec<Field>,
}

impl Select {
    /// Selects what `request` asks of `query`, whose result columns are `all`.
    pub(crate) fn new(query: &str, all: &[Planned], request: &ReadRequest, server: &Server) -> Result<Self> {
        let picked = match &request.columns {
            None => (0..all.len()).collect(),
            Some(names) => names.iter().map(|name| place(all, name)).collect::<Result<Vec<_>>>()?,
        };
        if picked.is_empty() {
            return Err(Error::config("the read asks for no columns"));
        }
        let order = request.order_by.iter().map(|name| place(all, name)).collect::<Result<Vec<_>>>()?;
        let mut fields = Vec::with_capacity(picked.len());
        let mut arrow = Vec::with_capacity(picked.len());
        for index in &picked {
            let Planned { name, native, mapped } = &all[*index];
            let (mapped, native_type) = (mapped.clone()?, native.full_name());
            let mut metadata = HashMap::from([(NATIVE_TYPE.to_owned(), native_type.clone())]);
            metadata.extend(native.nullable.map(|nullable| (NULLABLE.to_owned(), nullable.to_string())));
            let field = arrow_schema::Field::new(name, mapped.decoder.data_type(), true);
            arrow.push(field.with_metadata(metadata));
            fields.push(Field { mapped, native_type });
        }
        let schema = Arc::new(Schema::new(arrow));
        if request.columns.is_none() && order.is_empty() && request.filter == Filter::All {
            return Ok(Self { sql: None, schema, fields });
        }
        let relation = Relation::new(query, all, server);
        let picked: Vec<String> = picked.iter().map(|index| relation.column(*index)).collect();
        let rows = filter::rows(&relation, all, &request.filter)?;
        let mut sql = format!("{}SELECT {} FROM {rows}", relation.with, picked.join(", "));
        if !order.is_empty() {
            let keys: Vec<String> =
                order.into_iter().map(|index| ordered(&relation.column(index), &all[index].native)).collect();
            sql = format!("{sql} ORDER BY {}", keys.join(", "));
        }
        Ok(Self { sql: Some(sql), schema, fields })
    }
}

/// The user's query as something to select from.
pub(crate) struct Relation {
    /// What the statement begins with.
    pub(crate) with: String,
    pub(crate) from: String,
    columns: Vec<String>,
}

impl Relation {
    /// A common table expression, which gives the columns names of ours, so that equal or odd names of the query do no
    /// harm; older servers have only subqueries. The line break ends a comment at the end of the query.
    pub(crate) fn new(query: &str, all: &[Planned], server: &Server) -> Self {
        if !server.has_common_table_expressions() {
            let columns = all.iter().map(|column| identifier(&column.native.name)).collect();
            return Self { with: String::new(), from: format!("({query}\n) AS `_rivet`"), columns };
        }
        let columns: Vec<String> = (0..all.len()).map(|i| format!("`_rivet_{i}`")).collect();
        let with = format!("WITH `_rivet` ({}) AS ({query}\n) ", columns.join(", "));
        Self { with, from: "`_rivet`".to_owned(), columns }
    }

    pub(crate) fn column(&self, index: usize) -> String {
        self.columns[index].clone()
    }
}

/// Where `columns` has the column that the user calls `name`: see [`sql::place`].
pub(crate) fn place(columns: &[Planned], name: &str) -> Result<usize> {
    sql::place(columns.iter().map(|c| c.name.as_str()), name)
}
