//! Roles: made, let in, given what they need.

use super::super::found::FoundRole;
use super::super::wanted::{EntraObject, GOOGLE_IAM, Identity, RDS_IAM, WantedRole};
use super::planner::Planner;
use crate::requirement::Right;
use crate::sql::{identifier, literal};

/// How Google's service accounts end, and their users in the server do not.
const SERVICE_ACCOUNT: &str = ".gserviceaccount.com";

impl Planner<'_> {
    pub(super) fn roles(&mut self) {
        for role in self.wanted.roles() {
            match self.role(&role.name) {
                None => self.make(role),
                Some(there) => self.adapt(role, there),
            }
        }
        self.attributes();
        self.roles_end = self.steps.len();
        for role in self.wanted.roles() {
            self.identity(role);
        }
    }

    fn make(&mut self, wanted: &WantedRole) {
        let role = identifier(&wanted.name).into_owned();
        match &wanted.login {
            Some(Identity::Entra(object)) => return self.make_principal(wanted, object.as_ref()),
            Some(Identity::GoogleIam) => return self.no_google_user(wanted),
            Some(Identity::Elsewhere) => {
                return self.impossible(
                    format!("the role {role} does not exist, and its provider makes it, not SQL"),
                    "have it made by what supplies its credential, then plan again",
                );
            }
            Some(Identity::Password | Identity::RdsIam) | None => {}
        }
        let login = &self.found.login;
        if !(login.superuser || login.create_role) {
            return self.impossible(
                format!("{} may not make the role {role}", login.name),
                "use a login with CREATEROLE, or have a DBA run pgmoor provision sql",
            );
        }
        let may_login = if wanted.login.is_some() {
            "login"
        } else {
            "nologin"
        };
        let limit = wanted
            .connection_limit
            .map_or_else(String::new, |limit| format!(" connection limit {limit}"));
        self.step(
            format!("create the role {role}"),
            format!("create role {role} {may_login}{limit}"),
            Some(format!("drop role {role}")),
        );
        if wanted.login == Some(Identity::Password) {
            self.gets_password(wanted);
        }
    }

    fn gets_password(&mut self, wanted: &WantedRole) {
        if let Some(step) = self.steps.last_mut() {
            step.password_of = Some(wanted.name.clone());
        }
    }

    /// A function of Azure's makes it, for an administrator of Entra, in the database `postgres`.
    fn make_principal(&mut self, wanted: &WantedRole, object: Option<&EntraObject>) {
        let role = identifier(&wanted.name).into_owned();
        let (by_name, by_object) = self.found.entra;
        let is_there = if object.is_some() { by_object } else { by_name };
        if !is_there {
            return self.impossible(
                format!("the role {role} does not exist, and the function that makes one of an Entra identity is not here"),
                "provision as an Entra administrator of the server, by an endpoint with the database postgres, where \
                 Azure has pgaadauth_create_principal",
            );
        }
        let name = literal(&wanted.name);
        let sql = match object {
            Some(object) => format!(
                "select pg_catalog.pgaadauth_create_principal_with_oid({name}, {}, '{}', false, false)",
                literal(&object.id),
                object.kind
            ),
            None => format!("select pg_catalog.pgaadauth_create_principal({name}, false, false)"),
        };
        self.step(
            format!("create the role {role} for its Entra identity"),
            sql,
            Some(format!("drop role {role}")),
        );
        if let Some(limit) = wanted.connection_limit {
            self.step(
                format!("allow {role} {limit} connections"),
                format!("alter role {role} connection limit {limit}"),
                Some(format!("alter role {role} connection limit -1")),
            );
        }
    }

    fn no_google_user(&mut self, wanted: &WantedRole) {
        let role = identifier(&wanted.name).into_owned();
        let short = wanted.name.strip_suffix(SERVICE_ACCOUNT);
        let what = format!("the role {role} does not exist, and Google makes it, not SQL");
        let kind = match short.is_some() || wanted.name.ends_with(".iam") {
            true => "cloud_iam_service_account",
            false => "cloud_iam_user",
        };
        let full = short.unwrap_or(&wanted.name);
        let mut hint = format!(
            "gcloud sql users create {full} --instance=INSTANCE --type={kind}, then plan again"
        );
        if short.is_some() {
            hint.push_str(&format!(
                "; the server knows a service account without {SERVICE_ACCOUNT}: log in as {full}"
            ));
        }
        self.impossible(what, hint);
    }

    fn adapt(&mut self, wanted: &WantedRole, there: &FoundRole) {
        let role = identifier(&wanted.name).into_owned();
        self.there(format!("role {role}"));
        let before = self.steps.len();
        if wanted.login.is_some() && !there.login {
            self.step(
                format!("let {role} log in"),
                format!("alter role {role} login"),
                Some(format!("alter role {role} nologin")),
            );
        }
        let limit = wanted.connection_limit.map(i64::from);
        if let Some(limit) = limit.filter(|limit| *limit != there.connection_limit) {
            self.step(
                format!("allow {role} {limit} connections"),
                format!("alter role {role} connection limit {limit}"),
                Some(format!(
                    "alter role {role} connection limit {}",
                    there.connection_limit
                )),
            );
        }
        if wanted.login == Some(Identity::Password) {
            if wanted.reset_password {
                self.step(
                    format!(
                        "give {role} a new password; logins with the one before fail from then on"
                    ),
                    format!("alter role {role} login"),
                    None,
                );
                self.gets_password(wanted);
            }
            if let Some(expired) = &there.expired {
                self.step(
                    format!("let the password of {role} count, which expired at {expired}"),
                    format!("alter role {role} valid until 'infinity'"),
                    Some(format!(
                        "alter role {role} valid until {}",
                        literal(expired)
                    )),
                );
            }
        }
        if self.steps.len() > before && !there.can_alter {
            self.cannot_alter(&role);
        }
    }

    fn cannot_alter(&mut self, role: &str) {
        let own = identifier(&self.found.login.name).into_owned();
        let hint = match self.found.version {
            160_000.. => format!(
                "it takes CREATEROLE and, from 16 on, the admin option: have a superuser, or whoever made {role}, \
                 run: grant {role} to {own} with admin option"
            ),
            _ => "use a login with CREATEROLE; a superuser's role is changed by superusers only"
                .to_owned(),
        };
        self.impossible(format!("{own} may not change the role {role}"), hint);
    }

    /// What the requirement says that the application makes itself, on the level of the server.
    fn attributes(&mut self) {
        let wanted = [
            (Right::CreateDatabase, "createdb", "make databases"),
            (Right::CreateRole, "createrole", "make roles"),
        ];
        let app = self.app();
        let there = self.role(&self.wanted.role.name);
        for (right, word, title) in wanted {
            if !self.wanted.rights.contains(&right) {
                continue;
            }
            let has = there.is_some_and(|role| {
                role.superuser
                    || match right {
                        Right::CreateRole => role.create_role,
                        _ => role.create_database,
                    }
            });
            if has {
                self.there(format!("{app} may {title}"));
                continue;
            }
            let login = &self.found.login;
            // From 16 on nobody gives what he does not have.
            let has_it = match right {
                Right::CreateRole => login.create_role,
                _ => login.create_database || self.found.version < 160_000,
            };
            if !(login.superuser || login.create_role && has_it) {
                let what = format!("{} may not let {app} {title}", login.name);
                self.impossible(
                    what,
                    format!(
                        "use a login that has {} itself, or a superuser",
                        word.to_uppercase()
                    ),
                );
                continue;
            }
            if there.is_some_and(|role| !role.can_alter) {
                self.cannot_alter(&app);
                continue;
            }
            self.step(
                format!("let {app} {title}"),
                format!("alter role {app} {word}"),
                Some(format!("alter role {app} no{word}")),
            );
        }
        if self.wanted.rights.contains(&Right::SetRole) && self.wanted.member.is_none() {
            self.note(format!(
                "the application takes on another role by SET ROLE; which one is not known here: grant ROLE to {app}"
            ));
        }
    }

    /// What lets a role that is there, or is made now, in by a token.
    fn identity(&mut self, wanted: &WantedRole) {
        let role = identifier(&wanted.name).into_owned();
        let groups = self
            .role(&wanted.name)
            .map(|there| there.member_of.as_slice());
        let is_in = |group: &str| {
            groups
                .unwrap_or_default()
                .iter()
                .any(|known| known == group)
        };
        match wanted.login {
            Some(Identity::RdsIam) if !is_in(RDS_IAM) => match self.role(RDS_IAM) {
                None => self.impossible(
                    format!("{role} shall log in by IAM, and the server has no role {RDS_IAM}"),
                    "that role is Amazon's: is this RDS or Aurora, and has the instance IAM database authentication?",
                ),
                Some(group) if !group.can_grant => {
                    let own = &self.found.login.name;
                    self.impossible(
                        format!("{own} may not make {role} a member of {RDS_IAM}"),
                        "use a login that is a member of rds_superuser",
                    );
                }
                Some(_) => self.step(
                    format!("let {role} log in by IAM, and no more with a password"),
                    format!("grant {RDS_IAM} to {role}"),
                    Some(format!("revoke {RDS_IAM} from {role}")),
                ),
            },
            Some(Identity::RdsIam) => self.there(format!("{role} logs in by IAM")),
            Some(Identity::GoogleIam) if groups.is_some() && !GOOGLE_IAM.iter().any(|g| is_in(g)) => self.note(format!(
                "{role} is not made by Google for an identity (it is in neither {} nor {}): a login by IAM will be refused",
                GOOGLE_IAM[0], GOOGLE_IAM[1]
            )),
            _ => {}
        }
    }

    /// Who takes on the owner.
    pub(super) fn memberships(&mut self) {
        let Some(member) = &self.wanted.member else {
            return;
        };
        let owner = self.owner();
        let shown = identifier(member).into_owned();
        let there = self.role(member);
        if there.is_some_and(|there| there.member_of.contains(&self.wanted.owner)) {
            return self.there(format!("{shown} may take on {owner}"));
        }
        if self
            .role(&self.wanted.owner)
            .is_some_and(|owner| !owner.can_grant)
        {
            let own = &self.found.login.name;
            return self.impossible(
                format!("{own} may not make {shown} a member of {owner}"),
                format!("have a superuser, or whoever has the admin option of {owner}, run: grant {owner} to {shown}"),
            );
        }
        self.step(
            format!("let {shown} take on {owner}"),
            format!("grant {owner} to {shown}"),
            Some(format!("revoke {owner} from {shown}")),
        );
    }
}
