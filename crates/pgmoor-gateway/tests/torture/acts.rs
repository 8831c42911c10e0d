//! What clients do.

use pgmoor_testkit::frontend;

use crate::client::Client;

const SHARED: &str = "select $1::text, current_setting('lock_timeout')";

fn run_unnamed(sql: &str) -> Vec<u8> {
    [
        frontend::parse("", sql),
        frontend::bind("", "", &[]),
        frontend::execute("", 0),
    ]
    .concat()
}

impl Client {
    /// One thing, at random.
    pub(crate) async fn act(&mut self) {
        match self.below(32) {
            0..=4 => self.simple().await,
            5..=7 => self.unnamed().await,
            8..=12 => self.named().await,
            13 | 14 => self.failing_pipeline().await,
            15 | 16 => self.pipeline_of_several().await,
            17 => self.parse_and_close_unsynced().await,
            18..=21 => self.transaction().await,
            22 => self.setting().await,
            23 => self.sql_prepare().await,
            24 => self.vanish().await,
            25 => self.cancel().await,
            26 | 27 => self.copy().await,
            28 => self.copy_extended().await,
            29 => self.read_slowly().await,
            30 => self.leave_state_behind().await,
            _ => self.deallocate().await,
        }
    }

    async fn simple(&mut self) {
        let marker = self.marker();
        let sql = format!("select '{marker}', current_setting('lock_timeout')");
        let rows = self.raw.rows(&sql).await;
        let wanted = vec![Some(marker), Some(self.lock_timeout.clone())];
        assert_eq!(rows, [wanted]);
    }

    async fn unnamed(&mut self) {
        let marker = self.marker();
        let mut bytes = run_unnamed(&format!("select '{marker}'"));
        bytes.extend(frontend::sync());
        let first = self.exchange(&bytes, 1).await;
        self.expect_rows(&first, &[&marker]);
        // It is still there, wherever this runs.
        let bytes = [
            frontend::bind("", "", &[]),
            frontend::execute("", 0),
            frontend::sync(),
        ];
        let again = self.exchange(&bytes.concat(), 1).await;
        self.expect_rows(&again, &[&marker]);
    }

    async fn named(&mut self) {
        let marker = self.marker();
        let name = format!("s{}", self.below(4));
        let mut bytes = Vec::new();
        if !self.named.contains(&name) {
            bytes.extend(frontend::parse(&name, SHARED));
            self.named.push(name.clone());
        }
        bytes.extend(frontend::bind("", &name, &[Some(&marker)]));
        bytes.extend(frontend::execute("", 0));
        bytes.extend(frontend::sync());
        let messages = self.exchange(&bytes, 1).await;
        self.expect_rows(&messages, &[&marker]);
        if self.below(4) == 0 {
            let close = [frontend::close_statement(&name), frontend::sync()].concat();
            self.exchange(&close, 1).await;
            self.named.retain(|known| *known != name);
        }
    }

    async fn failing_pipeline(&mut self) {
        let marker = self.marker();
        let fresh = format!("f{marker}");
        let bytes = [
            run_unnamed(&format!("select '{marker}'")),
            run_unnamed("select 1 / 0"),
            frontend::parse(&fresh, SHARED),
            run_unnamed("select 'never'"),
            frontend::close_statement(&fresh),
            frontend::sync(),
            // The Parse before was skipped: the name is free.
            frontend::parse(&fresh, SHARED),
            frontend::bind("", &fresh, &[Some(&marker)]),
            frontend::execute("", 0),
            frontend::close_statement(&fresh),
            frontend::sync(),
        ];
        let messages = self.exchange(&bytes.concat(), 2).await;
        self.expect_only(&messages, &[&marker, &marker]);
        self.expect_error(&messages, "22012");
    }

    async fn pipeline_of_several(&mut self) {
        let markers: Vec<_> = (0..1 + self.below(20)).map(|_| self.marker()).collect();
        let mut bytes = Vec::new();
        for marker in &markers {
            bytes.extend(run_unnamed(&format!("select '{marker}'")));
            bytes.extend(frontend::sync());
        }
        let messages = self.exchange(&bytes, markers.len()).await;
        let wanted: Vec<_> = markers.iter().map(String::as_str).collect();
        self.expect_rows(&messages, &wanted);
    }

