use super::*;
use crate::sql::Quotes;

const MYSQL: Dialect = Dialect::Mysql(Quotes { plain_backslash: false, ansi: false });
const DIALECTS: [Dialect; 3] = [Dialect::Postgres, MYSQL, Dialect::Sqlite];

fn params(values: &[(&str, ParamValue)]) -> Params {
    values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

#[expect(clippy::unnecessary_wraps, reason = "a database may refuse a text")]
fn text(value: &str) -> Result<String> {
    Ok(format!("'{}'", value.replace('\'', "''")))
}

fn bound(query: &str, dialect: Dialect, value: ParamValue) -> Result<String> {
    bind(query, &params(&[("x", value)]), dialect, text).map(Cow::into_owned)
}

/// What the dialects have in common; blanks around a value are cut for reading.
#[test]
fn declared_names_are_replaced_and_nothing_else_is() {
    for dialect in DIALECTS {
        for (query, expected) in [
            ("select :x", "select 7"),
            ("select :x, :x", "select 7, 7"),
            ("select (:x)+:x", "select (7)+7"),
            (":x", "7"),
            ("select :x, ':x', :y", "select 7, ':x', :y"),
            ("select :x -- :x\n", "select 7 -- :x\n"),
            ("select :x /* :x */", "select 7 /* :x */"),
            ("select :x as \":x\"", "select 7 as \":x\""),
            ("select :x::date, a::x", "select 7::date, a::x"),
            ("select :x, a[1:x], a[lo:x], a[f(1):x]", "select 7, a[1:x], a[lo:x], a[f(1):x]"),
            ("select :x, b:=x, : x", "select 7, b:=x, : x"),
            ("select :x, :xy, :x_, :x1, :xé", "select 7, :xy, :x_, :x1, :xé"),
            ("select 'é', :x", "select 'é', 7"),
            ("select E:x, :x", "select E:x, 7"),
            ("select :x, 'a':x", "select 7, 'a':x"),
        ] {
            // SQLite takes what is in brackets for a name.
            if dialect == Dialect::Sqlite && query.contains('[') {
                continue;
            }
            let found = bound(query, dialect, ParamValue::Int(7)).unwrap();
            assert_eq!(found.replace(" 7 ", "7"), expected, "{query} in {dialect:?}");
        }
    }
    let postgres = |query| bound(query, Dialect::Postgres, ParamValue::Int(1));
    assert_eq!(postgres("select $$:x$$, a[:x]").unwrap(), "select $$:x$$, a[ 1 ]");
    assert_eq!(postgres("select :x /* /* */ :x */").unwrap(), "select  1  /* /* */ :x */");
    assert_eq!(bound("select @a:=:x", MYSQL, ParamValue::Int(1)).unwrap(), "select @a:= 1 ");
    assert!(bound("select /*! :x */ 1", MYSQL, ParamValue::Int(1)).is_err());
    assert!(bound("select [:x], `:x`", Dialect::Sqlite, ParamValue::Int(1)).is_err());
}

#[test]
fn values_are_kept_apart_from_what_surrounds_them() {
    let of = |query, value| bound(query, Dialect::Postgres, value).unwrap();
    assert_eq!(of("1-:x", ParamValue::Int(-5)), "1- (-5) ");
    assert_eq!(of("select :x'b'", ParamValue::Text("a".into())), "select  'a' 'b'");
    assert_eq!(of(":x", ParamValue::Null), " NULL ");
    assert_eq!(of(":x", ParamValue::Bool(false)), " FALSE ");
    assert_eq!(of(":x", ParamValue::Int(i64::MIN)), " (-9223372036854775807 - 1) ");
    assert_eq!(of(":x", ParamValue::Number("-1.50".into())), " (-1.50) ");
    // A value is never looked at again.
    assert_eq!(of(":x", ParamValue::Text(":x".into())), " ':x' ");
}

#[test]
fn without_params_nothing_is_looked_at() {
    let query = "select 'open :x";
    assert!(matches!(bind(query, &Params::new(), MYSQL, text), Ok(Cow::Borrowed(same)) if same == query));
}

#[test]
fn what_the_query_does_not_use_is_an_error() {
    let error = bound("select ':x'", Dialect::Postgres, ParamValue::Null).unwrap_err();
    assert_eq!(error.message(), "the query does not use parameter \"x\"");
    assert_eq!(
        error.hint_text().unwrap(),
        "write :x in the query, outside of quotes and comments, or remove it from `params`"
    );
    let error = bound("select :y, :z, a::int", Dialect::Postgres, ParamValue::Null).unwrap_err();
    assert_eq!(error.hint_text().unwrap(), "the query has \":y\", \":z\", which `params` does not declare");
}

#[test]
fn errors_name_the_parameter_and_not_the_value() {
    let refuse = |_: &str| Err(Error::data("no such text"));
    let error = bind(":x", &params(&[("x", ParamValue::Text("v4lue".into()))]), MYSQL, refuse).unwrap_err();
    assert!(error.to_string().contains("no such text") && !error.to_string().contains("v4lue"));
    assert_eq!(error.contexts(), ["could not write the value of parameter \"x\" into the query"]);
}

#[test]
fn numbers_are_written_only_where_they_stay_exact() {
    let of = |number: &str, dialect| bound(":x", dialect, ParamValue::Number(number.to_owned())).is_ok();
    for dialect in DIALECTS {
        for good in ["0.1", "-1.50", "123456789.123456", "1e3", "-2.5E-7", "1.7976931348623157e308", "0.0", "5"] {
            assert!(of(good, dialect), "{good} in {dialect:?}");
        }
        for bad in
            ["", "-", ".", ".5", "1.", "+1", "--1", "1e", "1e+", "e1", "0x1", "1 or 1", "1;", "NaN", "inf", "1_0"]
        {
            assert!(!of(bad, dialect), "{bad} in {dialect:?}");
        }
    }
    let wide = "1".repeat(65);
    let long = format!("1.{}1", "0".repeat(30));
    assert!(of(&wide, Dialect::Postgres) && of(&wide, MYSQL) && !of(&wide, Dialect::Sqlite));
    assert!(of(&long, Dialect::Postgres) && !of(&long, MYSQL) && !of(&long, Dialect::Sqlite));
    assert!(!of(&format!("{wide}1"), MYSQL));
    for rounded in ["9223372036854775809", "0.12345678901234567890", "1e-400", "1e999"] {
        assert!(!of(rounded, Dialect::Sqlite), "{rounded}");
    }
}
