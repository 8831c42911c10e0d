//! Another way to a server than its host and port: somebody else opens the stream and secures it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::Instant;

use super::error::ConnectError;
use super::stage::Stage;
use crate::stream::Stream;

/// A stream, when it comes.
pub type Opening<'a> = Pin<Box<dyn Future<Output = Result<Opened, ConnectError>> + Send + 'a>>;

/// Another stream, with something new to show, when it comes; none when there is nothing new.
pub type Again = Pin<Box<dyn Future<Output = Option<Result<Opened, ConnectError>>> + Send>>;

/// Opens streams to one server, on which PostgreSQL's own protocol begins at once. The server is who
/// it should be, and nobody can read along.
pub trait Line: Send + Sync + fmt::Debug {
    /// The server, for people.
    fn name(&self) -> String;

    /// Opens a stream, until `deadline` at the latest.
    fn open(&self, deadline: Instant) -> Opening<'_>;
}

/// An open stream.
pub struct Opened {
    /// The bytes.
    pub stream: Stream,
    /// The server and its address, for people.
    pub server: String,
    /// How long each stage of opening it took.
    pub took: Vec<(Stage, Duration)>,
    /// To be called when what the stream was opened with is refused: by the login (`true`), or before it.
    /// Opens another one by the deadline, with something new to show.
    pub again: Box<dyn Fn(bool, Instant) -> Again + Send + Sync>,
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
