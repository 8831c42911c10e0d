//! The gateway in front of a real PostgreSQL, through real sockets.

mod cancel;
mod console;
mod copy;
mod fixture;
mod load;
mod statements;
