//! Drives the fuzz targets on their committed seeds, and on those changed in many ways.
//! A coverage-guided run of the same is `cargo x fuzz`.

#[path = "../../../fuzz/src/drive.rs"]
mod drive;
#[path = "../../../fuzz/src/pgoutput.rs"]
mod pgoutput;
#[path = "../../../fuzz/src/scram.rs"]
mod scram;
#[path = "../../../fuzz/src/wire.rs"]
mod wire;

use drive::drive;

#[test]
fn start_of_a_connection_may_be_anything() {
    drive("frame_startup", 20_000, wire::frame_startup);
}

#[test]
fn client_may_send_anything() {
    drive("frontend", 20_000, wire::frontend);
}

#[test]
fn server_may_send_anything() {
    drive("backend", 20_000, wire::backend);
}

#[test]
fn scram_peer_may_send_anything() {
    drive("scram", 2_000, scram::scram);
}

#[test]
fn a_login_at_us_succeeds_only_unchanged_and_with_the_password() {
    drive("scram_server", 2_000, scram::scram_server);
}

#[test]
fn a_server_is_believed_only_unchanged_and_with_the_password() {
    drive("scram_client", 2_000, scram::scram_client);
}

#[test]
fn a_log_may_hold_anything() {
    drive("pgoutput", 20_000, pgoutput::pgoutput);
}
