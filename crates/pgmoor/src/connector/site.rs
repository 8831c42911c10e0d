//! Where and until when an attempt is made, so that errors and deadlines need no repetition.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::error::ConnectError;
use super::spent::Spent;
use super::stage::Stage;

/// One attempt at one address.
#[derive(Debug)]
pub(super) struct Site {
    /// Host and address, for people.
    pub(super) server: String,
    started: Instant,
    pub(super) deadline: Instant,
    /// What this attempt, and those that led to it, took.
    pub(super) spent: Spent,
}

impl Site {
    pub(super) fn new(server: String, deadline: Instant) -> Self {
        Self {
            server,
            started: Instant::now(),
            deadline,
            spent: Spent::default(),
        }
    }

    /// An attempt that follows from this one, at another address and with a deadline of its own.
    pub(super) fn next(&self, server: String, deadline: Instant) -> Self {
        Self {
            spent: self.spent.clone(),
            ..Self::new(server, deadline)
        }
    }

    /// The same, where the server's address is known by now.
    pub(super) fn at(&self, server: String) -> Self {
        Self {
            server,
            started: self.started,
            deadline: self.deadline,
            spent: self.spent.clone(),
        }
    }

    /// Does `act`, or gives up at the deadline.
    pub(super) async fn within<T>(
        &self,
        stage: Stage,
        act: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        self.until(self.deadline, stage, act).await
    }

    /// Does `act`, or gives up earlier.
    pub(super) async fn until<T>(
        &self,
        deadline: Instant,
        stage: Stage,
        act: impl Future<Output = Result<T, ConnectError>>,
    ) -> Result<T, ConnectError> {
        let begun = Instant::now();
        let ended = timeout_at(deadline, act).await;
        self.spent.add(stage, begun.elapsed());
        match ended {
            Ok(outcome) => outcome,
            Err(_) => Err(ConnectError::Timeout {
                server: self.server.clone(),
                stage,
                waited: self.started.elapsed(),
            }),
        }
    }

    /// What a failed read or write means. In TLS 1.3 the server judges the client's certificate
    /// when the handshake is over for us, so its verdict comes where the login is expected.
    pub(super) fn lost(&self, stage: Stage, source: io::Error) -> ConnectError {
        let server = self.server.clone();
        let by_tls = source
            .get_ref()
            .is_some_and(|inner| inner.is::<rustls::Error>());
        let source = Arc::new(source);
        if by_tls {
            ConnectError::TlsHandshake { server, source }
        } else {
            ConnectError::Lost {
                server,
                stage,
                source,
            }
        }
    }

    pub(super) fn closed(&self, stage: Stage) -> ConnectError {
        let why = "the server closed the connection without a word";
        self.lost(stage, io::Error::new(io::ErrorKind::UnexpectedEof, why))
    }

    pub(super) fn protocol(&self, stage: Stage, problem: impl Into<String>) -> ConnectError {
        ConnectError::Protocol {
            server: self.server.clone(),
            stage,
            problem: problem.into(),
        }
    }
}
