//! What sort of server it is, and how it is set.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::transaction::{Outcome, Reader, group};
use super::vendor::{Signs, Vendor};
use crate::error::Error;
use crate::session::Session;
use crate::sql::identifier;

/// What sort of server it is.
#[derive(Debug, Clone)]
pub struct Server {
    /// As PostgreSQL counts: `150004` is 15.4.
    pub version: u32,
    /// `server_version` as it stands: `15.4 (Debian 15.4-1)`.
    pub version_text: String,
    /// Who runs it.
    pub vendor: Vendor,
    /// Whether it follows a primary and cannot be written to.
    pub is_standby: bool,
    /// The database's encoding.
    pub encoding: String,
    /// The database's collation, and what it was made with.
    pub collation: Collation,
    /// Other collations whose version changed since an object was made with them.
    pub stale_collations: Vec<String>,
    /// Settings by name, as a session starts with them.
    pub settings: BTreeMap<String, Setting>,
    /// What `ALTER DATABASE … SET` and `ALTER ROLE … SET` say for sessions like this one, as
    /// `statement_timeout=5s`, with whom it was said of.
    pub overrides: Vec<Override>,
    /// The process that served this reading.
    pub pid: i32,
    /// The server's clock against ours.
    pub clock: Clock,
    /// How long it has been up.
    pub uptime: Duration,
}

/// The server's clock against ours.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clock {
    /// How far the server's is ahead, in seconds; negative when it is behind.
    pub ahead: f64,
    /// By how much that may be wrong, in seconds: half a round trip.
    pub error: f64,
}

/// The collation of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collation {
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// Who compares: `libc`, `icu` or `builtin`.
    pub provider: &'static str,
    /// The version that the database was made with; known from 15 on.
    pub recorded: Option<String>,
    /// The version that the library has now.
    pub actual: Option<String>,
}

/// One setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// As `pg_settings` has it, in its own unit.
    pub value: String,
    /// `ms`, `8kB`, …; empty where there is none.
    pub unit: String,
    /// Where it was set: `default`, `configuration file`, `database`, `user`, `database user`, …
    pub source: String,
}

/// A setting of a database, a role, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// Whether it is only for this database.
    pub is_of_database: bool,
    /// Whether it is only for this role.
    pub is_of_role: bool,
    /// `name=value`.
    pub setting: String,
}

impl Override {
    /// The statement that takes it back.
    pub fn reset(&self, database: &str, role: &str) -> String {
        let name = self.setting.split('=').next().unwrap_or_default();
        let (database, role) = (identifier(database), identifier(role));
        match (self.is_of_database, self.is_of_role) {
            (true, true) => format!("ALTER ROLE {role} IN DATABASE {database} RESET {name}"),
            (true, false) => format!("ALTER DATABASE {database} RESET {name}"),
            _ => format!("ALTER ROLE {role} RESET {name}"),
        }
    }
}

impl Clock {
    /// From when we asked and were answered, and what the server's clock said in between.
    fn between(asked: SystemTime, answered: SystemTime, server: f64) -> Self {
        let seconds = |time: SystemTime| {
            time.duration_since(SystemTime::UNIX_EPOCH)
                .unwrap_or_default()
                .as_secs_f64()
        };
        let (asked, answered) = (seconds(asked), seconds(answered));
        Self {
            ahead: server - (asked + answered) / 2.0,
            error: (answered - asked).abs() / 2.0,
        }
    }
}

impl Server {
    /// The major version: 15, 9 for all of 9.x.
    pub fn major(&self) -> u32 {
        self.version / 10_000
    }

    /// The version as people write it: "15.4".
    pub fn version_number(&self) -> String {
        match self.version {
            100_000.. => format!("{}.{}", self.version / 10_000, self.version % 10_000),
            old => format!("{}.{}.{}", old / 10_000, old / 100 % 100, old % 100),
        }
    }

    /// A setting's value.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings
            .get(name)
            .map(|setting| setting.value.as_str())
    }

    /// A setting that is a number.
    pub fn number(&self, name: &str) -> Option<i64> {
        self.setting(name)?.parse().ok()
    }

    /// A setting that is an amount of memory, in bytes.
    pub fn bytes(&self, name: &str) -> Option<i64> {
        let setting = self.settings.get(name)?;
        let number: i64 = setting.value.parse().ok()?;
        let unit = match setting.unit.as_str() {
            "B" => 1,
            "kB" => 1 << 10,
            "8kB" => 8 << 10,
            "MB" => 1 << 20,
            _ => return None,
        };
        Some(number.saturating_mul(unit))
    }

    /// A setting that is a time; `None` where it is switched off or not there.
    pub fn time(&self, name: &str) -> Option<Duration> {
        let setting = self.settings.get(name)?;
        let number: u64 = setting.value.parse().ok()?;
        let unit = match setting.unit.as_str() {
            "ms" => 1,
            "s" => 1_000,
            "min" => 60_000,
            _ => return None,
        };
        (number > 0).then(|| Duration::from_millis(number.saturating_mul(unit)))
    }
}

