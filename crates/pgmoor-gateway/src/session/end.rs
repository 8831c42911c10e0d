//! The ways in which a session ends.

use std::io;

use crate::clients::Order;
use crate::pool::CheckoutError;
use crate::relay::{Broken, Violation};

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum End {
    /// The client said goodbye.
    #[error("client disconnected")]
    Terminated,
    #[error("client closed the connection")]
    ClientGone(#[source] Option<io::Error>),
    #[error("the client broke the protocol")]
    Violation(#[source] Violation),
    #[error("no server connection")]
    Checkout(#[source] CheckoutError),
    #[error("the server closed the connection")]
    ServerGone {
        /// The client has been told by the server.
        told: bool,
        #[source]
        source: Option<io::Error>,
    },
    #[error("the server broke the protocol")]
    ServerBroken(#[source] Broken),
    #[error("ended from outside")]
    Ordered(Order),
}
