//! Whether the vendor lets them be installed.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-EXT-002",
    layer: Layer::Extensions,
    title: "the extensions are on the vendor's list",
    why: "Azure and RDS let nobody install an extension that is not on a list, which is a setting of the server.",
    needs: "a server whose vendor keeps a list",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let requirement = &on.asked.requirement;
    if requirement.required_extensions().next().is_none() {
        return skip("the application needs no extension");
    }
    let facts = on.extensions()?;

    let vendor = on.server()?.vendor;
    let (Some(allowed), Some((setting, how))) = (&facts.allowed, vendor.allow_list()) else {
        return skip("the server has no such list");
    };
    let missing: Vec<&str> = requirement
        .required_extensions()
        .map(|(name, _)| name)
        .filter(|name| facts.extensions.get(*name).is_none_or(|known| known.installed.is_none()))
        .filter(|name| !allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(name)))
        .collect();
    if missing.is_empty() {
        return Ok(pass(format!("{setting} has them")));
    }
    let list: Vec<&str> = allowed.iter().map(String::as_str).chain(missing.iter().copied()).collect();
    Ok(fail(format!("{setting} has no {}", missing.join(", "))).hint(format!("{how} {}", list.join(","))))
}
