//! What is in memory is written nowhere when the process dies, and read by no other.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use pgmoor_testkit::{Signal, signal, wait_for};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);
/// `nobody` on every system that has one.
const NOBODY: u32 = 65_534;

/// A shell that allows core dumps and then is this program, in a directory of its own.
fn allowed_to_dump(program: &Path, arguments: &str, place: &Path) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -c unlimited; exec \"$0\" {arguments}"))
        .arg(program)
        .current_dir(place)
        // What cargo sets for tests would be taken for configuration.
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", place)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// A `pgmoor` that waits for a gateway that does not come.
fn waiting(program: &Path, place: &TempDir) -> Command {
    allowed_to_dump(program, "wait --timeout 60s", place.path())
}

async fn is_running_as(name: &str, child: &Child) {
    let comm = format!("/proc/{}/comm", child.id());
    wait_for("the shell to become the program", PATIENCE, async || {
        fs::read_to_string(&comm).is_ok_and(|comm| comm.trim() == name)
    })
    .await;
}

/// Kills it as a bug would, and says whether a core was written.
fn dies_with_core(mut child: Child) -> bool {
    signal(child.id(), Signal::ABORT);
    let status = child.wait().expect("it was started");
    assert_eq!(status.signal(), Some(Signal::ABORT.as_raw()), "{status}");
    status.core_dumped()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn others_of_the_same_user_are_kept_out_and_who_dies_leaves_no_core() {
    let place = tempfile::tempdir().expect("a directory");
    let mut program = Path::new(env!("CARGO_BIN_EXE_pgmoor")).to_owned();
    let is_root = fs::metadata("/proc/self").expect("is there").uid() == 0;
    if is_root {
        // Root owns its files of /proc anyway: somebody else has to run it, from where it can.
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o777)).expect("chmod");
        let copy = place.path().join("pgmoor");
        fs::copy(&program, &copy).expect("copied");
        program = copy;
    }
    let start = |command: &mut Command| {
        if is_root {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.spawn().expect("it starts")
    };
    let pgmoor = start(&mut waiting(&program, &place));
    is_running_as("pgmoor", &pgmoor).await;
    let other = start(&mut allowed_to_dump(Path::new("sleep"), "60", place.path()));
    is_running_as("sleep", &other).await;
    let owner = |pid| {
        fs::metadata(format!("/proc/{pid}/environ"))
            .expect("it runs")
            .uid()
    };

    // What may not be looked into belongs to root.
    wait_for("pgmoor to hide", PATIENCE, async || owner(pgmoor.id()) == 0).await;
    assert_ne!(owner(other.id()), 0, "this is how it looks without");

    assert!(!dies_with_core(pgmoor));
    if !dies_with_core(other) {
        eprintln!("this system writes no cores for anybody");
    }
}
