//! A catalogue made to fit its target: with its roles, and without what cannot be there, which is told.

use std::collections::{BTreeMap, BTreeSet};

use super::statement::Loss;
use crate::catalogue::model::{Catalogue, Detail, Object};
use crate::catalogue::privilege::Grant;
use crate::sql::identifier;

/// Where a catalogue is written to.
#[derive(Debug, Clone, Default)]
pub struct Target {
    /// The major version.
    pub major: u32,
    /// The database.
    pub database: String,
    /// As whom the statements are run.
    pub user: String,
    /// Whether that is a superuser.
    pub is_superuser: bool,
    /// The roles that are there.
    pub roles: BTreeSet<String>,
    /// The roles that it may give objects to, which are those that it may become; a superuser may become all.
    pub assumable: BTreeSet<String>,
    /// The extensions that are there already, and who owns each.
    pub extensions: BTreeMap<String, String>,
    /// What roles of the source are called there; others keep their names.
    pub role_map: BTreeMap<String, String>,
}

/// The catalogue as it can be there, and what it loses by that.
pub(super) fn fit(catalogue: &Catalogue, target: &Target) -> (Catalogue, Vec<Loss>) {
    let mut fitted = catalogue.clone();
    let mut fit = Fit {
        target,
        losses: Vec::new(),
    };
    let is_there = fitted.objects.iter_mut().map(|object| fit.object(object));
    let mut is_there = is_there.collect::<Vec<_>>().into_iter();
    fitted.retain(|_| is_there.next() == Some(true));
    (fitted, fit.losses)
}

struct Fit<'a> {
    target: &'a Target,
    losses: Vec<Loss>,
}

