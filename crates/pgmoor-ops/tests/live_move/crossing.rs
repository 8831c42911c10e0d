//! Clients are taken across, and back, and nothing is lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pgmoor_ops::live_move::copy::Options;
use pgmoor_ops::live_move::event::Nobody;
use pgmoor_ops::live_move::journal::{Direction, Phase};
use pgmoor_ops::live_move::{Hold, Limits, Move, MoveError};
use pgmoor_ops::traffic::{Act, Drained, Serving, TrafficControl};
use tokio::sync::watch;

use crate::site::{Pair, admin};

/// A gateway that notes what it is told.
#[derive(Debug, Default)]
pub(crate) struct Gateway {
    told: Mutex<Vec<String>>,
    /// What a drain says is left.
    remaining: usize,
}

impl Gateway {
    fn note<T: Send + 'static>(&self, what: String, outcome: T) -> Act<'_, T> {
        self.told.lock().unwrap().push(what);
        Box::pin(std::future::ready(Ok(outcome)))
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

impl TrafficControl for Gateway {
    fn serving<'a>(&'a self, _database: &'a str) -> Act<'a, Serving> {
        let serving = Serving {
            endpoint: "old".to_owned(),
            endpoints: vec!["old".to_owned(), "new".to_owned()],
            is_paused: false,
        };
        Box::pin(std::future::ready(Ok(serving)))
    }

    fn pause<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
        self.note(format!("pause {database}"), ())
    }

    fn drain<'a>(&'a self, database: &'a str, _limit: Duration) -> Act<'a, Drained> {
        let remaining = self.remaining;
        let drained = Drained {
            remaining,
            unproven: 0,
        };
        self.note(format!("drain {database}"), drained)
    }

    fn switch<'a>(&'a self, database: &'a str, endpoint: &'a str) -> Act<'a, ()> {
        self.note(format!("switch {database} to {endpoint}"), ())
    }

    fn resume<'a>(&'a self, database: &'a str) -> Act<'a, ()> {
        self.note(format!("resume {database}"), ())
    }
}

fn a_move(pair: &Pair) -> Move {
    Move {
        database: "app".to_owned(),
        source: pair.source.clone(),
        target: pair.target.clone(),
        limits: Limits::default(),
        listener: Arc::new(Nobody),
    }
}

pub(crate) fn go_on() -> watch::Receiver<bool> {
    watch::channel(false).1
}

const TABLES: &str = "
    create table t (id serial primary key, n int);
    create table keyless (a int);
    create sequence lonely increment -3";

/// A move that follows: its tables are empty, so that there is nothing to be copied.
async fn following(pair: &Pair) -> (Move, Hold) {
    let it = a_move(pair);
    let slot = it.prepare().await.unwrap();
    slot.session.close().await;
    it.copied().await.unwrap();
    let hold = it.take(None).await.unwrap();
    (it, hold)
}

