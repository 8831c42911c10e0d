//! Clients that go half-way through something, also through a message.

use super::super::client::Client;
use super::super::trouble::Told;
use super::function::PG_SLEEP;
use super::{run_unnamed, run_unnamed_synced};
use crate::frontend;

impl Client {
    pub(super) async fn vanish(&mut self) -> Told {
        let (number, marker) = self.mark();
        let insert = format!("insert into torture_ledger values ('{marker}')");
        self.ledger.enter(number);
        let bytes = match self.dice.below(12) {
            // In a result.
            0 => frontend::query(&format!(
                "select '{marker}' from generate_series(1, 100000)"
            )),
            1 => frontend::query("copy (select generate_series(1, 100000)) to stdout"),
            // In a transaction.
            2 => frontend::query(&format!("begin; {insert}")),
            3 => [run_unnamed_synced("begin"), run_unnamed_synced(&insert)].concat(),
            // In a transaction, with state that a rollback does not take back.
            4 => frontend::query(&format!("begin; prepare canary as select 1; {insert}")),
            // In a pipeline: without its Sync nothing is committed.
            5 => [run_unnamed(&insert), run_unnamed("select 'never'")].concat(),
            6 => [run_unnamed(&insert), run_unnamed("select broken")].concat(),
            // In COPY.
            7 => [
                frontend::query("copy torture_ledger from stdin"),
                frontend::copy_data(format!("{marker}\n").as_bytes()),
            ]
            .concat(),
            // In a statement that takes long.
            8 => frontend::query("select pg_sleep(2)"),
            9 => frontend::function_call(PG_SLEEP, &[Some("2")]),
            // Between Parse and all else.
            10 => frontend::parse("canary", "select 'left'"),
            // In a commit: nobody knows.
            _ => {
                self.ledger.asks(number);
                let (begin, commit) = (run_unnamed("begin"), run_unnamed_synced("commit"));
                [begin, run_unnamed(&insert), commit].concat()
            }
        };
        let length = bytes.len() as u64;
        let cut = match self.dice.once_in(2) {
            true => self.dice.below(length),
            false => length,
        };
        self.link().send(&bytes[..cut as usize]).await?;
        if self.dice.once_in(2) {
            // The first of the answer is on its way already.
            tokio::task::yield_now().await;
        }
        self.leave().await;
        Ok(())
    }
}
