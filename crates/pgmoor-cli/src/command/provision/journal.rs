//! The journal of an apply: a line before and after each step, on disk before it goes on.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use pgmoor_ops::plan::Plan;
use pgmoor_ops::provision::{Applied, Stage};
use serde_json::{Value, json};
use tracing::warn;

use super::private_file;
use crate::exit::Exit;
use crate::output::{Failure, SCHEMA, chain};

/// A journal that is being written.
pub(super) struct Journal {
    /// Where it is.
    pub(super) path: PathBuf,
    file: File,
}

impl Journal {
    /// Begins one with the plan.
    pub(super) fn open(
        path: Option<&Path>,
        state_dir: &Path,
        plan: &Plan,
    ) -> Result<Self, Failure> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => {
                pgmoor_gateway::state_dir::create(state_dir).map_err(|error| {
                    Failure::new(Exit::Usage, "cannot use the state directory").because(&error)
                })?;
                state_dir.join(format!("provision-{}.jsonl", milliseconds()))
            }
        };
        let file = private_file(&path)?;
        let mut journal = Self { path, file };
        journal.write(&json!({ "type": "version", "schema": SCHEMA }));
        journal.write(&json!({ "type": "plan", "at_ms": milliseconds(), "plan": plan }));
        Ok(journal)
    }

    /// Notes how far a step is.
    pub(super) fn note(&mut self, plan: &Plan, number: usize, stage: Stage) {
        let title = plan.steps.get(number - 1).map(|step| step.title.as_str());
        self.write(&json!({
            "type": "step", "at_ms": milliseconds(), "step": number, "title": title, "stage": stage,
        }));
    }

    /// Notes what it came to.
    pub(super) fn end(&mut self, applied: &Applied) {
        let error = applied.failed.as_ref().map(|error| chain(error));
        self.write(&json!({
            "type": "report", "at_ms": milliseconds(), "ok": error.is_none(),
            "done": applied.done, "error": error,
        }));
    }

    fn write(&mut self, line: &Value) {
        let written = writeln!(self.file, "{line}").and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What is done to the server is not stopped half-way for that.
            warn!(%error, path = %self.path.display(), "cannot write the journal");
        }
    }
}

fn milliseconds() -> u128 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis())
}
