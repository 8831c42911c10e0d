//! One client: its session, its choices, what it knows and what it is owed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::canary::{LOOK, clean};
use super::dice::Dice;
use super::ledger::{Ledger, marker};
use super::link::{Answer, Door, Link};
use super::trouble::{Excuses, Told, Trouble};
use super::witness::Witness;
use crate::frontend;

/// When a server connection is given back; what a client may do depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolMode {
    /// When the client leaves.
    Session,
    /// When its transaction ends.
    Transaction,
}

impl PoolMode {
    /// As configurations name it.
    pub fn name(self) -> &'static str {
        match self {
            PoolMode::Session => "session",
            PoolMode::Transaction => "transaction",
        }
    }
}

/// Where clients go, and what they have to expect there.
pub(super) struct Place {
    pub(super) doors: Vec<Door>,
    pub(super) mode: PoolMode,
    pub(super) excuses: Excuses,
    pub(super) witness: Arc<Witness>,
    pub(super) patience: Duration,
    pub(super) is_over: AtomicBool,
}

impl Place {
    /// Where this client goes; they are shared out evenly.
    fn door(&self, client: u32) -> &Door {
        &self.doors[client as usize % self.doors.len()]
    }

    /// Whether clients shall go home.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// What this session has been told to remember.
pub(super) struct Memory {
    pub(super) lock_timeout: String,
    /// Named statements, and what their answers end with.
    pub(super) named: BTreeMap<String, String>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory {
            lock_timeout: "0".into(),
            named: BTreeMap::new(),
        }
    }
}

/// A client. Its acts are in `acts`, its life in `life`.
pub(super) struct Client {
    pub(super) id: u32,
    pub(super) dice: Dice,
    pub(super) place: Arc<Place>,
    link: Option<Link>,
    pub(super) memory: Memory,
    pub(super) ledger: Ledger,
    number: u64,
    /// Keys of sessions that are over.
    pub(super) old_keys: Vec<(i32, Vec<u8>)>,
    /// How often each act was done.
    pub(super) done: Vec<u64>,
}

impl Client {
    pub(super) fn new(id: u32, seed: u64, place: Arc<Place>) -> Client {
        Client {
            id,
            dice: Dice::new(seed, id.into()),
            place,
            link: None,
            memory: Memory::default(),
            ledger: Ledger::default(),
            number: 0,
            old_keys: Vec::new(),
            done: Vec::new(),
        }
    }

    /// Where this client goes.
    pub(super) fn door(&self) -> &Door {
        self.place.door(self.id)
    }

    /// The session.
    ///
    /// # Panics
    ///
    /// When there is none: acts are done by clients that have one.
    pub(super) fn link(&mut self) -> &mut Link {
        self.link.as_mut().expect("the client has a session")
    }

    pub(super) fn has_session(&self) -> bool {
        self.link.is_some()
    }

    /// A text that nobody else has, and its number in the ledger.
    pub(super) fn mark(&mut self) -> (u64, String) {
        self.number += 1;
        (self.number, marker(self.id, self.number))
    }

    /// A text that nobody else has.
    pub(super) fn marker(&mut self) -> String {
        self.mark().1
    }

    /// A session for this client, and a look at what is in it.
    pub(super) async fn arrive(&mut self) -> Told {
        let link = Link::open(self.door(), self.id, self.place.patience).await?;
        self.memory = Memory::default();
        self.link = Some(link);
        self.place.witness.arrived();
        self.look().await?;
        if self.dice.once_in(4) {
            self.look_for_statement("canary").await?;
        }
        Ok(())
    }

    /// The session is as this client has made it, and nobody else.
    pub(super) async fn look(&mut self) -> Told {
        let wanted = self.clean();
        self.look_for(&wanted).await
    }

    /// What [`LOOK`] shows as far as this client knows.
    pub(super) fn clean(&self) -> Vec<String> {
        clean(self.id, &self.door().user, &self.memory.lock_timeout)
    }

    pub(super) async fn look_for(&mut self, wanted: &[String]) -> Told {
        let answer = self.link().query(LOOK).await?;
        let found = answer.values();
        if answer.shape() == "TDCZ" && found != wanted {
            let what = format!("{wanted:?} expected, found {found:?}");
            return Err(Trouble::Leaked(what));
        }
        answer.is("TDCZ", &as_strs(wanted))
    }

    /// Nobody has prepared a statement of this name for us.
    pub(super) async fn look_for_statement(&mut self, name: &str) -> Told {
        let bytes = [frontend::bind("", name, &[]), frontend::sync()].concat();
        let answer = self.exchange(&bytes, 1).await?;
        match answer.shape().as_str() {
            "2Z" => Err(Trouble::Leaked(format!("statement \"{name}\" of another"))),
            _ => answer.is_with_errors("EZ", &[], &["26000"]),
        }
    }

    /// Sends, sometimes in pieces, and reads `readies` answers.
    pub(super) async fn exchange(&mut self, bytes: &[u8], readies: usize) -> Told<Answer> {
        self.send(bytes).await?;
        self.link().answer(readies).await
    }

    /// Sends, sometimes in pieces.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> Told {
        let cut = self.dice.below(3 * bytes.len() as u64 + 1) as usize;
        if cut >= bytes.len() {
            return self.link().send(bytes).await;
        }
        self.link().send(&bytes[..cut]).await?;
        tokio::task::yield_now().await;
        self.link().send(&bytes[cut..]).await
    }

    /// Ends the session in one way or another.
    pub(super) async fn leave(&mut self) {
        if let Some(link) = self.link.take() {
            if self.old_keys.len() < 4 {
                self.old_keys.extend(link.key());
            }
            link.leave(self.dice.below(3)).await;
        }
    }

    /// The session is over.
    pub(super) fn lose(&mut self) {
        self.link = None;
    }

    /// Takes time as slow clients do.
    pub(super) async fn dawdle(&mut self, most: Duration) {
        let micros = self.dice.below(most.as_micros() as u64 + 1);
        tokio::time::sleep_until((Instant::now() + Duration::from_micros(micros)).into()).await;
    }
}

pub(super) fn as_strs(values: &[String]) -> Vec<&str> {
    values.iter().map(String::as_str).collect()
}
