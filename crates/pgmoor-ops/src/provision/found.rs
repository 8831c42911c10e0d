//! What is on the server already, read and not judged.

use std::time::Duration;

use tokio_postgres::{SimpleQueryMessage, SimpleQueryRow};

use super::wanted::Wanted;
use crate::error::Error;
use crate::session::Session;
use crate::sql::literal;

/// How long the server may take over one question.
const LIMIT: Duration = Duration::from_secs(20);

/// The login that provisions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Login {
    /// Its name.
    pub name: String,
    /// Whether it is a superuser.
    pub superuser: bool,
    /// Whether it may make roles.
    pub create_role: bool,
    /// Whether it may make databases.
    pub create_database: bool,
    /// Whether it can act as the application's role.
    pub can_act_as_role: bool,
}

/// The application's role.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FoundRole {
    /// Whether it may log in.
    pub login: bool,
    /// How many connections it may have; -1 for any number.
    pub connection_limit: i64,
    /// Whether it is a member of `rds_iam`.
    pub rds_iam: bool,
}

/// The application's database.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FoundDatabase {
    /// Its owner.
    pub owner: String,
    /// Its encoding.
    pub encoding: String,
    /// Whether the role may connect.
    pub connect: bool,
}

/// What is in the application's database.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Inside {
    /// The schemas, and what the role may do in each: use it, create in it.
    pub schemas: Vec<(String, bool, bool)>,
    /// The installed extensions, and the schema of each.
    pub extensions: Vec<(String, String)>,
    /// Those that can be installed.
    pub available: Vec<String>,
    /// The search path that the role has here.
    pub search_path: Option<String>,
    /// Whether the login may create schemas here.
    pub create: bool,
}

/// Everything that a plan goes by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Found {
    /// As PostgreSQL counts: `150004` is 15.4.
    pub version: u32,
    /// Who provisions.
    pub login: Login,
    /// The role, if it is there.
    pub role: Option<FoundRole>,
    /// The database, if it is there.
    pub database: Option<FoundDatabase>,
    /// What is in it; nothing where it is not there.
    pub inside: Inside,
}

async fn ask(session: &Session, act: &str, sql: &str) -> Result<Vec<SimpleQueryRow>, Error> {
    let messages = session
        .within(act, LIMIT, session.client().simple_query(sql))
        .await?;
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    Ok(rows.collect())
}

fn text(row: &SimpleQueryRow, column: usize) -> String {
    row.get(column).unwrap_or_default().to_owned()
}

fn is(row: &SimpleQueryRow, column: usize) -> bool {
    row.get(column) == Some("t")
}

impl Found {
    /// Reads what is about roles and databases, by a session in any database.
    ///
    /// # Errors
    /// The server's.
    pub async fn read(session: &Session, wanted: &Wanted) -> Result<Self, Error> {
        let (role, database) = (literal(&wanted.role), literal(&wanted.database));
        let sql = format!(
            "select current_user, r.rolsuper, r.rolcreaterole, r.rolcreatedb, coalesce(r.rolsuper or \
             pg_has_role(t.oid, '{act}'), false) \
             from pg_roles r left join pg_roles t on t.rolname = {role} where r.rolname = current_user",
            // From 16 on a membership may be one that does not let its holder become the role.
            act = if session.server_version >= 160_000 {
                "set"
            } else {
                "member"
            },
        );
        let rows = ask(session, "read the rights of the login", &sql).await?;
        let login = rows.first().map_or_else(
            || Login {
                name: session.user.clone(),
                superuser: false,
                create_role: false,
                create_database: false,
                can_act_as_role: false,
            },
            |row| Login {
                name: text(row, 0),
                superuser: is(row, 1),
                create_role: is(row, 2),
                create_database: is(row, 3),
                can_act_as_role: is(row, 4),
            },
        );
        let sql = format!(
            "select rolcanlogin, rolconnlimit, exists (select from pg_auth_members m join pg_roles g \
             on g.oid = m.roleid where m.member = r.oid and g.rolname = 'rds_iam') \
             from pg_roles r where rolname = {role}"
        );
        let rows = ask(session, "read the role", &sql).await?;
        let found_role = rows.first().map(|row| FoundRole {
            login: is(row, 0),
            connection_limit: text(row, 1).parse().unwrap_or(-1),
            rds_iam: is(row, 2),
        });
        let connect = match found_role {
            Some(_) => format!("has_database_privilege({role}, oid, 'connect')"),
            None => "false".to_owned(),
        };
        let sql = format!(
            "select pg_get_userbyid(datdba), pg_encoding_to_char(encoding), {connect} \
             from pg_database where datname = {database}"
        );
        let rows = ask(session, "read the database", &sql).await?;
        Ok(Self {
            version: session.server_version,
            login,
            role: found_role,
            database: rows.first().map(|row| FoundDatabase {
                owner: text(row, 0),
                encoding: text(row, 1),
                connect: is(row, 2),
            }),
            inside: Inside::default(),
        })
    }

    /// Reads what is in the application's database, by a session there.
    ///
    /// # Errors
    /// The server's.
    pub async fn read_inside(&mut self, session: &Session, wanted: &Wanted) -> Result<(), Error> {
        let role = literal(&wanted.role);
        let may = |right: &str| match self.role {
            Some(_) => format!("has_schema_privilege({role}, oid, '{right}')"),
            None => "false".to_owned(),
        };
        let sql = format!(
            "select nspname, {}, {} from pg_namespace where nspname !~ '^pg_' order by 1",
            may("usage"),
            may("create")
        );
        let rows = ask(session, "read the schemas", &sql).await?;
        let schemas = rows
            .iter()
            .map(|row| (text(row, 0), is(row, 1), is(row, 2)));
        self.inside.schemas = schemas.collect();
        let sql = "select e.extname, n.nspname from pg_extension e join pg_namespace n on n.oid = e.extnamespace order by 1";
        let rows = ask(session, "read the extensions", sql).await?;
        self.inside.extensions = rows
            .iter()
            .map(|row| (text(row, 0), text(row, 1)))
            .collect();
        let sql = "select name from pg_available_extensions order by 1";
        let rows = ask(session, "read the extensions that there are", sql).await?;
        self.inside.available = rows.iter().map(|row| text(row, 0)).collect();
        let sql = format!(
            "select (select substr(c, 13) from unnest(s.setconfig) c where c like 'search_path=%') \
             from pg_db_role_setting s join pg_roles r on r.oid = s.setrole \
             join pg_database d on d.oid = s.setdatabase \
             where d.datname = current_database() and r.rolname = {role}"
        );
        let rows = ask(session, "read the search path", &sql).await?;
        self.inside.search_path = rows.first().and_then(|row| row.get(0)).map(str::to_owned);
        let sql = "select has_database_privilege(current_database(), 'create')";
        let rows = ask(session, "read the rights in the database", sql).await?;
        self.inside.create = rows.first().is_some_and(|row| is(row, 0));
        Ok(())
    }
}
