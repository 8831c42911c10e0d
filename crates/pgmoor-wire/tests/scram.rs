//! SCRAM between our own two sides, and against peers that lie.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pgmoor_wire::backend::{self, Authentication};
use pgmoor_wire::scram::{
    ChannelBinding, ClientExchange, MAX_ITERATIONS, Mechanism, ScramError, ServerExchange,
    ServerFinal, Verifier,
};
use pgmoor_wire::{Secret, SqlState, frame};

const PLAIN: Mechanism = Mechanism::ScramSha256;
const PLUS: Mechanism = Mechanism::ScramSha256Plus;
const NONE: ChannelBinding = ChannelBinding::None;

fn channel(certificate: u8) -> ChannelBinding {
    ChannelBinding::TlsServerEndPoint(vec![certificate; 32])
}

// One iteration is no protection, but fast.
fn verifier() -> Verifier {
    Verifier::derive("pencil", b"salt", 1)
}

fn client(password: &str, mechanism: Mechanism, binding: ChannelBinding) -> ClientExchange {
    ClientExchange::from_password(Secret::from(password), mechanism, binding).unwrap()
}

fn log_in(
    client: &mut ClientExchange,
    server: &mut ServerExchange,
    mechanism: Mechanism,
) -> Result<ServerFinal, ScramError> {
    let server_first = server.first(mechanism, &client.first()?)?;
    let done = server.finish(&client.respond(&server_first)?)?;
    client.finish(&done.message)?;
    Ok(done)
}

/// A server that was sent this as client-first.
fn server_told(
    mechanism: Mechanism,
    binding: ChannelBinding,
    client_first: &str,
) -> Result<Vec<u8>, ScramError> {
    ServerExchange::new(verifier(), binding).first(mechanism, client_first.as_bytes())
}

/// A server that was sent client-final after it was changed.
fn server_finds(change: impl FnOnce(String) -> String) -> ScramError {
    let mut server = ServerExchange::new(verifier(), NONE);
    let mut client = client("pencil", PLAIN, NONE);
    let first = server.first(PLAIN, &client.first().unwrap()).unwrap();
    let last = String::from_utf8(client.respond(&first).unwrap()).unwrap();

    server.finish(change(last).as_bytes()).unwrap_err()
}

/// A client that was sent server-first, made from its nonce.
fn client_finds(server_first: impl FnOnce(&str) -> String) -> ScramError {
    let mut client = client("pencil", PLAIN, NONE);
    let first = String::from_utf8(client.first().unwrap()).unwrap();
    let nonce = first.strip_prefix("n,,n=,r=").unwrap();

    client.respond(server_first(nonce).as_bytes()).unwrap_err()
}

#[test]
fn right_password_logs_in_and_both_sides_know_it() {
    let mut client = client("pencil", PLAIN, NONE);
    let mut server = ServerExchange::new(verifier(), NONE);

    let done = log_in(&mut client, &mut server, PLAIN).unwrap();

    assert!(client.is_verified());
    assert!(!done.bound);
}

#[test]
fn wrong_password_does_not_log_in() {
    let mut client = client("pencil ", PLAIN, NONE);
    let mut server = ServerExchange::new(verifier(), NONE);

    let error = log_in(&mut client, &mut server, PLAIN).unwrap_err();

    assert_eq!(error, ScramError::WrongPassword);
    assert_eq!(error.sqlstate(), SqlState::INVALID_PASSWORD);
    assert!(!client.is_verified());
}

#[test]
fn login_is_bound_to_the_certificate_that_both_see() {
    let mut client = client("pencil", PLUS, channel(1));
    let mut server = ServerExchange::new(verifier(), channel(1));

    assert!(log_in(&mut client, &mut server, PLUS).unwrap().bound);
}

