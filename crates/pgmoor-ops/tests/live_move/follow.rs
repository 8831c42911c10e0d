//! Changes of one side, done at the other.

use pgmoor_ops::live_move::MoveError;
use pgmoor_testkit::majors;

use crate::site::{Pair, admin};

const TABLES: &str = "
    create table plain (id int primary key, name text, n numeric, at timestamptz, j json, b bytea);
    alter table plain alter column b set storage external;
    create table always (id bigint generated always as identity primary key, name text, big text);
    alter table always alter column big set storage external;
    create table computed (a int primary key, twice int generated always as (a * 2) stored, b text);
    create table keyless (a int, b text, c char(5), d double precision, j json);
    alter table keyless replica identity full;
    create table \"Odd \"\"name\"\"\" (\"from\" int, \"Zwei\" text, primary key (\"from\", \"Zwei\"));
    create table parts (region text, id int, primary key (region, id)) partition by list (region);
    create table parts_eu partition of parts for values in ('eu');
    create table parts_us partition of parts for values in ('us');
    create table by_index (a int not null, b text);
    create unique index by_index_a on by_index (a);
    alter table by_index replica identity using index by_index_a;
    create table parent (id int primary key);
    create table child (id int primary key, parent int references parent on delete cascade);
    create table empty ();
    create extension ltree;
    create extension citext;
    create table tree (p ltree primary key, n int);
    create table named (c citext primary key, n int);
    create table later (id int primary key deferrable, n int);
    create table lost (id int not null, n int);
    create unique index lost_id on lost (id);
    alter table lost replica identity using index lost_id;
    drop index lost_id;
";

const ALL: &[&str] = &[
    "plain",
    "always",
    "computed",
    "keyless",
    "\"Odd \"\"name\"\"\"",
    "parts",
    "by_index",
    "parent",
    "child",
    "empty",
    "tree",
    "named",
    "later",
    "lost",
];

const CHANGES: &str = "
    insert into plain select n, 'name ' || n, n / 3.0, now(), '{\"a\": 1}', decode(repeat('ab', 5000), 'hex')
        from generate_series(1, 3000) n;
    update plain set name = null where id % 7 = 0;
    update plain set id = id + 10000 where id % 11 = 0;
    delete from plain where id % 13 = 0;
    insert into always (name, big) select 'x', repeat('y', 10000) from generate_series(1, 50);
    update always set name = 'z' where id % 2 = 0;
    update always set id = default where id = 3;
    insert into computed (a, b) select n, 'b' from generate_series(1, 10) n;
    update computed set a = a + 100;
    insert into keyless values (1, 'a', 'x', 0.1, '1'), (1, 'a', 'x', 0.1, '1'), (null, null, null, null, null), (2, 'B', 'y  ', 1e300, '{}');
    update keyless set b = 'changed' where ctid = (select min(ctid) from keyless where a = 1);
    delete from keyless where a is null;
    update keyless set c = 'zz' where a = 2;
    insert into \"Odd \"\"name\"\"\" values (1, 'é'), (2, E'tab\\there');
    update \"Odd \"\"name\"\"\" set \"Zwei\" = 'neu' where \"from\" = 2;
    insert into parts values ('eu', 1), ('us', 2), ('eu', 3);
    update parts set region = 'us' where id = 1;
    delete from parts where id = 3;
    insert into by_index values (1, 'a'), (2, 'b');
    update by_index set a = 5 where a = 1;
    insert into parent values (1), (2);
    insert into child values (1, 1), (2, 2);
    delete from parent where id = 1;
    insert into empty default values;
    insert into tree values ('a.b', 1), ('c', 2);
    update tree set n = 3 where p = 'a.b';
    delete from tree where p = 'c';
    insert into named values ('Aa', 1), ('b', 2);
    update named set n = 4 where c = 'AA';
    delete from named where c = 'B';
    insert into later values (1, 1), (2, 2);
    update later set n = 5 where id = 1;
    delete from later where id = 2;
    insert into lost values (1, 1), (2, 2);
    update lost set n = 5 where id = 1;
";

