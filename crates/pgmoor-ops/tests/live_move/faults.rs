//! What a move does when servers and the network fail it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;

use pgmoor_ops::live_move::event::Nobody;
use pgmoor_ops::live_move::{Hold, Limits, Move, journal};
use pgmoor_testkit::{Address, Direction, FaultProxy, Postgres, Stop, wait_for, wait_for_some};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::site::{Pair, side_at};

const TABLES: &str = "create table t (id int primary key, n int not null default 0)";
const PATIENCE: Duration = Duration::from_secs(90);

/// Who writes one row after another at the source, whatever happens to it. Rows are there or not when the server was
/// killed; both sides have to say the same.
struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicI32>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    fn start(postgres: &Postgres) -> Self {
        let mut config = tokio_postgres::Config::new();
        config
            .host_path(postgres.socket_dir())
            .port(postgres.port())
            .dbname("app");
        config.user("postgres").password(postgres.admin_password());
        let (stop, written) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicI32::new(0)),
        );
        let (until, count) = (stop.clone(), written.clone());
        let task = tokio::spawn(async move {
            let mut number = 0;
            while !until.load(Ordering::SeqCst) {
                let connect = async || config.connect(tokio_postgres::NoTls).await.ok();
                let (client, connection) = wait_for_some("a login", PATIENCE, connect).await;
                tokio::spawn(async { drop(connection.await) });
                while !until.load(Ordering::SeqCst) {
                    number += 1;
                    let sql = format!(
                        "insert into t (id) values ({number}); update t set n = n + 1 where id % 5 = {number} % 5 and id > {number} - 50"
                    );
                    if client.batch_execute(&sql).await.is_err() {
                        break;
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
        Self {
            stop,
            written,
            task,
        }
    }

    /// Waits until so many more were written.
    async fn more(&self, count: i32) {
        let wanted = self.written.load(Ordering::SeqCst) + count;
        wait_for("rows to be written", PATIENCE, async || {
            self.written.load(Ordering::SeqCst) >= wanted
        })
        .await;
    }

    async fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.expect("the writer ends");
    }
}

async fn following(pair: &Pair) -> (Move, Hold) {
    let it = Move {
        database: "app".to_owned(),
        source: pair.source.clone(),
        target: pair.target.clone(),
        limits: Limits::default(),
        listener: Arc::new(Nobody),
    };
    it.prepare().await.unwrap().session.close().await;
    it.copied().await.unwrap();
    let hold = it.take(None).await.unwrap();
    (it, hold)
}

/// Follows while `faults` happen, then until all is done.
async fn follow_through(
    pair: &Pair,
    (it, mut hold): (Move, Hold),
    faults: impl Future<Output = ()>,
) {
    let (stopper, stop) = watch::channel(false);
    let during = async {
        faults.await;
        stopper.send_replace(true);
    };
    let (followed, ()) = tokio::join!(hold.follow(&it, stop, |_| false), during);
    assert!(!followed.unwrap());
    let session = pair.source.session().await.unwrap();
    let beacon = journal::beacon(&session).await.unwrap();
    let (_keep, stop) = watch::channel(false);
    let rest = hold.follow(&it, stop, |seen| seen.beacon >= beacon);
    assert!(
        timeout(PATIENCE, rest)
            .await
            .expect("it catches up")
            .unwrap()
    );
    pair.assert_same(&["t"]).await;
}

#[tokio::test]
async fn servers_that_are_killed_while_changes_are_followed_lose_and_double_nothing() {
    let pair = Pair::new((15, 15), TABLES).await;
    let moving = following(&pair).await;
    let writer = Writer::start(&pair.from);

    follow_through(&pair, moving, async {
        for round in 0..4 {
            writer.more(50).await;
            let victim = [&pair.to, &pair.from][round % 2];
            victim.restart(Stop::Kill9).await;
        }
        writer.more(50).await;
        writer.end().await;
    })
    .await;
}

#[tokio::test]
async fn a_network_that_breaks_in_the_middle_of_anything_loses_and_doubles_nothing() {
    let mut pair = Pair::new((15, 15), TABLES).await;
    let lines = [
        FaultProxy::tcp(Address::local(pair.from.port())).await,
        FaultProxy::tcp(Address::local(pair.to.port())).await,
    ];
    pair.source = side_at(&pair.from, lines[0].port(), "old");
    pair.target = side_at(&pair.to, lines[1].port(), "new");
    let moving = following(&pair).await;
    let writer = Writer::start(&pair.from);

    follow_through(&pair, moving, async {
        for round in 0..10_u64 {
            writer.more(20).await;
            let line = &lines[usize::from(round % 2 == 0)];
            match round % 5 {
                0 => line.reset_all(),
                1 => line.close_all(),
                direction => {
                    let to_server = direction % 2 == 0;
                    let direction = if to_server {
                        Direction::ToServer
                    } else {
                        Direction::ToClient
                    };
                    line.cut_after(direction, 100 + 777 * round);
                    writer.more(40).await;
                    line.cut_no_more(direction);
                }
            }
        }
        writer.more(20).await;
        writer.end().await;
    })
    .await;
}
