use super::*;

fn native(wire: ColumnType, length: u32) -> NativeColumn {
    NativeColumn {
        name: "c".into(),
        wire,
        is_unsigned: false,
        is_enum: false,
        is_set: false,
        charset: 45,
        length,
        decimals: 0,
        nullable: None,
    }
}

fn binary(wire: ColumnType, length: u32) -> NativeColumn {
    NativeColumn { charset: 63, ..native(wire, length) }
}

#[test]
fn names_read_as_people_write_them() {
    use ColumnType as C;
    let decimal = NativeColumn { decimals: 2, ..native(C::MYSQL_TYPE_NEWDECIMAL, 14) };
    assert_eq!(decimal.full_name(), "decimal(12,2)");
    let unsigned = NativeColumn { is_unsigned: true, ..native(C::MYSQL_TYPE_NEWDECIMAL, 12) };
    assert_eq!(
        (unsigned.full_name().as_str(), unsigned.name().as_str()),
        ("decimal(12,0) unsigned", "decimal unsigned")
    );
    assert_eq!(native(C::MYSQL_TYPE_VAR_STRING, 80).full_name(), "varchar(20)");
    assert_eq!(binary(C::MYSQL_TYPE_STRING, 4).full_name(), "binary(4)");
    assert_eq!(native(C::MYSQL_TYPE_BLOB, 262_140).full_name(), "text");
    assert_eq!(binary(C::MYSQL_TYPE_BLOB, u32::MAX).full_name(), "longblob");
    let mood = NativeColumn { is_enum: true, ..native(C::MYSQL_TYPE_STRING, 40) };
    assert_eq!(mood.full_name(), "enum");
}

#[test]
fn bytes_and_text_are_told_apart_by_character_set() {
    let decoder = |native: &NativeColumn| default("c", native).unwrap().decoder;
    assert_eq!(decoder(&binary(ColumnType::MYSQL_TYPE_VAR_STRING, 9)), Decoder::Binary);
    assert_eq!(decoder(&native(ColumnType::MYSQL_TYPE_VAR_STRING, 9)), Decoder::Text);
    // JSON is announced with the binary character set, and is text all the same.
    assert_eq!(decoder(&binary(ColumnType::MYSQL_TYPE_JSON, 9)), Decoder::Text);
    assert_eq!(decoder(&binary(ColumnType::MYSQL_TYPE_BIT, 1)), Decoder::Bool);
    assert_eq!(decoder(&binary(ColumnType::MYSQL_TYPE_BIT, 2)), Decoder::Bits);
}

#[test]
fn overrides_are_found_by_column_then_by_full_name_then_by_name() {
    let decimal = NativeColumn { decimals: 2, ..native(ColumnType::MYSQL_TYPE_NEWDECIMAL, 14) };
    let mapping = |types: &[(&str, &str)], columns: &[(&str, &str)]| {
        let own = |list: &[(&str, &str)]| list.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Mapping { types: own(types), columns: own(columns) }
    };
    let decoder = |mapping: &Mapping| map("c", &decimal, mapping).unwrap().decoder;
    assert_eq!(decoder(&mapping(&[("DECIMAL", "decimal")], &[])), Decoder::Decimal128(12, 2));
    let both = [("decimal", "text"), ("decimal(12, 2)", "decimal(20,2)")];
    assert_eq!(decoder(&mapping(&both, &[])), Decoder::Decimal128(20, 2));
    assert_eq!(decoder(&mapping(&both, &[("c", "decimal(40,2)")])), Decoder::Decimal256(40, 2));
    for wish in ["decimal(77,2)", "decimal(2,3)", "decimal(x)", "int64", "null", "duration"] {
        assert!(map("c", &decimal, &mapping(&[], &[("c", wish)])).is_err(), "{wish}");
    }
    assert!(plan(vec![decimal.clone()], &mapping(&[], &[("missing", "text")])).is_err());
}

#[test]
fn equal_names_get_numbers() {
    assert_eq!(unique_names(vec!["a", "a", "a_2", "b", "a"]), ["a", "a_3", "a_2", "b", "a_4"]);
}
