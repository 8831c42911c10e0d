//! Who may read a password file; how it is searched, `tests/conninfo` compares with libpq.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use crate::endpoint::passfile::{Refusal, check_permissions, read};

#[test]
fn a_file_that_others_can_read_is_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("pgpass");
    fs::write(&path, "*:*:*:*:p").expect("a file");

    fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("mode");
    let error = read(&path).expect_err("it is readable by the group");
    assert_eq!(
        error.to_string(),
        "group or others have access to it (mode 0640); its mode must be 0600 or less"
    );

    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("mode");
    assert!(read(&path).expect("it is private").is_some());
    let refusal = check_permissions(&fs::metadata(directory.path()).expect("metadata"));
    assert_eq!(refusal, Err(Refusal::NotAFile));
    assert!(
        read(&directory.path().join("none"))
            .expect("no file is no error")
            .is_none()
    );
}
