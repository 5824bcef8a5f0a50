use super::*;

fn bounds(pieces: &[Piece]) -> Vec<(Option<u64>, Option<u64>)> {
    pieces
        .iter()
        .map(|piece| match piece {
            Piece::Pages(from, to) => (*from, *to),
            Piece::Keys(..) => panic!("{piece:?}"),
        })
        .collect()
}

#[test]
fn parts_have_as_many_pages_over_all_partitions() {
    let one = Table::of(&[1000]);
    assert_eq!(bounds(&page_ranges(&one, 3)), [(None, Some(333)), (Some(333), Some(666)), (Some(666), None)]);
    // The second half of the work is on the last 450 pages of the long partition.
    let three = Table::of(&[100, 1000, 0]);
    assert_eq!(bounds(&page_ranges(&three, 2)), [(None, Some(450)), (Some(450), None)]);
    assert_eq!(bounds(&page_ranges(&Table::of(&[1, 1]), 5)), [(None, Some(0)), (Some(0), Some(1)), (Some(1), None)]);
}

#[test]
fn key_ranges_do_not_overflow() {
    let pieces = key_ranges("id", i64::MIN, i64::MAX, 2);
    assert_eq!(pieces, [Piece::Keys("id".into(), None, Some(0)), Piece::Keys("id".into(), Some(0), None)]);
    assert_eq!(key_ranges("id", 7, 7, 3).len(), 2);
}

#[test]
fn tokens_are_read_back_and_nothing_else_is() {
    for piece in [Piece::Pages(None, Some(7)), Piece::Keys("\"a\"\"b\"".into(), Some(-1), None)] {
        let Filter::Part { token } = piece.filter().unwrap() else { panic!() };
        assert_eq!(Piece::read(&token).unwrap(), piece);
    }
    for token in ["", "{}", "{\"pages\":[1]}", "{\"pages\":[-1,2]}", "1) or (true"] {
        assert!(Piece::read(token).is_err(), "{token}");
    }
    assert_eq!(Piece::Pages(None, None).condition(), "true");
    assert_eq!(
        Piece::Pages(Some(1), Some(2)).condition(),
        "ctid >= '(1,0)'::pg_catalog.tid AND ctid < '(2,0)'::pg_catalog.tid"
    );
}
