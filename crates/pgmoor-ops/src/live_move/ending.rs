//! How a move ends: finished, or given up.

use super::crossing;
use super::error::MoveError;
use super::event::Event;
use super::fence::{self, Standing};
use super::journal::{self, Entry, Phase};
use super::mover::Move;
use super::names;
use super::outgoing;
use crate::session::Session;
use crate::traffic::TrafficControl;

impl Move {
    /// Ends the rollback window: nothing flows back any more, and what the move made is taken away at both sides. The
    /// source stays behind its fence. Returns what could not be taken away, as sentences.
    ///
    /// It may be said again.
    ///
    /// # Errors
    /// [`MoveError::NotNow`] before the cutover.
    pub async fn finish(&self) -> Result<Vec<String>, MoveError> {
        let (_keeper, phases, entry) = self.keep("finish the move").await?;
        if !matches!(entry.phase, Phase::Moved | Phase::Finished) {
            return Err(MoveError::NotNow {
                verb: "finish the move",
                why: format!("it is {}, and clients are at the source", entry.phase),
                hint: "pgmoor move cutover".into(),
            });
        }
        journal::note_phase(&phases, entry.phase, Phase::Finished).await?;
        self.listener.event(Event::Phase(Phase::Finished));
        let mut left = Vec::new();
        // The old side is of no use to anybody any more: that it cannot be reached keeps nothing from being finished.
        match self.source.session().await {
            Ok(source) => {
                let cleaned = self.clean(&source, &entry).await;
                if let Err(error) = cleaned {
                    left.push(format!("at the source: {}", crate::error::chain(&error)));
                }
            }
            Err(error) => left.push(format!("at the source: {}", crate::error::chain(&error))),
        }
        self.clean(&phases, &entry).await?;
        journal::remove(&phases).await?;
        Ok(left)
    }

    /// Gives the move up: the source is as it was before it, and open. What was copied to the target stays there.
    ///
    /// It may be said again, and also when the target cannot be reached.
    ///
    /// # Errors
    /// [`MoveError::NotNow`] after the cutover.
    pub async fn abort(&self, gateway: Option<&dyn TrafficControl>) -> Result<(), MoveError> {
        let source = self.source.session().await?;
        let here = journal::read(&source)
            .await?
            .filter(|entry| entry.is_source);
        let there = self.keep("abort the move").await;
        match there {
            Ok((_keeper, phases, entry)) => {
                let phase = self.undo(&entry, &phases, gateway).await?;
                if phase.is_at_target() {
                    return Err(MoveError::NotNow {
                        verb: "abort the move",
                        why: "clients are at the target, and the source may lack what they wrote"
                            .into(),
                        hint: "pgmoor move rollback takes them back with all that they wrote"
                            .into(),
                    });
                }
                self.clean(&source, &entry).await?;
                journal::remove(&source).await?;
                self.clean(&phases, &entry).await?;
                // After a rollback it keeps everybody out, for nothing any more.
                crossing::open(&phases).await?;
                journal::remove(&phases).await?;
                Ok(())
            }
            // It was not begun there, or is gone from there already.
            Err(error @ MoveError::NotNow { .. }) => {
                let Some(here) = here else { return Err(error) };
                if let Standing::Fenced(text) = fence::read(&source).await? {
                    return Err(MoveError::NotNow {
                        verb: "abort the move",
                        why: text,
                        hint: "nothing is left to be aborted: the move was finished".into(),
                    });
                }
                self.clean(&source, &here).await?;
                journal::remove(&source).await
            }
            Err(error) => Err(error),
        }
    }

    /// Takes away what makes a side send its changes.
    async fn clean(&self, session: &Session, entry: &Entry) -> Result<(), MoveError> {
        self.listener
            .event(Event::Step("take away what the move made"));
        outgoing::unguard(session).await?;
        outgoing::drop_slot(session, &names::outgoing(&session.database)).await?;
        outgoing::unpublish(session).await?;
        outgoing::restore_identities(session, &entry.identities).await
    }
}
