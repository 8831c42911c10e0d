//! Whether it is PostgreSQL that answers.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::words::duration;
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::network::Answer;

pub(super) const CHECK: Check = Check {
    id: "PGM-NET-005",
    layer: Layer::Network,
    title: "PostgreSQL answers at that port",
    why: "A load balancer without a server behind it, a wrong port or another service also takes connections.",
    needs: "a connection",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let network = on.network()?;
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for address in network.addresses() {
        let Some(answer) = &address.answer else {
            continue;
        };
        let server = &address.server;
        match answer {
            Answer::Tls | Answer::NoTls | Answer::Error => good.push(server.clone()),
            Answer::OnlyTls => bad.push(format!("{server} speaks TLS from the first byte on")),
            Answer::Other(what) => bad.push(format!("at {server} answers {what}")),
            Answer::Unknown(text) => bad.push(format!("at {server} answers something with \"{text}\"")),
            Answer::Closed => bad.push(format!("{server} closed the connection without a word")),
            Answer::Silent(waited) => bad.push(format!(
                "{server} took the connection and said nothing for {}",
                duration(*waited)
            )),
        }
    }
    if good.is_empty() && bad.is_empty() {
        return skip("no connection was taken");
    }
    if bad.is_empty() {
        return Ok(pass(good.join("; ")));
    }
    let only_tls = network.addresses().any(|address| address.answer == Some(Answer::OnlyTls));
    let hint = match only_tls {
        true => "if it is a PostgreSQL behind a TLS proxy, or 17 and newer with direct TLS: sslnegotiation=direct",
        false => "correct host and port; behind a load balancer: look whether it has a healthy server",
    };
    let seen = bad.join("; ");
    Ok(if good.is_empty() { fail(seen) } else { warn(seen) }.hint_text(hint))
}
