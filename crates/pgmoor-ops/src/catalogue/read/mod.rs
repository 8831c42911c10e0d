//! Reading the catalogue of a database, of PostgreSQL 12 to 18.

mod version;

mod kind;

mod relations;
mod rest;
mod routines;
mod schemas;

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use tokio_postgres::Row;

use super::model::{Catalogue, FORMAT, Object};
use crate::error::Error;
use crate::facts::transaction::{Outcome, Reader, group};
use crate::session::Session;
use kind::Kind;
use version::Version;

/// An object with the number that dependencies know it by.
#[derive(Deserialize)]
struct Found {
    oid: u32,
    #[serde(flatten)]
    object: Object,
}

/// Where an object is: number of its catalogue, and its own.
type Address = (i64, i64);

/// Reads all of the database that `session` is on, as of one moment.
///
/// Takes the rights to read the catalogue, which everybody has; what a user mapping holds is read by a
/// superuser and its owner only.
///
/// # Errors
/// [`Error::Statement`], [`Error::Timeout`], [`Error::Catalogue`].
pub async fn read(session: &Session, limit: Duration) -> Result<Catalogue, Error> {
    let rows = group(session, "read the catalogue", limit, async |reader| {
        Ok((server_version(reader).await?, Raw::read(reader).await?))
    });
    let (server_version, raw) = rows.await?;
    understand(session, server_version, &raw).map_err(|source| Error::Catalogue { source })
}

/// Makes a catalogue of what the server said.
fn understand(session: &Session, server_version: u32, raw: &Raw) -> serde_json::Result<Catalogue> {
    let mut objects = Vec::new();
    for (class, text) in &raw.objects {
        let found: Found = serde_json::from_str(text)?;
        objects.push(((*class, i64::from(found.oid)), found.object));
    }
    objects.sort_by(|(_, one), (_, other)| order(one).cmp(&order(other)));
    let attrdef = raw.defaults;
    let (of_defaults, others): (Vec<_>, Vec<_>) =
        raw.dependencies.iter().partition(|row| row.0.0 == attrdef);
    let parts = Parts::of(&objects, &raw.dependencies);
    let (dependencies, default_dependencies) = (parts.pairs(&others), parts.pairs(&of_defaults));
    let roles = raw.roles.iter().map(|text| serde_json::from_str(text));
    Ok(Catalogue {
        format: FORMAT,
        server_version,
        database: session.database.clone(),
        roles: roles.collect::<Result<_, _>>()?,
        objects: objects.into_iter().map(|(_, object)| object).collect(),
        dependencies,
        default_dependencies,
    })
}

/// What the server says, as it says it.
struct Raw {
    objects: Vec<(i64, String)>,
    roles: Vec<String>,
    dependencies: Vec<(Address, Address, bool)>,
    /// The number of the catalogue of defaults.
    defaults: i64,
}

/// Constants in expressions are written as the session's settings have it: the same for both sides of a comparison.
const FORMS: &str = "select set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true), set_config('IntervalStyle', 'postgres', true),
    set_config('extra_float_digits', '1', true), set_config('bytea_output', 'hex', true), set_config('lc_monetary', 'C', true),
    set_config('xmlbinary', 'base64', true), set_config('quote_all_identifiers', 'off', true)";

impl Raw {
    async fn read(reader: Reader<'_>) -> Outcome<Self> {
        reader.rows(FORMS).await?;
        let version = Version(server_version(reader).await? / 10_000);
        let classes = reader.rows(rest::CLASSES).await?;
        let classes = classes
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        let classes: HashMap<String, i64> = classes.collect::<Outcome<_>>()?;
        let mut objects = Vec::new();
        for kind in kinds(version) {
            let class = classes.get(kind.class).copied().unwrap_or_default();
            let sql = format!("select o::text from ({}) o(o)", kind.sql());
            for row in reader.rows(&sql).await? {
                objects.push((class, row.try_get(0)?));
            }
        }
        let sql = format!("select o::text from ({}) o(o)", rest::SETTINGS);
        for row in reader.rows(&sql).await? {
            objects.push((0, row.try_get(0)?));
        }
        let roles = reader
            .rows(&format!("select o::text from ({}) o(o)", rest::ROLES))
            .await?;
        let dependencies = reader.rows(rest::DEPENDENCIES).await?;
        Ok(Self {
            objects,
            roles: roles
                .iter()
                .map(|row| row.try_get(0))
                .collect::<Outcome<_>>()?,
            dependencies: dependencies
                .iter()
                .map(dependency)
                .collect::<Outcome<_>>()?,
            defaults: classes.get("pg_attrdef").copied().unwrap_or_default(),
        })
    }
}

fn dependency(row: &Row) -> Outcome<(Address, Address, bool)> {
    let one = (row.try_get(0)?, row.try_get(1)?);
    let other = (row.try_get(2)?, row.try_get(3)?);
    Ok((one, other, row.try_get(4)?))
}

async fn server_version(reader: Reader<'_>) -> Outcome<u32> {
    let version: Option<i32> = reader
        .value("select current_setting('server_version_num')::int")
        .await?;
    Ok(version.unwrap_or_default().unsigned_abs())
}

fn kinds(version: Version) -> Vec<Kind> {
    let parts = [
        schemas::kinds,
        routines::kinds,
        relations::kinds,
        rest::kinds,
    ];
    parts.into_iter().flat_map(|kinds| kinds(version)).collect()
}

fn order(object: &Object) -> (&'static str, &str, &str) {
    let table = object.table.as_deref().unwrap_or_default();
    (object.detail.kind(), table, &object.name)
}

/// What is a part of an object is that object.
struct Parts {
    known: HashMap<Address, usize>,
    whole: HashMap<Address, Address>,
}

impl Parts {
    fn of(objects: &[(Address, Object)], rows: &[(Address, Address, bool)]) -> Self {
        let known = objects
            .iter()
            .enumerate()
            .map(|(place, (address, _))| (*address, place));
        let whole = rows.iter().filter(|row| row.2).map(|row| (row.0, row.1));
        Self {
            known: known.filter(|((_, oid), _)| *oid != 0).collect(),
            whole: whole.collect(),
        }
    }

    fn place(&self, mut address: Address) -> Option<usize> {
        // A row type's array is two steps from its table; no part is further from its whole than a few.
        for _ in 0..8 {
            if let Some(place) = self.known.get(&address) {
                return Some(*place);
            }
            address = *self.whole.get(&address)?;
        }
        None
    }

    /// In order, each once.
    fn pairs(&self, rows: &[&(Address, Address, bool)]) -> Vec<(usize, usize)> {
        let pairs = rows
            .iter()
            .filter_map(|(one, other, _)| Some((self.place(*one)?, self.place(*other)?)));
        let mut pairs: Vec<_> = pairs.filter(|(one, other)| one != other).collect();
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }
}
