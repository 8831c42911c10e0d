//! SCRAM: nobody is believed who does not know the password, everybody is who does.
//!
//! Also a module of `crates/pgmoor-wire/tests/fuzz.rs`, so it uses nothing but `pgmoor-wire`.
#![allow(
    unreachable_pub,
    dead_code,
    reason = "each of those who share it needs another part"
)]

use pgmoor_wire::Secret;
use pgmoor_wire::scram::{ChannelBinding, ClientExchange, Mechanism, ServerExchange, Verifier};

/// One iteration is no protection, but fast.
fn verifier(password: &str) -> Verifier {
    Verifier::derive(password, b"salt", 1)
}

fn channel(is_there: bool, hash: u8) -> ChannelBinding {
    match is_there {
        true => ChannelBinding::TlsServerEndPoint(vec![hash; 32]),
        false => ChannelBinding::None,
    }
}

fn client(password: &str, mechanism: Mechanism, binding: ChannelBinding) -> Option<ClientExchange> {
    let client = ClientExchange::from_password(Secret::from(password), mechanism, binding).ok()?;
    Some(client.with_max_iterations(10))
}

/// The messages of a SCRAM peer, one a line; the lines go to a server, then to a client.
pub fn scram(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let first = lines.next().unwrap_or_default();
    let second = lines.next().unwrap_or_default();

    for mechanism in [Mechanism::ScramSha256, Mechanism::ScramSha256Plus] {
        for bound in [false, true] {
            let verifier = verifier("only the server knows");
            let mut server = ServerExchange::new(verifier, channel(bound, 7));
            let began = server.first(mechanism, first);
            let done = server.finish(second);
            assert!(done.is_err(), "logged in without the password");
            assert!(
                server.first(mechanism, first).is_err(),
                "began {began:?} twice"
            );
        }
    }

    let plain = Mechanism::ScramSha256;
    if let Some(mut client) = client("only the client knows", plain, ChannelBinding::None) {
        let nonce = client.first().expect("the first message of a new exchange");
        // The fuzzer cannot guess the nonce: a line that starts with "r=" continues it.
        let nonce = nonce.strip_prefix(b"n,,n=,").unwrap_or_default();
        let answer = match first.strip_prefix(b"r=") {
            Some(more) => client.respond(&[nonce, more].concat()),
            None => client.respond(first),
        };
        let done = client.finish(second);
        assert!(
            done.is_err() && !client.is_verified(),
            "believed, after {answer:?}"
        );
    }

    if let Some(verifier) = std::str::from_utf8(first)
        .ok()
        .and_then(|text| Verifier::parse(text).ok())
    {
        let again = Verifier::parse(verifier.format().expose()).expect("just written");
        assert_eq!(again.format().expose(), verifier.format().expose());
    }
}

/// A login at our server whose messages somebody in between changes.
///
/// The first byte sets who knows what; then come the changes of client-first and of client-final.
pub fn scram_server(data: &[u8]) {
    let Some((&setting, mut changes)) = data.split_first() else {
        return;
    };
    let knows = setting & 1 == 0;
    let (client_bound, server_bound) = (setting & 2 != 0, setting & 4 != 0);
    let same_channel = setting & 8 == 0;
    let mechanism = mechanism(setting & 16 != 0);
    let announced = if setting & 32 == 0 {
        mechanism
    } else {
        Mechanism::ScramSha256
    };
    let password = if knows { "right" } else { "wrong" };
    let hash = if same_channel { 7 } else { 8 };
    let Some(mut client) = client(password, mechanism, channel(client_bound, hash)) else {
        return;
    };
    let mut server = ServerExchange::new(verifier("right"), channel(server_bound, 7));

    let honest_first = client.first().expect("the first message");
    let first = changed(&honest_first, &mut changes);
    let challenge = server.first(announced, &first);
    let response = challenge
        .as_ref()
        .ok()
        .and_then(|challenge| client.respond(challenge).ok());
    let honest_final = response.clone().unwrap_or_else(|| b"c=biws,r=,p=".to_vec());
    let last = changed(&honest_final, &mut changes);
    let done = server.finish(&last);

    let agreed = match (mechanism, client_bound, server_bound) {
        (Mechanism::ScramSha256, false, _) => true,
        // "You could not": it could.
        (Mechanism::ScramSha256, true, server_bound) => !server_bound,
        (Mechanism::ScramSha256Plus, client_bound, server_bound) => {
            client_bound && server_bound && same_channel
        }
    };
    let untouched = first == honest_first && last == honest_final && announced == mechanism;
    let may = knows && agreed && untouched;
    assert_eq!(done.is_ok(), may, "{done:?} with {setting:#b}");
    if let Ok(done) = done {
        assert_eq!(done.bound, mechanism == Mechanism::ScramSha256Plus);
        assert_eq!(client.finish(&done.message), Ok(()));
        assert!(client.is_verified());
        onwards(done.client_key, done.server_key);
    }
    assert!(server.finish(&honest_final).is_err(), "logged in twice");
}

