//! Whether user and password are percent-encoded.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CFG-004",
    layer: Layer::Configuration,
    title: "special characters of user and password are percent-encoded",
    why: "Such a character means something else in a URL, and each program cuts it at another place: one logs in, the next looks for a host that is half a password.",
    needs: "an address with a user or a password in it",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let configuration = on.configuration();
    let Some(address) = &configuration.address else {
        return skip("there is no address to read");
    };
    if configuration.unencoded.is_empty() {
        return Ok(pass("none is left as it is"));
    }
    let characters: Vec<String> = configuration
        .unencoded
        .iter()
        .map(|character| format!("\"{}\"", character.escape_debug()))
        .collect();
    let encoded: Vec<String> = configuration
        .unencoded
        .iter()
        .map(|character| {
            let mut bytes = [0; 4];
            let bytes = character.encode_utf8(&mut bytes).bytes();
            let escape: String = bytes.map(|byte| format!("%{byte:02X}")).collect();
            format!("\"{}\" as {escape}", character.escape_debug())
        })
        .collect();
    let hint = format!(
        "write {}; or give the password by itself: credential: {{ password: ${{PGPASSWORD}} }}",
        encoded.join(", ")
    );
    let seen = format!(
        "{}: user or password has {} as it is",
        configuration.origin,
        characters.join(", ")
    );
    Ok(match address {
        Ok(_) => warn(format!("{seen}; pgmoor copes, others may not")),
        Err(_) => fail(format!("{seen}, so the address cannot be read")),
    }
    .hint(hint))
}
