//! What a role that does not own may do with what is there, and with what is made later.

use super::super::found::Closed;
use super::planner::Planner;
use crate::plan::statements;
use crate::sql::identifier;

impl Planner<'_> {
    pub(super) fn grants(&mut self, database: &str) {
        self.connect(database);
        if !self.wanted.is_apart() {
            return;
        }
        self.use_schemas(database);
        self.of_what_is_there(database);
        self.of_what_will_be(database);
    }

    fn connect(&mut self, name: &str) {
        let Some((there, _)) = self.known(name) else {
            return;
        };
        if there.missing.is_empty() {
            return;
        }
        let (app, database) = (self.app(), identifier(name).into_owned());
        // Only what is missing: the undo must not take away what was there before.
        let missing = there.missing.join(", ");
        let owner = self.after(&there.owner).to_owned();
        self.acts_as(&owner, &format!("open {database}"));
        self.step(
            format!("let {app} connect to {database}"),
            format!("grant {missing} on database {database} to {app}"),
            Some(format!(
                "revoke {missing} on database {database} from {app}"
            )),
        );
    }

    fn use_schemas(&mut self, database: &str) {
        let mut names = vec![self.wanted.schema.as_str()];
        if database == self.wanted.database {
            names = super::super::found::schemas(self.wanted);
        }
        let app = self.app();
        for name in names {
            let mut owner = self.wanted.owner.clone();
            match self.known(database) {
                None if name == "public" => continue,
                None => {}
                Some((there, inside)) => {
                    let mut schemas = inside.schemas.iter();
                    match schemas.find(|schema| schema.name == name) {
                        Some(schema) if schema.role_uses => continue,
                        Some(schema) => {
                            owner = self
                                .after(self.owner_by_name(there, &schema.owner))
                                .to_owned();
                        }
                        None => {}
                    }
                }
            }
            let schema = identifier(name).into_owned();
            self.acts_as(&owner, &format!("open the schema {schema}"));
            self.inside(
                database,
                format!("let {app} use what is in the schema {schema}"),
                format!("grant usage on schema {schema} to {app}"),
                Some(format!("revoke usage on schema {schema} from {app}")),
            );
        }
    }

    fn of_what_is_there(&mut self, database: &str) {
        let Some((_, inside)) = self.known(database) else {
            return;
        };
        let app = self.app();
        let schema = identifier(&self.wanted.schema).into_owned();
        for kind in ["table", "sequence", "routine"] {
            let closed: Vec<&Closed> = inside
                .closed
                .iter()
                .filter(|one| one.kind == kind)
                .collect();
            if closed.is_empty() {
                continue;
            }
            for one in &closed {
                let owner = self.after(&one.owner).to_owned();
                self.acts_as(&owner, &format!("open its {kind}s to {app}"));
            }
            let each = |write: &dyn Fn(&str, &str) -> String| {
                let all: Vec<String> = alike(&closed)
                    .iter()
                    .map(|(missing, names)| write(missing, &format!("{kind} {names}")))
                    .collect();
                statements(&all)
            };
            let plural = if closed.len() == 1 { "" } else { "s" };
            self.inside(
                database,
                format!(
                    "open {} {kind}{plural} of schema {schema} to {app}",
                    closed.len()
                ),
                each(&|missing, what| format!("grant {missing} on {what} to {app}")),
                Some(each(&|missing, what| {
                    format!("revoke {missing} on {what} from {app}")
                })),
            );
        }
    }

    fn of_what_will_be(&mut self, database: &str) {
        let (app, owner) = (self.app(), self.owner());
        let schema = identifier(&self.wanted.schema).into_owned();
        let fresh = [
            ("sequences", ["usage", "select", "update"].as_slice()),
            ("tables", &["select", "insert", "update", "delete"]),
        ];
        let missing: Vec<(String, String)> = match self.known(database) {
            Some((_, inside)) => inside
                .closed_later
                .iter()
                .map(|(kind, missing)| (kind.clone(), missing.join(", ")))
                .collect(),
            None => fresh
                .iter()
                .map(|(kind, missing)| ((*kind).to_owned(), missing.join(", ")))
                .collect(),
        };
        if missing.is_empty() {
            return self.there(format!(
                "what {owner} makes in schema {schema} is open to {app}"
            ));
        }
        self.acts_as(
            &self.wanted.owner,
            &format!("open what it makes later to {app}"),
        );
        let of = format!("alter default privileges for role {owner} in schema {schema}");
        let all = |write: &dyn Fn(&str, &str) -> String| {
            let all: Vec<String> = missing
                .iter()
                .map(|(kind, missing)| write(missing, kind))
                .collect();
            statements(&all)
        };
        self.inside(
            database,
            format!("open what {owner} makes later in schema {schema} to {app}"),
            all(&|missing, kind| format!("{of} grant {missing} on {kind} to {app}")),
            Some(all(&|missing, kind| {
                format!("{of} revoke {missing} on {kind} from {app}")
            })),
        );
    }
}

/// Those of which the same is missing, together: the rights, and the names.
fn alike(closed: &[&Closed]) -> Vec<(String, String)> {
    let mut groups: Vec<(&[String], Vec<&str>)> = Vec::new();
    for one in closed {
        match groups
            .iter_mut()
            .find(|(missing, _)| *missing == one.missing)
        {
            Some((_, names)) => names.push(&one.name),
            None => groups.push((&one.missing, vec![&one.name])),
        }
    }
    groups
        .into_iter()
        .map(|(missing, names)| (missing.join(", "), names.join(", ")))
        .collect()
}
