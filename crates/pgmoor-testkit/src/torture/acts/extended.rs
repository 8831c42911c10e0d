//! Statements of the extended protocol, one at a time.

use super::super::client::Client;
use super::super::trouble::Told;
use super::run_unnamed_synced;
use crate::frontend;

impl Client {
    pub(super) async fn unnamed(&mut self) -> Told {
        let marker = self.marker();
        let bytes = run_unnamed_synced(&format!("select '{marker}'"));
        self.exchange(&bytes, 1).await?.is("12DCZ", &[&marker])?;
        // It is still there, wherever this runs.
        let bytes = [
            frontend::bind("", "", &[]),
            frontend::execute("", 0),
            frontend::sync(),
        ];
        let again = self.exchange(&bytes.concat(), 1).await?;
        again.is("2DCZ", &[&marker])
    }

    /// A few names that mean something else to each client; some texts are shared by all of them.
    pub(super) async fn named(&mut self) -> Told {
        let marker = self.marker();
        let name = format!("s{}", self.dice.below(5));
        let mut bytes = Vec::new();
        let is_new = !self.memory.named.contains_key(&name);
        if is_new {
            let suffix = match self.dice.once_in(2) {
                true => "shared".to_owned(),
                false => self.marker(),
            };
            let sql = format!("select $1::text || '{suffix}', current_setting('lock_timeout')");
            bytes.extend(frontend::parse(&name, &sql));
            self.memory.named.insert(name.clone(), suffix);
        }
        let wanted = format!("{marker}{}", self.memory.named[&name]);
        bytes.extend(frontend::bind("", &name, &[Some(&marker)]));
        bytes.extend(frontend::execute("", 0));
        bytes.extend(frontend::sync());
        let answer = self.exchange(&bytes, 1).await?;
        let lock_timeout = &self.memory.lock_timeout;
        let shape = if is_new { "12DCZ" } else { "2DCZ" };
        answer.is(shape, &[&wanted, lock_timeout])?;
        if self.dice.once_in(4) {
            let close = [frontend::close_statement(&name), frontend::sync()].concat();
            self.exchange(&close, 1).await?.is("3Z", &[])?;
            self.memory.named.remove(&name);
        }
        Ok(())
    }

    /// By SQL, as some drivers do it.
    pub(super) async fn deallocate(&mut self) -> Told {
        self.named().await?;
        let Some((name, _)) = self.memory.named.pop_first() else {
            return Ok(());
        };
        let answer = match self.dice.below(3) {
            0 => self.link().query(&format!("deallocate {name}")).await?,
            1 => {
                self.memory.named.clear();
                self.link().query("deallocate all").await?
            }
            _ => {
                let bytes = run_unnamed_synced(&format!("deallocate {name}"));
                let answer = self.exchange(&bytes, 1).await?;
                answer.is("12CZ", &[])?;
                return self.look_for_statement(&name).await;
            }
        };
        answer.is("CZ", &[])?;
        self.look_for_statement(&name).await
    }

    pub(super) async fn parameters(&mut self) -> Told {
        let marker = self.marker();
        let number = self.dice.below(1_000_000).to_string();
        let next = (number.parse::<u64>().unwrap_or(0) + 1).to_string();
        let is_wrong = self.dice.once_in(4);
        let first = if is_wrong { "no number" } else { &number };
        let values = [Some(first), Some(marker.as_str()), None];
        let bytes = [
            frontend::parse_typed("", "select $1 + 1, $2, $3::text", &[23, 25, 25]),
            frontend::bind("", "", &values),
            frontend::describe_portal(""),
            frontend::execute("", 0),
            frontend::sync(),
        ];
        let answer = self.exchange(&bytes.concat(), 1).await?;
        match is_wrong {
            true => answer.is_with_errors("1EZ", &[], &["22P02"]),
            false => answer.is("12TDCZ", &[&next, &marker, "-"]),
        }
    }

