//! The migrations of a directory: plain SQL files, `V<version>__<name>.sql`, and what undoes them beside
//! them, `V<version>__<name>.down.sql`.
//!
//! Names and checksums are refinery's, so that its other tools understand the same directory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use refinery_core::Migration;

/// A migration is written by people.
const MAX_FILE: u64 = 16 << 20;
/// The end of a file that undoes.
const DOWN: &str = ".down.sql";
/// The first words of a file that must not run in a transaction.
const NO_TRANSACTION: &str = "-- no-transaction";

/// SQL of a migration, and how it is to be run.
#[derive(Debug, Clone)]
pub struct Script {
    /// Where it is.
    pub path: PathBuf,
    /// The statements.
    pub sql: String,
    /// Whether it runs in a transaction; its first line says when not.
    pub transaction: bool,
}

/// A migration as the directory has it.
#[derive(Debug, Clone)]
pub struct File {
    /// As the library has it.
    pub(super) migration: Migration,
    /// What makes it.
    pub up: Script,
    /// What undoes it.
    pub down: Option<Script>,
}

impl File {
    /// Its version.
    pub fn version(&self) -> i64 {
        self.migration.version()
    }

    /// `V1__create_users`.
    pub fn label(&self) -> String {
        self.migration.to_string()
    }

    /// Whether it is what the history has as `applied`, or differs from that in nothing but how its lines
    /// end, as a checkout of the same file on Windows does.
    pub(super) fn is(&self, applied: &Migration) -> bool {
        let lines = self.up.sql.replace("\r\n", "\n");
        let windows = lines.replace('\n', "\r\n");
        let with = |sql: &str| Migration::unapplied(&self.label(), sql);
        self.migration == *applied
            || [lines, windows]
                .iter()
                .any(|sql| with(sql).is_ok_and(|same| same == *applied))
    }

    /// Its checksum as the history has it.
    pub fn checksum(&self) -> String {
        self.migration.checksum().to_string()
    }
}

/// The migrations of a directory, in their order.
#[derive(Debug, Clone, Default)]
pub struct Files(pub(super) Vec<File>);

/// A directory of migrations that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FilesError {
    /// The directory or a file.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A file ends with `.sql` and is named otherwise than migrations are.
    #[error("{path} is not named as a migration")]
    Name {
        /// Which.
        path: PathBuf,
    },
    /// Two files of one version.
    #[error("{first} and {second} have the same version")]
    Repeated {
        /// One of them.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A file that undoes what no file does.
    #[error("{path} undoes a migration that is not there")]
    Stray {
        /// Which.
        path: PathBuf,
    },
    /// It is too large to be a migration.
    #[error("{path} is larger than {MAX_FILE} bytes")]
    TooLarge {
        /// Which.
        path: PathBuf,
    },
}

impl FilesError {
    /// What can be done about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Read { .. } => {
                "schema.dir names the directory; is it in the image, and may pgmoor read it?".into()
            }
            Self::Name { .. } => {
                "name it V<version>__<name>.sql, and what undoes it V<version>__<name>.down.sql, \
                 name being letters, digits and _; pgmoor schema new makes both"
                    .into()
            }
            Self::Repeated { .. } => {
                "give the one that was applied nowhere yet another version".into()
            }
            Self::Stray { path } => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                let up = name.replace(DOWN, ".sql");
                format!("it goes with {up}; put that back, or remove both")
            }
            Self::TooLarge { .. } => "load data by other means than a migration".into(),
        }
    }
}

impl Files {
    /// Reads a directory; directories in it, and files that do not end with `.sql`, are left alone.
    ///
    /// # Errors
    /// [`FilesError`].
    pub fn read(dir: &Path) -> Result<Self, FilesError> {
        let read_dir = |source| FilesError::Read {
            path: dir.to_owned(),
            source,
        };
        let mut found: BTreeMap<i64, File> = BTreeMap::new();
        let mut downs = Vec::new();
        for entry in std::fs::read_dir(dir).map_err(read_dir)? {
            let path = entry.map_err(read_dir)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if !name.ends_with(".sql") || path.is_dir() {
                continue;
            }
            if let Some(stem) = name.strip_suffix(DOWN) {
                downs.push((stem.to_owned(), path));
                continue;
            }
            let stem = name.trim_end_matches(".sql").to_owned();
            let up = script(path)?;
            let path = || up.path.clone();
            let migration = Migration::unapplied(&stem, &up.sql)
                .map_err(|_| FilesError::Name { path: path() })?;
            // The library reads the beginning only.
            if migration.to_string() != stem && !is_padded(&stem, &migration) {
                return Err(FilesError::Name { path: path() });
            }
            if let Some(first) = found.get(&migration.version()) {
                return Err(FilesError::Repeated {
                    first: first.up.path.clone(),
                    second: path(),
                });
            }
            let down = None;
            found.insert(
                migration.version(),
                File {
                    migration,
                    up,
                    down,
                },
            );
        }
        for (stem, path) in downs {
            let file = found
                .values_mut()
                .find(|file| file.up.path.file_stem().is_some_and(|own| *own == *stem));
            match file {
                Some(file) => file.down = Some(script(path)?),
                None => return Err(FilesError::Stray { path }),
            }
        }
        Ok(Self(found.into_values().collect()))
    }

