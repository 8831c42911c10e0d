//! Cancel requests, which hit the statement they are meant for or nothing.

use super::super::client::{Client, PoolMode};
use super::super::trouble::{Told, Trouble};
use crate::frontend;

impl Client {
    pub(super) async fn cancel(&mut self) -> Told {
        let marker = self.marker();
        // It may come before the statement has begun, or when it is over.
        let time = ["0", "0.002", "0.02", "1"][self.dice.below(4) as usize];
        let sql = format!("select '{marker}' from pg_sleep({time})");
        let key = self.link().key();
        self.send(&frontend::query(&sql)).await?;
        self.send_cancel(key).await?;
        let answer = self.link().answer(1).await?;
        match answer.shape().as_str() {
            "TDCZ" => answer.is("TDCZ", &[&marker])?,
            // What is out already stays out.
            "TEZ" => answer.is_with_errors("TEZ", &[], &["57014"])?,
            "TDEZ" => answer.is_with_errors("TDEZ", &[&marker], &["57014"])?,
            _ => answer.is_with_errors("EZ", &[], &["57014"])?,
        }
        match self.place.mode {
            PoolMode::Transaction => self.simple().await,
            // As with any server, a late one may still hit what the same session runs next.
            PoolMode::Session => {
                self.leave().await;
                Ok(())
            }
        }
    }

    /// Whoever has that server process now is not disturbed; the judge is whoever it would be.
    pub(super) async fn cancel_stale(&mut self) -> Told {
        let key = self.old_keys.pop();
        self.send_cancel(key).await?;
        self.simple().await
    }

    /// Sends it and waits until it was taken.
    async fn send_cancel(&self, key: Option<(i32, Vec<u8>)>) -> Told {
        let Some((pid, secret)) = key else {
            return Ok(());
        };
        let asked = async {
            let mut other = self.door().knock(self.place.patience).await?;
            other
                .try_send(&frontend::cancel_request(pid, &secret))
                .await?;
            other.try_next().await
        };
        match asked.await {
            Ok(None) => Ok(()),
            Ok(Some(message)) => Err(Trouble::Wrong(format!("cancel answered by {message:?}"))),
            Err(error) => match Trouble::of_line(&error) {
                // Closing is how a cancel is answered.
                Trouble::Ended(ended) if ended.code != "refused" => Ok(()),
                trouble => Err(trouble),
            },
        }
    }
}