    pub(super) async fn describe(&mut self) -> Told {
        let marker = self.marker();
        let (sql, shape, row): (_, _, &[&str]) = match self.dice.below(3) {
            0 => ("select $1::text", "1tT2TDCZ", &[&marker]),
            // Nothing comes back.
            1 => (
                "delete from torture_ledger where marker = 'no' || $1",
                "1tn2nCZ",
                &[],
            ),
            _ => (
                "show lock_timeout",
                "1tT2TDCZ",
                &[&self.memory.lock_timeout],
            ),
        };
        let values = [Some(marker.as_str())];
        let values: &[_] = if sql.contains('$') { &values } else { &[] };
        let name = format!("d{marker}");
        let bytes = [
            frontend::parse(&name, sql),
            frontend::describe_statement(&name),
            frontend::bind("", &name, values),
            frontend::describe_portal(""),
            frontend::execute("", 0),
            frontend::sync(),
        ];
        let bytes = bytes.concat();
        let row: Vec<_> = row.iter().map(|value| value.to_string()).collect();
        let answer = self.exchange(&bytes, 1).await?;
        answer.is(shape, &super::super::client::as_strs(&row))?;
        // The name is free again, or stays for the session; both must do.
        if self.dice.once_in(2) {
            let close = [frontend::close_statement(&name), frontend::sync()].concat();
            self.exchange(&close, 1).await?.is("3Z", &[])?;
        }
        Ok(())
    }

    /// Three rows, three rows, the rest; in a transaction or in one pipeline.
    pub(super) async fn suspended_portal(&mut self) -> Told {
        let marker = self.marker();
        let rows: Vec<_> = (1..=8).map(|n| format!("{marker}/{n}")).collect();
        let rows: Vec<_> = rows.iter().map(String::as_str).collect();
        let sql = "select $1 || '/' || n from generate_series(1, 8) n";
        let portal = if self.dice.once_in(2) { "canary" } else { "" };
        let in_transaction = self.dice.once_in(2);
        if in_transaction {
            self.link().query("begin").await?.is("CZt", &[])?;
        }
        let bytes = [
            frontend::parse("", sql),
            frontend::bind(portal, "", &[Some(&marker)]),
            frontend::execute(portal, 3),
            frontend::flush(),
        ];
        self.send(&bytes.concat()).await?;
        let first = self.link().messages(6).await?;
        first.is("12DDDs", &rows[..3])?;
        let bytes = [frontend::execute(portal, 3), frontend::sync()].concat();
        let second = self.exchange(&bytes, 1).await?;
        let rest = [frontend::execute(portal, 0), frontend::sync()].concat();
        if in_transaction {
            second.is("DDDsZt", &rows[3..6])?;
            self.exchange(&rest, 1).await?.is("DDCZt", &rows[6..])?;
            return self.link().query("commit").await?.is("CZ", &[]);
        }
        second.is("DDDsZ", &rows[3..6])?;
        // Its transaction has ended, and the portal with it.
        let answer = self.exchange(&rest, 1).await?;
        answer.is_with_errors("EZ", &[], &["34000"])
    }

    pub(super) async fn flush_only(&mut self) -> Told {
        let marker = self.marker();
        let bytes = [
            frontend::parse("", &format!("select '{marker}'")),
            frontend::describe_statement(""),
            frontend::flush(),
        ];
        self.send(&bytes.concat()).await?;
        self.link().messages(3).await?.is("1tT", &[])?;
        let bytes = [
            frontend::bind("", "", &[]),
            frontend::execute("", 0),
            frontend::flush(),
        ];
        self.send(&bytes.concat()).await?;
        self.link().messages(3).await?.is("2DC", &[&marker])?;
        match self.dice.below(3) {
            0 => {
                self.leave().await;
                Ok(())
            }
            1 => {
                let query = frontend::query(&format!("select '{marker}'"));
                let answer = self.exchange(&query, 1).await?;
                answer.is("TDCZ", &[&marker])
            }
            _ => self.exchange(&frontend::sync(), 1).await?.is("Z", &[]),
        }
    }
}
