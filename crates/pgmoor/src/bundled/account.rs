//! The operating system's user that runs the server: PostgreSQL refuses to run as root.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::error::BundledError;

/// Users to try when root starts the server and none is named.
const CANDIDATES: [&str; 3] = ["postgres", "_postgres", "nobody"];

/// A user of the operating system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    /// Whether we are root and start the server's programs as this user.
    pub(crate) switch: bool,
}

impl Account {
    /// Chooses the user for a server whose data directory is (or will be) `data_dir`.
    pub(crate) fn choose(named: Option<&str>, data_dir: &Path) -> Result<Self, BundledError> {
        let uid = rustix::process::geteuid().as_raw();
        if uid != 0 {
            return Self::ordinary(uid, rustix::process::getegid().as_raw());
        }
        if let Some(name) = named {
            return by_name(name).ok_or_else(|| BundledError::NoUser(format!("\"{name}\"")));
        }
        // Who owns the data goes on owning it, also when a better user appears later.
        if let Ok(owner) = fs::metadata(data_dir).map(|data| (data.uid(), data.gid()))
            && owner.0 != 0
        {
            let (uid, gid) = owner;
            return Ok(Self {
                name: name_of(uid),
                uid,
                gid,
                switch: true,
            });
        }
        CANDIDATES
            .iter()
            .find_map(|name| by_name(name))
            .ok_or_else(|| {
                BundledError::NoUser(CANDIDATES.map(|name| format!("\"{name}\"")).join(", "))
            })
    }

    /// We are an ordinary user, who runs the server too. PostgreSQL asks for its name.
    fn ordinary(uid: u32, gid: u32) -> Result<Self, BundledError> {
        let name = known_name_of(uid).ok_or(BundledError::Nameless { uid, gid })?;
        Ok(Self {
            name,
            uid,
            gid,
            switch: false,
        })
    }

    /// Lets `command` run as this user, with no group of ours.
    pub(crate) fn apply(&self, command: &mut tokio::process::Command) {
        if self.switch {
            // The standard library drops supplementary groups when root sets the user.
            command.uid(self.uid).gid(self.gid);
        }
    }

    /// Whether this user may enter a directory with that owner, group and mode.
    pub(crate) fn may_enter(&self, directory: &fs::Metadata) -> bool {
        let bit = if directory.uid() == self.uid {
            0o100
        } else if directory.gid() == self.gid {
            0o010
        } else {
            0o001
        };
        directory.mode() & bit != 0
    }
}

fn by_name(name: &str) -> Option<Account> {
    let account = |uid, gid| Account {
        name: name.to_owned(),
        uid,
        gid,
        switch: true,
    };
    let found =
        passwd(|fields| fields.first() == Some(&name)).map(|(_, uid, gid)| account(uid, gid));
    // Directory services (macOS, LDAP) are not in the file; `id` knows them.
    found
        .or_else(|| {
            Some(account(
                ask_id("-u", name)?.parse().ok()?,
                ask_id("-g", name)?.parse().ok()?,
            ))
        })
        .filter(|account| account.uid != 0)
}

/// The name that PostgreSQL's peer login will see for `uid`.
pub(crate) fn name_of(uid: u32) -> String {
    known_name_of(uid).unwrap_or_else(|| uid.to_string())
}

fn known_name_of(uid: u32) -> Option<String> {
    let text = uid.to_string();
    passwd(|fields| fields.get(2) == Some(&text.as_str()))
        .map(|(name, ..)| name)
        .or_else(|| {
            let output = std::process::Command::new("id")
                .args(["-un", &text])
                .output()
                .ok()?;
            output
                .status
                .success()
                .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        })
}

fn passwd(wanted: impl Fn(&[&str]) -> bool) -> Option<(String, u32, u32)> {
    let text = fs::read_to_string("/etc/passwd").ok()?;
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let (name, uid, gid) = (fields.first()?, fields.get(2)?, fields.get(3)?);
        if !wanted(&fields) {
            return None;
        }
        Some(((*name).to_owned(), uid.parse().ok()?, gid.parse().ok()?))
    })
}

fn ask_id(what: &str, name: &str) -> Option<String> {
    let output = std::process::Command::new("id")
        .args([what, "--", name])
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_chooses_an_unprivileged_user_and_others_stay_who_they_are() {
        let account = Account::choose(None, Path::new("/nonexistent")).expect("a user");

        let me = rustix::process::geteuid().as_raw();
        assert_ne!(account.uid, 0);
        assert_eq!(account.switch, me == 0);
        assert_eq!(name_of(0), "root");
    }

    #[test]
    fn a_user_without_a_name_is_told_what_postgresql_wants() {
        let error = Account::ordinary(54_321, 0).expect_err("nobody has that number");

        assert_eq!(
            error.to_string(),
            "user ID 54321 has no name on this system, and PostgreSQL runs under no user without one"
        );
        assert!(
            error
                .hint()
                .contains("pgmoor:x:54321:0::/tmp:/usr/sbin/nologin"),
            "{}",
            error.hint()
        );
    }

    #[test]
    fn root_cannot_be_named() {
        assert_eq!(by_name("root"), None);
        assert_eq!(by_name("no such user"), None);
    }
}