/// What the server learned logs in at another server of the same user.
fn onwards(client_key: pgmoor_wire::scram::Key, server_key: pgmoor_wire::scram::Key) {
    let plain = Mechanism::ScramSha256;
    let client = ClientExchange::from_keys(client_key, server_key, plain, ChannelBinding::None);
    let mut client = client.expect("nothing to bind");
    let mut server = ServerExchange::new(verifier("right"), ChannelBinding::None);
    let first = client.first().expect("the first message");
    let challenge = server.first(plain, &first).expect("well-formed");
    let response = client.respond(&challenge).expect("well-formed");
    let done = server.finish(&response).expect("it knows the key");
    assert_eq!(client.finish(&done.message), Ok(()));
}

/// A login of ours, at a server that may know the password or not, whose messages somebody changes.
///
/// The first byte sets who knows what; then come the changes of server-first and of server-final.
pub fn scram_client(data: &[u8]) {
    let Some((&setting, mut changes)) = data.split_first() else {
        return;
    };
    let knows = setting & 1 == 0;
    let mechanism = mechanism(setting & 2 != 0);
    let bound = mechanism == Mechanism::ScramSha256Plus;
    let mut client = client("right", mechanism, channel(bound, 7)).expect("it can be bound");
    let password = if knows { "right" } else { "guessed" };
    let mut server = ServerExchange::new(verifier(password), channel(bound, 7));

    let first = client.first().expect("the first message");
    let honest = server.first(mechanism, &first).expect("well-formed");
    let challenge = changed(&honest, &mut changes);
    let response = client.respond(&challenge);
    assert!(!client.is_verified(), "believed before it was proven");
    let done = response
        .ok()
        .and_then(|response| server.finish(&response).ok());
    let honest_final = match &done {
        Some(done) => done.message.clone(),
        // Somebody who never saw the password has to invent it.
        None => b"v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_vec(),
    };
    let last = changed(&honest_final, &mut changes);
    let believed = client.finish(&last);

    let may = knows && done.is_some() && challenge == honest && last == honest_final;
    assert_eq!(believed.is_ok(), may, "{believed:?}");
    assert_eq!(client.is_verified(), may);
    assert!(knows || done.is_none(), "proven without the password");
    assert!(client.respond(&honest).is_err(), "it goes on after its end");
}

fn mechanism(plus: bool) -> Mechanism {
    match plus {
        true => Mechanism::ScramSha256Plus,
        false => Mechanism::ScramSha256,
    }
}

/// A message with up to three changes, each told by how, where and what.
fn changed(message: &[u8], changes: &mut &[u8]) -> Vec<u8> {
    let mut out = message.to_vec();
    let count = changes.split_off_first().map_or(0, |count| count % 4);
    for _ in 0..count {
        let Some((&[how, place, byte], rest)) = changes.split_first_chunk() else {
            break;
        };
        *changes = rest;
        let at = usize::from(place) % (out.len() + 1);
        match how % 6 {
            0 if at < out.len() => out[at] = byte,
            1 => out.insert(at, byte),
            2 if at < out.len() => drop(out.remove(at)),
            3 => out.truncate(at),
            4 => {
                // An attribute more, at its end.
                out.extend_from_slice(&[b',', byte, b'=']);
                out.extend_from_slice(&message[..at.min(message.len())]);
            }
            5 if at < out.len() => out[at] ^= 1 << (byte % 8),
            _ => {}
        }
    }
    out
}
