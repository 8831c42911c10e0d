//! The extensions of a database, and what stands in the way of others.

use std::collections::BTreeMap;
use std::time::Duration;

use super::transaction::group;
use crate::error::Error;
use crate::session::Session;

/// The extensions by name: all that the server has files for, and all that are installed.
#[derive(Debug, Clone)]
pub struct Extensions {
    /// Those.
    pub extensions: BTreeMap<String, Extension>,
    /// What the vendor allows to be installed, where it keeps a list; lower case.
    pub allowed: Option<Vec<String>>,
    /// `shared_preload_libraries`; `None` where the login may not see it.
    pub preloaded: Option<Vec<String>>,
}

/// One extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extension {
    /// The version that `CREATE EXTENSION` would install; `None` where the server has no files for it.
    pub available: Option<String>,
    /// The version that is installed.
    pub installed: Option<String>,
    /// The schema that it is installed in.
    pub schema: Option<String>,
    /// Whether only a superuser can install it.
    pub needs_superuser: bool,
    /// Whether whoever may create in the database can install it all the same (from 13 on).
    pub is_trusted: bool,
    /// Whether it can be moved to another schema.
    pub is_relocatable: bool,
    /// The extensions it needs itself.
    pub requires: Vec<String>,
}

/// Reads them.
///
/// # Errors
/// [`Error::Statement`], [`Error::Timeout`].
pub async fn read(session: &Session, limit: Duration) -> Result<Extensions, Error> {
    let trusted = match session.server_version {
        130_000.. => "v.trusted",
        _ => "false",
    };
    let sql = format!(
        "select coalesce(a.name, e.extname)::text, a.default_version, e.extversion, n.nspname::text,
            coalesce(v.superuser, true), coalesce({trusted}, false),
            coalesce(e.extrelocatable, v.relocatable, false), coalesce(v.requires::text[], '{{}}')
         from pg_available_extensions a
         left join pg_available_extension_versions v on v.name = a.name and v.version = a.default_version
         full join pg_extension e on e.extname = a.name
         left join pg_namespace n on n.oid = e.extnamespace"
    );
    // Who may not see shared_preload_libraries is refused by current_setting, and by pg_settings is not.
    let lists = "select current_setting('azure.extensions', true), current_setting('rds.allowed_extensions', true),
            (select setting from pg_settings where name = 'shared_preload_libraries')";
    group(session, "read the extensions", limit, async |reader| {
        let mut extensions = BTreeMap::new();
        for row in &reader.rows(&sql).await? {
            let extension = Extension {
                available: row.try_get(1)?,
                installed: row.try_get(2)?,
                schema: row.try_get(3)?,
                needs_superuser: row.try_get(4)?,
                is_trusted: row.try_get(5)?,
                is_relocatable: row.try_get(6)?,
                requires: row.try_get(7)?,
            };
            extensions.insert(row.try_get(0)?, extension);
        }
        let rows = reader.rows(lists).await?;
        let azure: Option<String> = rows[0].try_get(0)?;
        let rds: Option<String> = rows[0].try_get(1)?;
        let preloaded: Option<String> = rows[0].try_get(2)?;
        Ok(Extensions {
            extensions,
            allowed: allow_list(azure.as_deref(), rds.as_deref()),
            preloaded: preloaded.as_deref().map(items),
        })
    })
    .await
}

/// Azure's list counts also when it is empty: then nothing is allowed. That of RDS counts from its first
/// entry on, and `*` means all.
fn allow_list(azure: Option<&str>, rds: Option<&str>) -> Option<Vec<String>> {
    let rds = rds
        .map(items)
        .filter(|items| !items.is_empty() && !items.iter().any(|item| item == "*"));
    azure.map(items).or(rds)
}

fn items(text: &str) -> Vec<String> {
    let items = text
        .split(',')
        .map(|item| item.trim().trim_matches('"').to_lowercase());
    items.filter(|item| !item.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_azure_counts_when_empty_and_that_of_rds_when_it_has_entries() {
        let names = |names: &[&str]| Some(names.iter().map(|name| (*name).to_owned()).collect());

        assert_eq!(allow_list(None, None), None::<Vec<String>>);
        assert_eq!(allow_list(Some(""), None), names(&[]));
        assert_eq!(
            allow_list(Some("CITEXT, pg_trgm"), None),
            names(&["citext", "pg_trgm"])
        );
        assert_eq!(allow_list(None, Some("")), None);
        assert_eq!(allow_list(None, Some("*")), None);
        assert_eq!(allow_list(None, Some("citext")), names(&["citext"]));
    }
}
