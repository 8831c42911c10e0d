//! Whatever clients do, each gets the answers that a server of its own would give.

use crate::relay::world::{Place, Random, Script, World, Wrong, script, shown};
use crate::settings::PoolMode;

/// More by `PGMOOR_RELAY_CASES`, from where `PGMOOR_RELAY_SEED` says.
const CASES: u64 = 3_000;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

fn scripts(seed: u64) -> (Vec<Script>, Place) {
    let mut random = Random::new(seed);
    let clients = 1 + random.below(4);
    let place = Place {
        mode: PoolMode::Transaction,
        servers: 1 + random.below(2),
        statements: 1 + random.below(3),
        servers_die: false,
    };
    let scripts = (0..clients).map(|client| script(&mut random, client));
    (scripts.collect(), place)
}

fn outcome(scripts: Vec<Script>, place: Place, seed: u64) -> Result<(), Wrong> {
    World::new(scripts, place, Random::new(seed))
        .run()
        // Left of a script that was cut; a server ends the connection then, too.
        .or_else(|wrong| match wrong.contains("during COPY") {
            true => Ok(()),
            false => Err(wrong),
        })
}

/// Takes batches away for as long as it still goes wrong.
fn smallest(seed: u64, wrong: Wrong) -> (Vec<Script>, Wrong) {
    let (mut best, place) = scripts(seed);
    let mut wrong = wrong;
    let mut shrinks = true;
    while shrinks {
        shrinks = false;
        for client in 0..best.len() {
            for batch in (0..best[client].batches.len()).rev() {
                let fewer = without(&best, client, batch);
                // Another order may show it again.
                for order in seed..seed + 20 {
                    if let Err(found) = outcome(without(&best, client, batch), place, order) {
                        (best, wrong, shrinks) = (fewer, found, true);
                        break;
                    }
                }
                if shrinks {
                    break;
                }
            }
        }
    }
    (best, wrong)
}

fn without(scripts: &[Script], client: usize, batch: usize) -> Vec<Script> {
    let copied = scripts.iter().enumerate().map(|(at, script)| {
        let mut batches = script.batches.clone();
        if at == client {
            batches.remove(batch);
        }
        Script {
            batches,
            vanishes: script.vanishes,
        }
    });
    copied.collect()
}

#[test]
fn every_client_gets_the_answers_of_a_server_of_its_own() {
    let first = number("PGMOOR_RELAY_SEED").unwrap_or(1);
    let cases = number("PGMOOR_RELAY_CASES").unwrap_or(CASES);
    for seed in first..first + cases {
        let (made, place) = scripts(seed);
        let Err(wrong) = outcome(made, place, seed) else {
            continue;
        };
        let (fewest, wrong) = smallest(seed, wrong);
        let mut told = String::new();
        for (client, script) in fewest.iter().enumerate() {
            for batch in &script.batches {
                told.push_str(&format!("client {client}: {}\n", shown(batch)));
            }
        }
        panic!(
            "PGMOOR_RELAY_SEED={seed}, {} servers, {} statements\n{told}{wrong}",
            place.servers, place.statements
        );
    }
}
