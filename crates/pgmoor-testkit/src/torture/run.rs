//! One run: tables, clients, blows, and the count at the end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::canary::OTHER_ROLE;
use super::client::{Client, Place, PoolMode};
use super::fault::Fault;
use super::ledger::Differences;
use super::link::Door;
use super::report::{Report, RunOf};
use super::site::Site;
use super::witness::Witness;
use crate::raw_client::RawClient;

/// After the time is over, how long a client may take to end what it is doing.
const LAST_ACT: Duration = Duration::from_secs(100);
/// How long the server may take to end what clients have left.
const QUIET: Duration = Duration::from_secs(20);

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Torture {
    /// Where clients go; they are shared out evenly. The user and the database are the same.
    pub gates: Vec<Door>,
    /// The server itself, for its superuser, in the database of the clients.
    pub server: Door,
    /// The mode of the pool.
    pub mode: PoolMode,
    /// How many clients.
    pub clients: u32,
    /// What makes their choices.
    pub seed: u64,
    /// How long they work.
    pub time: Duration,
    /// How long a client waits for any answer: longer than any act takes when all works, and any
    /// fault lasts.
    pub patience: Duration,
    /// What the fault is called in the report.
    pub fault: String,
}

impl Torture {
    /// Who clients are.
    fn user(&self) -> &str {
        &self.gates.first().expect("there is a gate").user
    }
}

/// Tortures whatever stands at the gate. With a fault, it is struck by that.
pub async fn torture(
    torture: &Torture,
    witness: &Arc<Witness>,
    mut stricken: Option<(&mut Site, Box<dyn Fault>)>,
) -> Report {
    make_tables(torture).await;
    let excuses = stricken.as_ref().map_or(&[][..], |(_, f)| f.excuses());
    let end = Instant::now() + torture.time;
    let place = Arc::new(Place {
        doors: torture.gates.clone(),
        mode: torture.mode,
        excuses,
        witness: Arc::clone(witness),
        patience: torture.patience,
        is_over: AtomicBool::new(false),
    });
    let mut tasks = JoinSet::new();
    for id in 1..=torture.clients {
        tasks.spawn(Client::new(id, torture.seed, Arc::clone(&place)).live());
    }
    let mut blows = 0;
    let mut broken = 0;
    let mut complain = |what: String| {
        broken += 1;
        witness.tell(what);
    };
    if let Some((site, fault)) = &mut stricken {
        while let Some(next) = Instant::now().checked_add(fault.pause())
            && next < end
        {
            tokio::time::sleep_until(next.into()).await;
            blows += 1;
            if let Err(error) = fault.strike(site, witness).await {
                complain(error);
            }
        }
    }
    tokio::time::sleep_until(end.into()).await;
    // A last blow may take longer, and is over only when clients were served again.
    place.is_over.store(true, Ordering::Relaxed);
    let mut clients = Vec::new();
    let all = async {
        while let Some(client) = tasks.join_next().await {
            clients.push(client.expect("a client does not panic"));
        }
    };
    let over = tokio::time::timeout(LAST_ACT, all);
    if over.await.is_err() {
        complain(format!("{} clients never ended", tasks.len()));
    }
    if let Some((site, _)) = &stricken
        && let Some(complaint) = site.complaint()
    {
        complain(complaint);
    }
    if let Err(left) = becomes_quiet(torture).await {
        complain(left);
    }
    let differences = compare(torture, &clients, witness).await;
    Report::of(RunOf {
        seed: torture.seed,
        mode: torture.mode,
        fault: torture.fault.clone(),
        time: torture.time,
        witness,
        clients: &clients,
        differences,
        blows,
        recovery_limit: stricken.and_then(|(_, fault)| fault.recovery_limit()),
        broken,
    })
}

async fn server(torture: &Torture) -> RawClient {
    let Door {
        address,
        user,
        password,
        database,
        tls: _,
    } = &torture.server;
    let mut client = RawClient::connect(address.clone()).await;
    client.set_patience(Duration::from_secs(60));
    client.login(user, password, database).await;
    client
}

async fn make_tables(torture: &Torture) {
    let user = torture.user();
    let sql = format!(
        "create table torture_ledger (marker text not null); \
         grant all on torture_ledger to {user}; \
         create role {OTHER_ROLE}; grant {OTHER_ROLE} to {user}"
    );
    server(torture).await.rows(&sql).await;
}

/// Nobody is left in a transaction, or at work, when all clients have gone.
async fn becomes_quiet(torture: &Torture) -> Result<(), String> {
    let mut server = server(torture).await;
    let user = torture.user();
    let sql = format!(
        "select pid, state, query from pg_stat_activity where usename = '{user}' and state <> 'idle'"
    );
    let end = Instant::now() + QUIET;
    loop {
        let busy = server.rows(&sql).await;
        if busy.is_empty() {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("{QUIET:?} after the last client: {busy:?}"));
        }
        let next = Instant::now() + Duration::from_millis(50);
        tokio::time::sleep_until(next.into()).await;
    }
}

async fn compare(torture: &Torture, clients: &[Client], witness: &Witness) -> Differences {
    let sql = "select marker, count(*) from torture_ledger group by marker";
    let rows = server(torture).await.rows(sql).await;
    let there: HashMap<String, u64> = rows
        .into_iter()
        .filter_map(|mut row| {
            let count = row.pop()??.parse().ok()?;
            Some((row.pop()??, count))
        })
        .collect();
    let mut differences = Differences::default();
    for client in clients {
        differences.look(client.id, &client.ledger, &there);
    }
    for (what, markers) in [
        ("acknowledged and not there", &differences.lost),
        ("undone and there", &differences.ghosts),
        ("there more than once", &differences.twice),
    ] {
        if !markers.is_empty() {
            witness.tell(format!("{what}: {markers:?}").chars().take(1000).collect());
        }
    }
    differences
}
