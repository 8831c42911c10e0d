//! Logins without passwords: identities of clouds, a gateway, and a real PostgreSQL that checks tokens.

mod aws;
mod azure;
mod cloudsql;
mod load;
mod login;
mod matrix;
mod refusals;
mod plain;
mod site;
mod vault;

mod loan;