    /// The migrations, in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &File> {
        self.0.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The migration of this version.
    pub fn get(&self, version: i64) -> Option<&File> {
        self.iter().find(|file| file.version() == version)
    }

    /// What a new migration's files are called, without `.sql`. Where versions are moments, `now` is
    /// (`20260131120000`), else the next number, as wide as those before.
    pub fn next_stem(&self, name: &str, now: &str) -> String {
        let Some(last) = self.0.last() else {
            return format!("V1__{name}");
        };
        if !counts(last.version()) {
            return format!("V{now}__{name}");
        }
        let stem = last.up.path.file_stem().unwrap_or_default();
        let stem = stem.to_string_lossy();
        let width = stem.find("__").map_or(0, |end| end - 1);
        format!("V{:0width$}__{name}", last.version() + 1)
    }
}

/// Whether versions of this size are counted up by one; larger ones are moments.
pub(super) fn counts(version: i64) -> bool {
    version < 1_000_000_000
}

/// `V001__a` is `V1__a`.
fn is_padded(stem: &str, migration: &Migration) -> bool {
    let digits = stem.trim_start_matches(['V', 'U']);
    let prefix = &stem[..stem.len() - digits.len()];
    format!("{prefix}{}", digits.trim_start_matches('0')) == migration.to_string()
}

fn script(path: PathBuf) -> Result<Script, FilesError> {
    let read = |source| FilesError::Read {
        path: path.clone(),
        source,
    };
    if std::fs::metadata(&path).map_err(read)?.len() > MAX_FILE {
        return Err(FilesError::TooLarge { path });
    }
    let mut sql = std::fs::read_to_string(&path).map_err(read)?;
    // What editors put before UTF-8 is no SQL: no server has ever run a file with it.
    if sql.starts_with('\u{feff}') {
        sql.drain(..'\u{feff}'.len_utf8());
    }
    let transaction = !sql.starts_with(NO_TRANSACTION);
    Ok(Script {
        path,
        sql,
        transaction,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir(files: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).expect("a file");
        }
        dir
    }

    #[test]
    fn a_directory_gives_its_migrations_in_the_order_of_their_versions() {
        let dir = dir(&[
            ("V010__b.sql", "-- no-transaction\nselect 10"),
            ("V9__a.sql", "select 9"),
            ("V9__a.down.sql", "select -9"),
            ("README.md", ""),
        ]);

        let files = Files::read(dir.path()).expect("they are in order");

        let labels: Vec<String> = files.iter().map(File::label).collect();
        assert_eq!(labels, ["V9__a", "V10__b"]);
        assert!(files.get(9).expect("there").up.transaction);
        assert!(files.get(9).expect("there").down.is_some());
        assert!(!files.get(10).expect("there").up.transaction);
        assert_eq!(files.next_stem("c", "20260131120000"), "V011__c");
    }

    #[test]
    fn a_new_file_takes_the_moment_where_the_others_have_it() {
        let dir = dir(&[("V20250101000000__a.sql", "")]);
        let files = Files::read(dir.path()).expect("in order");

        let stem = files.next_stem("b", "20260131120000");

        assert_eq!(stem, "V20260131120000__b");
        assert_eq!(Files::default().next_stem("b", "20260131120000"), "V1__b");
    }

    #[test]
    fn a_file_that_would_be_overlooked_is_an_error() {
        let read = |files: &[(&str, &str)]| {
            let error = Files::read(dir(files).path()).expect_err("refused");
            let text = error.to_string();
            text[text.rfind('/').map_or(0, |at| at + 1)..].to_owned()
        };

        assert_eq!(
            read(&[("V1_a.sql", "")]),
            "V1_a.sql is not named as a migration"
        );
        assert_eq!(
            read(&[("V1__a-b.sql", "")]),
            "V1__a-b.sql is not named as a migration"
        );
        assert_eq!(
            read(&[("v1__a.sql", "")]),
            "v1__a.sql is not named as a migration"
        );
        assert!(read(&[("V1__a.sql", ""), ("V01__b.sql", "")]).ends_with("the same version"));
        assert!(read(&[("V1__a.down.sql", "")]).ends_with("undoes a migration that is not there"));
        assert!(matches!(
            Files::read(Path::new("/nonexistent/dir")),
            Err(FilesError::Read { .. })
        ));
    }
}
