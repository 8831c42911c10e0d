//! Objects made ready to be compared: with the roles of the other side, and without what only one of the two versions
//! can know.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::Majors;
use crate::catalogue::model::{Catalogue, Detail, MappingOptions, Object};
use crate::catalogue::privilege::Grant;

/// What makes two objects the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) kind: String,
    table: String,
    name: String,
}

impl Key {
    pub(super) fn full_name(&self) -> String {
        match self.table.is_empty() {
            true => self.name.clone(),
            false => format!("{} on {}", self.name, self.table),
        }
    }
}

pub(super) fn prepare(
    catalogue: &Catalogue,
    roles: &BTreeMap<String, String>,
    majors: Majors,
) -> BTreeMap<Key, Value> {
    let mapped = Mapped { roles, majors };
    let mut all = BTreeMap::new();
    for object in &catalogue.objects {
        let (key, value) = mapped.object(object);
        match all.entry(key) {
            std::collections::btree_map::Entry::Vacant(free) => {
                free.insert(value);
            }
            // Two roles that became one may have said something each.
            std::collections::btree_map::Entry::Occupied(mut taken) => {
                merge(taken.get_mut(), value)
            }
        }
    }
    families(catalogue, &mut all);
    all
}

struct Mapped<'a> {
    roles: &'a BTreeMap<String, String>,
    majors: Majors,
}

impl Mapped<'_> {
    fn role<'a>(&'a self, name: &'a str) -> &'a str {
        self.roles.get(name).map_or(name, String::as_str)
    }

    fn object(&self, object: &Object) -> (Key, Value) {
        let mut value = serde_json::to_value(object).unwrap_or_default();
        let owner = object.owner.as_deref().map(|owner| self.role(owner));
        value["owner"] = json!(owner);
        if object.bare == "plpgsql" && matches!(object.detail, Detail::Extension { .. }) {
            // It comes with every database, and belongs to who made the server.
            value["owner"] = Value::Null;
        }
        if let Some(grants) = &object.privileges {
            value["privileges"] = self.grants(grants, owner);
        }
        self.detail(object, owner, &mut value["detail"]);
        let name = match &object.detail {
            Detail::Database { .. } => String::new(),
            Detail::Setting { role, .. } => format!(
                "of {}",
                role.as_deref().map_or("all roles", |role| self.role(role))
            ),
            Detail::DefaultPrivileges {
                role,
                in_schema,
                objects,
            } => {
                let place = in_schema
                    .as_ref()
                    .map_or(String::new(), |schema| format!(" in {schema}"));
                format!("of {}{place} on {objects}", self.role(role))
            }
            Detail::UserMapping { server, role, .. } => format!(
                "for {} on {server}",
                role.as_deref().map_or("PUBLIC", |role| self.role(role))
            ),
            _ => object.name.clone(),
        };
        value["name"] = json!(name);
        value["bare"] = Value::Null;
        let key = Key {
            kind: object.detail.kind().to_owned(),
            table: object.table.clone().unwrap_or_default(),
            name,
        };
        (key, value)
    }

    fn detail(&self, object: &Object, owner: Option<&str>, value: &mut Value) {
        match &object.detail {
            Detail::Function(_) => value["sql"] = Value::Null,
            Detail::Policy { roles, .. } => {
                let roles: BTreeSet<_> = roles
                    .iter()
                    .map(|role| role.as_deref().map(|role| self.role(role)))
                    .collect();
                value["roles"] = json!(roles);
            }
            Detail::Setting { role, settings } => {
                value["role"] = json!(role.as_deref().map(|role| self.role(role)));
                let sorted: BTreeSet<_> = settings.iter().collect();
                value["settings"] = json!(sorted);
            }
            Detail::DefaultPrivileges { role, .. } => value["role"] = json!(self.role(role)),
            Detail::UserMapping { role, options, .. } => {
                value["role"] = json!(role.as_deref().map(|role| self.role(role)));
                value["options"] = json!(options.as_ref().map(hidden));
            }
            // How an initial privilege came to be is the extension's business.
            Detail::MemberPrivileges { .. } => value["initial"] = Value::Null,
            Detail::Range(_) if self.majors.here.min(self.majors.there) < 14 => {
                value["multirange"] = Value::Null
            }
            Detail::Table(table) => {
                for (column, value) in table
                    .columns
                    .iter()
                    .zip(value["columns"].as_array_mut().into_iter().flatten())
                {
                    value["privileges"] = self.grants(&column.privileges, owner);
                    if self.majors.here.min(self.majors.there) < 18 {
                        value["not_null_by"] = Value::Null;
                    }
                }
            }
            Detail::View(crate::catalogue::relation::View { columns, .. })
            | Detail::MaterializedView(crate::catalogue::relation::MaterializedView {
                columns,
                ..
            }) => {
                for (column, value) in columns
                    .iter()
                    .zip(value["columns"].as_array_mut().into_iter().flatten())
                {
                    value["privileges"] = self.grants(&column.privileges, owner);
                }
            }
            _ => {}
        }
    }

    /// Privileges as sentences, in order. Who gave one is told as long as roles keep their names.
    fn grants(&self, grants: &[Grant], owner: Option<&str>) -> Value {
        let mut all: BTreeMap<(String, String), (bool, BTreeSet<&str>)> = BTreeMap::new();
        for grant in grants {
            let grantee = grant
                .grantee
                .as_deref()
                .map_or("PUBLIC", |role| self.role(role));
            let is_new =
                grant.privilege == "MAINTAIN" && self.majors.here.min(self.majors.there) < 17;
            if is_new && Some(grantee) == owner {
                continue;
            }
            let entry = all
                .entry((grantee.to_owned(), grant.privilege.clone()))
                .or_default();
            entry.0 |= grant.grantable && Some(grantee) != owner;
            entry.1.insert(self.role(&grant.grantor));
        }
        let sentences = all
            .iter()
            .map(|((grantee, privilege), (grantable, grantors))| {
                let option = if *grantable { " with grant option" } else { "" };
                let grantors = grantors.iter().copied().collect::<Vec<_>>().join(" and ");
                format!("{privilege} to {grantee}{option} by {grantors}")
            });
        json!(sentences.collect::<Vec<_>>())
    }
}

