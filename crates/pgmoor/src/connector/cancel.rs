//! Cancelling what a session runs, from a second connection.

use std::sync::Arc;

use pgmoor_wire::startup;
use tokio::time::Instant;

use super::dial::{self, Address};
use super::error::ConnectError;
use super::line::Line;
use super::secure::{self, Encryption};
use super::site::Site;
use super::stage::Stage;
use crate::endpoint::{Host, SslMode};
use crate::stream::{KeepAlive, Stream};
use crate::tls::ClientTls;

/// Where and how a session can be cancelled: the same way that it was opened.
#[derive(Clone)]
pub struct CancelTarget {
    pub(super) way: Way,
    pub(super) key: Option<(i32, Vec<u8>)>,
}

/// How a connection was opened.
#[derive(Clone)]
pub(super) enum Way {
    /// To an address, encrypted so.
    Direct {
        host: Host,
        address: Address,
        encryption: Encryption,
        mode: SslMode,
        tls: Arc<ClientTls>,
    },
    /// By somebody else.
    Line(Arc<dyn Line>),
}

impl Way {
    fn describe(&self) -> String {
        match self {
            Self::Direct { host, address, .. } => address.describe(host),
            Self::Line(line) => line.name(),
        }
    }

    async fn open(&self, site: &Site) -> Result<Stream, ConnectError> {
        let (host, address, encryption, mode, tls) = match self {
            Self::Line(line) => {
                let opened = line.open(site.deadline).await?;
                return Ok(opened.stream);
            }
            Self::Direct {
                host,
                address,
                encryption,
                mode,
                tls,
            } => (host, address, *encryption, *mode, tls),
        };
        let keepalive = KeepAlive::default();
        let mut stream = dial::dial(address, &keepalive, site, None).await?;
        // A session that has TLS is never cancelled without.
        let mode = match encryption {
            Encryption::Plain => mode,
            Encryption::Requested | Encryption::Direct => mode.max(SslMode::Require),
        };
        secure::secure(&mut stream, encryption, mode, tls, host, site).await?;
        Ok(stream)
    }
}

impl CancelTarget {
    /// Asks the server to cancel what the session runs now. A server answers nothing: when this
    /// returns, it has taken note, and whether there was something to cancel is not known.
    ///
    /// # Errors
    /// The request did not reach the server.
    pub async fn cancel(&self, deadline: impl Into<Instant>) -> Result<(), ConnectError> {
        let site = Site::new(self.way.describe(), deadline.into());
        let Some((pid, secret)) = &self.key else {
            return Err(ConnectError::NoCancelKey {
                server: site.server,
            });
        };
        let mut request = Vec::new();
        startup::write_cancel(&mut request, *pid, secret)
            .map_err(|error| site.protocol(Stage::Cancel, error.to_string()))?;
        let mut stream = self.way.open(&site).await?;
        site.within(Stage::Cancel, async {
            let lost = |error| site.lost(Stage::Cancel, error);
            stream.write_all(&request).await.map_err(lost)?;
            // The server closes when it has signalled the session; how it closes does not matter.
            let mut nothing = [0; 16];
            while let Ok(1..) = stream.read_some(&mut nothing).await {}
            Ok(())
        })
        .await
    }
}

impl std::fmt::Debug for CancelTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelTarget")
            .field("server", &self.way.describe())
            .field("pid", &self.key.as_ref().map(|(pid, _)| pid))
            .finish_non_exhaustive()
    }
}
