//! What hostile clients do, act by act; the same acts run in a loop beside the torture.

use pgmoor_testkit::Address;
use pgmoor_testkit::attacks::{ACTS, Target};

use crate::fixture::{Gate, MODES};

#[tokio::test]
async fn every_act_of_a_hostile_client_is_parried_and_harms_nobody() {
    for mode in MODES {
        let gate = Gate::start(mode, 4).await;
        let target = Target {
            address: Address::from(gate.address),
            user: "app".into(),
            password: gate.password.clone(),
            database: "app".into(),
        };
        for act in ACTS {
            eprintln!("{mode:?}: {} {}", act.item, act.name);
            act.play(&target).await;
        }
        gate.wait_for_server_connections_at_most(4).await;
    }
}
