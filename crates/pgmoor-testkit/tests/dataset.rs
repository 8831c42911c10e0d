//! The data set is made on every version that it is for, and is the same at each making.

#![allow(clippy::unwrap_used, missing_docs)]

use pgmoor_testkit::{Dataset, Postgres, majors};

/// A hash over all rows of all tables, whatever their order.
const CONTENT: &str = "select string_agg(c.oid::regclass || ' ' || (xpath('/table/row/h/text()', query_to_xml(format(
        'select count(*) || ''/'' || coalesce(sum(hashtext(t::text)::numeric), 0) as h from %s t', c.oid::regclass), false, false, '')))[1],
        E'\\n' order by c.oid::regclass::text collate \"C\")
    from pg_class c where relkind in ('r', 'm') and relispopulated and oid >= 16384";

#[tokio::test]
async fn the_data_set_is_made_on_every_major_version() {
    for major in majors() {
        let postgres = Postgres::builder().major(major).start().await;

        Dataset::SMALL.make(&postgres).await;

        let rows = "select (select count(*) from public.traces), (select octet_length(value) from public.large where id = 1)";
        assert_eq!(postgres.psql(rows).await, "200|100000", "on {major}");
    }
}

#[tokio::test]
async fn the_data_set_is_the_same_at_each_making() {
    let (one, other) = (Postgres::start().await, Postgres::start().await);

    Dataset::SMALL.make(&one).await;
    Dataset::SMALL.make(&other).await;

    assert_eq!(one.psql(CONTENT).await, other.psql(CONTENT).await);
}
