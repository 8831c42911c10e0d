//! The application's role and database, made so at every start, and the role's password.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pgmoor_wire::Secret;
use pgmoor_wire::scram::Verifier;

use super::error::BundledError;
use super::layout::write_private;
use super::session::{Session, SessionError, identifier, literal};

/// What PostgreSQL itself uses.
const ITERATIONS: u32 = 4096;
const PASSWORD_BYTES: usize = 24;

/// Where the password of `role` is kept.
pub(crate) fn password_file(state_dir: &Path, role: &str) -> PathBuf {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "-_.".contains(c) {
            c
        } else {
            '_'
        }
    };
    state_dir.join(format!(
        "bundled.{}.password",
        role.chars().map(plain).collect::<String>()
    ))
}

/// Reads the password, or makes one up; the file is on disk before the password is used.
pub(crate) fn password(file: &Path) -> Result<Secret<String>, BundledError> {
    match fs::symlink_metadata(file) {
        Ok(meta) if !meta.is_file() => {
            let problem = "it is not a file, and a link is not followed";
            return Err(BundledError::InTheWay {
                path: file.to_owned(),
                problem,
            });
        }
        Ok(meta) if meta.mode() & 0o077 != 0 => {
            let problem = "others may read it, so the password in it is no secret any more; \
                 remove it and a new one is made";
            return Err(BundledError::InTheWay {
                path: file.to_owned(),
                problem,
            });
        }
        Ok(_) => {
            let text = fs::read_to_string(file).map_err(BundledError::file("read", file))?;
            let text = Secret::new(text);
            let line = text.expose().trim_end_matches(['\r', '\n']);
            if !line.is_empty() {
                return Ok(Secret::from(line));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(BundledError::file("look at", file)(error)),
    }
    let mut random = [0; PASSWORD_BYTES];
    getrandom::fill(&mut random).map_err(|error| {
        BundledError::file("make a password for", file)(io::Error::other(error))
    })?;
    let password = Secret::new(URL_SAFE_NO_PAD.encode(random));
    let line = Secret::new(format!("{}\n", password.expose()));
    write_private(file, line.expose().as_bytes()).map_err(BundledError::file("write", file))?;
    Ok(password)
}

/// Makes role and database what they should be; does nothing where they are.
pub(crate) async fn ensure(
    socket_dir: &Path,
    port: u16,
    role: &str,
    database: &str,
    password: &Secret<String>,
) -> Result<(), BundledError> {
    let failed = |act: &str| {
        let act = act.to_owned();
        move |error: SessionError| BundledError::Roles {
            act,
            problem: error.to_string(),
        }
    };
    let mut session = Session::connect(socket_dir, port)
        .await
        .map_err(failed("log in as the superuser"))?;

    let find = format!(
        "SELECT rolpassword FROM pg_catalog.pg_authid WHERE rolname = {}",
        literal(role)
    );
    let act = format!("look for the role \"{role}\"");
    let found = session.query(&find).await.map_err(failed(&act))?;
    let stored = found.first().map(|row| row.first().cloned().flatten());
    if let Some(sql) = role_statement(role, stored.as_ref().map(|s| s.as_deref()), password)? {
        session
            .query(sql.expose())
            .await
            .map_err(failed(&format!("make the role \"{role}\"")))?;
    }

    let find = format!(
        "SELECT FROM pg_catalog.pg_database WHERE datname = {}",
        literal(database)
    );
    let act = format!("look for the database \"{database}\"");
    if session.query(&find).await.map_err(failed(&act))?.is_empty() {
        let (name, owner) = (identifier(database), identifier(role));
        let sql = format!("CREATE DATABASE {name} OWNER {owner}");
        let act = format!("make the database \"{database}\"");
        session.query(&sql).await.map_err(failed(&act))?;
    }
    Ok(())
}

/// What makes the role log in with the password, given what is stored of it.
fn role_statement(
    role: &str,
    stored: Option<Option<&str>>,
    password: &Secret<String>,
) -> Result<Option<Secret<String>>, BundledError> {
    let fits = |stored: &str| Verifier::parse(stored).is_ok_and(|v| v.matches(password.expose()));
    if stored.flatten().is_some_and(fits) {
        return Ok(None);
    }
    let act = if stored.is_some() { "ALTER" } else { "CREATE" };
    let verifier = Verifier::from_password(password.expose(), ITERATIONS).map_err(|error| {
        BundledError::Roles {
            act: "make a password verifier".to_owned(),
            problem: error.to_string(),
        }
    })?;
    // The server gets what it stores, never the password.
    let verifier = verifier.format();
    let role = identifier(role);
    Ok(Some(Secret::new(format!(
        "{act} ROLE {role} LOGIN PASSWORD {}",
        literal(verifier.expose())
    ))))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_password_is_made_once_and_only_its_owner_reads_it() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = password_file(dir.path(), "a/b");

        let first = password(&file).expect("made");
        let second = password(&file).expect("read");

        assert_eq!(first.expose(), second.expose());
        assert_eq!(first.expose().len(), 32);
        assert_eq!(fs::metadata(&file).expect("stat").mode() & 0o777, 0o600);
        assert!(file.ends_with("bundled.a_b.password"));
    }

    #[test]
    fn a_password_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().expect("temporary directory");
        let file = dir.path().join("password");
        fs::write(&file, "known").expect("write");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).expect("mode");

        assert!(matches!(
            password(&file),
            Err(BundledError::InTheWay { .. })
        ));
    }

    #[test]
    fn the_role_is_made_or_mended_but_not_touched_when_the_password_fits() {
        let password = Secret::from("pencil");
        let stored = Verifier::from_password("pencil", ITERATIONS)
            .expect("random")
            .format();
        let sql = |stored| {
            let statement = role_statement("app", stored, &password).expect("random");
            statement.map(|sql| sql.expose().clone())
        };

        assert_eq!(sql(Some(Some(stored.expose().as_str()))), None);
        assert!(sql(None).is_some_and(|sql| sql.starts_with("CREATE ROLE \"app\" LOGIN")));
        assert!(sql(Some(None)).is_some_and(|sql| sql.starts_with("ALTER ROLE \"app\" LOGIN")));
        assert!(!sql(Some(Some("md5x"))).expect("mended").contains("pencil"));
    }
}
