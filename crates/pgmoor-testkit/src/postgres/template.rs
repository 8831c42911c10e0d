//! A data directory that is made once by `initdb` and copied for every server.

use std::fs;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::binaries::Binaries;
use crate::host::{
    Account, cache_dir, copy_tree, give_to, private_dir, random_password, random_u64, write_private,
};

/// Changes whenever a template is made in another way, so that old ones are not used.
const RECIPE: u32 = 1;

/// A data directory with a superuser `postgres`, a role `app` and its database `app`.
pub(crate) struct Template {
    pub(crate) data: PathBuf,
    pub(crate) admin_password: String,
    pub(crate) app_password: String,
}

impl Template {
    /// Finds the template for these binaries, or makes it.
    pub(crate) fn of(binaries: &Binaries, account: Option<Account>) -> Template {
        let version: String = binaries
            .version
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '.')
            .collect();
        let place = cache_dir().join(format!("template-{RECIPE}-{version}"));
        if !place.is_dir() {
            make(binaries, account, &place);
        }
        let read = |name: &str| {
            fs::read_to_string(place.join(name)).expect("the template has its passwords")
        };
        Template {
            data: place.join("data"),
            admin_password: read("admin"),
            app_password: read("app"),
        }
    }
}

/// Makes it beside its place and renames it, so that concurrent tests see all of it or nothing.
fn make(binaries: &Binaries, account: Option<Account>, place: &Path) {
    let workshop = private_dir("initdb");
    let data = workshop.path().join("data");
    let (admin, app) = (random_password(), random_password());
    write_private(&workshop.path().join("admin"), &admin);
    write_private(&workshop.path().join("app"), &app);
    give_to(workshop.path(), account).expect("give the directory to the server's user");

    let mut initdb = Command::new(binaries.program("initdb"));
    initdb
        .args(["--username=postgres", "--auth=scram-sha-256", "--no-sync"])
        .args(["--encoding=UTF8", "--locale=C", "--pwfile"])
        .arg(workshop.path().join("admin"))
        .arg("-D")
        .arg(&data);
    run(initdb, account, "");
    let mut single = Command::new(binaries.program("postgres"));
    single
        .args(["--single", "-F", "-c", "exit_on_error=true", "-D"])
        .arg(&data)
        .arg("postgres");
    let statements =
        format!("CREATE ROLE app LOGIN PASSWORD '{app}'\nCREATE DATABASE app OWNER app\n");
    run(single, account, &statements);

    fs::create_dir_all(cache_dir()).expect("make the cache directory");
    let beside = place.with_extension(format!("{:016x}", random_u64()));
    copy_tree(workshop.path(), &beside).expect("copy the template into the cache");
    if fs::rename(&beside, place).is_err() {
        // Another test was faster: its template is as good as ours.
        fs::remove_dir_all(&beside).expect("remove the second template");
    }
}

fn run(mut command: Command, account: Option<Account>, input: &str) {
    if let Some(Account { uid, gid }) = account {
        command.uid(uid).gid(gid);
    }
    let mut child = command
        .current_dir("/")
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("write statements");
    drop(stdin);
    let output = child.wait_with_output().expect("wait for it");
    assert!(
        output.status.success(),
        "{command:?} failed: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}
