//! Schemas: that of the application, and those that its extensions are to be in.

use super::super::found::{FoundDatabase, FoundSchema};
use super::planner::Planner;
use crate::requirement::Right;
use crate::sql::identifier;

impl Planner<'_> {
    pub(super) fn schemas(&mut self, database: &str) {
        let mut names = vec![self.wanted.schema.as_str()];
        if database == self.wanted.database {
            names = super::super::found::schemas(self.wanted);
        }
        for name in names {
            let known = self.known(database);
            match known {
                // A database that is made now has `public`, and before 15 everybody may create there; from
                // 15 on its owner may.
                None if name == "public" => {}
                None => self.make_schema(database, name),
                Some((there, inside)) => {
                    let mut schemas = inside.schemas.iter();
                    match schemas.find(|schema| schema.name == name) {
                        None => self.make_schema(database, name),
                        Some(schema) => self.open_schema(there, schema),
                    }
                }
            }
        }
    }

    fn make_schema(&mut self, database: &str, name: &str) {
        let owner = self.owner();
        let schema = identifier(name).into_owned();
        self.acts_as(
            &self.wanted.owner,
            &format!("make the schema {schema} its own"),
        );
        if let Some((there, inside)) = self.known(database)
            && !inside.login_creates
        {
            let owner = there.owner.clone();
            self.acts_as(&owner, &format!("make the schema {schema}"));
        }
        self.inside(
            database,
            format!("create the schema {schema}, owned by {owner}"),
            format!("create schema {schema} authorization {owner}"),
            Some(format!("drop schema {schema}")),
        );
    }

    fn open_schema(&mut self, database: &FoundDatabase, schema: &FoundSchema) {
        let (wanted, owner) = (self.wanted, self.owner());
        let name = identifier(&schema.name).into_owned();
        let is_own = schema.name == wanted.schema;
        let owned_by = self.owner_by_name(database, &schema.owner).to_owned();
        let becomes_owner = wanted.take_over.contains(&owned_by);
        let mut lacks = schema.owner_lacks.clone();
        if !is_own || !wanted.rights.contains(&Right::CreateTable) && !wanted.is_apart() {
            lacks.retain(|right| right == "usage");
        }
        if !lacks.is_empty() && !becomes_owner {
            let missing = lacks.join(", ");
            let title = match is_own {
                true => format!("let {owner} create in the schema {name}"),
                false => format!("let {owner} use what is in the schema {name}"),
            };
            self.acts_as(&owned_by, &format!("open the schema {name}"));
            self.inside(
                &database.name,
                title,
                format!("grant {missing} on schema {name} to {owner}"),
                Some(format!("revoke {missing} on schema {name} from {owner}")),
            );
        } else if is_own {
            self.there(format!("schema {name}, in which {owner} may create"));
        }
    }
}
