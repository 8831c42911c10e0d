//! Whether they are installed, or can be by the application.

use crate::check::verdict::{fail, pass, skip, warn};
use crate::check::{Check, Ground, Layer, Outcome};
use crate::facts::extensions::Extension;
use crate::requirement::Right;
use crate::sql::identifier;

pub(super) const CHECK: Check = Check {
    id: "PGM-EXT-003",
    layer: Layer::Extensions,
    title: "the extensions are installed, or the application can install them",
    why: "A migration that says CREATE EXTENSION without the right to do so stops the application at its first start.",
    needs: "an application that needs extensions",
    judge,
};

fn judge(on: Ground<'_>) -> Outcome {
    let requirement = &on.asked.requirement;
    if requirement.required_extensions().next().is_none() {
        return skip("the application needs no extension");
    }
    let facts = on.extensions()?;

    let rights = on.rights()?;
    let missing: Vec<(&str, &Extension)> = requirement
        .required_extensions()
        .filter_map(|(name, _)| Some((name, facts.extensions.get(name)?)))
        .filter(|(_, known)| known.installed.is_none() && known.available.is_some())
        .collect();
    if missing.is_empty() {
        return Ok(pass("all that are available are installed"));
    }
    let admin = on.server()?.vendor.admin_role();
    let is_ours = |known: &Extension| {
        rights.role.is_superuser
            || admin.is_some_and(|admin| rights.member_of.iter().any(|role| role == admin))
            || (rights.database.may_create && (known.is_trusted || !known.needs_superuser))
    };
    let names = |all: &[(&str, &Extension)]| {
        all.iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (ours, others): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|(_, known)| is_ours(known));
    let create = |all: &[(&str, &Extension)]| {
        let statements = all.iter().map(|(name, known)| {
            let wanted = requirement
                .extensions
                .get(*name)
                .and_then(|wanted| wanted.schema.as_deref());
            let (before, schema) = match wanted.map(identifier) {
                Some(schema) => (
                    format!("CREATE SCHEMA IF NOT EXISTS {schema}; "),
                    format!(" SCHEMA {schema}"),
                ),
                None => Default::default(),
            };
            let cascade = if known.requires.is_empty() {
                ""
            } else {
                " CASCADE"
            };
            format!(
                "{before}CREATE EXTENSION IF NOT EXISTS {}{schema}{cascade}",
                identifier(name)
            )
        });
        statements.collect::<Vec<_>>().join("; ")
    };
    let who = admin.unwrap_or("a superuser");
    if !others.is_empty() {
        let seen = format!(
            "{} not installed, and \"{}\" may not install them",
            names(&others),
            rights.user
        );
        return Ok(fail(seen).hint(format!(
            "as {who}, in database \"{}\": {}",
            rights.database.name,
            create(&others)
        )));
    }
    let seen = format!(
        "{} not installed; \"{}\" may install them",
        names(&ours),
        rights.user
    );
    Ok(match requirement.needs(Right::CreateExtension) {
        true => pass(format!("{seen}, as the application does")),
        false => warn(seen).hint(create(&ours)),
    })
}
