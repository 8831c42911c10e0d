//! Databases: made, and opened to the application.

use super::planner::Planner;
use crate::requirement::Right;
use crate::sql::{identifier, literal};

impl Planner<'_> {
    pub(super) fn database(&mut self, name: &str) {
        let (wanted, found) = (self.wanted, self.found);
        let (owner, database) = (self.owner(), identifier(name).into_owned());
        let login = &found.login;
        let Some((there, _)) = self.known(name) else {
            if !(login.superuser || login.create_database) {
                return self.impossible(
                    format!("{} may not make the database {database}", login.name),
                    "use a login with CREATEDB, or have a DBA run pgmoor provision sql",
                );
            }
            self.acts_as(&wanted.owner, &format!("make {database} its own"));
            return self.step(
                format!("create the database {database}, owned by {owner}"),
                format!(
                    "create database {database} owner {owner} template template0 encoding {}",
                    literal(&wanted.encoding)
                ),
                Some(format!("drop database {database}")),
            );
        };
        if !there.encoding.eq_ignore_ascii_case(&wanted.encoding) {
            self.impossible(
                format!(
                    "the database {database} has encoding {}, not {}",
                    there.encoding, wanted.encoding
                ),
                "an encoding is for ever: make another database and move the data there",
            );
        }
        self.there(format!(
            "database {database}, owned by {}",
            identifier(&there.owner)
        ));
        let makes_schemas = [Right::CreateSchema, Right::CreateExtension]
            .iter()
            .any(|right| wanted.rights.contains(right));
        let becomes_owner = wanted.take_over.contains(&there.owner);
        if makes_schemas && !there.owner_creates && !becomes_owner {
            self.acts_as(&there.owner, &format!("open {database}"));
            self.step(
                format!("let {owner} make schemas and extensions in {database}"),
                format!("grant create on database {database} to {owner}"),
                Some(format!("revoke create on database {database} from {owner}")),
            );
        }
    }

    /// Where the roles that log in look first.
    pub(super) fn search_path(&mut self, name: &str) {
        let wanted = self.wanted;
        let further: Vec<&str> = match name == wanted.database {
            true => super::super::found::schemas(wanted).split_off(1),
            false => Vec::new(),
        };
        if wanted.schema == "public" && further.is_empty() {
            return;
        }
        let mut names = vec![wanted.schema.as_str()];
        names.extend(further);
        if !names.contains(&"public") {
            names.push("public");
        }
        let names: Vec<String> = names
            .iter()
            .map(|name| identifier(name).into_owned())
            .collect();
        let path = names.join(", ");
        for role in wanted.roles().filter(|role| role.login.is_some()) {
            self.looks_in(&role.name, name, &path);
        }
    }

    fn looks_in(&mut self, name: &str, database: &str, path: &str) {
        let role = identifier(name).into_owned();
        let before = self
            .known(database)
            .and_then(|(_, inside)| inside.search_paths.get(name));
        // As the server writes it down, names that need no quotes may have some.
        let plain = |path: &str| path.replace(['"', ' '], "");
        if before.is_some_and(|before| plain(before) == plain(path)) {
            return self.there(format!("search path {path} of {role}"));
        }
        let of = format!("alter role {role} in database {}", identifier(database));
        let undo = match before {
            Some(before) => format!("{of} set search_path = {before}"),
            None => format!("{of} reset search_path"),
        };
        if self.role(name).is_some_and(|there| !there.can_alter) {
            let own = &self.found.login.name;
            return self.impossible(
                format!("{own} may not set the search path of {role}"),
                format!("as {role} or a superuser: {of} set search_path = {path}"),
            );
        }
        self.step(
            format!("have {role} look in {path}"),
            format!("{of} set search_path = {path}"),
            Some(undo),
        );
    }
}
