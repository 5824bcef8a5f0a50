use rivet_plugin_api::Mapping;

use super::*;
use crate::catalog::Element;

fn native(catalog_name: &str, name: &str, modifier: i32) -> NativeType {
    NativeType {
        name: name.into(),
        full_name: name.into(),
        cast_name: name.into(),
        catalog_name: catalog_name.into(),
        is_builtin: true,
        is_enum: false,
        modifier,
        element: None,
        nullable: None,
    }
}

fn mapping(types: &[(&str, &str)], columns: &[(&str, &str)]) -> Mapping {
    let own = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Mapping { types: own(types), columns: own(columns) }
}

fn decoder(native: &NativeType, wish: &str) -> Result<Decoder> {
    map("c", native, &mapping(&[], &[("c", wish)])).map(|m| m.decoder)
}

#[test]
fn equal_names_are_told_apart() {
    assert_eq!(unique_names(vec!["a", "a", "a_2", "b", "a"]), ["a", "a_3", "a_2", "b", "a_4"]);
    assert_eq!(unique_names(vec!["?column?", "?column?"]), ["?column?", "?column?_2"]);
}

#[test]
fn column_entries_win_over_type_entries() {
    let numeric = native("numeric", "numeric", ((12 << 16) | 2) + 4);
    let both = mapping(&[("NUMERIC", "decimal")], &[("c", "text")]);
    assert_eq!(map("c", &numeric, &both).unwrap().decoder, Decoder::Numeric);
    assert_eq!(map("d", &numeric, &both).unwrap().decoder, Decoder::Decimal128(12, 2));
}

#[test]
fn decimals_take_the_columns_size_or_the_users() {
    let sized = |p: i32, s: i32| native("numeric", "numeric", ((p << 16) | (s & 0x7ff)) + 4);
    assert_eq!(decoder(&sized(40, 3), "decimal").unwrap(), Decoder::Decimal256(40, 3));
    assert_eq!(decoder(&sized(3, -2), "decimal").unwrap(), Decoder::Decimal128(5, 0));
    assert_eq!(decoder(&sized(2, 4), "decimal").unwrap(), Decoder::Decimal128(4, 4));
    assert_eq!(decoder(&native("numeric", "numeric", -1), "Decimal(18, 2)").unwrap(), Decoder::Decimal128(18, 2));
    for wish in ["decimal", "decimal(77,0)", "decimal(0,0)", "decimal(2,3)", "decimal(2,-1)", "decimal(2)", "decimalx"]
    {
        assert!(decoder(&native("numeric", "numeric", -1), wish).is_err(), "{wish}");
    }
    assert!(decoder(&native("int4", "integer", -1), "decimal").is_err());
}

fn array(element: NativeType, name: &str, delimiter: &str) -> NativeType {
    let (catalog_name, modifier) = (format!("_{}", element.catalog_name), element.modifier);
    let element = Element { native: element, delimiter: delimiter.into() };
    NativeType { element: Some(Box::new(element)), ..native(&catalog_name, name, modifier) }
}

#[test]
fn arrays_are_lists_of_what_their_elements_are() {
    let list = |item| Decoder::List(Box::new(item));
    let numbers = array(native("numeric", "numeric", ((12 << 16) | 2) + 4), "numeric[]", ",");
    let of = |types: &[(&str, &str)], columns: &[(&str, &str)]| map("c", &numbers, &mapping(types, columns)).unwrap();
    assert_eq!((of(&[], &[]).decoder, of(&[], &[]).fetch), (list(Decoder::Numeric), Fetch::AsIs));
    let decimals = list(Decoder::Decimal128(12, 2));
    for key in ["numeric", "_numeric", "numeric[]"] {
        assert_eq!(of(&[(key, "decimal")], &[]).decoder, decimals, "{key}");
    }
    assert_eq!(of(&[("numeric", "text")], &[("c", "decimal")]).decoder, decimals);
    assert_eq!((of(&[], &[("c", "text")]).decoder, of(&[], &[("c", "text")]).fetch), (Decoder::Text, Fetch::Printed));
    let printed = map("c", &array(native("inet", "inet", -1), "inet[]", ","), &Mapping::default()).unwrap();
    assert_eq!((printed.decoder, printed.fetch), (list(Decoder::Text), Fetch::PrintedElements));
}

#[test]
fn arrays_that_do_not_separate_by_commas_are_refused_until_asked_for_as_text() {
    let boxes = array(native("box", "box", -1), "box[]", ";");
    let error = map("c", &boxes, &Mapping::default()).unwrap_err();
    assert!(error.to_string().contains("column \"c\" has type \"box[]\""), "{error}");
    for key in ["box[]", "_box"] {
        assert_eq!(map("c", &boxes, &mapping(&[(key, "text")], &[])).unwrap().fetch, Fetch::Printed);
    }
}

#[test]
fn infinity_may_become_null_or_the_last_value() {
    assert_eq!(decoder(&native("date", "date", -1), "null").unwrap(), Decoder::Date(Beyond::Null));
    let instant = native("timestamptz", "timestamp with time zone", -1);
    assert_eq!(decoder(&instant, "clamp").unwrap(), Decoder::Instant(Beyond::Clamped));
    assert!(decoder(&native("int4", "integer", -1), "null").is_err());
}

#[test]
fn a_users_type_is_not_taken_for_the_servers() {
    let own = NativeType { is_builtin: false, ..native("uuid", "app.uuid", -1) };
    let mapped = map("c", &own, &Mapping::default()).unwrap();
    assert_eq!((mapped.decoder, mapped.fetch), (Decoder::Text, Fetch::Printed));
    let label = NativeType { is_builtin: false, is_enum: true, ..native("mood", "mood", -1) };
    assert_eq!(map("c", &label, &Mapping::default()).unwrap().fetch, Fetch::AsIs);
}

#[test]
fn an_override_of_an_unknown_column_is_refused() {
    let error = plan(vec![("a".into(), native("int4", "integer", -1))], &mapping(&[], &[("b", "text")])).unwrap_err();
    assert!(error.to_string().contains("\"b\""), "{error}");
}
