//! The targets on their committed seeds, and on those changed in many ways.

use super::{relay, relay_hostile, sql};

#[path = "../../../../fuzz/src/drive.rs"]
mod drive;

#[test]
fn clients_that_share_servers_get_their_own_answers() {
    drive::drive("relay", 500, relay);
}

#[test]
fn peers_may_send_anything_in_any_pieces() {
    drive::drive("relay_hostile", 2_000, relay_hostile);
}

#[test]
fn the_effects_of_a_text_are_found_in_linear_time() {
    drive::drive("sql", 5_000, sql);
}
