//! The gateway in front of a real PostgreSQL, through real sockets.

mod attacks;
mod bad_input;
mod bulk;
mod cancel;
mod closing;
mod console;
mod copy;
mod fixture;
mod http;
mod leftovers;
mod limits;
mod load;
mod login;
mod login_tls;
mod passthrough;
mod rogue_login;
mod server_death;
mod server_trouble;
mod session_state;
mod special;
mod statements;
mod telling_apart;
mod tls_attacks;
mod traffic;