#[tokio::test]
async fn clients_cross_and_come_back_and_every_row_and_number_is_at_both_sides() {
    for (from, to) in [(15, 15), (12, 18), (18, 15)] {
        let pair = Pair::new((from, to), TABLES).await;
        let gateway = Gateway::default();
        let (it, mut hold) = following(&pair).await;
        let mut sides = [&pair.from, &pair.to];
        for crossing in 1..=3 {
            let here = admin(sides[0]).await;
            let sql = "insert into t (n) select 1 from generate_series(1, 100);
                update t set n = n + 1; delete from t where id % 10 = 3;
                insert into keyless values (1), (1), (2); delete from keyless where a = 2;
                select nextval('lonely')";
            here.batch_execute(sql).await.unwrap();

            let (next, crossed) = hold.cross(&it, &gateway, go_on()).await.unwrap();
            hold = next;

            let to = ["new", "old"][usize::from(crossing % 2 == 0)];
            assert_eq!(
                gateway.told(),
                [
                    "pause app",
                    "drain app",
                    "pause app",
                    &format!("switch app to {to}"),
                    "resume app"
                ]
            );
            assert!(crossed.ended >= 1, "the test's own session: {crossed:?}");
            let refused = sides[0].try_psql("select 1").await.unwrap_err();
            let words = format!("database app was moved by pgmoor to endpoint {to}");
            assert!(refused.contains(&words), "{refused}");
            pair.assert_same(&["t", "keyless"]).await;
            sides.reverse();
            let next: i32 = admin(sides[0])
                .await
                .query_one("insert into t (n) values (0) returning id", &[])
                .await
                .unwrap()
                .get(0);
            assert_eq!(next, crossing * 101, "ids go on where they were");
        }
        assert_eq!(hold.direction(), Direction::Back);
        assert_eq!(it.entry().await.unwrap().unwrap().phase, Phase::Moved);
        drop(hold);

        let left = it.finish().await.unwrap();

        assert!(left.is_empty(), "{left:?}");
        assert!(it.entry().await.unwrap().is_none());
        for side in [&pair.source, &pair.target] {
            assert_eq!(
                left_behind(side).await,
                Vec::<String>::new(),
                "at {}",
                side.endpoint
            );
        }
        let refused = pair.from.try_psql("select 1").await.unwrap_err();
        assert!(
            refused.contains("moved by pgmoor to endpoint new"),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_is_in_no_change_is_carried_too() {
    let tables = "create table t (id serial primary key, n int); create materialized view m as select count(*) as n from t;
        create materialized view \"2nd\" as select n * 2 as n from m";
    let pair = Pair::new((15, 15), tables).await;
    let (it, hold) = following(&pair).await;
    let here = admin(&pair.from).await;
    let sql = "insert into t (n) select 1 from generate_series(1, 10); set role app; select lo_from_bytea(4711, repeat('ab', 300000)::bytea);
        select lo_create(4712)";
    here.batch_execute(sql).await.unwrap();

    let (hold, _) = hold.cross(&it, &Gateway::default(), go_on()).await.unwrap();

    let there = admin(&pair.to).await;
    let sql = "select (select n from m), (select n from \"2nd\"), md5(lo_get(4711)), length(lo_get(4712)),
        (select rolname::text from pg_largeobject_metadata m join pg_roles r on r.oid = lomowner where m.oid = 4711)";
    let row = there.query_one(sql, &[]).await.unwrap();
    assert_eq!(
        (
            row.get::<_, i64>(0),
            row.get::<_, i64>(1),
            row.get::<_, i32>(3)
        ),
        (10, 20, 0)
    );
    assert_eq!(row.get::<_, String>(4), "app");
    let was = pgmoor_md5(&pair).await;
    assert_eq!(row.get::<_, String>(2), was);

    there
        .batch_execute("select lo_unlink(4712); select lo_put(4711, 5, 'changed')")
        .await
        .unwrap();
    hold.cross(&it, &Gateway::default(), go_on()).await.unwrap();

    let row = admin(&pair.from)
        .await
        .query_one(
            "select substr(lo_get(4711), 6, 7), (select count(*) from pg_largeobject_metadata)",
            &[],
        )
        .await
        .unwrap();
    assert_eq!(
        (row.get::<_, Vec<u8>>(0), row.get::<_, i64>(1)),
        (b"changed".to_vec(), 1)
    );
}

/// What the object holds at the old side, behind its fence.
async fn pgmoor_md5(pair: &Pair) -> String {
    let mut session = pair.source.wire("test").await.unwrap();
    let row = session.row("select md5(lo_get(4711))").await.unwrap();
    row.text(0).unwrap().to_owned()
}

/// What a move makes and must take away again.
async fn left_behind(side: &pgmoor_ops::live_move::Side) -> Vec<String> {
    let mut session = side.wire("test").await.unwrap();
    let sql = "select 'slot ' || slot_name from pg_replication_slots
        union all select 'publication ' || pubname from pg_publication
        union all select 'event trigger ' || evtname from pg_event_trigger
        union all select 'identity ' || relname from pg_class where relreplident = 'f' and relkind = 'r'";
    let rows = session.rows(sql).await.unwrap();
    rows.iter()
        .map(|row| row.text(0).unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_is_defined_anew_without_being_seen_is_found_before_clients_wait() {
    let pair = Pair::new((15, 15), "select 1").await;
    let here = admin(&pair.from).await;
    let tables = "create table t (id int primary key); create materialized view m as select count(*) from t with no data";
    here.batch_execute(tables).await.unwrap();
    let it = a_move(&pair);
    it.copy(Options::default()).await.unwrap();
    let unseen = "drop event trigger pgmoor_move_commands; drop event trigger pgmoor_move_drops;
        refresh materialized view m; select lo_create(1); create index on t (id)";
    here.batch_execute(unseen).await.unwrap();
    let gateway = Gateway::default();

    let hold = it.take(None).await.unwrap();
    let error = hold.cross(&it, &gateway, go_on()).await.unwrap_err();

    assert!(matches!(error, MoveError::Redefined { .. }), "{error:?}");
    assert_eq!(gateway.told(), Vec::<String>::new(), "nobody waited");
    here.batch_execute("drop index t_id_idx").await.unwrap();
    let hold = it.take(None).await.unwrap();
    let (hold, _) = hold.cross(&it, &gateway, go_on()).await.unwrap();
    let (hold, _) = hold.cross(&it, &gateway, go_on()).await.unwrap();
    hold.cross(&it, &gateway, go_on()).await.unwrap();
}

#[tokio::test]
async fn an_abort_leaves_the_source_as_it_was() {
    let pair = Pair::new((15, 15), TABLES).await;
    let (it, hold) = following(&pair).await;
    drop(hold);

    it.abort(None).await.unwrap();

    assert_eq!(left_behind(&pair.source).await, Vec::<String>::new());
    assert_eq!(left_behind(&pair.target).await, Vec::<String>::new());
    let schemas = admin(&pair.from)
        .await
        .query("select from pg_namespace where nspname like 'pgmoor%'", &[])
        .await;
    assert_eq!(schemas.unwrap().len(), 0);
    assert!(matches!(
        it.take(None).await.unwrap_err(),
        MoveError::NotNow { .. }
    ));
}

#[tokio::test]
async fn a_move_whose_clients_have_crossed_is_not_aborted() {
    let pair = Pair::new((15, 15), TABLES).await;
    let (it, hold) = following(&pair).await;
    let (hold, _) = hold.cross(&it, &Gateway::default(), go_on()).await.unwrap();
    drop(hold);

    let error = it.abort(None).await.unwrap_err();

    assert_eq!(
        error.to_string(),
        "cannot abort the move: clients are at the target, and the source may lack what they wrote"
    );
}

#[tokio::test]
async fn who_takes_a_move_over_ends_who_had_it() {
    let pair = Pair::new((15, 15), TABLES).await;
    let (it, mut first) = following(&pair).await;

    let second = it.take(None).await.unwrap();
    let error = first.follow(&it, go_on(), |_| false).await.unwrap_err();

    assert!(matches!(error, MoveError::TakenOver), "{error:?}");
    drop(second);
}

#[tokio::test]
async fn a_transaction_that_is_prepared_is_not_left_behind() {
    let pair = Pair::new((15, 15), TABLES).await;
    let (it, hold) = following(&pair).await;
    let gateway = Gateway::default();
    // The way back is made before: only what is prepared since then is met behind the fence.
    let here = admin(&pair.from).await;
    here.batch_execute("begin; insert into t (n) values (7); prepare transaction 'p1'")
        .await
        .unwrap();

    let error = hold.cross(&it, &gateway, go_on()).await.unwrap_err();

    assert!(error.to_string().contains("\"p1\" is prepared"), "{error}");
    assert_eq!(gateway.told().last().unwrap(), "resume app");
    let here = admin(&pair.from).await;
    here.batch_execute("commit prepared 'p1'").await.unwrap();
    let hold = it.take(None).await.unwrap();
    hold.cross(&it, &gateway, go_on()).await.unwrap();
    let there = admin(&pair.to).await;
    let rows = there.query("select from t where n = 7", &[]).await.unwrap();
    assert_eq!(rows.len(), 1);
}

#[tokio::test]
async fn a_transaction_that_stays_open_leaves_all_as_it_was() {
    let pair = Pair::new((15, 15), TABLES).await;
    let (mut it, hold) = following(&pair).await;
    it.limits.max_pause = Duration::from_millis(300);
    let gateway = Gateway {
        remaining: 1,
        ..Gateway::default()
    };

    let error = hold.cross(&it, &gateway, go_on()).await.unwrap_err();

    assert!(
        matches!(
            error,
            MoveError::TooLong {
                step: "wait for open transactions",
                ..
            }
        ),
        "{error:?}"
    );
    assert_eq!(gateway.told(), ["pause app", "drain app", "resume app"]);
    assert_eq!(it.entry().await.unwrap().unwrap().phase, Phase::Following);
    let source = admin(&pair.from).await;
    source
        .batch_execute("insert into t (n) values (1)")
        .await
        .unwrap();
    let mut hold = it.take(None).await.unwrap();
    let until = |seen: &pgmoor_ops::live_move::follow::Seen| seen.rows > 0;
    assert!(hold.follow(&it, go_on(), until).await.unwrap());
    pair.assert_same(&["t"]).await;
}