#[tokio::test]
async fn every_kind_of_change_is_done_at_the_other_side() {
    for major in majors() {
        let pair = Pair::new((major, 15), TABLES).await;
        pair.send().await;
        let mut follower = pair.follower().await;
        admin(&pair.from)
            .await
            .batch_execute(CHANGES)
            .await
            .unwrap();

        pair.catch_up(&mut follower).await;
        pair.assert_same(ALL).await;

        let sql = "begin; truncate parent, child; insert into parent values (9); commit; truncate plain restart identity";
        admin(&pair.from).await.batch_execute(sql).await.unwrap();
        let seen = pair.catch_up(&mut follower).await;
        pair.assert_same(ALL).await;
        assert_eq!(seen.lag(), 0, "PostgreSQL {major}");
    }
}

#[tokio::test]
async fn a_follower_that_is_ended_anywhere_goes_on_where_it_was_and_does_nothing_twice() {
    let pair = Pair::new((15, 15), "create table counted (id serial primary key, n int); create table twice (a int); alter table twice replica identity full").await;
    pair.send().await;
    let source = admin(&pair.from).await;
    for _ in 0..20 {
        let mut follower = pair.follower().await;
        for _ in 0..50 {
            let sql =
                "begin; insert into counted (n) values (1); insert into twice values (7); commit";
            source.batch_execute(sql).await.unwrap();
        }
        follower
            .step(tokio::time::Instant::now() + std::time::Duration::from_millis(20))
            .await
            .unwrap();
        // Its session ends with it, whatever was under way.
        drop(follower);
    }
    let mut follower = pair.follower().await;

    pair.catch_up(&mut follower).await;

    pair.assert_same(&["counted", "twice"]).await;
}

#[tokio::test]
async fn a_held_follower_does_nothing_that_was_committed_later() {
    let pair = Pair::new((15, 15), "create table t (a int primary key)").await;
    pair.send().await;
    let source = admin(&pair.from).await;
    source
        .batch_execute("insert into t values (1)")
        .await
        .unwrap();
    let here = source
        .query_one("select pg_current_wal_insert_lsn()::text", &[])
        .await
        .unwrap();
    source
        .batch_execute("insert into t values (2)")
        .await
        .unwrap();
    let mut follower = pair.follower().await;

    let hold: String = here.get(0);
    follower.hold(Some(hold.parse().unwrap()));
    while !follower
        .step(tokio::time::Instant::now() + std::time::Duration::from_secs(1))
        .await
        .unwrap()
        .is_held
    {}
    let rows = admin(&pair.to)
        .await
        .query("select a from t", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1);

    follower.hold(None);
    pair.catch_up(&mut follower).await;
    pair.assert_same(&["t"]).await;
}

#[tokio::test]
async fn rows_that_are_not_there_stop_the_follower_and_name_the_table() {
    let pair = Pair::new((15, 15), "create table t (a int primary key, b int)").await;
    pair.send().await;
    let source = admin(&pair.from).await;
    source
        .batch_execute("insert into t values (1, 1)")
        .await
        .unwrap();
    let mut follower = pair.follower().await;
    pair.catch_up(&mut follower).await;
    admin(&pair.to)
        .await
        .batch_execute("delete from t")
        .await
        .unwrap();
    source.batch_execute("update t set b = 2").await.unwrap();

    let error = loop {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
        match follower.step(until).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };

    assert!(matches!(error, MoveError::Diverged { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "public.t is not what it was at the other side: a row that was changed is not there"
    );
}

#[tokio::test]
async fn a_definition_that_changes_stops_the_follower_and_is_named() {
    let pair = Pair::new((15, 15), "create table t (a int primary key, b int)").await;
    pair.send().await;
    let session = pair.source.session().await.unwrap();
    assert!(
        pgmoor_ops::live_move::outgoing::guard(&session)
            .await
            .unwrap()
    );
    let source = admin(&pair.from).await;
    source
        .batch_execute("insert into t values (1, 1); create temp table x (a int); drop table x")
        .await
        .unwrap();
    let mut follower = pair.follower().await;
    pair.catch_up(&mut follower).await;
    source
        .batch_execute("begin; insert into t values (2, 1); alter table t add c int; commit")
        .await
        .unwrap();

    let error = loop {
        let until = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
        match follower.step(until).await {
            Ok(_) => {}
            Err(error) => break error,
        }
    };

    assert!(
        error.to_string().ends_with("by ALTER TABLE public.t"),
        "{error}"
    );
    let rows = admin(&pair.to)
        .await
        .query("select a from t", &[])
        .await
        .unwrap();
    assert_eq!(rows.len(), 1, "nothing of that transaction is done");
}
