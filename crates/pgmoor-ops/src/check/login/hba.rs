//! Whether pg_hba.conf lets us in.

use super::refusal::{self, Refusal};
use crate::check::verdict::fail;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-LOG-006",
    layer: Layer::Login,
    title: "pg_hba.conf lets this user in from here",
    why: "The server looks for the first line that fits address, user, database and TLS; without one nobody is let in, whatever the password.",
    needs: "a server that answers a login",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    refusal::judge(
        on,
        Refusal::Hba,
        |session| format!("\"{}\" was let in to \"{}\"", session.user, session.database),
        |error, user| fail(refusal::said(error)).hint(format!("add to pg_hba.conf: hostssl DATABASE {user} ADDRESS/32 scram-sha-256; then select pg_reload_conf(); if it says \"no encryption\": set sslmode=require or stronger")),
    )
}
