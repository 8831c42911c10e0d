//! What belonged to another role becomes the owner's: the way from one login to another.

use super::super::found::{Belonging, FoundDatabase, Inside};
use super::planner::Planner;
use crate::plan::statements;
use crate::sql::identifier;

/// What only a superuser can own.
const SUPERUSERS: [&str; 3] = [
    "event trigger",
    "foreign data wrapper",
    "publication of all tables",
];

impl Planner<'_> {
    pub(super) fn take_over(&mut self, database: &str) {
        let Some((there, inside)) = self.known(database) else {
            return;
        };
        for from in &self.wanted.take_over {
            self.take_over_from(there, inside, from);
        }
        self.what_stays(there, inside);
    }

    fn take_over_from(&mut self, database: &FoundDatabase, inside: &Inside, from: &str) {
        let (owner, before) = (self.owner(), identifier(from).into_owned());
        let Some(role) = self.role(from) else {
            return self.impossible(
                format!("there is no role {before} to take anything over from"),
                "is its name right? \\du in psql lists them",
            );
        };
        let all = inside
            .belongings
            .iter()
            .filter(|belonging| belonging.owner == from);
        let is_superuser = self
            .role(&self.wanted.owner)
            .is_some_and(|owner| owner.superuser);
        let (its, kept): (Vec<_>, Vec<_>) =
            all.partition(|one| is_superuser || !SUPERUSERS.contains(&one.kind.as_str()));
        let name = identifier(&database.name).into_owned();
        let has_database = database.owner == from;
        let extensions = inside.owned_extensions.get(from);
        self.kept_stay(&before, &kept);
        if its.is_empty() && !has_database {
            if let Some(extensions) = extensions {
                self.extensions_stay(&before, extensions);
            }
            return self.there(format!("nothing in {name} belongs to {before}"));
        }
        self.check_schemas(&its, from);
        let what_for = format!("give {owner} what belongs to {before}");
        self.acts_as(from, &what_for);
        self.acts_as(&self.wanted.owner, &what_for);
        // It changes what the role has in this database and what databases and tablespaces it has at all; and
        // it is refused for the role that the server began with. Backwards it is exact only for an owner who
        // had nothing.
        let had_nothing = !inside.owner_owns
            && self
                .role(&self.wanted.owner)
                .is_none_or(|owner| !owner.owns_shared);
        let is_whole = !role.first && role.shared_elsewhere == 0 && had_nothing && kept.is_empty();
        let counted = counted(&its, has_database);
        let mut one_by_one: Vec<String> = Vec::new();
        let login = &self.found.login;
        if has_database && (!is_whole || !login.superuser && login.create_database) {
            one_by_one.push(format!("database {name}"));
        }
        // Whoever is no superuser gives things only to who may create where they are: schemas go first.
        let is_by_itself =
            |one: &&&Belonging| !is_whole || !login.superuser && one.kind == "schema";
        one_by_one.extend(
            its.iter()
                .filter(is_by_itself)
                .map(|one| format!("{} {}", one.kind, one.name)),
        );
        if !one_by_one.is_empty() {
            if !inside.login_creates && !has_database {
                self.acts_as(&database.owner, &what_for);
            }
            let to = |role: &str| -> String {
                let all: Vec<String> = one_by_one
                    .iter()
                    .map(|what| format!("alter {what} owner to {role}"))
                    .collect();
                statements(&all)
            };
            let title = match is_whole {
                true => format!("give {owner} first what the rest of it is in"),
                false => format!("give {owner} what belongs to {before} in {name}: {counted}"),
            };
            self.inside(&database.name, title, to(&owner), Some(to(&before)));
        }
        if is_whole {
            self.inside(
                &database.name,
                format!("give {owner} all that belongs to {before} in {name}: {counted}"),
                format!("reassign owned by {before} to {owner}"),
                Some(format!("reassign owned by {owner} to {before}")),
            );
        } else if let Some(extensions) = extensions {
            self.extensions_stay(&before, extensions);
        }
        if from != self.wanted.role.name && role.login {
            self.note(format!(
                "{before} keeps no rights on what belonged to it; while something still logs in as {before}: \
                 grant {owner} to {before}"
            ));
        }
    }

    fn kept_stay(&mut self, owner: &str, kept: &[&Belonging]) {
        let kept: Vec<String> = kept
            .iter()
            .map(|one| format!("{} {}", one.kind, one.name))
            .collect();
        if !kept.is_empty() {
            self.note(format!(
                "{} stay {owner}'s: only a superuser can own them",
                kept.join(", ")
            ));
        }
    }

    fn extensions_stay(&mut self, owner: &str, extensions: &[String]) {
        self.note(format!(
            "the extensions {} stay {owner}'s: no statement gives one of them to somebody else",
            extensions.join(", ")
        ));
    }

    /// Whoever gets something has to be allowed to create where it is, unless a superuser gives it.
    fn check_schemas(&mut self, its: &[&Belonging], from: &str) {
        if self.found.login.superuser {
            return;
        }
        let given: Vec<&str> = its
            .iter()
            .filter(|one| one.kind == "schema")
            .map(|one| one.name.as_str())
            .collect();
        let mut closed: Vec<&str> = its
            .iter()
            .filter_map(|one| one.closed_schema.as_deref())
            .filter(|schema| *schema != self.wanted.schema)
            .filter(|schema| !given.contains(&&*identifier(schema)))
            .collect();
        closed.dedup();
        for schema in closed {
            let (owner, schema) = (self.owner(), identifier(schema));
            self.impossible(
                format!(
                    "{owner} may not create in the schema {schema}, where things belong to {}",
                    identifier(from)
                ),
                format!("as the owner of {schema}: grant create on schema {schema} to {owner}"),
            );
        }
    }

    /// What somebody else owns stays his unless somebody says so; it is told.
    fn what_stays(&mut self, database: &FoundDatabase, inside: &Inside) {
        for (other, count) in &inside.foreign {
            if self.wanted.take_over.contains(other) {
                continue;
            }
            let (owner, shown) = (self.owner(), identifier(other));
            let objects = if *count == 1 { "object" } else { "objects" };
            self.note(format!(
                "{count} {objects} in schema {} of {} belong to {shown}, which only {shown} can alter: \
                 --take-over {shown} makes them {owner}'s",
                identifier(&self.wanted.schema),
                identifier(&database.name)
            ));
        }
    }
}

/// `the database, 3 tables, 1 view`.
fn counted(its: &[&Belonging], has_database: bool) -> String {
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for one in its {
        match kinds.last_mut() {
            Some((kind, count)) if *kind == one.kind => *count += 1,
            _ => kinds.push((&one.kind, 1)),
        }
    }
    let database = has_database.then(|| "the database itself".to_owned());
    let kinds = kinds.iter().map(|(kind, count)| match count {
        1 => format!("1 {kind}"),
        _ if kind.ends_with('s') => format!("{count} {kind}"),
        _ if kind.ends_with("class") => format!("{count} {kind}es"),
        _ if kind.ends_with('y') => format!("{count} {}ies", &kind[..kind.len() - 1]),
        _ => format!("{count} {kind}s"),
    });
    let all: Vec<String> = database.into_iter().chain(kinds).collect();
    all.join(", ")
}
