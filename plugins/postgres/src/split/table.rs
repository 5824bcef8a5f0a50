//! The table behind a query, from the server's catalog: its relations, how many pages they have, and its key.

use rivet_plugin_api::Result;

use crate::error::protocol;
use crate::sql::literal;
use crate::wire::Connection;

use super::query::Query;

/// A table with everything that inherits from it.
#[derive(Debug)]
pub(super) struct Table {
    /// As it is written in the query.
    name: String,
    pub(super) relations: Vec<Relation>,
}

/// A table, a partition, or a table that is nothing but its partitions.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) pages: u64,
    /// Bytes of its rows, also of the values that are stored out of line.
    pub(super) bytes: u64,
    /// `relkind` of the catalog.
    kind: String,
    /// How it is stored; empty when the server is older than the choice.
    access_method: String,
}

impl Table {
    /// The table of `query`; the inner error says, for the user, why its pages cannot be read one by one.
    pub(super) fn find(connection: &mut Connection, query: &Query) -> Result<Result<Self, String>> {
        let children = if query.only {
            ""
        } else {
            "UNION SELECT i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN tree ON i.inhparent = tree.oid "
        };
        let rows = connection.query(&format!(
            "WITH RECURSIVE tree (oid) AS (SELECT pg_catalog.to_regclass({})::pg_catalog.oid {children}) \
             SELECT n.nspname, c.relname, c.relkind, a.amname, \
               CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_relation_size(c.oid) \
                 / pg_catalog.current_setting('block_size')::pg_catalog.int8 END, \
               CASE WHEN c.relkind IN ('r', 'm') THEN pg_catalog.pg_table_size(c.oid) END \
             FROM tree JOIN pg_catalog.pg_class AS c ON c.oid = tree.oid \
             JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
             LEFT JOIN pg_catalog.pg_am AS a ON a.oid = c.relam",
            literal(&query.table)
        ))?;
        let mut relations = Vec::with_capacity(rows.len());
        for row in rows {
            let mut cells = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || cells.next().unwrap_or_default();
            let (schema, name, kind, access_method) = (next(), next(), next(), next());
            let mut number = || match next().as_str() {
                "" => Ok(0),
                number => number.parse().map_err(protocol),
            };
            relations.push(Relation { schema, name, kind, access_method, pages: number()?, bytes: number()? });
        }
        let table = Self { name: query.table.clone(), relations };
        Ok(match table.unfit() {
            Some(reason) => Err(reason),
            None => Ok(table),
        })
    }

    fn unfit(&self) -> Option<String> {
        if self.relations.is_empty() {
            return Some(format!("\"{}\" is not a table of this database", self.name));
        }
        self.relations.iter().find_map(|relation| {
            let name = &relation.name;
            match (relation.kind.as_str(), relation.access_method.as_str()) {
                ("r" | "m", "heap" | "") | ("p", _) => None,
                ("r" | "m", method) => Some(format!("table \"{name}\" is stored by \"{method}\"")),
                ("v", _) => Some(format!("\"{name}\" is a view")),
                ("f", _) => Some(format!("\"{name}\" is a foreign table")),
                _ => Some(format!("\"{name}\" is not a table")),
            }
        })
    }

    pub(super) fn contains(&self, schema: &str, name: &str) -> bool {
        self.relations.iter().any(|relation| relation.schema == schema && relation.name == name)
    }

    /// The pages of the longest relation.
    pub(super) fn length(&self) -> u64 {
        self.relations.iter().map(|relation| relation.pages).max().unwrap_or(0)
    }

    /// The pages of all relations.
    pub(super) fn pages(&self) -> u64 {
        self.relations.iter().map(|relation| relation.pages).sum()
    }

    /// Bytes stored for one page, at least 1.
    pub(super) fn page_bytes(&self) -> u64 {
        let bytes: u64 = self.relations.iter().map(|relation| relation.bytes).sum();
        (bytes / self.pages().max(1)).max(1)
    }

    /// The column of a primary key that is one integer, with its least and greatest value.
    pub(super) fn integer_key(&self, connection: &mut Connection) -> Result<Option<(String, i64, i64)>> {
        // The key of a table says nothing about tables that inherit from it, only about its partitions.
        if self.relations.len() > 1 && self.relations.iter().all(|relation| relation.kind != "p") {
            return Ok(None);
        }
        let table = literal(&self.name);
        let rows = connection.query(&format!(
            "SELECT a.attname, pg_catalog.quote_ident(a.attname) FROM pg_catalog.pg_index AS i \
             JOIN pg_catalog.pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
             WHERE i.indrelid = pg_catalog.to_regclass({table}) AND i.indisprimary \
               AND i.indnatts = 1 AND a.atttypid IN (21, 23, 20)"
        ))?;
        let column: Vec<String> = rows.into_iter().flatten().flatten().collect();
        let [name, quoted] = column.as_slice() else { return Ok(None) };
        let ends = format!("SELECT pg_catalog.min({quoted}), pg_catalog.max({quoted}) FROM {}", self.name);
        let ends: Vec<String> = connection.query(&ends)?.into_iter().flatten().flatten().collect();
        let [least, greatest] = ends.as_slice() else { return Ok(None) };
        Ok(Some((name.clone(), least.parse().map_err(protocol)?, greatest.parse().map_err(protocol)?)))
    }
}

#[cfg(test)]
impl Table {
    /// A table with partitions of these many pages.
    pub(super) fn of(pages: &[u64]) -> Self {
        let relation = |pages: &u64| Relation {
            schema: String::new(),
            name: String::new(),
            pages: *pages,
            bytes: 0,
            kind: "r".to_owned(),
            access_method: String::new(),
        };
        Self { name: String::new(), relations: pages.iter().map(relation).collect() }
    }
}