#[test]
fn login_through_somebody_with_another_certificate_fails() {
    let mut client = client("pencil", PLUS, channel(1));
    let mut server = ServerExchange::new(verifier(), channel(2));

    let error = log_in(&mut client, &mut server, PLUS).unwrap_err();

    assert_eq!(error, ScramError::ChannelBinding);
}

#[test]
fn offer_of_channel_binding_that_was_taken_away_is_found_by_the_server() {
    // The client can bind, and was offered only the mechanism without.
    let mut client = client("pencil", PLAIN, channel(1));
    let mut server = ServerExchange::new(verifier(), channel(1));

    let error = log_in(&mut client, &mut server, PLAIN).unwrap_err();

    assert!(matches!(error, ScramError::Downgrade(_)));
}

#[test]
fn client_that_can_bind_logs_in_at_a_server_that_cannot() {
    let mut client = client("pencil", PLAIN, channel(1));
    let mut server = ServerExchange::new(verifier(), NONE);

    assert!(log_in(&mut client, &mut server, PLAIN).is_ok());
}

#[test]
fn client_that_cannot_bind_logs_in_at_a_server_that_can() {
    let mut client = client("pencil", PLAIN, NONE);
    let mut server = ServerExchange::new(verifier(), channel(1));

    assert!(log_in(&mut client, &mut server, PLAIN).is_ok());
}

#[test]
fn mechanism_and_header_must_say_the_same() {
    let bare = "n=,r=abcdefgh";
    let refused = [
        (PLUS, channel(1), "n"),
        (PLUS, channel(1), "y"),
        (PLUS, NONE, "y"),
        (PLAIN, channel(1), "p=tls-server-end-point"),
        (PLAIN, channel(1), "y"),
        (PLUS, NONE, "p=tls-server-end-point"),
    ];
    for (mechanism, binding, flag) in refused {
        let told = server_told(mechanism, binding, &format!("{flag},,{bare}"));

        assert!(
            matches!(told, Err(ScramError::Downgrade(_))),
            "{mechanism:?} {flag}"
        );
    }
    let unique = server_told(PLUS, channel(1), &format!("p=tls-unique,,{bare}"));
    assert!(matches!(unique, Err(ScramError::Unsupported(_))));
}

#[test]
fn binding_mechanism_without_a_channel_is_not_begun() {
    let begun = ClientExchange::from_password(Secret::from("pencil"), PLUS, NONE);

    assert!(matches!(begun, Err(ScramError::Downgrade(_))));
}

#[test]
fn bound_mechanism_is_chosen_wherever_it_can_be_had() {
    let choose = |offered: &[&str], binding| {
        let mut out = Vec::new();
        backend::write_auth_sasl(&mut out, offered).unwrap();
        let (_, body, _) = frame::split(&out).unwrap().unwrap();
        let Ok(Authentication::Sasl(offered)) = Authentication::decode(body) else {
            return Err(ScramError::OutOfOrder);
        };
        Mechanism::choose(offered, &binding)
    };
    let both = channel(1).mechanisms();

    assert_eq!(choose(both, channel(1)), Ok(PLUS));
    assert_eq!(choose(both, NONE), Ok(PLAIN));
    assert_eq!(choose(NONE.mechanisms(), channel(1)), Ok(PLAIN));
    assert_eq!(
        choose(&["SCRAM-SHA-256-PLUS"], NONE),
        Err(ScramError::NoMechanism)
    );
    assert_eq!(
        choose(&["OAUTHBEARER"], channel(1)),
        Err(ScramError::NoMechanism)
    );
}

