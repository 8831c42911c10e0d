//! How the address and its secrets are written.

checks! {
    loads, variables, readable, encoded, parameters, system_roots, blanks, scheme, foreign, key_file, passfile,
    exposed, two_credentials, token_without_tls, verified,
}