/// Reads them.
///
/// # Errors
/// [`Error::Statement`], [`Error::Timeout`].
pub async fn read(session: &Session, limit: Duration) -> Result<Server, Error> {
    let version = session.server_version;
    group(
        session,
        "read the server's settings",
        limit,
        async |reader| {
            let identity = reader
            .rows(
                "select current_setting('server_version_num')::int4, current_setting('server_version'), pg_is_in_recovery(),
                    extract(epoch from clock_timestamp() - pg_postmaster_start_time())::float8, pg_backend_pid()",
            )
            .await?;
            let identity = &identity[0];
            let number: i32 = identity.try_get(0)?;
            let version = u32::try_from(number).unwrap_or(version);
                let (encoding, collation) = collation(reader, version).await?;
            let uptime: f64 = identity.try_get(3)?;
            Ok(Server {
                version,
                version_text: identity.try_get(1)?,
                is_standby: identity.try_get(2)?,
                vendor: Vendor::of(&signs(reader).await?),
                encoding,
                collation,
                stale_collations: stale_collations(reader).await?,
                settings: settings(reader).await?,
                overrides: overrides(reader).await?,
                pid: identity.try_get(4)?,
                clock: clock(reader).await?,
                uptime: Duration::try_from_secs_f64(uptime).unwrap_or_default(),
            })
        },
    )
    .await
}

/// Asks a few times; the fastest answer knows best.
async fn clock(reader: Reader<'_>) -> Outcome<Clock> {
    let mut best = Clock {
        ahead: 0.0,
        error: f64::INFINITY,
    };
    for _ in 0..3 {
        let asked = SystemTime::now();
        let server = "select extract(epoch from clock_timestamp())::float8";
        let server: Option<f64> = reader.value(server).await?;
        let now = Clock::between(asked, SystemTime::now(), server.unwrap_or_default());
        if now.error < best.error {
            best = now;
        }
    }
    Ok(best)
}

async fn signs(reader: Reader<'_>) -> Outcome<Signs> {
    let roles = "select array(select rolname::text from pg_roles
        where rolname ~ '^(rds_|cloudsql|alloydb|azure_|supabase_|neon_|crunchy_)')";
    let settings = "select array(select name from pg_settings where name like '%.%')";
    let aurora = "select exists (select from pg_proc where proname = 'aurora_version')";
    Ok(Signs {
        roles: reader.value(roles).await?.unwrap_or_default(),
        settings: reader.value(settings).await?.unwrap_or_default(),
        has_aurora_version: reader.value(aurora).await?.unwrap_or_default(),
    })
}

async fn collation(reader: Reader<'_>, version: u32) -> Outcome<(String, Collation)> {
    let sql = match version {
        150_000.. => {
            "select pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text,
                datlocprovider::text, datcollversion::text, pg_database_collation_actual_version(oid)::text
             from pg_database where datname = current_database()"
        }
        _ => {
            "select pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text,
                'c'::text, null::text, null::text
             from pg_database where datname = current_database()"
        }
    };
    let rows = reader.rows(sql).await?;
    let row = &rows[0];
    let provider: &str = row.try_get(3)?;
    let collation = Collation {
        collate: row.try_get(1)?,
        ctype: row.try_get(2)?,
        provider: match provider {
            "i" => "icu",
            "b" => "builtin",
            _ => "libc",
        },
        recorded: row.try_get(4)?,
        actual: row.try_get(5)?,
    };
    Ok((row.try_get(0)?, collation))
}

async fn stale_collations(reader: Reader<'_>) -> Outcome<Vec<String>> {
    let sql = "select array(select quote_ident(nspname) || '.' || quote_ident(collname)
        from pg_collation join pg_namespace n on n.oid = collnamespace
        where collversion is not null and collversion <> pg_collation_actual_version(pg_collation.oid)
            and collencoding in (-1, (select encoding from pg_database where datname = current_database()))
            and exists (select from pg_attribute where attcollation = pg_collation.oid and attrelid >= 16384)
        order by 1 limit 100)";
    Ok(reader.value(sql).await?.unwrap_or_default())
}

async fn settings(reader: Reader<'_>) -> Outcome<BTreeMap<String, Setting>> {
    // reset_val: what a session starts with. Reading facts has set some for itself.
    let sql = "select name, coalesce(reset_val, ''), coalesce(unit, ''), source from pg_settings";
    let rows = reader.rows(sql).await?;
    let read = rows.iter().map(|row| {
        let setting = Setting {
            value: row.try_get(1)?,
            unit: row.try_get(2)?,
            source: row.try_get(3)?,
        };
        Ok((row.try_get(0)?, setting))
    });
    read.collect()
}

async fn overrides(reader: Reader<'_>) -> Outcome<Vec<Override>> {
    let sql = "select setdatabase <> 0, setrole <> 0, unnest(setconfig) from pg_db_role_setting
        where setdatabase in (0, (select oid from pg_database where datname = current_database()))
            and setrole in (0, (select oid from pg_roles where rolname = session_user))
            and (setdatabase <> 0 or setrole <> 0)";
    let rows = reader.rows(sql).await?;
    let read = rows.iter().map(|row| {
        Ok(Override {
            is_of_database: row.try_get(0)?,
            is_of_role: row.try_get(1)?,
            setting: row.try_get(2)?,
        })
    });
    read.collect()
}
