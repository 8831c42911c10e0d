//! Clients that share servers: each gets the answers that a server of its own would give.

use std::fmt::Write as _;

use crate::relay::world::{Place, Random, Script, World, Wrong, script, shown};
use crate::settings::PoolMode;

/// What clients do is read from the front of the bytes, and when it happens from their end: a
/// change of the one leaves the other alone.
///
/// # Panics
///
/// When a client gets another's answers, or none, or a server connection is given back in the
/// middle of something.
pub fn relay(data: &[u8]) {
    let mut random = Random::given(data.iter().copied());
    let place = Place {
        mode: random.pick(&[
            PoolMode::Transaction,
            PoolMode::Transaction,
            PoolMode::Transaction,
            PoolMode::Session,
        ]),
        servers: 1 + random.below(2),
        statements: 1 + random.below(3),
        servers_die: random.below(4) == 0,
    };
    let clients = 1 + random.below(4);
    let scripts: Vec<_> = (0..clients).map(|at| script(&mut random, at)).collect();
    let told = tell(&scripts, place);
    let order = Random::given(data.iter().rev().copied());
    if let Err(wrong) = World::new(scripts, place, order).run() {
        panic!("{told}{wrong}");
    }
}

fn tell(scripts: &[Script], place: Place) -> Wrong {
    let mut told = format!(
        "{:?}, {} servers{}, {} statements\n",
        place.mode,
        place.servers,
        if place.servers_die { " that die" } else { "" },
        place.statements
    );
    for (client, script) in scripts.iter().enumerate() {
        for batch in &script.batches {
            let _ = writeln!(told, "client {client}: {}", shown(batch));
        }
    }
    told
}
