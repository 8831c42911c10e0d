//! The example of RFC 7677, with its nonces; all other tests need no inner door: `tests/scram.rs`.

use super::{ChannelBinding, ClientExchange, Mechanism, ServerExchange, Verifier};
use crate::Secret;

const PLAIN: Mechanism = Mechanism::ScramSha256;

// RFC 7677, section 3.
const CLIENT_FIRST: &str = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
const CLIENT_FINAL: &str = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_FINAL: &str = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
const SERVER_NONCE: &str = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const SALT: &str = "W22ZaJ0SNY7soEsUEjb6gQ==";

#[test]
fn client_speaks_the_example_of_rfc_7677() {
    let password = Secret::from("pencil");
    let mut client = ClientExchange::from_password(password, PLAIN, ChannelBinding::None).unwrap();

    let first = client
        .first_with("user", "rOprNGfwEbeRWgbNEkqO".into())
        .unwrap();
    let last = client.respond(SERVER_FIRST.as_bytes()).unwrap();

    assert_eq!(String::from_utf8(first).unwrap(), CLIENT_FIRST);
    assert_eq!(String::from_utf8(last).unwrap(), CLIENT_FINAL);
    assert!(!client.is_verified());
    client.finish(SERVER_FINAL.as_bytes()).unwrap();
    assert!(client.is_verified());
}

#[test]
fn server_speaks_the_example_of_rfc_7677() {
    let salt = super::text::decode(SALT).unwrap();
    let verifier = Verifier::derive("pencil", &salt, 4096);
    let mut server = ServerExchange::new(verifier, ChannelBinding::None);

    let first = server
        .first_with(PLAIN, CLIENT_FIRST.as_bytes(), SERVER_NONCE)
        .unwrap();
    let last = server.finish(CLIENT_FINAL.as_bytes()).unwrap();

    assert_eq!(String::from_utf8(first).unwrap(), SERVER_FIRST);
    assert_eq!(String::from_utf8(last.message).unwrap(), SERVER_FINAL);
    assert!(!last.bound);
}
