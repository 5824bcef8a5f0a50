//! Who answers at the other end: MySQL or MariaDB, and which version.

/// The product and its version.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Server {
    /// As the server states it.
    pub(crate) version: String,
    pub(crate) is_mariadb: bool,
    /// Major and minor.
    number: (u16, u16),
    /// The session's number there, for `KILL QUERY`.
    pub(crate) connection_id: u64,
}

impl Server {
    pub(super) fn new(version: &str, connection_id: u64) -> Self {
        // MariaDB puts "5.5.5-" in front, for old replicas.
        let is_mariadb = version.to_ascii_lowercase().contains("mariadb");
        let version = if is_mariadb { version.strip_prefix("5.5.5-").unwrap_or(version) } else { version };
        let mut parts = version.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse().unwrap_or(0));
        let number = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        Self { version: version.to_owned(), is_mariadb, number, connection_id }
    }

    pub(crate) fn product(&self) -> &'static str {
        if self.is_mariadb { "MariaDB" } else { "MySQL" }
    }

    /// Whether a query may begin with `WITH`, which renames columns even where they are called alike.
    pub(crate) fn has_common_table_expressions(&self) -> bool {
        self.number >= if self.is_mariadb { (10, 2) } else { (8, 0) }
    }

    /// Whether `EXPLAIN FORMAT=TREE` prints a plan for people.
    pub(crate) fn has_plan_trees(&self) -> bool {
        !self.is_mariadb && self.number >= (8, 1)
    }

    /// Whether the form of `EXPLAIN FORMAT=JSON` is a setting.
    pub(crate) fn has_plan_versions(&self) -> bool {
        !self.is_mariadb && self.number >= (8, 3)
    }

    /// Whether the conditions around a subquery reach the indexes of the tables in it.
    pub(crate) fn merges_subqueries(&self) -> bool {
        self.is_mariadb || self.number >= (5, 7)
    }

    /// The setting that limits a statement, and how many of its units make a second.
    pub(crate) fn statement_limit(&self) -> Option<(&'static str, u64)> {
        match self.is_mariadb {
            true if self.number >= (10, 1) => Some(("max_statement_time", 1)),
            false if self.number >= (5, 7) => Some(("max_execution_time", 1000)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_decide_what_a_server_can() {
        let maria = Server::new("5.5.5-10.11.6-MariaDB-1:10.11.6+maria~deb12", 1);
        assert_eq!((maria.product(), maria.version.as_str()), ("MariaDB", "10.11.6-MariaDB-1:10.11.6+maria~deb12"));
        assert_eq!(maria.statement_limit(), Some(("max_statement_time", 1)));
        assert!(maria.has_common_table_expressions());
        let mysql = Server::new("8.4.3", 1);
        assert_eq!((mysql.product(), mysql.statement_limit()), ("MySQL", Some(("max_execution_time", 1000))));
        let old = Server::new("5.6.24-log", 1);
        assert!(!old.has_common_table_expressions() && old.statement_limit().is_none());
    }
}
