//! Drives the fuzz target of addresses on its committed seeds, and on those changed in many ways.
//! A coverage-guided run of the same is `cargo x fuzz conninfo`.

#[path = "../../../fuzz/src/conninfo.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    reason = "shared with other tests and with the fuzz targets"
)]
mod conninfo;
#[path = "../../../fuzz/src/drive.rs"]
mod drive;

#[test]
fn an_address_may_be_anything_and_is_printed_as_it_is_read() {
    drive::drive("conninfo", 5_000, conninfo::conninfo);
}