#[test]
fn malformed_first_message_of_a_client_is_refused() {
    let long = format!("n,,n=,r={}", "x".repeat(1024));
    let malformed = [
        "",
        "n",
        "n,",
        "n,,",
        "n,,n=",
        "n,,n=user",
        "n,,r=abc",
        "n,,r=abc,n=user",
        "n,,n=user,r=",
        "n,,n=user,r=a b",
        "n,,n=user,r=ä",
        "n,,n=user,r=abc,",
        "n,,n=user,r=abc,junk",
        "n,,n=user,r=abc,9=x",
        "n,,nn=user,r=abc",
        "x,,n=user,r=abc",
        "N,,n=user,r=abc",
        "p,,n=user,r=abc",
        "n,,n=user\0,r=abc",
        &long,
    ];
    for message in malformed {
        let told = server_told(PLAIN, NONE, message);

        assert!(
            matches!(told, Err(ScramError::Malformed(_))),
            "{message:?}: {told:?}"
        );
    }
    for message in ["n,a=root,n=user,r=abc", "n,,m=x,n=user,r=abc"] {
        let told = server_told(PLAIN, NONE, message);

        assert!(
            matches!(told, Err(ScramError::Unsupported(_))),
            "{message:?}: {told:?}"
        );
    }
    assert!(server_told(PLAIN, NONE, "n,,n=*,r=abc,x=unknown").is_ok());
    let not_text = ServerExchange::new(verifier(), NONE).first(PLAIN, b"n,,n=\xff,r=abc");
    assert!(matches!(not_text, Err(ScramError::Malformed(_))));
}

#[test]
fn altered_last_message_of_a_client_is_refused() {
    let wrong_binding = server_finds(|last| last.replace("c=biws", "c=eSws"));
    assert_eq!(wrong_binding, ScramError::ChannelBinding);
    let wrong_nonce = server_finds(|last| last.replace(",r=", ",r=x"));
    assert_eq!(wrong_nonce, ScramError::Nonce);
    let extended = server_finds(|last| last.replace(",p=", ",x=y,p="));
    assert_eq!(extended, ScramError::WrongPassword);
    let no_proof = server_finds(|last| last.split(",p=").next().unwrap().to_owned());
    assert!(matches!(no_proof, ScramError::Malformed(_)));
    let short_proof = server_finds(|last| last.split(",p=").next().unwrap().to_owned() + ",p=eA==");
    assert!(matches!(short_proof, ScramError::Malformed(_)));
    let more = server_finds(|last| last + ",x=y");
    assert!(matches!(more, ScramError::Malformed(_)));
    let no_nonce = server_finds(|last| last.replace(",r=", ",x="));
    assert!(matches!(no_nonce, ScramError::Malformed(_)));
    let long = server_finds(|last| last.replace(",p=", &format!(",x={},p=", "x".repeat(1024))));
    assert!(matches!(long, ScramError::Malformed(_)));
    let empty = server_finds(|_| String::new());
    assert!(matches!(empty, ScramError::Malformed(_)));
}

#[test]
fn every_other_proof_is_refused() {
    for at in 0..43 {
        let error = server_finds(|last| {
            let (signed, proof) = last.rsplit_once(",p=").unwrap();
            let mut proof = proof.as_bytes().to_vec();
            proof[at] = if proof[at] == b'A' { b'E' } else { b'A' };
            format!("{signed},p={}", String::from_utf8(proof).unwrap())
        });

        assert_eq!(error, ScramError::WrongPassword, "{at}");
    }
}

#[test]
fn steps_are_taken_once_and_in_order() {
    let late = Err(ScramError::OutOfOrder);
    let mut server = ServerExchange::new(verifier(), NONE);
    let mut early = client("pencil", PLAIN, NONE);
    assert_eq!(early.respond(b"").map(drop), late);
    assert_eq!(early.first().map(drop), late);

    let mut client = client("pencil", PLAIN, NONE);
    let first = client.first().unwrap();
    assert_eq!(client.first().map(drop), late);
    assert_eq!(client.finish(b"v="), late);
    assert_eq!(server.finish(b"").map(drop), late);
    assert_eq!(server.first(PLAIN, &first).map(drop), late);
}