    async fn parse_and_close_unsynced(&mut self) {
        let marker = self.marker();
        let mut bytes = Vec::new();
        for number in 0..1 + self.below(5) {
            let name = format!("u{number}");
            bytes.extend(frontend::parse(
                &name,
                &format!("select '{marker}', {number}"),
            ));
            bytes.extend(frontend::close_statement(&name));
        }
        if self.below(3) == 0 {
            self.raw.send(&bytes).await;
            return self.start_anew().await;
        }
        bytes.extend(frontend::query(&format!("select '{marker}'")));
        let messages = self.exchange(&bytes, 1).await;
        self.expect_rows(&messages, &[&marker]);
    }

    async fn transaction(&mut self) {
        let marker = self.marker();
        let insert = format!("insert into ledger values ('{marker}') returning marker");
        if self.below(3) == 0 {
            let rows = self.raw.value(&insert).await;
            assert_eq!(rows, marker);
            return self.account.committed.push(marker);
        }
        self.raw.rows("begin").await;
        let mut bytes = run_unnamed(&insert);
        bytes.extend(frontend::sync());
        let messages = self.exchange(&bytes, 1).await;
        self.expect_rows(&messages, &[&marker]);
        match self.below(4) {
            0 => {
                self.raw.rows("rollback").await;
                self.account.undone.push(marker);
            }
            1 => {
                let messages = self.raw.query("select 1 / 0").await;
                self.expect_error(&messages, "22012");
                let messages = self.raw.query("commit").await;
                assert_eq!(messages.last().expect("ready").body, b"I");
                self.account.undone.push(marker);
            }
            2 => {
                self.account.undone.push(marker);
                self.start_anew().await;
            }
            _ => {
                self.raw.rows("commit").await;
                self.account.committed.push(marker);
            }
        }
    }

    async fn setting(&mut self) {
        let value = format!("{}min", 1 + self.below(50));
        let keeps = self.below(2) == 0;
        self.raw.rows("begin").await;
        self.raw
            .rows(&format!("set lock_timeout to '{value}'"))
            .await;
        self.raw
            .rows(if keeps { "commit" } else { "rollback" })
            .await;
        if keeps {
            self.lock_timeout = value;
        }
        self.simple().await;
        if self.below(4) == 0 {
            self.raw.rows("reset lock_timeout").await;
            self.lock_timeout = "0".into();
        }
    }

    async fn sql_prepare(&mut self) {
        let marker = self.marker();
        self.raw
            .rows(&format!("prepare leak as select '{marker}'"))
            .await;
        for _ in 0..3 {
            assert_eq!(self.raw.value("execute leak").await, marker);
        }
        match self.below(3) {
            0 => {
                self.raw.rows("discard all").await;
                self.lock_timeout = "0".into();
                self.named.clear();
            }
            1 => {
                self.raw.rows("deallocate leak").await;
                // The session keeps its server connection, which others wait for.
                self.start_anew().await;
            }
            _ => self.start_anew().await,
        }
    }

    async fn vanish(&mut self) {
        let marker = self.marker();
        let bytes = match self.below(4) {
            0 => frontend::query(&format!(
                "select '{marker}' from generate_series(1, 100000)"
            )),
            1 => run_unnamed(&format!("select '{marker}'")),
            2 => {
                self.account.undone.push(marker.clone());
                frontend::query(&format!("begin; insert into ledger values ('{marker}')"))
            }
            _ => [
                frontend::query("copy copied from stdin"),
                frontend::copy_data(b"half"),
            ]
            .concat(),
        };
        let cut = self.below(bytes.len() as u64) as usize;
        let cut = if self.below(2) == 0 { cut } else { bytes.len() };
        self.raw.send(&bytes[..cut]).await;
        self.start_anew().await;
    }

