use super::*;

const MYSQL: Dialect = Dialect::Mysql(Quotes { plain_backslash: false, ansi: false });
const ANSI: Dialect = Dialect::Mysql(Quotes { plain_backslash: false, ansi: true });
const PLAIN: Dialect = Dialect::Mysql(Quotes { plain_backslash: true, ansi: false });

#[test]
fn the_statement_is_found_in_each_dialect() {
    use Dialect::{Postgres, Sqlite};
    for (dialect, query, expected) in [
        (Postgres, "select 1", "select 1"),
        (Postgres, " \n/* a /* nested */ ; */ select 1 ; -- done; really\n ;\n", "select 1"),
        (Postgres, "select ';' as \";\"", "select ';' as \";\""),
        (Postgres, "select 'it''s; ok';", "select 'it''s; ok'"),
        (Postgres, "select E'\\';' ;", "select E'\\';'"),
        (Postgres, "select E'a'\n -- c'\n '\\';'; ", "select E'a'\n -- c'\n '\\';'"),
        (Postgres, "select '\\';", "select '\\'"),
        (Postgres, "select namee';';", "select namee';'"),
        (Postgres, "select $$;$$, $t$ ; $$ $t$;", "select $$;$$, $t$ ; $$ $t$"),
        (Postgres, "select a$b$ ; ", "select a$b$"),
        (Postgres, "select $1;", "select $1"),
        (Postgres, "with é as (select 1) table é;", "with é as (select 1) table é"),
        (Postgres, "select 1 -- the end", "select 1"),
        (Postgres, "select 1 --\r, 2", "select 1 --\r, 2"),
        (Postgres, "values (1);;", "values (1)"),
        (MYSQL, " \n/* a ; */ # b ;\n select 1 ; -- done; really\n ;\n", "select 1"),
        (MYSQL, "select ';' as `;`, \";\";", "select ';' as `;`, \";\""),
        (MYSQL, "select 'it''s; ok';", "select 'it''s; ok'"),
        (MYSQL, "select '\\';' ;", "select '\\';'"),
        (MYSQL, "select \"\\\";\" ;", "select \"\\\";\""),
        (MYSQL, "select `\\`;", "select `\\`"),
        (MYSQL, "select 1--1;", "select 1--1"),
        (MYSQL, "select 1 --\t; x\n", "select 1"),
        (MYSQL, "select /*! 1 */;", "select /*! 1 */"),
        (MYSQL, "/*M! select 1 */", "/*M! select 1 */"),
        (MYSQL, "with é as (select 1) table é;", "with é as (select 1) table é"),
        (MYSQL, "select '\\é' # the end", "select '\\é'"),
        (PLAIN, "select '\\';", "select '\\'"),
        (ANSI, "select \"\\\" ;", "select \"\\\""),
        (Sqlite, "\u{feff}SELECT 1 ;; -- end;\n ;", "SELECT 1"),
        (Sqlite, "SELECT 1 -- ; no\n, 2 /* ; */ ;", "SELECT 1 -- ; no\n, 2"),
        (Sqlite, "; values (';''--', \"a;b\", [c;d], `e;f`);", "values (';''--', \"a;b\", [c;d], `e;f`)"),
        (Sqlite, "/* a */ WITH x AS (SELECT 1) SELECT * FROM x /* open", "WITH x AS (SELECT 1) SELECT * FROM x"),
    ] {
        assert_eq!(statement(query, dialect).unwrap(), expected, "{query}");
    }
}

#[test]
fn what_is_not_one_statement_is_refused() {
    for (dialect, queries) in [
        (Dialect::Postgres, &["/* /* */", "select 'a", "select $x$", "select \"a", "select E'\\'"][..]),
        (MYSQL, &["select 1; /*! drop table t */", "/* x", "/*/", "select 'a", "select 'a\\'", "select `a"]),
        (Dialect::Sqlite, &["select 'a", "select [a", "/* open"]),
    ] {
        for query in ["", " ; -- x", "select 1; drop table t", "select 1;;select 2"].iter().chain(queries) {
            assert!(statement(query, dialect).is_err(), "{query}");
        }
    }
}

#[test]
fn tokens_say_what_they_are() {
    let of = |text| -> Vec<_> {
        let tokens: Result<Vec<_>> = Tokens::new(text, Dialect::Postgres).collect();
        tokens.unwrap().into_iter().map(|token| (token.kind, token.text)).collect()
    };
    let found = of("Select\"a b\".c, 'x' -- y\n+$1 from t$2;");
    let expected = [
        (Kind::Word, "Select"),
        (Kind::QuotedName, "\"a b\""),
        (Kind::Symbol, "."),
        (Kind::Word, "c"),
        (Kind::Symbol, ","),
        (Kind::Text, "'x'"),
        (Kind::Symbol, "+"),
        (Kind::Symbol, "$"),
        (Kind::Word, "1"),
        (Kind::Word, "from"),
        (Kind::Word, "t$2"),
        (Kind::Semicolon, ";"),
    ];
    assert_eq!(found, expected);
    let first = Tokens::new(" /* x */ Select", Dialect::Sqlite).next().unwrap().unwrap();
    assert!(first.is("SELECT") && first.at == 9 && first.end() == 15);
    let broken: Vec<_> = Tokens::new("a 'b", MYSQL).collect();
    assert!(broken.len() == 2 && broken[1].is_err());
}
