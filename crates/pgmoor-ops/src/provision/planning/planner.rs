//! A plan in the making, and what its parts have in common.

use super::super::found::{Found, FoundDatabase, FoundRole, Inside};
use super::super::wanted::Wanted;
use super::Impossible;
use crate::plan::{Plan, Step};
use crate::sql::identifier;

/// What every version from 15 on calls the owner of a database within it.
const DATABASE_OWNER: &str = "pg_database_owner";

/// A plan in the making.
pub(super) struct Planner<'a> {
    pub(super) wanted: &'a Wanted,
    pub(super) found: &'a Found,
    /// The roles as which steps are done, in the order in which that showed; and what for.
    pub(super) acting: Vec<(String, String)>,
    /// Where the steps that make roles end.
    pub(super) roles_end: usize,
    pub(super) steps: Vec<Step>,
    present: Vec<String>,
    notes: Vec<String>,
    impossible: Vec<Impossible>,
}

impl<'a> Planner<'a> {
    pub(super) fn new(wanted: &'a Wanted, found: &'a Found) -> Self {
        Self {
            wanted,
            found,
            acting: Vec::new(),
            roles_end: 0,
            steps: Vec::new(),
            present: Vec::new(),
            notes: Vec::new(),
            impossible: Vec::new(),
        }
    }

    pub(super) fn finish(self, fingerprint: String) -> Result<Plan, Vec<Impossible>> {
        match self.impossible.is_empty() {
            true => Ok(Plan {
                fingerprint,
                present: self.present,
                steps: self.steps,
                notes: self.notes,
            }),
            false => Err(self.impossible),
        }
    }

    /// A step about roles and databases.
    pub(super) fn step(&mut self, title: String, sql: String, undo: Option<String>) {
        self.push(None, title, sql, undo);
    }

    /// A step in a database.
    pub(super) fn inside(
        &mut self,
        database: &str,
        title: String,
        sql: String,
        undo: Option<String>,
    ) {
        self.push(Some(database.to_owned()), title, sql, undo);
    }

    fn push(&mut self, database: Option<String>, title: String, sql: String, undo: Option<String>) {
        self.steps.push(Step {
            title,
            database,
            sql,
            undo,
            password_of: None,
        });
    }

    pub(super) fn there(&mut self, what: String) {
        self.present.push(what);
    }

    pub(super) fn note(&mut self, what: String) {
        if !self.notes.contains(&what) {
            self.notes.push(what);
        }
    }

    pub(super) fn impossible(&mut self, what: String, hint: impl Into<String>) {
        let hint = hint.into();
        self.impossible.push(Impossible { what, hint });
    }

    /// The step that follows is done with the rights of this role.
    pub(super) fn acts_as(&mut self, role: &str, what_for: &str) {
        let is_known = self.acting.iter().any(|(known, _)| known == role);
        if !is_known && role != self.found.login.name && !self.found.login.superuser {
            self.acting.push((role.to_owned(), what_for.to_owned()));
        }
    }

    /// The role, where it is there already.
    pub(super) fn role(&self, name: &str) -> Option<&'a FoundRole> {
        self.found.roles.get(name)
    }

    /// The database and what is in it, where it is there already.
    pub(super) fn known(&self, database: &str) -> Option<(&'a FoundDatabase, &'a Inside)> {
        let known = self.found.database(database);
        known.map(|known| (known, &known.inside))
    }

    /// Who the owner of something in this database is by name.
    pub(super) fn owner_by_name<'b>(&self, database: &'b FoundDatabase, owner: &'b str) -> &'b str {
        match owner {
            DATABASE_OWNER => &database.owner,
            other => other,
        }
    }

    /// Whose what belongs to `owner` is after this plan.
    pub(super) fn after<'b>(&'b self, owner: &'b str) -> &'b str {
        match self.wanted.take_over.iter().any(|role| role == owner) {
            true => &self.wanted.owner,
            false => owner,
        }
    }

    /// The application's role, as it stands in SQL.
    pub(super) fn app(&self) -> String {
        identifier(&self.wanted.role.name).into_owned()
    }

    /// The owner-to-be, as it stands in SQL.
    pub(super) fn owner(&self) -> String {
        identifier(&self.wanted.owner).into_owned()
    }
}