    async fn cancel(&mut self) {
        let marker = self.marker();
        let sql = format!("select '{marker}' from pg_sleep(0.02)");
        self.raw.send(&frontend::query(&sql)).await;
        self.raw.cancel().await;
        let messages = self.raw.read_until_ready().await;
        match messages.iter().any(|message| message.tag == b'E') {
            true => self.expect_error(&messages, "57014"),
            false => self.expect_rows(&messages, &[&marker]),
        }
        if self.mode == pgmoor_gateway::settings::PoolMode::Session {
            // As with any server, a late cancel may still hit what the same session runs next.
            self.start_anew().await;
        }
    }

    async fn copy(&mut self) {
        let marker = self.marker();
        self.raw
            .send(&frontend::query("copy copied from stdin"))
            .await;
        self.raw.read_until(b'G').await;
        let row = frontend::copy_data(format!("{marker}\n").as_bytes());
        match self.below(4) {
            0 => {
                self.account.undone.push(marker);
                let bytes = [row, frontend::copy_fail("changed my mind")].concat();
                let messages = self.exchange(&bytes, 1).await;
                self.expect_error(&messages, "57014");
            }
            1 => {
                self.account.undone.push(marker);
                self.raw.send(&row).await;
                self.start_anew().await;
            }
            _ => {
                let messages = self
                    .exchange(&[row, frontend::copy_done()].concat(), 1)
                    .await;
                self.expect_rows(&messages, &[]);
                self.account.committed.push(marker);
            }
        }
    }

    /// With a Sync that the server ignores, as libpq sends it.
    async fn copy_extended(&mut self) {
        let marker = self.marker();
        let mut bytes = run_unnamed("copy copied from stdin");
        bytes.extend(frontend::sync());
        self.raw.send(&bytes).await;
        self.raw.read_until(b'G').await;
        let fails = self.below(2) == 0;
        let text = if fails {
            format!("{marker}\ttoo many\n")
        } else {
            format!("{marker}\n")
        };
        let bytes = [
            frontend::copy_data(text.as_bytes()),
            frontend::copy_done(),
            frontend::sync(),
        ];
        let messages = self.exchange(&bytes.concat(), 1).await;
        if fails {
            self.expect_error(&messages, "22P04");
            self.account.undone.push(marker);
        } else {
            self.expect_rows(&messages, &[]);
            self.account.committed.push(marker);
        }
        self.simple().await;
    }

    async fn read_slowly(&mut self) {
        let marker = self.marker();
        let sql = format!("select '{marker}', repeat('x', 500) from generate_series(1, 2000)");
        self.raw.send(&frontend::query(&sql)).await;
        let mut rows = 0;
        loop {
            let message = self.raw.expect_any().await;
            match message.tag {
                b'D' => assert_eq!(message.values()[0].as_deref(), Some(marker.as_str())),
                b'Z' => break,
                _ => continue,
            }
            rows += 1;
            tokio::task::yield_now().await;
        }
        assert_eq!(rows, 2000);
    }

    async fn leave_state_behind(&mut self) {
        let sql = match self.below(6) {
            0 => "create temp table canary (a int)",
            1 => "select pg_advisory_lock_shared(4711)",
            2 => "listen leak",
            3 => "prepare leak as select 1",
            4 => "declare leak cursor with hold for select 1",
            _ => "set search_path to pg_catalog",
        };
        self.raw.rows(sql).await;
        self.start_anew().await;
    }

    async fn deallocate(&mut self) {
        self.named().await;
        let Some(name) = self.named.pop() else { return };
        let marker = self.marker();
        let bytes = match self.below(2) {
            0 => frontend::query(&format!("deallocate {name}")),
            _ => [run_unnamed(&format!("deallocate {name}")), frontend::sync()].concat(),
        };
        let messages = self.exchange(&bytes, 1).await;
        self.expect_rows(&messages, &[]);
        let bind = [
            frontend::bind("", &name, &[Some(&marker)]),
            frontend::sync(),
        ]
        .concat();
        let messages = self.exchange(&bind, 1).await;
        self.expect_error(&messages, "26000");
    }
}
