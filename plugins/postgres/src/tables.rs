//! What there is to export: tables and views with what the catalog and its statistics say of them.

use rivet_plugin_api::{Error, Result, Table, Tables, TablesRequest};

use crate::error::protocol;
use crate::sql::{identifier, literal};
use crate::wire::Connection;

/// A table is as large as all that inherits from it, since a query of it reads them too. Partitions are parts of their
/// table. Rows that nobody has counted yet are not known, unless there is no page that could hold one.
/// Names are ordered by their bytes, as their type is; before version 12 it has no collation that could be named.
/// Only the columns that order an index have an entry in "indoption".
const QUERY: &str = "\
    WITH RECURSIVE wanted AS ( \
      SELECT c.oid, n.nspname, c.relname, c.relkind, \
        NOT (pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')) AS denied \
      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
      WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND {schemas} \
        AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits AS i JOIN pg_catalog.pg_class AS p ON p.oid = i.inhparent \
          WHERE i.inhrelid = c.oid AND p.relkind = 'p')), \
    tree (root, oid) AS (SELECT oid, oid FROM wanted WHERE relkind IN ('r', 'p', 'm') \
      UNION ALL SELECT t.root, i.inhrelid FROM tree AS t JOIN pg_catalog.pg_inherits AS i ON i.inhparent = t.oid), \
    size AS ( \
      SELECT t.root, pg_catalog.sum(GREATEST(c.reltuples, 0)::pg_catalog.int8) AS rows, \
        pg_catalog.sum(pg_catalog.pg_table_size(c.oid)) AS bytes, \
        pg_catalog.bool_and(c.relkind = 'p' OR c.reltuples > 0 OR pg_catalog.pg_relation_size(c.oid) = 0) AS known \
      FROM tree AS t JOIN pg_catalog.pg_class AS c ON c.oid = t.oid GROUP BY t.root) \
    SELECT w.nspname, w.relname, w.relkind, w.denied, CASE WHEN s.known THEN s.rows END, s.bytes, \
      (SELECT pg_catalog.json_agg(a.attname ORDER BY k.place) FROM pg_catalog.pg_index AS i \
        CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attribute, place) \
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attribute \
        WHERE i.indrelid = w.oid AND i.indisprimary \
          AND k.place <= pg_catalog.array_length(i.indoption::pg_catalog.int2[], 1)), \
      (SELECT pg_catalog.json_agg(DISTINCT a.attname) FROM pg_catalog.pg_index AS i \
        JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid \
        JOIN pg_catalog.pg_am AS m ON m.oid = x.relam AND m.amname = 'btree' \
        JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
        WHERE i.indrelid = w.oid AND i.indisvalid AND i.indpred IS NULL) \
    FROM wanted AS w LEFT JOIN size AS s ON s.root = w.oid \
    ORDER BY w.nspname, w.relname";

/// Lists the tables of `request`.
pub(crate) fn tables(connection: &mut Connection, request: &TablesRequest) -> Result<Tables> {
    let schemas = if request.schemas.is_empty() {
        "n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'".to_owned()
    } else {
        let names: Vec<String> = request.schemas.iter().map(|schema| literal(schema)).collect();
        format!("n.nspname IN ({})", names.join(", "))
    };
    let rows = connection.query(&QUERY.replace("{schemas}", &schemas))?;
    Ok(Tables { tables: rows.into_iter().map(table).collect::<Result<_>>()? })
}

fn table(row: Vec<Option<String>>) -> Result<Table> {
    let mut cells = row.into_iter();
    let mut next = || cells.next().flatten();
    let (schema, name, kind) = (next().unwrap_or_default(), next().unwrap_or_default(), next().unwrap_or_default());
    let is_denied = next().as_deref() == Some("t");
    let mut number = || next().map(|number| number.parse().map_err(protocol)).transpose();
    let (rows, bytes) = (number()?, number()?);
    let mut names = || match next() {
        Some(json) => serde_json::from_str(&json)
            .map_err(|e| Error::internal(format!("the server's list of names is no JSON: {e}"))),
        None => Ok(Vec::new()),
    };
    let (primary_key, indexed) = (names()?, names()?);
    let query = format!("SELECT * FROM {}.{}", identifier(&schema), identifier(&name));
    Ok(Table { schema: Some(schema), name, is_view: kind == "v", is_denied, query, rows, bytes, primary_key, indexed })
}