#[test]
fn exchange_that_failed_cannot_be_taken_up_again() {
    let mut server = ServerExchange::new(verifier(), NONE);
    let mut client = client("wrong", PLAIN, NONE);
    let first = server.first(PLAIN, &client.first().unwrap()).unwrap();
    let last = client.respond(&first).unwrap();

    assert_eq!(server.finish(&last).unwrap_err(), ScramError::WrongPassword);
    assert_eq!(server.finish(&last).unwrap_err(), ScramError::OutOfOrder);
}

#[test]
fn server_with_a_foreign_nonce_is_refused() {
    let not_ours = client_finds(|_| "r=abcdefgh,s=c2FsdA==,i=1".into());
    assert_eq!(not_ours, ScramError::Nonce);
    let not_longer = client_finds(|nonce| format!("r={nonce},s=c2FsdA==,i=1"));
    assert_eq!(not_longer, ScramError::Nonce);
    let too_long = client_finds(|nonce| format!("r={nonce}{},s=c2FsdA==,i=1", "x".repeat(2000)));
    assert!(matches!(too_long, ScramError::Malformed(_)));
}

#[test]
fn server_that_wants_a_billion_iterations_does_not_get_them() {
    for asked in ["1000000000", "100001", "99999999999999999999"] {
        let error = client_finds(|nonce| format!("r={nonce}x,s=c2FsdA==,i={asked}"));

        assert!(matches!(
            error,
            ScramError::Iterations {
                limit: MAX_ITERATIONS,
                ..
            }
        ));
    }
}

#[test]
fn malformed_first_message_of_a_server_is_refused() {
    for rest in [
        "",
        ",s=c2FsdA==",
        ",i=1,s=c2FsdA==",
        ",s=,i=1",
        ",s=*,i=1",
        ",s=c2FsdA==,i=",
        ",s=c2FsdA==,i=0",
        ",s=c2FsdA==,i=-1",
        ",s=c2FsdA==,i=+1",
        ",s=c2FsdA==,i=1x",
        ",s=c2FsdA==,i=1,",
        ",s=c2FsdA==,i=1,x=y",
        ",s=c2FsdA==,i=1\0",
    ] {
        let error = client_finds(|nonce| format!("r={nonce}x{rest}"));

        assert!(
            matches!(error, ScramError::Malformed(_)),
            "{rest:?}: {error:?}"
        );
    }
    let mandatory = client_finds(|nonce| format!("m=x,r={nonce}x,s=c2FsdA==,i=1"));
    assert!(matches!(mandatory, ScramError::Unsupported(_)));
}

#[test]
fn server_that_does_not_know_the_password_is_not_believed() {
    let answered = |server_final: &str| {
        let mut client = client("pencil", PLAIN, NONE);
        let mut server = ServerExchange::new(verifier(), NONE);
        let first = server.first(PLAIN, &client.first().unwrap()).unwrap();
        client.respond(&first).unwrap();
        let done = client.finish(server_final.as_bytes());
        assert!(!client.is_verified());
        done
    };
    let signature = "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    assert_eq!(answered(signature), Err(ScramError::ServerSignature));
    for malformed in ["", "v=", "v=eA==", "x=y", &format!("{signature},x=y")] {
        assert!(
            matches!(answered(malformed), Err(ScramError::Malformed(_))),
            "{malformed}"
        );
    }
    let refused = Err(ScramError::Refused("invalid-proof".into()));
    assert_eq!(answered("e=invalid-proof"), refused);
}

#[test]
fn error_text_of_a_server_is_cut_and_cleaned() {
    let mut client = client("pencil", PLAIN, NONE);
    let mut server = ServerExchange::new(verifier(), NONE);
    let first = server.first(PLAIN, &client.first().unwrap()).unwrap();
    client.respond(&first).unwrap();

    let error = client.finish(format!("e=a\r\n\x1b[31m{}", "b".repeat(500)).as_bytes());

    let text = error.unwrap_err().to_string();
    assert!(
        text.len() < 150 && !text.contains(['\r', '\n', '\x1b']),
        "{text:?}"
    );
}

