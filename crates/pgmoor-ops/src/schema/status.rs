//! What a directory of migrations and the history of a database say together. It asks nobody.

use std::fmt;

use refinery_core::Migration;

use super::files::{File, Files, counts};

/// A migration that the history has.
#[derive(Debug, Clone)]
pub struct Applied {
    /// As the library has it.
    pub(super) migration: Migration,
    /// When, as it was written down.
    pub on: String,
}

impl Applied {
    /// Its version.
    pub fn version(&self) -> i64 {
        self.migration.version()
    }

    /// `V1__create_users`.
    pub fn label(&self) -> String {
        self.migration.to_string()
    }
}

/// Which way a migration is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What it does is done.
    Up,
    /// What it did is undone.
    Down,
}

impl Way {
    /// As it is written down.
    pub fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// A migration without a transaction that was begun, and not seen to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Its version.
    pub version: i64,
    /// Its name.
    pub name: String,
    /// Which way it was going.
    pub way: Way,
    /// Of the file that ran, as the history has checksums.
    pub checksum: String,
    /// When it was begun.
    pub since: String,
    /// By whom.
    pub by: String,
}

/// How a migration stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It was applied then.
    Applied(String),
    /// It was applied and its file is gone.
    Vanished(String),
    /// It was applied and its file was changed since.
    Changed(String),
    /// It is to be applied.
    Pending,
    /// It is to be applied, and a later one was already.
    Late,
    /// It was begun, and not seen to end.
    Open(Open),
}

impl Standing {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Applied(_) => "applied",
            Self::Vanished(_) => "vanished",
            Self::Changed(_) => "changed",
            Self::Pending => "pending",
            Self::Late => "late",
            Self::Open(_) => "open",
        }
    }

    /// When it was applied.
    pub fn on(&self) -> Option<&str> {
        match self {
            Self::Applied(on) | Self::Vanished(on) | Self::Changed(on) => Some(on),
            Self::Pending | Self::Late | Self::Open(_) => None,
        }
    }
}

/// One migration of the directory or the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its version.
    pub version: i64,
    /// `V1__create_users`.
    pub label: String,
    /// How it stands.
    pub standing: Standing,
    /// Whether there is a file that undoes it.
    pub has_down: bool,
}

/// Something for which no migration is run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trouble {
    /// An applied migration's file was changed.
    Changed {
        /// Which.
        migration: String,
    },
    /// An applied migration's file is gone.
    Vanished {
        /// Which.
        migration: String,
    },
    /// A later migration was applied before this one.
    Late {
        /// Which.
        migration: String,
        /// The last that was applied.
        last: String,
    },
    /// A number is missing.
    Gap {
        /// The file behind the gap.
        migration: String,
        /// The first number that is missing.
        missing: i64,
    },
    /// A migration was begun, and not seen to end.
    Open {
        /// Which.
        migration: String,
        /// Its version.
        version: i64,
        /// What is known of it.
        what: String,
    },
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Changed { migration } => {
                write!(
                    f,
                    "the file of {migration} was changed after it was applied"
                )
            }
            Self::Vanished { migration } => {
                write!(f, "{migration} was applied, and its file is gone")
            }
            Self::Late { migration, last } => {
                write!(f, "{migration} is not applied, and {last} is already")
            }
            Self::Gap { migration, missing } => {
                write!(f, "there is {migration}, and no file of version {missing}")
            }
            Self::Open {
                migration, what, ..
            } => write!(f, "{migration} was begun and did not end: {what}"),
        }
    }
}

impl Trouble {
    /// What can be done about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Changed { .. } => "put the file back as it was and write another migration; or, where \
                 the change is of no consequence, accept it with pgmoor schema resolve VERSION --as applied"
                .into(),
            Self::Vanished { .. } => "put the file back: is this the right directory, of the right release?".into(),
            Self::Late { .. } => "give it a version behind the last one; it was probably merged later".into(),
            Self::Gap { .. } => {
                "is a file missing in the image? where numbers are left out on purpose, set schema.allow_gaps".into()
            }
            Self::Open { version, .. } => format!(
                "see what it has done, finish or undo it by hand, and say which: \
                 pgmoor schema resolve {version} --as applied, or --as pending"
            ),
        }
    }
}

/// A directory and a history, side by side.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Status {
    /// Every migration, by version.
    pub rows: Vec<Row>,
    /// What keeps others from being run.
    pub troubles: Vec<Trouble>,
}

impl Status {
    /// Those that are to be applied, up to a version.
    pub fn pending(&self, to: Option<i64>) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| {
            row.standing == Standing::Pending && to.is_none_or(|to| row.version <= to)
        })
    }

    /// The last one that was applied.
    pub fn current(&self) -> Option<&Row> {
        self.rows
            .iter()
            .rev()
            .find(|row| row.standing.on().is_some())
    }
}

/// What a directory and a history say together.
pub fn status(files: &Files, applied: &[Applied], open: &[Open], allow_gaps: bool) -> Status {
    let last = applied.iter().max_by_key(|applied| applied.version());
    let mut rows: Vec<Row> = files
        .iter()
        .map(|file| Row {
            version: file.version(),
            label: file.label(),
            standing: standing(file, applied, last, open),
            has_down: file.down.is_some(),
        })
        .collect();
    let vanished = applied
        .iter()
        .filter(|applied| files.get(applied.version()).is_none());
    rows.extend(vanished.map(|applied| Row {
        version: applied.version(),
        label: applied.label(),
        standing: Standing::Vanished(applied.on.clone()),
        has_down: false,
    }));
    let strays = open.iter().filter(|open| {
        let known = rows.iter().any(|row| row.version == open.version);
        !known
    });
    let strays: Vec<Row> = strays
        .map(|open| Row {
            version: open.version,
            label: format!("V{}__{}", open.version, open.name),
            standing: Standing::Open(open.clone()),
            has_down: false,
        })
        .collect();
    rows.extend(strays);
    rows.sort_by_key(|row| row.version);
    let mut troubles: Vec<Trouble> = rows.iter().filter_map(|row| trouble(row, last)).collect();
    if !allow_gaps {
        troubles.extend(gap(files));
    }
    Status { rows, troubles }
}

