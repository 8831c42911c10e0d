//! Transactions, whose rows are in the ledger.

use super::super::client::Client;
use super::super::trouble::Told;
use super::{run_unnamed, run_unnamed_synced};
use crate::frontend;

impl Client {
    /// One statement that is its own transaction.
    pub(super) async fn autocommit(&mut self) -> Told {
        let (number, marker) = self.mark();
        let sql = format!("insert into torture_ledger values ('{marker}') returning marker");
        self.ledger.enter(number);
        self.ledger.asks(number);
        if self.dice.once_in(2) {
            let answer = self.link().query(&sql).await?;
            answer.is("TDCZ", &[&marker])?;
        } else {
            let answer = self.exchange(&run_unnamed_synced(&sql), 1).await?;
            answer.is("12DCZ", &[&marker])?;
        }
        self.ledger.committed(number);
        Ok(())
    }

    /// Step by step, and ended in one of the ways that transactions end.
    pub(super) async fn transaction(&mut self) -> Told {
        let (number, marker) = self.mark();
        self.link().query("begin").await?.is("CZt", &[])?;
        self.ledger.enter(number);
        let sql = format!("insert into torture_ledger values ('{marker}') returning marker");
        let answer = self.exchange(&run_unnamed_synced(&sql), 1).await?;
        answer.is("12DCZt", &[&marker])?;
        match self.dice.below(6) {
            0 => return self.link().query("rollback").await?.is("CZ", &[]),
            1 => {
                let answer = self.link().query("select 1 / 0").await?;
                answer.is_with_errors("EZe", &[], &["22012"])?;
                let answer = self.link().query("select 1").await?;
                answer.is_with_errors("EZe", &[], &["25P02"])?;
                // COMMIT of a failed transaction is a ROLLBACK.
                return self.link().query("commit").await?.is("CZ", &[]);
            }
            2 => {
                self.leave().await;
                return Ok(());
            }
            3 => {
                self.link().query("savepoint s").await?.is("CZt", &[])?;
                let answer = self.link().query("select broken").await?;
                answer.is_with_errors("EZe", &[], &["42703"])?;
                let back = self.link().query("rollback to savepoint s").await?;
                back.is("CZt", &[])?;
            }
            _ => {}
        }
        self.ledger.asks(number);
        self.link().query("commit").await?.is("CZ", &[])?;
        self.ledger.committed(number);
        Ok(())
    }

    /// All of it in one packet.
    pub(super) async fn pipelined_transaction(&mut self) -> Told {
        let (number, marker) = self.mark();
        self.ledger.enter(number);
        let insert = format!("insert into torture_ledger values ('{marker}') returning marker");
        match self.dice.below(4) {
            0 => {
                self.ledger.asks(number);
                let bytes = [
                    run_unnamed_synced("begin"),
                    run_unnamed_synced(&insert),
                    run_unnamed_synced("commit"),
                ];
                let answer = self.exchange(&bytes.concat(), 3).await?;
                answer.is("12CZt12DCZt12CZ", &[&marker])?;
                self.ledger.committed(number);
            }
            1 => {
                let bytes = [
                    frontend::query("begin"),
                    run_unnamed_synced(&insert),
                    run_unnamed_synced("select broken"),
                    frontend::query("commit"),
                ];
                let answer = self.exchange(&bytes.concat(), 4).await?;
                answer.is_with_errors("CZt12DCZtEZeCZ", &[&marker], &["42703"])?;
            }
            2 => {
                // What stands between two Syncs is one transaction.
                self.ledger.asks(number);
                let bytes = [
                    run_unnamed(&insert),
                    run_unnamed("select 'between'"),
                    frontend::sync(),
                ];
                let answer = self.exchange(&bytes.concat(), 1).await?;
                answer.is("12DC12DCZ", &[&marker, "between"])?;
                self.ledger.committed(number);
            }
            _ => {
                let bytes = [
                    run_unnamed("begin"),
                    run_unnamed(&insert),
                    run_unnamed("rollback"),
                    frontend::sync(),
                ];
                let answer = self.exchange(&bytes.concat(), 1).await?;
                answer.is("12C12DC12CZ", &[&marker])?;
            }
        }
        Ok(())
    }

    /// The server gives up a statement; the next one is answered as if nothing had been.
    pub(super) async fn statement_timeout(&mut self) -> Told {
        self.link().query("begin").await?.is("CZt", &[])?;
        let set = "set local statement_timeout = '20ms'";
        self.link().query(set).await?.is("CZt", &[])?;
        let bytes = [
            run_unnamed("select pg_sleep(10)"),
            run_unnamed("select 'never'"),
            frontend::sync(),
        ];
        let answer = self.exchange(&bytes.concat(), 1).await?;
        // On a busy machine it is over before the statement has begun.
        let shape = match answer.shape().find('E') {
            Some(0) => "EZe",
            Some(1) => "1EZe",
            _ => "12EZe",
        };
        answer.is_with_errors(shape, &[], &["57014"])?;
        self.link().query("rollback").await?.is("CZ", &[])?;
        self.simple().await
    }
}
