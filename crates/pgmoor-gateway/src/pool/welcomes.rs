//! What servers of a pool report at login, by what a client asks for. Shared by all workers, so
//! that a client can log in while every server connection is in use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pgmoor_wire::backend;

use crate::parameters::{NAME, Opening, Parameters};

/// Sets of startup parameters whose reported values are remembered.
const MAX_WELCOMES: usize = 256;

/// The parameters that a server reports at login, as they are told to a client.
#[derive(Debug, Clone)]
pub(crate) struct Reported {
    /// All others, as messages.
    messages: Arc<[u8]>,
    application_name: Option<Arc<str>>,
}

impl Reported {
    pub(crate) fn new<'a>(parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut messages = Vec::new();
        let mut application_name = None;
        for (name, value) in parameters {
            if name == NAME {
                application_name = Some(value.into());
            } else {
                // Both came out of a message.
                let _ = backend::write_parameter_status(&mut messages, name, value);
            }
        }
        Self {
            messages: messages.into(),
            application_name,
        }
    }

    /// The same to a client of another name.
    pub(crate) fn to(self, name: &str) -> Self {
        Self {
            application_name: self.application_name.map(|_| name.into()),
            messages: self.messages,
        }
    }

    /// Writes a ParameterStatus for each.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        if let Some(name) = &self.application_name {
            // It fits into a message, as it came in one.
            let _ = backend::write_parameter_status(out, NAME, name);
        }
        out.extend_from_slice(&self.messages);
    }
}

/// What was learned of the servers of one generation. Locked when a client logs in.
#[derive(Debug, Default)]
pub(crate) struct Welcomes(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    by_wish: HashMap<Parameters, Reported>,
    /// What the server connection reported that was opened last, by what it was opened with.
    fresh: HashMap<Opening, Vec<(String, String)>>,
}

impl Welcomes {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A server connection was opened: what it reports is the truth now, of a version, a standby, a
    /// time zone. Where that is not what the one before reported, nothing of old holds any more.
    pub(crate) fn compare(&self, opened_with: &Opening, reported: &[(String, String)]) {
        let mut known = self.known();
        let before = known.fresh.get(opened_with);
        if before.is_some_and(|before| before == reported) {
            return;
        }
        if before.is_some() || known.fresh.len() >= MAX_WELCOMES {
            known.by_wish.clear();
            known.fresh.clear();
        }
        known.fresh.insert(opened_with.clone(), reported.to_vec());
    }

    /// What a server reports to a client that asks for these parameters, if one did before; with the
    /// parameters as they are kept here, which all that ask for the same can share.
    pub(crate) fn get(&self, parameters: &Parameters) -> Option<(Parameters, Reported)> {
        let known = self.known();
        let (parameters, reported) = known.by_wish.get_key_value(parameters)?;
        Some((parameters.clone(), reported.clone()))
    }

    /// `is_current` is asked under the lock: nothing is remembered of a server that the pool has
    /// left meanwhile.
    pub(crate) fn remember(
        &self,
        parameters: Parameters,
        reported: Reported,
        is_current: impl FnOnce() -> bool,
    ) {
        let mut known = self.known();
        if !is_current() {
            return;
        }
        if known.by_wish.len() >= MAX_WELCOMES {
            known.by_wish.clear();
        }
        known.by_wish.insert(parameters, reported);
    }

    /// After a switch another server may report other values.
    pub(crate) fn forget(&self) {
        self.known().by_wish.clear();
    }
}