/// Told apart, but not told.
fn hidden(options: &MappingOptions) -> Value {
    use std::hash::{BuildHasher, RandomState};
    use std::sync::OnceLock;
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let hash = |option: &String| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        format!(
            "{name}=*** ({:04x})",
            KEY.get_or_init(RandomState::new).hash_one(value) & 0xffff_ffff
        )
    };
    json!(options.0.iter().map(hash).collect::<BTreeSet<_>>())
}

/// Lists become one list; of all else the first stays.
fn merge(value: &mut Value, other: Value) {
    let lists = [&["privileges"][..], &["detail", "settings"]];
    for path in lists {
        let find = |value: &Value| {
            path.iter()
                .try_fold(value.clone(), |value, step| value.get(step).cloned())
        };
        if let (Some(Value::Array(one)), Some(Value::Array(two))) = (find(value), find(&other)) {
            let both: BTreeSet<String> = one
                .iter()
                .chain(&two)
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect();
            match path {
                ["privileges"] => value["privileges"] = json!(both),
                _ => value["detail"]["settings"] = json!(both),
            }
        }
    }
}

/// Whether a member belongs to a class or only to its family is said otherwise by each version.
fn families(catalogue: &Catalogue, all: &mut BTreeMap<Key, Value>) {
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for object in &catalogue.objects {
        match &object.detail {
            Detail::OperatorFamily(family) => members
                .entry(object.name.clone())
                .or_default()
                .extend(family.members.iter().cloned()),
            Detail::OperatorClass(class) => {
                let name = format!("{} USING {}", class.family, class.method);
                members
                    .entry(name)
                    .or_default()
                    .extend(class.members.iter().cloned());
            }
            _ => {}
        }
    }
    for (key, value) in all {
        match key.kind.as_str() {
            "operator family" => value["detail"]["members"] = json!(members.get(&key.name)),
            "operator class" => value["detail"]["members"] = Value::Null,
            _ => {}
        }
    }
}
