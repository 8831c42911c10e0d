//! TCP options of a connection.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// When TCP notices that the other side is gone; what is `None` stays the kernel's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepAlive {
    /// Whether probes are sent at all.
    pub enabled: bool,
    /// Silence before the first probe.
    pub idle: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
    /// Unanswered probes that end the connection.
    pub count: Option<u32>,
    /// How long sent bytes may stay unacknowledged (Linux only).
    pub user_timeout: Option<Duration>,
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            enabled: true,
            idle: None,
            interval: None,
            count: None,
            user_timeout: None,
        }
    }
}

impl KeepAlive {
    /// Gives a listening TCP socket these options, and `TCP_NODELAY`: on Linux, every connection
    /// that it accepts from now on has them from its beginning.
    ///
    /// # Errors
    /// The kernel refuses a value.
    pub fn bequeath(&self, listener: BorrowedFd<'_>) -> io::Result<()> {
        SockRef::from(&listener).set_tcp_nodelay(true)?;
        self.apply(listener)
    }

    pub(super) fn apply(&self, socket: BorrowedFd<'_>) -> io::Result<()> {
        let socket = SockRef::from(&socket);
        if self.enabled {
            let mut probes = TcpKeepalive::new();
            if let Some(idle) = self.idle {
                probes = probes.with_time(idle);
            }
            if let Some(interval) = self.interval {
                probes = probes.with_interval(interval);
            }
            if let Some(count) = self.count {
                probes = probes.with_retries(count);
            }
            socket.set_tcp_keepalive(&probes)?;
        } else {
            socket.set_keepalive(false)?;
        }
        #[cfg(target_os = "linux")]
        socket.set_tcp_user_timeout(self.user_timeout)?;
        Ok(())
    }
}
