//! The wish that work in progress should end now.

use tokio::sync::watch;

/// Hears of the wish to stop.
#[derive(Debug, Clone)]
pub struct Stop(watch::Receiver<bool>);

/// Has the wish to stop; dropped, nobody can have it any more, and the work goes on.
#[derive(Debug)]
pub struct Stopper(watch::Sender<bool>);

impl Stop {
    /// A pair of both.
    pub fn new() -> (Stopper, Self) {
        let (sender, receiver) = watch::channel(false);
        (Stopper(sender), Self(receiver))
    }

    /// Whether it was wished.
    pub fn is_wished(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is wished.
    ///
    /// Cancel safe.
    pub async fn wished(&mut self) {
        if self.0.wait_for(|stop| *stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

impl Stopper {
    /// Wishes it.
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}
