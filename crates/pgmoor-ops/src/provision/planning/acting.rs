//! What lets a login that is no superuser do what takes the rights of other roles.

use super::planner::Planner;
use crate::plan::Step;
use crate::sql::identifier;

impl Planner<'_> {
    /// Where the login cannot act as a role that it has to, it is made its member for the time of the plan.
    pub(super) fn act_as(&mut self) {
        let own = identifier(&self.found.login.name).into_owned();
        let version = self.found.version;
        let mut at = self.roles_end;
        let mut ends = Vec::new();
        for (name, what_for) in std::mem::take(&mut self.acting) {
            let role = identifier(&name).into_owned();
            if let Some(known) = self.role(&name) {
                if known.can_use {
                    continue;
                }
                if !known.can_grant {
                    self.impossible(
                        format!("{own} cannot act as {role}, which it takes to {what_for}"),
                        cannot_act(&own, &role, known.superuser, version),
                    );
                    continue;
                }
            }
            // Whoever does not inherit has the rights all the same, then.
            let how = match version {
                160_000.. => " with inherit true, set true",
                _ => "",
            };
            let step = Step {
                title: format!("let {own} act as {role} until the end of this plan"),
                database: None,
                sql: format!("grant {role} to {own}{how}"),
                undo: Some(format!("revoke {role} from {own}")),
                password_of: None,
            };
            self.steps.insert(at, step);
            at += 1;
            ends.push(role);
        }
        for role in ends.into_iter().rev() {
            self.step(
                format!("let {own} act as {role} no more"),
                format!("revoke {role} from {own}"),
                None,
            );
        }
    }
}

fn cannot_act(own: &str, role: &str, is_superuser: bool, version: u32) -> String {
    match version {
        _ if is_superuser => format!(
            "{role} is a superuser, whom only a superuser can act for: have one run the script of \
             pgmoor provision sql"
        ),
        160_000.. => format!(
            "have a superuser, or whoever made {role}, run: grant {role} to {own} with admin option; \
             or have it run the script of pgmoor provision sql"
        ),
        _ => format!(
            "have a superuser or a login with CREATEROLE run: grant {role} to {own}; or have it run the \
             script of pgmoor provision sql"
        ),
    }
}
