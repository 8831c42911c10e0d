//! The program as its users have it: whole processes that are killed, replaced, reloaded, stopped
//! and misconfigured, with real servers and clients.

mod clients;
mod processes;
mod site;

mod kill;
mod log;
mod reload;
mod stop;
mod takeover;
