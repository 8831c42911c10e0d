//! A database with every kind of object that PostgreSQL knows, the same at each making: what a move, a backup or a
//! reader of the catalogue has to get right.
//!
//! It is plain SQL for a superuser, for PostgreSQL 12 to 18; what a version does not know is left out for it.

use crate::Postgres;

/// In order: each uses what is before it.
const PARTS: [(&str, &str); 4] = [
    ("roles", include_str!("roles.sql")),
    ("types", include_str!("types.sql")),
    ("tables", include_str!("tables.sql")),
    ("security", include_str!("security.sql")),
];

const ROWS: &str = include_str!("rows.sql");

/// The data set.
///
/// ```no_run
/// # async fn example() {
/// use pgmoor_testkit::{Dataset, Postgres};
///
/// let postgres = Postgres::start().await;
/// Dataset::SMALL.make(&postgres).await;
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Rows of the largest table, `public.traces`; the others follow it.
    pub rows: u32,
    /// Bytes of the largest value, in `public.large`.
    pub value_bytes: u32,
}

impl Dataset {
    /// All objects and a few rows in each table: made in about a second.
    pub const SMALL: Self = Self {
        rows: 200,
        value_bytes: 100_000,
    };
    /// About 150 MB, of which one value is 50 MB.
    pub const MEDIUM: Self = Self {
        rows: 110_000,
        value_bytes: 50_000_000,
    };
    /// About 2 GB, of which one value is 50 MB.
    pub const LARGE: Self = Self {
        rows: 2_200_000,
        value_bytes: 50_000_000,
    };

    /// Makes the roles, and in database `app` all objects and rows.
    ///
    /// # Panics
    ///
    /// When a statement fails.
    pub async fn make(self, postgres: &Postgres) {
        let password = postgres.admin_password();
        let client = postgres.connect_as("postgres", password, "app").await;
        let major = postgres.major();
        let parts = PARTS.map(|(part, sql)| (part, for_major(sql, major)));
        for (part, sql) in parts.into_iter().chain([("rows", self.rows_sql(major))]) {
            let outcome = client.batch_execute(&sql).await;
            outcome.unwrap_or_else(|error| panic!("{part} on {major}: {error:?}"));
        }
    }

    /// What makes the roles alone, for the target of a move.
    pub fn roles_sql(major: u16) -> String {
        let all = for_major(PARTS[0].1, major);
        let of_roles = all.lines().filter(|line| {
            line.starts_with("create role")
                || line.starts_with("grant ro to")
                || line.starts_with("grant keeper to")
        });
        of_roles.collect::<Vec<_>>().join("\n")
    }

    fn rows_sql(self, major: u16) -> String {
        for_major(ROWS, major)
            .replace("{rows}", &self.rows.to_string())
            .replace("{bytes}", &self.value_bytes.to_string())
    }
}

/// The lines for this major version: those after `-- from 15` are for 15 and newer, those after `-- until 14` for
/// 14 and older, those after `-- always` for all.
fn for_major(sql: &str, major: u16) -> String {
    let mut is_on = true;
    let mut kept = String::with_capacity(sql.len());
    for line in sql.lines() {
        let number = |word| {
            line.strip_prefix(word)
                .and_then(|rest: &str| rest.trim().parse::<u16>().ok())
        };
        if line == "-- always" {
            is_on = true;
        } else if let Some(first) = number("-- from ") {
            is_on = major >= first;
        } else if let Some(last) = number("-- until ") {
            is_on = major <= last;
        } else if is_on {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::for_major;

    #[test]
    fn a_version_gets_what_it_knows() {
        let sql = "a\n-- from 15\nb\n-- until 14\nc\n-- always\nd\n";

        assert_eq!(for_major(sql, 15), "a\nb\nd\n");
        assert_eq!(for_major(sql, 14), "a\nc\nd\n");
    }
}
