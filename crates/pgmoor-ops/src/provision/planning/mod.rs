//! From what is wanted and what is there to steps. It asks nobody.

mod planner;

mod acting;

mod database;
mod extension;
mod grants;
mod ownership;
mod role;
mod schema;

use std::hash::{DefaultHasher, Hash, Hasher};

use super::found::Found;
use super::wanted::Wanted;
use crate::plan::Plan;
use planner::Planner;

/// Something for which no plan can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct Impossible {
    /// What cannot be.
    pub what: String,
    /// What can be done about it.
    pub hint: String,
}

/// The steps that lead from what is there to what is wanted.
///
/// # Errors
/// What keeps it from being possible, all of it.
pub fn plan(wanted: &Wanted, found: &Found) -> Result<Plan, Vec<Impossible>> {
    let mut planner = Planner::new(wanted, found);
    planner.roles();
    planner.memberships();
    // All of them first: a script connects to each but once.
    for database in wanted.databases() {
        planner.database(database);
    }
    for database in wanted.databases() {
        planner.schemas(database);
        planner.take_over(database);
        planner.grants(database);
        if database == wanted.database {
            planner.extensions(database);
        }
        planner.search_path(database);
    }
    planner.act_as();
    planner.finish(fingerprint(wanted, found))
}

/// Differs where what is wanted or what is there differs.
fn fingerprint(wanted: &Wanted, found: &Found) -> String {
    let mut hasher = DefaultHasher::new();
    (wanted, found).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}
