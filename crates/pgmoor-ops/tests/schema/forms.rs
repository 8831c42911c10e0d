//! The forms that the same file has on different machines.

use pgmoor_testkit::Postgres;

use crate::common::{Dir, look, ran, rules, session, up};

const LINES: &str = "create table a (\n  id int\n);\ninsert into a values (1);\n";

#[tokio::test]
async fn a_file_that_begins_with_a_byte_order_mark_runs_and_stays_the_same_without_it() {
    let postgres = Postgres::start().await;
    let session = session(&postgres).await;
    let dir = Dir::new(&[
        ("V1__a.sql", "\u{feff}create table a (id int primary key)"),
        (
            "V2__i.sql",
            "\u{feff}-- no-transaction\ncreate index concurrently i on a (id)",
        ),
    ]);

    let report = up(&session, &dir.files(), &rules()).await.unwrap();

    assert_eq!(ran(&report), ["V1__a", "V2__i"]);
    dir.write("V1__a.sql", "create table a (id int primary key)");
    let status = look(&session, &dir.files()).await;
    assert!(status.troubles.is_empty(), "{:?}", status.troubles);
}

#[tokio::test]
async fn a_file_whose_lines_end_otherwise_than_when_it_ran_is_the_same_file() {
    let windows = LINES.replace('\n', "\r\n");
    for (before, after) in [(LINES, windows.as_str()), (&windows, LINES)] {
        let postgres = Postgres::start().await;
        let session = session(&postgres).await;
        let dir = Dir::new(&[("V1__a.sql", before)]);
        up(&session, &dir.files(), &rules()).await.unwrap();

        dir.write("V1__a.sql", after);
        dir.write("V2__b.sql", "insert into a values (2)");
        let report = up(&session, &dir.files(), &rules()).await.unwrap();

        assert_eq!(ran(&report), ["V2__b"]);
        assert_eq!(postgres.psql("select sum(id) from a").await, "3");
        dir.write("V1__a.sql", &after.replace("id int", "id bigint"));
        let status = look(&session, &dir.files()).await;
        assert_eq!(
            status.troubles[0].to_string(),
            "the file of V1__a was changed after it was applied"
        );
    }
}
