//! MD5 passwords, against what PostgreSQL and md5sum say.

use pgmoor_wire::md5::{hash, hash_stored, stored};

#[test]
fn stored_form_is_that_of_postgresql() {
    // set password_encryption='md5'; create role app password 'pencil'; in PostgreSQL 15.
    assert_eq!(
        stored("app", "pencil").expose(),
        "md506d701b4dd9f7cbb00816251a451b978"
    );
}

#[test]
fn answer_from_the_password_and_from_the_stored_form_are_the_same() {
    let salt = [1, 2, 3, 0xff];

    let answer = hash("app", "pencil", salt);

    let from_stored = hash_stored(stored("app", "pencil").expose(), salt);
    assert_eq!(
        from_stored.as_ref().map(|answer| answer.expose()),
        Some(answer.expose())
    );
    // printf '%s\x01\x02\x03\xff' <digits of the stored form> | md5sum
    assert_eq!(answer.expose(), "md519467e8fbfbffcb8d341925b25c4bea6");
}

#[test]
fn stored_form_that_is_none_gives_no_answer() {
    let good = stored("app", "pencil").expose().clone();

    for bad in [
        "",
        "md5",
        "SCRAM-SHA-256$",
        &good[1..],
        &good[..34],
        &good.to_uppercase(),
    ] {
        assert!(hash_stored(bad, [0; 4]).is_none(), "{bad:?}");
    }
}
