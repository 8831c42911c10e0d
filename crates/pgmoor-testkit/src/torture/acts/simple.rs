//! Simple queries.

use super::super::client::Client;
use super::super::trouble::{Told, Trouble};

impl Client {
    pub(super) async fn simple(&mut self) -> Told {
        let marker = self.marker();
        let sql = format!("select '{marker}', current_setting('lock_timeout')");
        let answer = self.link().query(&sql).await?;
        let lock_timeout = &self.memory.lock_timeout;
        answer.is("TDCZ", &[&marker, lock_timeout])
    }

    /// All of them answered, or all up to the one that fails.
    pub(super) async fn several_statements(&mut self) -> Told {
        let (number, first) = self.mark();
        let (second, third) = (self.marker(), self.marker());
        let (a, b) = (format!("select '{first}'"), format!("select '{second}'"));
        match self.dice.below(4) {
            0 => {
                let sql = format!("{a};;{b}; select '{third}'");
                let answer = self.link().query(&sql).await?;
                answer.is("TDCTDCTDCZ", &[&first, &second, &third])
            }
            1 => {
                let answer = self.link().query(&format!("{a}; select 1/0; {b}")).await?;
                answer.is_with_errors("TDCEZ", &[&first], &["22012"])
            }
            2 => {
                // They are one transaction: the row goes with the statement that fails.
                self.ledger.enter(number);
                let sql = format!("insert into torture_ledger values ('{first}'); {b}; select 1/0");
                let answer = self.link().query(&sql).await?;
                answer.is_with_errors("CTDCEZ", &[&second], &["22012"])
            }
            _ => {
                self.ledger.enter(number);
                self.ledger.asks(number);
                let sql = format!("insert into torture_ledger values ('{first}'); {b}");
                let answer = self.link().query(&sql).await?;
                answer.is("CTDCZ", &[&second])?;
                self.ledger.committed(number);
                Ok(())
            }
        }
    }

    pub(super) async fn failing_query(&mut self) -> Told {
        let (sql, state) = match self.dice.below(4) {
            0 => ("select broken", "42703"),
            1 => ("selec 1", "42601"),
            2 => (";", ""),
            _ => ("select * from nowhere", "42P01"),
        };
        let answer = self.link().query(sql).await?;
        match state {
            "" => answer.is("IZ", &[])?,
            _ => answer.is_with_errors("EZ", &[], &[state])?,
        }
        self.simple().await
    }

    /// A notice is for whoever raised it.
    pub(super) async fn notice(&mut self) -> Told {
        let marker = self.marker();
        self.link().heard.clear();
        let sql = format!("do $$begin raise notice '{marker}'; end$$");
        self.link().query(&sql).await?.is("CZ", &[])?;
        match self.link().heard.pop_front() {
            Some(heard) if heard == marker => Ok(()),
            heard => Err(Trouble::Wrong(format!(
                "notice {marker} expected, {heard:?}"
            ))),
        }
    }
}
