//! The gateway in front of a real PostgreSQL, through real sockets.

mod fixture;
mod load;
