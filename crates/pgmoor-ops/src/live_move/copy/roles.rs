//! Roles of the source that the target has not: who they are, and what depends on them.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::catalogue::{Catalogue, Detail, Object, Target};

/// A role that objects of the source name and that is not on the target.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MissingRole {
    /// Raw.
    pub name: String,
    /// How many objects it owns.
    pub owns: usize,
    /// How many privileges it has, or gave.
    pub privileges: usize,
    /// How many policies name it.
    pub policies: usize,
    /// How many settings and default privileges are its own.
    pub settings: usize,
}

/// The roles that are missing, in order of name.
pub fn missing(catalogue: &Catalogue, target: &Target) -> Vec<MissingRole> {
    let mut found: BTreeMap<&str, MissingRole> = BTreeMap::new();
    for (name, what) in catalogue.objects.iter().flat_map(mentioned) {
        let there = target.role_map.get(name).map_or(name, String::as_str);
        if there.starts_with("pg_") || there.is_empty() || target.roles.contains(there) {
            continue;
        }
        let role = found.entry(name).or_default();
        role.name = name.to_owned();
        match what {
            What::Owner => role.owns += 1,
            What::Privilege => role.privileges += 1,
            What::Policy => role.policies += 1,
            What::Setting => role.settings += 1,
        }
    }
    found.into_values().collect()
}

#[derive(Clone, Copy)]
enum What {
    Owner,
    Privilege,
    Policy,
    Setting,
}

/// The roles that an object names.
fn mentioned(object: &Object) -> Vec<(&str, What)> {
    let mut all: Vec<(&str, What)> = Vec::new();
    all.extend(object.owner.as_deref().map(|name| (name, What::Owner)));
    let columns = match &object.detail {
        Detail::Table(table) => &table.columns[..],
        Detail::View(view) => &view.columns,
        Detail::MaterializedView(view) => &view.columns,
        _ => &[],
    };
    let of_columns = columns.iter().flat_map(|column| &column.privileges);
    for grant in object.privileges.iter().flatten().chain(of_columns) {
        let names = grant.grantee.iter().chain([&grant.grantor]);
        all.extend(names.map(|name| (name.as_str(), What::Privilege)));
    }
    match &object.detail {
        Detail::Policy { roles, .. } => {
            let names = roles.iter().flatten();
            all.extend(names.map(|name| (name.as_str(), What::Policy)));
        }
        Detail::Setting {
            role: Some(role), ..
        }
        | Detail::DefaultPrivileges { role, .. }
        | Detail::UserMapping {
            role: Some(role), ..
        } => all.push((role, What::Setting)),
        _ => {}
    }
    all
}
