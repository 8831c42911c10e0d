//! COPY in both directions, whole and cut off.

use super::super::client::{Client, as_strs};
use super::super::trouble::{Told, Trouble};
use super::run_unnamed;
use crate::frontend;

const COPY_IN: &str = "copy torture_ledger from stdin";

impl Client {
    pub(super) async fn copy_in(&mut self) -> Told {
        let (number, marker) = self.mark();
        self.link().send(&frontend::query(COPY_IN)).await?;
        self.link().messages(1).await?.is("G", &[])?;
        self.ledger.enter(number);
        let row = frontend::copy_data(format!("{marker}\n").as_bytes());
        match self.dice.below(5) {
            0 => {
                let bytes = [row, frontend::copy_fail("changed my mind")].concat();
                let answer = self.exchange(&bytes, 1).await?;
                answer.is_with_errors("EZ", &[], &["57014"])
            }
            1 => {
                self.send(&row).await?;
                self.leave().await;
                Ok(())
            }
            2 => {
                let bytes = [row, frontend::copy_data(b"a\tb\n"), frontend::copy_done()];
                let answer = self.exchange(&bytes.concat(), 1).await?;
                answer.is_with_errors("EZ", &[], &["22P04"])
            }
            _ => {
                self.ledger.asks(number);
                let bytes = [row, frontend::copy_done()].concat();
                self.exchange(&bytes, 1).await?.is("CZ", &[])?;
                self.ledger.committed(number);
                Ok(())
            }
        }
    }

    /// With a Sync that the server ignores, as libpq sends it.
    pub(super) async fn copy_in_extended(&mut self) -> Told {
        let (number, marker) = self.mark();
        self.ledger.enter(number);
        let bytes = [run_unnamed(COPY_IN), frontend::sync()].concat();
        self.send(&bytes).await?;
        self.link().messages(3).await?.is("12G", &[])?;
        let fails = self.dice.once_in(2);
        let more = if fails { "\ttoo many" } else { "" };
        let bytes = [
            frontend::copy_data(format!("{marker}{more}\n").as_bytes()),
            frontend::copy_done(),
            frontend::sync(),
        ];
        if !fails {
            self.ledger.asks(number);
        }
        let answer = self.exchange(&bytes.concat(), 1).await?;
        if fails {
            answer.is_with_errors("EZ", &[], &["22P04"])?;
        } else {
            answer.is("CZ", &[])?;
            self.ledger.committed(number);
        }
        self.simple().await
    }

    pub(super) async fn copy_out(&mut self) -> Told {
        let marker = self.marker();
        let count = 1 + self.dice.below(300) as usize;
        let sql = format!("copy (select '{marker}', generate_series(1, {count})) to stdout");
        let bytes = match self.dice.once_in(2) {
            true => frontend::query(&sql),
            false => [run_unnamed(&sql), frontend::sync()].concat(),
        };
        self.send(&bytes).await?;
        let mut rows = Vec::new();
        let mut shape = String::new();
        loop {
            let message = self.link().next().await?;
            match message.tag {
                b'd' => rows.push(String::from_utf8_lossy(&message.body).into_owned()),
                tag => shape.push(char::from(tag)),
            }
            if message.tag == b'Z' {
                break;
            }
        }
        let wanted: Vec<_> = (1..=count).map(|n| format!("{marker}\t{n}\n")).collect();
        if rows != wanted || !matches!(shape.as_str(), "HcCZ" | "12HcCZ") {
            let what = format!(
                "{count} rows of {marker} expected: {shape} {:?}",
                as_strs(&rows)
            );
            return Err(Trouble::Wrong(what.chars().take(1000).collect()));
        }
        Ok(())
    }
}
