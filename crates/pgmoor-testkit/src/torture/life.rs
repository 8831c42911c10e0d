//! How a client spends its time: it comes, acts, goes, and comes again.

use std::time::{Duration, Instant};

use super::acts::ACTS;
use super::client::{Client, PoolMode};
use super::trouble::Told;

/// How long a client that was turned away waits before it tries again.
const TRY_AGAIN: Duration = Duration::from_millis(50);

impl Client {
    /// Lives until it is time, and gives back what it has done.
    pub(super) async fn live(mut self) -> Client {
        self.done = vec![0; ACTS.len()];
        while !self.place.is_over() {
            if let Err(trouble) = self.stay().await {
                let witness = &self.place.witness;
                let who = format!("client {} ({})", self.id, self.door().way());
                witness.note(&who, &trouble, self.place.excuses);
                let had_session = self.has_session();
                self.lose();
                if !had_session {
                    self.dawdle(TRY_AGAIN).await;
                }
            }
        }
        self.leave().await;
        self
    }

    /// One session, from login to goodbye.
    async fn stay(&mut self) -> Told {
        self.arrive().await?;
        // In session mode others wait until it goes.
        let most = match self.place.mode {
            PoolMode::Session => 10,
            PoolMode::Transaction => 60,
        };
        for _ in 0..=self.dice.below(most) {
            if !self.has_session() || self.place.is_over() {
                break;
            }
            let act = self.choose();
            let asked = Instant::now();
            self.perform(act).await?;
            self.done[act] += 1;
            self.place.witness.acted(asked);
            if self.dice.once_in(8) {
                self.dawdle(Duration::from_millis(4)).await;
            }
        }
        self.leave().await;
        Ok(())
    }

    /// The number of an act, each as likely as its weight says.
    fn choose(&mut self) -> usize {
        let total = ACTS.iter().map(|(_, weight)| weight).sum();
        let mut rest = self.dice.below(total);
        for (number, (_, weight)) in ACTS.iter().enumerate() {
            if rest < *weight {
                return number;
            }
            rest -= weight;
        }
        0
    }
}
