//! A live move, by the command, behind a gateway whose clients go on writing.

use std::process::{Output, Stdio};
use std::time::Duration;

use pgmoor_testkit::{Pgmoor, Postgres, Stop};
use tokio::process::{Child, Command};
use tokio_postgres::Config;

use crate::clients::{STUCK, Writers, make_ledger};
use crate::site::{POOL, gate, number_from, pgmoor};

/// Two servers, and a gateway before the first.
struct Moving {
    old: Postgres,
    new: Postgres,
    pgmoor: Pgmoor,
}

async fn server() -> Postgres {
    Postgres::builder()
        .conf("wal_level", "logical")
        .start()
        .await
}

/// As `user` in the database that is moved, also behind a fence.
fn direct(postgres: &Postgres) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(postgres.port());
    config.user("postgres").password(postgres.admin_password());
    config.dbname("app").options("-c local_preload_libraries=");
    config
}

impl Moving {
    async fn new() -> Self {
        Self::from(server().await).await
    }

    async fn from(old: Postgres) -> Self {
        let new = server().await;
        let url = |postgres: &Postgres, user: &str, password: &str| {
            format!("{{ url: \"{}\" }}", postgres.url_of(user, password, "app"))
        };
        let admin = |postgres: &Postgres| url(postgres, "postgres", postgres.admin_password());
        let app = |postgres: &Postgres| url(postgres, "app", postgres.app_password());
        let pgmoor = pgmoor()
            .config(&format!(
                "databases: {{ app: {{ endpoint: old, {POOL} }} }}\nendpoints:\n  old: {}\n  new: {}\n  old_admin: {}\n  new_admin: {}\n",
                app(&old),
                app(&new),
                admin(&old),
                admin(&new)
            ))
            .start()
            .await;
        make_ledger(&gate(&pgmoor)).await;
        Self { old, new, pgmoor }
    }

    fn command(&self, verb: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pgmoor"));
        command
            .args(["--config"])
            .arg(self.pgmoor.config_path())
            .arg("move")
            .args(verb);
        command.args(["--source-by", "old_admin", "--target-by", "new_admin"]);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command
            .current_dir(self.pgmoor.dir())
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs it to its end.
    async fn run(&self, verb: &[&str]) -> Output {
        let running = self.command(verb).output();
        let output = tokio::time::timeout(3 * STUCK, running).await;
        output.expect("it ends").expect("it runs")
    }

    /// Runs it, and what it says.
    async fn done(&self, verb: &[&str]) -> String {
        let output = self.run(verb).await;
        assert!(
            output.status.success(),
            "pgmoor move {verb:?}: {}\n{}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr),
            self.pgmoor.log()
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn begin(&self, verb: &[&str]) -> Child {
        self.command(verb).spawn().expect("it runs")
    }
}

#[tokio::test]
async fn clients_see_no_error_while_their_database_moves_goes_back_and_moves_again() {
    let it = Moving::new().await;
    it.done(&["start", "--to", "new", "--until-caught-up"])
        .await;
    let writers = Writers::start(&gate(&it.pgmoor), 3);
    writers.more_rows(40).await;
    it.done(&["follow", "--until-caught-up"]).await;
    it.done(&["cutover", "--yes"]).await;
    writers.more_rows(40).await;
    it.done(&["rollback", "--yes"]).await;
    writers.more_rows(40).await;
    it.done(&["cutover", "--yes"]).await;
    writers.more_rows(40).await;
    it.done(&["finish", "--yes"]).await;
    writers.more_rows(40).await;

    let written = writers.stop().await;
    assert_eq!(written.errors, Vec::<String>::new());
    written.assert_kept(&direct(&it.new)).await;
}

#[tokio::test]
async fn a_source_that_cannot_send_its_changes_is_moved_while_clients_wait() {
    let it = Moving::from(Postgres::start().await).await;
    let writers = Writers::start(&gate(&it.pgmoor), 2);
    writers.more_rows(50).await;

    let refused = it.run(&["run", "--to", "new", "--yes"]).await;
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("wal_level of the source is replica"),
        "{told}"
    );
    writers.more_rows(20).await;
    it.done(&["run", "--to", "new", "--offline", "--yes"]).await;
    writers.more_rows(50).await;
    it.done(&["finish", "--yes"]).await;

    let written = writers.stop().await;
    assert_eq!(written.errors, Vec::<String>::new());
    written.assert_kept(&direct(&it.new)).await;
}

#[tokio::test]
async fn a_server_that_is_killed_in_the_middle_of_a_cutover_loses_nothing() {
    let it = Moving::new().await;
    let writers = Writers::start(&gate(&it.pgmoor), 2);
    writers.more_rows(20).await;
    it.done(&["start", "--to", "new", "--until-caught-up"])
        .await;
    let rounds = number_from("PGMOOR_TEST_MOVE_CRASHES", 4);
    let mut crossed = 0;
    for round in 0..rounds {
        let verb = ["cutover", "rollback"][crossed % 2];
        let mut moving = it.begin(&[verb, "--yes", "--unverified"]);
        let after = Duration::from_millis(60 + 47 * round as u64 % 400);
        let _ = tokio::time::timeout(after, moving.wait()).await;
        let victim = [&it.old, &it.new][round / 2 % 2];
        victim.restart(Stop::Kill9).await;
        let ended = tokio::time::timeout(2 * STUCK, moving.wait_with_output()).await;
        ended.expect("it ends").expect("it ran");
        // Whatever it came to, saying it again brings it to its end.
        it.done(&[verb, "--yes", "--unverified"]).await;
        crossed += 1;
        writers.more_rows(20).await;
    }
    let written = writers.stop().await;
    written.assert_told_of_the_server();
    let live = [&it.old, &it.new][crossed % 2];
    written.assert_kept(&direct(live)).await;
}

#[tokio::test]
async fn a_move_that_is_killed_anywhere_goes_on_by_the_same_command() {
    let it = Moving::new().await;
    let writers = Writers::start(&gate(&it.pgmoor), 2);
    writers.more_rows(20).await;
    it.done(&["start", "--to", "new", "--until-caught-up"])
        .await;
    let rounds = number_from("PGMOOR_TEST_MOVE_KILLS", 6);
    for round in 0..rounds {
        let verb = ["cutover", "rollback"][round % 2];
        let mut moving = it.begin(&[verb, "--yes"]);
        let after = Duration::from_millis(20 + 40 * (round as u64 / 2 * 2 % 20));
        if tokio::time::timeout(after, moving.wait()).await.is_err() {
            moving.kill().await.expect("it is killed");
        }
        it.done(&[verb, "--yes"]).await;
        writers.more_rows(20).await;
    }
    let written = writers.stop().await;
    assert_eq!(written.errors, Vec::<String>::new());
    let live = [&it.old, &it.new][rounds % 2];
    written.assert_kept(&direct(live)).await;
}
