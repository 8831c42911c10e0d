//! Messages as PostgreSQL writes them, and as it never would.

use super::*;

fn relation_bytes() -> Vec<u8> {
    let mut bytes = vec![b'R'];
    bytes.extend(42_u32.to_be_bytes());
    bytes.extend(b"public\0users\0d");
    bytes.extend(2_u16.to_be_bytes());
    bytes.push(1);
    bytes.extend(b"id\0");
    bytes.extend(20_u32.to_be_bytes());
    bytes.extend((-1_i32).to_be_bytes());
    bytes.push(0);
    bytes.extend(b"name\0");
    bytes.extend(1043_u32.to_be_bytes());
    bytes.extend(36_i32.to_be_bytes());
    bytes
}

fn row_bytes(values: &[(u8, Option<&[u8]>)]) -> Vec<u8> {
    let mut bytes = u16::try_from(values.len()).unwrap().to_be_bytes().to_vec();
    for (kind, value) in values {
        bytes.push(*kind);
        if let Some(value) = value {
            bytes.extend(i32::try_from(value.len()).unwrap().to_be_bytes());
            bytes.extend(*value);
        }
    }
    bytes
}

#[test]
fn a_table_is_read_with_its_columns() {
    let bytes = relation_bytes();

    let Change::Relation(relation) = Change::decode(&bytes).unwrap() else {
        panic!("a relation")
    };

    assert_eq!(
        (relation.id, relation.schema, relation.name),
        (42, "public", "users")
    );
    assert_eq!(relation.column_count(), 2);
    let columns: Vec<Column<'_>> = relation.columns().collect();
    assert!(columns[0].is_key && columns[0].name == "id" && columns[0].type_modifier == -1);
    assert!(!columns[1].is_key && columns[1].name == "name" && columns[1].type_modifier == 36);
}

#[test]
fn a_changed_row_is_read_with_what_it_was() {
    let mut bytes = vec![b'U'];
    bytes.extend(42_u32.to_be_bytes());
    bytes.push(b'K');
    bytes.extend(row_bytes(&[(b't', Some(b"7")), (b'n', None)]));
    bytes.push(b'N');
    bytes.extend(row_bytes(&[(b'b', Some(&[0, 8])), (b'u', None)]));

    let Change::Update { relation, old, new } = Change::decode(&bytes).unwrap() else {
        panic!("an update")
    };

    assert_eq!(relation, 42);
    let Some(Old::Key(key)) = old else {
        panic!("a key")
    };
    assert_eq!(
        key.values().collect::<Vec<_>>(),
        [Value::Text(b"7"), Value::Null]
    );
    assert_eq!(
        new.values().collect::<Vec<_>>(),
        [Value::Binary(&[0, 8]), Value::Unchanged]
    );
    assert_eq!(format!("{new:?}"), "[binary of 2 bytes, unchanged]");
}

#[test]
fn emptied_tables_are_read_with_the_options() {
    let mut bytes = vec![b'T'];
    bytes.extend(2_u32.to_be_bytes());
    bytes.push(3);
    bytes.extend(42_u32.to_be_bytes());
    bytes.extend(43_u32.to_be_bytes());

    let Change::Truncate {
        cascades,
        restarts_identity,
        relations,
    } = Change::decode(&bytes).unwrap()
    else {
        panic!("a truncate")
    };

    assert!(cascades && restarts_identity);
    assert_eq!(relations.ids().collect::<Vec<_>>(), [42, 43]);
}

#[test]
fn nothing_that_is_cut_off_or_too_long_is_read() {
    let mut commit = vec![b'C', 0];
    commit.extend([0; 24]);
    let mut begin = vec![b'B'];
    begin.extend([0; 20]);
    let mut message = vec![b'M', 1];
    message.extend([0; 8]);
    message.extend(b"pgmoor\0");
    message.extend(2_u32.to_be_bytes());
    message.extend(b"hi");
    let mut insert = vec![b'I'];
    insert.extend(42_u32.to_be_bytes());
    insert.push(b'N');
    insert.extend(row_bytes(&[(b't', Some(b"7"))]));
    let mut delete = vec![b'D'];
    delete.extend(42_u32.to_be_bytes());
    delete.push(b'O');
    delete.extend(row_bytes(&[(b't', Some(b"7"))]));
    let mut origin = vec![b'O'];
    origin.extend([0; 8]);
    origin.extend(b"pgmoor\0");
    let mut named = vec![b'Y'];
    named.extend(7_u32.to_be_bytes());
    named.extend(b"public\0mood\0");

    for whole in [
        commit,
        begin,
        message,
        insert,
        delete,
        origin,
        named,
        relation_bytes(),
    ] {
        assert!(Change::decode(&whole).is_ok(), "{}", whole[0] as char);
        for cut in 0..whole.len() {
            assert!(
                Change::decode(&whole[..cut]).is_err(),
                "{} cut at {cut}",
                whole[0] as char
            );
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert!(Change::decode(&longer).is_err(), "{}", whole[0] as char);
    }
    assert!(Change::decode(b"S").is_err());
}

#[test]
fn a_count_that_promises_more_than_there_is_costs_nothing() {
    let mut bytes = vec![b'T'];
    bytes.extend(u32::MAX.to_be_bytes());
    bytes.push(0);

    assert!(Change::decode(&bytes).is_err());
}
