//! Pipelines, right ones and those in which something fails.

use super::super::client::{Client, as_strs};
use super::super::trouble::Told;
use super::{run_unnamed, run_unnamed_synced};
use crate::frontend;

impl Client {
    pub(super) async fn several_syncs(&mut self) -> Told {
        let count = 1 + self.dice.below(20) as usize;
        let markers: Vec<_> = (0..count).map(|_| self.marker()).collect();
        let bytes: Vec<_> = markers
            .iter()
            .flat_map(|marker| run_unnamed_synced(&format!("select '{marker}'")))
            .collect();
        let answer = self.exchange(&bytes, count).await?;
        answer.is(&"12DCZ".repeat(count), &as_strs(&markers))
    }

    pub(super) async fn one_sync(&mut self) -> Told {
        let count = 1 + self.dice.below(12) as usize;
        let markers: Vec<_> = (0..count).map(|_| self.marker()).collect();
        let mut bytes: Vec<_> = markers
            .iter()
            .flat_map(|marker| run_unnamed(&format!("select '{marker}'")))
            .collect();
        bytes.extend(frontend::sync());
        let answer = self.exchange(&bytes, 1).await?;
        answer.is(&format!("{}Z", "12DC".repeat(count)), &as_strs(&markers))
    }

    /// What follows an error is skipped up to the Sync, and what follows that is not.
    pub(super) async fn failing_pipeline(&mut self) -> Told {
        let (number, marker) = self.mark();
        self.ledger.enter(number);
        let fresh = format!("f{marker}");
        let (fails, shape, state) = match self.dice.below(3) {
            // Its Bind fails, those of the others are not reached.
            0 => ("select 1 / 0", "12DC12C1EZ12DC3Z", "22012"),
            1 => ("selec", "12DC12CEZ12DC3Z", "42601"),
            _ => ("select broken", "12DC12CEZ12DC3Z", "42703"),
        };
        let bytes = [
            run_unnamed(&format!("select '{marker}'")),
            run_unnamed(&format!("insert into torture_ledger values ('{marker}')")),
            run_unnamed(fails),
            frontend::parse(&fresh, "select $1::text"),
            run_unnamed("select 'never'"),
            frontend::close_statement(&fresh),
            frontend::sync(),
            // The Parse before was skipped: the name is free.
            frontend::parse(&fresh, "select $1::text"),
            frontend::bind("", &fresh, &[Some(&marker)]),
            frontend::execute("", 0),
            frontend::close_statement(&fresh),
            frontend::sync(),
        ];
        let answer = self.exchange(&bytes.concat(), 2).await?;
        answer.is_with_errors(shape, &[&marker, &marker], &[state])
    }

    /// Answers are counted from message to message, so those that answer nothing visible count too.
    pub(super) async fn parse_and_close_unsynced(&mut self) -> Told {
        let marker = self.marker();
        let count = 1 + self.dice.below(5) as usize;
        let mut bytes = Vec::new();
        for number in 0..count {
            let name = format!("u{number}");
            let sql = format!("select '{marker}', {number}");
            bytes.extend(frontend::parse(&name, &sql));
            bytes.extend(frontend::close_statement(&name));
        }
        let shape = "13".repeat(count);
        match self.dice.below(4) {
            0 => {
                self.send(&bytes).await?;
                self.leave().await;
                Ok(())
            }
            1 => {
                bytes.extend(frontend::query(&format!("select '{marker}'")));
                let answer = self.exchange(&bytes, 1).await?;
                answer.is(&format!("{shape}TDCZ"), &[&marker])
            }
            2 => {
                bytes.extend(frontend::flush());
                self.send(&bytes).await?;
                self.link().messages(2 * count).await?.is(&shape, &[])?;
                self.exchange(&frontend::sync(), 1).await?.is("Z", &[])
            }
            _ => {
                bytes.extend(run_unnamed_synced(&format!("select '{marker}'")));
                let answer = self.exchange(&bytes, 1).await?;
                answer.is(&format!("{shape}12DCZ"), &[&marker])
            }
        }
    }

    /// A PREPARE or a Parse that fails leaves nothing owed and nothing behind.
    pub(super) async fn failing_prepare(&mut self) -> Told {
        let marker = self.marker();
        let name = format!("p{marker}");
        match self.dice.below(4) {
            0 => {
                let sql = format!("prepare {name} as select broken");
                let answer = self.link().query(&sql).await?;
                answer.is_with_errors("EZ", &[], &["42703"])?;
            }
            1 => {
                let bytes = [
                    frontend::parse(&name, "select broken"),
                    frontend::describe_statement(&name),
                    frontend::sync(),
                ];
                let answer = self.exchange(&bytes.concat(), 1).await?;
                answer.is_with_errors("EZ", &[], &["42703"])?;
            }
            2 => {
                let bytes = [
                    run_unnamed_synced(&format!("prepare {name} as select broken")),
                    run_unnamed_synced(&format!("select '{marker}'")),
                ];
                let answer = self.exchange(&bytes.concat(), 2).await?;
                answer.is_with_errors("12EZ12DCZ", &[&marker], &["42703"])?;
            }
            _ => {
                // A driver that sends the query behind without having seen the error.
                let bytes = [
                    frontend::parse(&name, "select broken"),
                    frontend::sync(),
                    frontend::bind("", &name, &[]),
                    frontend::execute("", 0),
                    frontend::sync(),
                    frontend::query(&format!("select '{marker}'")),
                ];
                let answer = self.exchange(&bytes.concat(), 3).await?;
                let errors = ["42703", "26000"];
                answer.is_with_errors("EZEZTDCZ", &[&marker], &errors)?;
            }
        }
        self.look_for_statement(&name).await?;
        self.simple().await
    }

    /// Several messages of both protocols without waiting for anything.
    pub(super) async fn queries_ahead(&mut self) -> Told {
        let [a, b, c] = [self.marker(), self.marker(), self.marker()];
        let bytes = [
            frontend::query(&format!("select '{a}'")),
            run_unnamed_synced(&format!("select '{b}'")),
            frontend::query("select broken"),
            frontend::query(&format!("select '{c}'")),
        ];
        let answer = self.exchange(&bytes.concat(), 4).await?;
        answer.is_with_errors("TDCZ12DCZEZTDCZ", &[&a, &b, &c], &["42703"])
    }

    pub(super) async fn syncs_alone(&mut self) -> Told {
        let count = 1 + self.dice.below(4) as usize;
        let bytes = frontend::sync().repeat(count);
        let answer = self.exchange(&bytes, count).await?;
        answer.is(&"Z".repeat(count), &[])
    }
}
