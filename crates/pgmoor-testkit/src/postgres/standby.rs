//! A standby of a private server.

use std::fs;
use std::sync::Mutex;
use std::time::Duration;

use super::builder::CLEAN_UP;
use super::server::{Server, start};
use super::{Postgres, Stop};
use crate::host::{copy_tree, free_port, give_to, private_dir, write_private};
use crate::process::Guard;
use crate::wait_for;

impl Postgres {
    /// Starts a standby, which follows this server. This one is stopped for the copy and started again:
    /// its connections end.
    pub async fn standby(&self) -> Postgres {
        self.stop(Stop::Fast).await;
        let dir = private_dir("pg");
        copy_tree(&self.data_dir(), &dir.path().join("data")).expect("copy the primary");
        self.start_again().await;

        let port = free_port();
        let path = dir.path().join("data/postgresql.conf");
        let mut settings = fs::read_to_string(&path).expect("read the settings");
        // Of two lines for one setting the last counts.
        settings.push_str(&format!(
            "port = {port}\nunix_socket_directories = '{}'\nhot_standby = on\n\
             primary_conninfo = 'host=127.0.0.1 port={} user=postgres password={} application_name=standby'\n",
            dir.path().display(),
            self.port,
            self.admin_password
        ));
        write_private(&path, settings);
        write_private(&dir.path().join("data/standby.signal"), "");
        let (binaries, account) = {
            let server = self.server.lock().expect("no test panicked with it");
            (server.binaries.clone(), server.account)
        };
        give_to(dir.path(), account).expect("give the data to the server's user");
        let guard = Guard::new(CLEAN_UP, &dir.path().display().to_string());
        let standby = Postgres {
            server: Mutex::new(Server {
                binaries,
                account,
                dir: dir.path().to_owned(),
                child: None,
                dying: Vec::new(),
            }),
            major: self.major,
            port,
            admin_password: self.admin_password.clone(),
            app_password: self.app_password.clone(),
            guard,
            dir,
        };
        if let Err(log) = start(&standby.server).await {
            panic!("the standby does not start:\n{log}");
        }
        let admin = self.connect_admin().await;
        wait_for(
            "the standby to follow",
            Duration::from_secs(30),
            async || {
                let streams = "select count(*) from pg_stat_replication where state = 'streaming'";
                let row = admin.query_one(streams, &[]).await.expect("replication");
                row.get::<_, i64>(0) > 0
            },
        )
        .await;
        standby
    }
}
