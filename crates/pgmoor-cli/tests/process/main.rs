//! The program as its users have it: whole processes that are killed, replaced, reloaded, stopped
//! and misconfigured, with real servers and clients.

mod clients;
mod processes;
mod site;

mod clock;
mod exhausted;
mod google;
mod idle;
mod kill;
mod log;
mod moving;
mod names;
mod notify;
mod reload;
mod rotation;
mod stop;
mod takeover;
