use super::*;

#[test]
fn one_more_condition_changes_nothing_else() {
    for (query, table, piece) in [
        ("select * from t", "t", "select * from t\nWHERE P"),
        ("SELECT a, b FROM s . t AS x ;", "s.t", "SELECT a, b FROM s . t AS x\nWHERE P"),
        (
            "select 1 from only \"Ö\".\"a\"\"b\" x -- end",
            "\"Ö\".\"a\"\"b\"",
            "select 1 from only \"Ö\".\"a\"\"b\" x\nWHERE P",
        ),
        ("select a from t where a > 1 or b;", "t", "select a from t where ( a > 1 or b\n) AND P"),
        ("select a from t x where a = 'x' -- y", "t", "select a from t x where ( a = 'x'\n) AND P"),
        (
            "select extract(day from d), a is distinct from b from t",
            "t",
            "select extract(day from d), a is distinct from b from t\nWHERE P",
        ),
        ("select a as from, t.limit from t", "t", "select a as from, t.limit from t\nWHERE P"),
        (
            "select (select max(b) from u order by 1 limit 1) from t",
            "t",
            "select (select max(b) from u order by 1 limit 1) from t\nWHERE P",
        ),
        ("/* from x */ select 'from y' from t*", "t", "select 'from y' from t*\nWHERE P"),
    ] {
        let parsed = parse(query).unwrap().unwrap_or_else(|reason| panic!("{query}: {reason}"));
        assert_eq!((parsed.table.as_str(), parsed.with("P").as_str()), (table, piece), "{query}");
    }
}

#[test]
fn the_reason_names_what_is_in_the_way() {
    for (query, reason) in [
        ("values (1)", "SELECT"),
        ("with t as (select 1) select * from t", "SELECT"),
        ("select distinct a from t", "DISTINCT"),
        ("select 1", "no table"),
        ("select * from t limit 1", "LIMIT"),
        ("select * from t x order by a", "ORDER"),
        ("select * from t where a group by a", "GROUP"),
        ("select * from t for update", "FOR"),
        ("select a from t union select b from u", "UNION"),
        ("select * from t, u", "joins"),
        ("select * from t as a join u on true", "joins"),
        ("select * from t cross join u", "joins"),
        ("select * from t tablesample system (1)", "TABLESAMPLE"),
        ("select * from (select 1) as t", "subquery"),
        ("select * from f(1)", "function"),
        ("select * from lateral f(1)", "columns"),
        ("select * from t as x (a, b)", "columns"),
        ("select 1 union select a from t", "UNION"),
        ("select a into b from t", "INTO"),
    ] {
        let found = parse(query).unwrap().unwrap_err();
        assert!(found.contains(reason), "{query}: {found}");
    }
}
