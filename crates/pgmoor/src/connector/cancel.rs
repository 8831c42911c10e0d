//! Cancelling what a session runs, from a second connection.

use std::sync::Arc;

use pgmoor_wire::startup;
use tokio::time::Instant;

use super::dial::{self, Address};
use super::error::{ConnectError, Stage};
use super::secure::{self, Encryption};
use super::site::Site;
use crate::endpoint::{Host, SslMode};
use crate::stream::KeepAlive;
use crate::tls::ClientTls;

/// Where and how a session can be cancelled: the same address, encrypted the same way.
#[derive(Clone)]
pub struct CancelTarget {
    pub(super) host: Host,
    pub(super) address: Address,
    pub(super) encryption: Encryption,
    pub(super) mode: SslMode,
    pub(super) tls: Arc<ClientTls>,
    pub(super) key: Option<(i32, Vec<u8>)>,
}

impl CancelTarget {
    /// Asks the server to cancel what the session runs now. A server answers nothing: when this
    /// returns, it has taken note, and whether there was something to cancel is not known.
    ///
    /// # Errors
    /// The request did not reach the server.
    pub async fn cancel(&self, deadline: impl Into<Instant>) -> Result<(), ConnectError> {
        let site = Site::new(self.address.describe(&self.host), deadline.into());
        let Some((pid, secret)) = &self.key else {
            return Err(ConnectError::NoCancelKey {
                server: site.server,
            });
        };
        let mut request = Vec::new();
        startup::write_cancel(&mut request, *pid, secret)
            .map_err(|error| site.protocol(Stage::Cancel, error.to_string()))?;
        let keepalive = KeepAlive::default();
        let mut stream = dial::dial(&self.address, &keepalive, &site, None).await?;
        // A session that has TLS is never cancelled without.
        let mode = match self.encryption {
            Encryption::Plain => self.mode,
            Encryption::Requested | Encryption::Direct => self.mode.max(SslMode::Require),
        };
        secure::secure(
            &mut stream,
            self.encryption,
            mode,
            &self.tls,
            &self.host,
            &site,
        )
        .await?;
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
            .field("host", &self.host)
            .field("pid", &self.key.as_ref().map(|(pid, _)| pid))
            .finish_non_exhaustive()
    }
}