fn standing(file: &File, applied: &[Applied], last: Option<&Applied>, open: &[Open]) -> Standing {
    if let Some(open) = open.iter().find(|open| open.version == file.version()) {
        return Standing::Open(open.clone());
    }
    let known = applied
        .iter()
        .find(|applied| applied.version() == file.version());
    match known {
        Some(known) if file.is(&known.migration) => Standing::Applied(known.on.clone()),
        Some(known) => Standing::Changed(known.on.clone()),
        // Those of the library's kind U have no place in the order.
        None if file.label().starts_with('U') => Standing::Pending,
        None if last.is_some_and(|last| last.version() > file.version()) => Standing::Late,
        None => Standing::Pending,
    }
}

fn trouble(row: &Row, last: Option<&Applied>) -> Option<Trouble> {
    let migration = row.label.clone();
    match &row.standing {
        Standing::Applied(_) | Standing::Pending => None,
        Standing::Changed(_) => Some(Trouble::Changed { migration }),
        Standing::Vanished(_) => Some(Trouble::Vanished { migration }),
        Standing::Late => Some(Trouble::Late {
            migration,
            last: last.map(Applied::label).unwrap_or_default(),
        }),
        Standing::Open(open) => Some(Trouble::Open {
            migration,
            version: row.version,
            what: format!(
                "its {} ran since {} by {}",
                open.way.word(),
                open.since,
                open.by
            ),
        }),
    }
}

/// The first number that is missing, where files are counted.
fn gap(files: &Files) -> Option<Trouble> {
    let counted: Vec<&File> = files.iter().filter(|file| counts(file.version())).collect();
    counted.windows(2).find_map(|pair| {
        let missing = pair[0].version() + 1;
        (pair[1].version() != missing).then(|| Trouble::Gap {
            migration: pair[1].label(),
            missing,
        })
    })
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::schema::files::Script;

    fn file(stem: &str, sql: &str) -> File {
        File {
            migration: Migration::unapplied(stem, sql).expect("a name"),
            up: Script {
                path: format!("{stem}.sql").into(),
                sql: sql.into(),
                transaction: true,
            },
            down: None,
        }
    }

    fn applied(stem: &str, sql: &str) -> Applied {
        let of = Migration::unapplied(stem, sql).expect("a name");
        let migration = Migration::applied(
            of.version(),
            of.name().to_owned(),
            OffsetDateTime::UNIX_EPOCH,
            of.checksum(),
        );
        Applied {
            migration,
            on: "2026-01-01".into(),
        }
    }

    fn told(files: Vec<File>, applied: &[Applied]) -> Vec<String> {
        let status = status(&Files(files), applied, &[], false);
        status.troubles.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_behind_the_last_one_is_pending() {
        let files = Files(vec![
            file("V1__a", "1"),
            file("V2__b", "2"),
            file("V3__c", "3"),
        ]);

        let status = status(&files, &[applied("V1__a", "1")], &[], false);

        assert!(status.troubles.is_empty());
        let pending: Vec<i64> = status.pending(None).map(|row| row.version).collect();
        assert_eq!(pending, [2, 3]);
        assert_eq!(status.pending(Some(2)).count(), 1);
        assert_eq!(status.current().expect("one").version, 1);
    }

    #[test]
    fn what_does_not_fit_is_told_for_each_migration() {
        assert_eq!(
            told(vec![file("V1__a", "other")], &[applied("V1__a", "1")]),
            ["the file of V1__a was changed after it was applied"]
        );
        assert_eq!(
            told(
                vec![file("V1__a", "1")],
                &[applied("V1__a", "1"), applied("V2__b", "2")]
            ),
            ["V2__b was applied, and its file is gone"]
        );
        assert_eq!(
            told(
                vec![file("V1__a", "1"), file("V2__b", "2"), file("V3__c", "3")],
                &[applied("V1__a", "1"), applied("V3__c", "3")]
            ),
            ["V2__b is not applied, and V3__c is already"]
        );
        assert_eq!(
            told(vec![file("V1__a", "1"), file("V3__c", "3")], &[]),
            ["there is V3__c, and no file of version 2"]
        );
        let moments = vec![
            file("V20250101000000__a", ""),
            file("V20260101000000__b", ""),
        ];
        assert!(told(moments, &[]).is_empty(), "moments are not counted");
    }

    #[test]
    fn what_was_begun_and_did_not_end_is_neither_pending_nor_applied() {
        let open = Open {
            version: 2,
            name: "b".into(),
            way: Way::Up,
            checksum: "1".into(),
            since: "2026-01-01".into(),
            by: "app".into(),
        };
        let files = Files(vec![file("V1__a", "1"), file("V2__b", "2")]);

        let status = status(&files, &[applied("V1__a", "1")], &[open], false);

        assert_eq!(status.pending(None).count(), 0);
        assert_eq!(
            status.troubles[0].to_string(),
            "V2__b was begun and did not end: its up ran since 2026-01-01 by app"
        );
    }
}