#[test]
fn keys_of_a_login_log_in_onwards() {
    let mut outer = client("pencil", PLAIN, NONE);
    let mut gateway = ServerExchange::new(verifier(), NONE);
    let done = log_in(&mut outer, &mut gateway, PLAIN).unwrap();

    let keys = ClientExchange::from_keys(done.client_key, done.server_key, PLUS, channel(1));
    let mut inner = keys.unwrap();
    let mut server = ServerExchange::new(verifier(), channel(1));

    assert!(log_in(&mut inner, &mut server, PLUS).unwrap().bound);
    assert!(inner.is_verified());
}

#[test]
fn keys_do_not_log_in_where_the_password_has_another_salt() {
    let mut outer = client("pencil", PLAIN, NONE);
    let mut gateway = ServerExchange::new(verifier(), NONE);
    let done = log_in(&mut outer, &mut gateway, PLAIN).unwrap();
    let keys = ClientExchange::from_keys(done.client_key, done.server_key, PLAIN, NONE);

    let salted = Verifier::derive("pencil", b"other salt", 1);
    let mut server = ServerExchange::new(salted, NONE);

    let error = log_in(&mut keys.unwrap(), &mut server, PLAIN).unwrap_err();
    assert_eq!(error, ScramError::WrongPassword);
}

#[test]
fn unknown_user_looks_the_same_each_time_and_never_logs_in() {
    let stored = |user, key| Verifier::mock(user, key).format().expose().clone();

    assert_eq!(stored("a", b"key"), stored("a", b"key"));
    assert_ne!(stored("a", b"key"), stored("b", b"key"));
    assert_ne!(stored("a", b"key"), stored("a", b"other"));
    let mock = Verifier::mock("a", b"key");
    assert_eq!((mock.iterations, mock.salt.len()), (4096, 16));

    let mut server = ServerExchange::new(mock, NONE);
    let error = log_in(&mut client("", PLAIN, NONE), &mut server, PLAIN).unwrap_err();
    assert_eq!(error, ScramError::WrongPassword);
}

#[test]
fn mock_does_not_log_in_even_with_keys_that_fit() {
    // Known keys under a mock: what nobody can find out is put there.
    let mut mock = Verifier::mock("a", b"key");
    let real = verifier();
    (mock.iterations, mock.salt) = (real.iterations, real.salt);
    (mock.stored_key, mock.server_key) = (real.stored_key, real.server_key);

    assert!(!mock.matches("pencil"));
    let mut server = ServerExchange::new(mock, NONE);
    let error = log_in(&mut client("pencil", PLAIN, NONE), &mut server, PLAIN).unwrap_err();
    assert_eq!(error, ScramError::WrongPassword);
}

#[test]
fn nonces_differ_each_time() {
    let first = || client("pencil", PLAIN, NONE).first().unwrap();
    let answer = || server_told(PLAIN, NONE, "n,,n=,r=abc").unwrap();

    assert_ne!(first(), first());
    assert_ne!(answer(), answer());
}

#[test]
fn exchanges_show_no_password_and_no_key() {
    let mut client = client("hunter2", PLAIN, NONE);
    let mut server = ServerExchange::new(Verifier::derive("hunter2", b"salt", 1), NONE);
    let first = server.first(PLAIN, &client.first().unwrap()).unwrap();
    let last = client.respond(&first).unwrap();
    let shown = format!("{client:?} {server:?}");
    let done = server.finish(&last).unwrap();
    let keys = format!("{done:?}");

    assert!(!shown.contains("hunter2"));
    assert!(shown.contains("credential: ***") && shown.contains("verifier: Verifier(***)"));
    assert!(shown.contains("signature: ***"), "{shown}");
    assert!(keys.contains("client_key: ***, server_key: ***"), "{keys}");
}