impl Fit<'_> {
    /// What a role is called there, if it is there.
    fn role(&self, name: &str) -> Option<String> {
        let there = self.target.role_map.get(name).map_or(name, String::as_str);
        let is_own = there.starts_with("pg_") || there.is_empty();
        (is_own || self.target.roles.contains(there)).then(|| there.to_owned())
    }

    fn may_give_to(&self, role: &str) -> bool {
        let Target {
            is_superuser,
            user,
            assumable,
            ..
        } = self.target;
        *is_superuser || role == user || assumable.contains(role)
    }

    fn lose(&mut self, object: &Object, property: &str, reason: impl Into<String>) {
        let (kind, name) = (object.detail.kind().to_owned(), super::full_name(object));
        self.losses.push(Loss {
            kind,
            name,
            property: property.to_owned(),
            reason: reason.into(),
        });
    }

    /// Fits one; false when it cannot be there.
    fn object(&mut self, object: &mut Object) -> bool {
        if let Some(reason) = self.cannot_be(object) {
            self.lose(object, "", reason);
            return false;
        }
        if matches!(object.detail, Detail::Extension { .. }) {
            self.extension(object);
        } else if let Some(owner) = object.owner.clone() {
            match self.role(&owner) {
                Some(there) if self.may_give_to(&there) => object.owner = Some(there),
                Some(there) => {
                    let user = &self.target.user;
                    self.lose(
                        object,
                        "owner",
                        format!("\"{user}\" is no member of \"{there}\", and cannot give it away"),
                    );
                    self.own(object, &owner);
                }
                None => {
                    self.lose(
                        object,
                        "owner",
                        format!("there is no role \"{owner}\" on the target"),
                    );
                    self.own(object, &owner);
                }
            }
        }
        if let Some(grants) = object.privileges.take() {
            object.privileges = Some(self.grants(object, grants, "privileges"));
        }
        self.columns(object);
        true
    }

    /// Gives an object to this login instead of `owner`, who is not there: what that one might do with it, by being the owner
    /// or by a grant, is this login's.
    fn own(&mut self, object: &mut Object, owner: &str) {
        let user = &self.target.user;
        object.owner = Some(user.clone());
        let columns = match &mut object.detail {
            Detail::Table(table) => Some(&mut table.columns),
            Detail::View(view) => Some(&mut view.columns),
            Detail::MaterializedView(view) => Some(&mut view.columns),
            _ => None,
        };
        let columns = columns.into_iter().flatten();
        let of_columns = columns.flat_map(|column| &mut column.privileges);
        for grant in object.privileges.iter_mut().flatten().chain(of_columns) {
            if grant.grantee.as_deref() == Some(owner) {
                grant.grantee = Some(user.clone());
            }
            if grant.grantor == owner {
                grant.grantor = user.clone();
            }
        }
    }

    /// An extension belongs to who makes it, and stays with whom it belongs to.
    fn extension(&mut self, object: &mut Object) {
        let there = self.target.extensions.get(&object.bare);
        let owner = there.unwrap_or(&self.target.user).clone();
        let wanted = object.owner.as_deref().map(|wanted| self.role(wanted));
        // That one comes with every database.
        let is_given = object.bare == "plpgsql";
        if !is_given && wanted.flatten().is_none_or(|wanted| wanted != owner) {
            let reason = match there {
                Some(_) => format!("it is there already, and belongs to \"{owner}\""),
                None => format!("it belongs to who makes it, which is \"{owner}\""),
            };
            self.lose(object, "owner", reason);
        }
        // Whoever does not own it has no say in its comment, which is that of its author mostly.
        if owner != self.target.user && !self.target.is_superuser {
            object.comment = None;
        }
        object.owner = Some(owner);
    }

    fn columns(&mut self, object: &mut Object) {
        let mut detail = std::mem::replace(&mut object.detail, Detail::LargeObject {});
        let columns = match &mut detail {
            Detail::Table(table) => Some(&mut table.columns),
            Detail::View(view) => Some(&mut view.columns),
            Detail::MaterializedView(view) => Some(&mut view.columns),
            _ => None,
        };
        let mut lost = Vec::new();
        for column in columns.into_iter().flatten() {
            let (kept, missing) = self.split(std::mem::take(&mut column.privileges));
            column.privileges = kept;
            lost.extend(
                missing
                    .into_iter()
                    .map(|role| (format!("column {}, privileges", column.name), role)),
            );
        }
        object.detail = detail;
        for (property, role) in lost {
            self.lose(
                object,
                &property,
                format!("there is no role \"{role}\" on the target"),
            );
        }
    }

    fn grants(&mut self, object: &Object, grants: Vec<Grant>, property: &str) -> Vec<Grant> {
        let (kept, missing) = self.split(grants);
        for role in missing {
            self.lose(
                object,
                property,
                format!("there is no role \"{role}\" on the target"),
            );
        }
        kept
    }

    /// Those of roles that are there, and the names of the others.
    fn split(&self, grants: Vec<Grant>) -> (Vec<Grant>, BTreeSet<String>) {
        let (mut kept, mut missing) = (BTreeSet::new(), BTreeSet::new());
        for mut grant in grants {
            let grantee = grant
                .grantee
                .as_deref()
                .map(|grantee| self.role(grantee).ok_or_else(|| grantee.to_owned()))
                .transpose();
            let grantor = self
                .role(&grant.grantor)
                .ok_or_else(|| grant.grantor.clone());
            match (grantee, grantor) {
                (Ok(grantee), Ok(grantor)) => {
                    (grant.grantee, grant.grantor) = (grantee, grantor);
                    kept.insert(grant);
                }
                (Err(role), _) | (_, Err(role)) => drop(missing.insert(role)),
            }
        }
        (kept.into_iter().collect(), missing)
    }

    /// Why it cannot be there at all; roles that it names are called as there on the way.
    fn cannot_be(&self, object: &mut Object) -> Option<String> {
        let mut missing = None;
        let mut rename = |role: &mut String| match self.role(role) {
            Some(there) => *role = there,
            None => missing = Some(format!("there is no role \"{role}\" on the target")),
        };
        match &mut object.detail {
            Detail::Policy { roles, .. } => roles.iter_mut().flatten().for_each(&mut rename),
            Detail::Setting {
                role: Some(role), ..
            }
            | Detail::DefaultPrivileges { role, .. } => rename(role),
            Detail::UserMapping {
                server,
                role: Some(role),
                ..
            } => {
                rename(role);
                object.name = format!("FOR {} SERVER {server}", identifier(role));
            }
            Detail::Subscription { .. } => {
                return Some("a subscription is made anew, with its password".to_owned());
            }
            _ => {}
        }
        missing
    }
}
