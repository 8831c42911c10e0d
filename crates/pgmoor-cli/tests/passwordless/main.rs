//! Logins without passwords: identities of clouds, a gateway, and a real PostgreSQL that checks tokens.

mod aws;
mod azure;
mod load;
mod login;
mod matrix;
mod refusals;
mod plain;
mod site;
mod vault;
