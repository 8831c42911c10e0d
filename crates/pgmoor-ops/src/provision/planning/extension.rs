//! Extensions: installed where they are looked for, with those that they need.

use super::super::found::Available;
use super::super::wanted::WantedExtension;
use super::planner::Planner;
use crate::sql::identifier;

impl Planner<'_> {
    pub(super) fn extensions(&mut self, database: &str) {
        let mut begun = Vec::new();
        for extension in &self.wanted.extensions {
            self.extension(database, extension, &mut begun);
        }
    }

    fn extension(&mut self, database: &str, extension: &WantedExtension, begun: &mut Vec<String>) {
        if begun.contains(&extension.name) {
            return;
        }
        begun.push(extension.name.clone());
        let name = identifier(&extension.name).into_owned();
        let known = self.known(database);
        if let Some(there) = known.and_then(|(_, inside)| inside.extensions.get(&extension.name)) {
            let elsewhere = extension.schema.as_ref().filter(|wanted| *wanted != there);
            if let Some(wanted) = elsewhere {
                self.impossible(
                    format!(
                        "the extension {name} is in schema {}, not {}",
                        identifier(there),
                        identifier(wanted)
                    ),
                    "others may use it there: move it with ALTER EXTENSION … SET SCHEMA when they do not",
                );
            }
            return self.there(format!("extension {name}, in schema {}", identifier(there)));
        }
        let all = &self.found.available;
        let Some(available) = all.iter().find(|one| one.name == extension.name) else {
            return self.without(
                extension,
                format!("the server does not have the extension {name}"),
                "install its package on the server, or allow it in the provider's list of extensions",
            );
        };
        if !self.may_install(available) {
            let own = &self.found.login.name;
            return self.without(
                extension,
                format!("{own} may not install the extension {name}, which takes a superuser"),
                "have a superuser run: CREATE EXTENSION, or the script of pgmoor provision sql",
            );
        }
        for required in &available.requires {
            let required = WantedExtension {
                name: required.clone(),
                ..extension.clone()
            };
            // Where that is installed makes no difference to this one.
            let is_there =
                known.is_some_and(|(_, inside)| inside.extensions.contains_key(&required.name));
            if !is_there {
                self.extension(database, &required, begun);
            }
        }
        let schema = extension.schema.as_ref().unwrap_or(&self.wanted.schema);
        let schema = identifier(schema).into_owned();
        let what_for = format!("install the extension {name}");
        match known {
            // What the owner of a database may install there, its members may.
            None => self.acts_as(&self.wanted.owner, &what_for),
            Some((there, inside)) => {
                if !inside.login_creates {
                    self.acts_as(&there.owner, &what_for);
                }
                if !available.superuser {
                    self.acts_as(&self.wanted.owner, &what_for);
                }
            }
        }
        self.inside(
            database,
            format!("install the extension {name} in schema {schema}"),
            format!("create extension {name} schema {schema}"),
            Some(format!("drop extension {name}")),
        );
    }

    fn may_install(&self, available: &Available) -> bool {
        let login = &self.found.login;
        login.superuser || login.provider_admin || available.trusted || !available.superuser
    }

    /// What the application can do without is left out, and said.
    fn without(&mut self, extension: &WantedExtension, what: String, hint: &str) {
        match extension.optional {
            true => self.note(format!("{what}; the application can do without: {hint}")),
            false => self.impossible(what, hint),
        }
    }
}
