//! Whether the line is encrypted, and the server is who it should be.

mod trouble;

checks! {
    files, key_pair, offered, version, authority, name, validity, client_wanted, client_validity, client_accepted,
    handshake, encrypted, required,
}
