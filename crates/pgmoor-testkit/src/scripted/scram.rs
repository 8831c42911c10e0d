//! The server's side of SCRAM-SHA-256 (RFC 7677), as small as a fake server needs it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::connection::ScriptedConnection;
use crate::backend;
use crate::host::random_password;

const ITERATIONS: u32 = 4096;

/// Asks for the password; the final message is sent only if it is right.
pub(super) async fn log_in(connection: &mut ScriptedConnection, password: &str) -> bool {
    connection
        .send(&backend::auth_sasl(&["SCRAM-SHA-256"]))
        .await;
    let initial = connection.expect(b'p').await.body;
    let initial = String::from_utf8(initial).expect("SCRAM is text");
    // Mechanism, zero, length, "n,," or "y,,", then what both sides sign.
    let (_, client_first) = initial.split_once(",,").expect("no channel binding");
    let client_nonce = attribute(client_first, 'r');

    let salt = random_password();
    let server_first = format!(
        "r={client_nonce}{},s={},i={ITERATIONS}",
        random_password(),
        STANDARD.encode(&salt)
    );
    connection
        .send(&backend::auth_sasl_continue(&server_first))
        .await;
    let client_final = connection.expect(b'p').await.body;
    let client_final = String::from_utf8(client_final).expect("SCRAM is text");
    let (unsigned, proof) = client_final.split_once(",p=").expect("proof is last");

    let signed = format!("{client_first},{server_first},{unsigned}");
    let salted =
        pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.as_bytes(), salt.as_bytes(), ITERATIONS);
    if proof != STANDARD.encode(proof_of(&salted, &signed)) {
        return false;
    }
    let server_key = hmac(&salted, b"Server Key");
    let signature = STANDARD.encode(hmac(&server_key, signed.as_bytes()));
    connection
        .send(&backend::auth_sasl_final(&format!("v={signature}")))
        .await;
    true
}

fn proof_of(salted: &[u8], signed: &str) -> Vec<u8> {
    let client_key = hmac(salted, b"Client Key");
    let stored_key = Sha256::digest(client_key);
    let signature = hmac(&stored_key, signed.as_bytes());
    client_key
        .iter()
        .zip(signature)
        .map(|(k, s)| k ^ s)
        .collect()
}

fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length will do");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn attribute(message: &str, letter: char) -> &str {
    message
        .split(',')
        .find_map(|part| part.strip_prefix(letter)?.strip_prefix('='))
        .expect("client's first message has a nonce")
}
