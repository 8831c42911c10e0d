//! What a session keeps: for its own client, and for nobody else.

use super::super::canary::CANARIES;
use super::super::client::{Client, Memory, PoolMode};
use super::super::trouble::{Told, Trouble};
use super::run_unnamed_synced;
use crate::frontend;

impl Client {
    /// A setting follows its client, and goes with a rollback.
    pub(super) async fn setting(&mut self) -> Told {
        let value = format!("{}min", 1 + self.dice.below(50));
        let set = format!("set lock_timeout to '{value}'");
        let keeps = match self.dice.below(4) {
            0 => {
                self.link().query(&set).await?.is("CZ", &[])?;
                true
            }
            1 => {
                let bytes = run_unnamed_synced(&set);
                self.exchange(&bytes, 1).await?.is("12CZ", &[])?;
                true
            }
            how => {
                let keeps = how == 2;
                self.link().query("begin").await?.is("CZt", &[])?;
                self.link().query(&set).await?.is("CZt", &[])?;
                let end = if keeps { "commit" } else { "rollback" };
                self.link().query(end).await?.is("CZ", &[])?;
                keeps
            }
        };
        if keeps {
            self.memory.lock_timeout = value;
        }
        self.simple().await?;
        if self.dice.once_in(4) {
            self.link()
                .query("reset lock_timeout")
                .await?
                .is("CZ", &[])?;
            self.memory.lock_timeout = "0".into();
            self.simple().await?;
        }
        Ok(())
    }

    pub(super) async fn sql_prepare(&mut self) -> Told {
        let marker = self.marker();
        let prepare = format!("prepare canary as select '{marker}'");
        if self.dice.once_in(3) {
            let sql = format!("{prepare}; execute canary; deallocate canary");
            let answer = self.link().query(&sql).await?;
            return answer.is("CTDCCZ", &[&marker]);
        }
        match self.dice.once_in(2) {
            true => self.link().query(&prepare).await?.is("CZ", &[])?,
            false => {
                let bytes = run_unnamed_synced(&prepare);
                self.exchange(&bytes, 1).await?.is("12CZ", &[])?;
            }
        }
        for _ in 0..3 {
            match self.dice.below(3) {
                0 => {
                    let answer = self.link().query("execute canary").await?;
                    answer.is("TDCZ", &[&marker])?;
                }
                1 => {
                    let bytes = run_unnamed_synced("execute canary");
                    self.exchange(&bytes, 1).await?.is("12DCZ", &[&marker])?;
                }
                _ => {
                    // SQL's statements and the protocol's are the same ones.
                    let bytes = [
                        frontend::bind("", "canary", &[]),
                        frontend::execute("", 0),
                        frontend::sync(),
                    ];
                    let answer = self.exchange(&bytes.concat(), 1).await?;
                    answer.is("2DCZ", &[&marker])?;
                }
            }
        }
        self.forget(&["deallocate canary"]).await
    }

    /// A notification comes to whoever listens, and to nobody else.
    pub(super) async fn notification(&mut self) -> Told {
        let marker = self.marker();
        // Channels are shared, so that one who should not hear may hear.
        let channel = format!("torture{}", self.dice.below(2));
        self.link().is_listening = true;
        let listen = format!("listen {channel}");
        self.link().query(&listen).await?.is("CZ", &[])?;
        self.link().heard.clear();
        let notify = format!("notify {channel}, '{marker}'");
        self.link().query(&notify).await?.is("CZ", &[])?;
        let heard = self.link().heard.pop_front();
        if heard.as_deref() != Some(marker.as_str()) {
            let what = format!("notification {marker} expected, heard {heard:?}");
            return Err(Trouble::Wrong(what));
        }
        self.forget(&["unlisten *"]).await?;
        if self.has_session() {
            self.link().is_listening = false;
        }
        Ok(())
    }

    /// Makes state of one kind, finds it again, and goes.
    pub(super) async fn leave_state_behind(&mut self) -> Told {
        let canary = &CANARIES[self.dice.below(CANARIES.len() as u64) as usize];
        let shape = if canary.sql.starts_with("select pg_") || canary.sql.contains("set_config") {
            "TDCZ"
        } else {
            "CZ"
        };
        let answer = self.link().query(canary.sql).await?;
        if answer.shape() != shape {
            return answer.is(shape, &[]);
        }
        if self.dice.once_in(2) {
            let mut wanted = self.clean();
            wanted[canary.column] = canary.value.to_owned();
            self.look_for(&wanted).await?;
        }
        if self.dice.once_in(3) {
            let parse = frontend::parse("canary", "select 'left'");
            let bytes = [frontend::close_statement("canary"), parse, frontend::sync()];
            // SQL's own PREPARE has gone by the Close, too.
            let answer = self.exchange(&bytes.concat(), 1).await?;
            answer.is("31Z", &[])?;
        }
        self.forget(&[]).await
    }

    /// Takes the state back by `sql`, by DISCARD ALL, or by leaving; then it is nowhere.
    async fn forget(&mut self, sql: &[&str]) -> Told {
        match self.dice.below(3) {
            0 => {
                self.link().query("discard all").await?.is("CZ", &[])?;
                self.link().is_listening = false;
                self.memory = Memory::default();
                self.look().await
            }
            1 if !sql.is_empty() => {
                for sql in sql {
                    self.link().query(sql).await?.is("CZ", &[])?;
                }
                self.look().await?;
                if self.place.mode == PoolMode::Transaction {
                    // Its session keeps its server connection, which others wait for.
                    self.leave().await;
                }
                Ok(())
            }
            _ => {
                self.leave().await;
                Ok(())
            }
        }
    }
}
