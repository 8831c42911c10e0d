//! Much data: large values both ways, and clients that take their time.

use std::time::Duration;

use super::super::client::Client;
use super::super::trouble::{Told, Trouble};
use crate::frontend;

impl Client {
    pub(super) async fn large_value(&mut self) -> Told {
        let marker = self.marker();
        let times = 1 + self.dice.below(40_000) as usize;
        let sql = format!("select repeat('{marker}', {times})");
        let answer = self.link().query(&sql).await?;
        // Compared by hand: on a difference nobody wants to read it all.
        let values = answer.values();
        if answer.shape() == "TDCZ" && values == [marker.repeat(times)] {
            return Ok(());
        }
        let what = format!("{times} times {marker} expected, got {answer:?}");
        Err(Trouble::Wrong(what))
    }

    pub(super) async fn large_parameter(&mut self) -> Told {
        let marker = self.marker();
        let times = 1 + self.dice.below(40_000) as usize;
        let value = marker.repeat(times);
        let length = value.len().to_string();
        let bytes = [
            frontend::parse("", "select length($1::text), right($1, 30)"),
            frontend::bind("", "", &[Some(&value)]),
            frontend::execute("", 0),
            frontend::sync(),
        ];
        let answer = self.exchange(&bytes.concat(), 1).await?;
        let end = &value[value.len().saturating_sub(30)..];
        answer.is("12DCZ", &[&length, end])
    }

    /// More than sockets hold, so that everybody on the way has to wait.
    pub(super) async fn read_slowly(&mut self) -> Told {
        let marker = self.marker();
        let sql = format!("select '{marker}', repeat('x', 1000) from generate_series(1, 3000)");
        self.link().send(&frontend::query(&sql)).await?;
        let mut rows = 0;
        loop {
            let message = self.link().next().await?;
            match message.tag {
                b'D' if message.values()[0].as_deref() == Some(&marker) => rows += 1,
                b'T' | b'C' => {}
                b'Z' if rows == 3000 => return Ok(()),
                _ => {
                    let what = format!("row {rows} of {marker} expected, got {message:?}");
                    return Err(Trouble::Wrong(what));
                }
            }
            if rows % 256 == 0 {
                self.dawdle(Duration::from_millis(8)).await;
            }
        }
    }
}
