//! Whether the server has the extensions at all.

use crate::check::verdict::{fail, pass, skip};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::Vendor;

pub(super) const CHECK: Check = Check {
    id: "PGM-EXT-001",
    layer: Layer::Extensions,
    title: "the extensions that the application needs are available",
    why: "CREATE EXTENSION fails where the server has no files for it; nothing in the database can change that.",
    needs: "an application that needs extensions",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let requirement = &on.asked.requirement;
    if requirement.required_extensions().next().is_none() {
        return skip("the application needs no extension");
    }
    let facts = on.extensions()?;

    let missing: Vec<&str> = requirement
        .required_extensions()
        .map(|(name, _)| name)
        .filter(|name| facts.extensions.get(*name).is_none_or(|known| known.available.is_none() && known.installed.is_none()))
        .collect();
    if missing.is_empty() {
        let all: Vec<&str> = requirement.required_extensions().map(|(name, _)| name).collect();
        return Ok(pass(all.join(", ")));
    }
    let vendor = on.server()?.vendor;
    let hint = match vendor {
        Vendor::Plain => "install the package that has them on the server's host, such as postgresql-contrib".to_owned(),
        other => format!("{} offers only the extensions of its own list for this version; choose another version or server", other.title()),
    };
    Ok(fail(format!("the server has no {}", missing.join(", "))).hint(hint))
}
