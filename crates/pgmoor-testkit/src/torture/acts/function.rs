//! Function calls, which drivers use for large objects and which no other message is like.

use super::super::client::Client;
use super::super::trouble::{Told, Trouble};
use super::run_unnamed_synced;
use crate::frontend::{self, function_call};

// The numbers that PostgreSQL has given its functions for good (pg_proc.dat).
const TEXTCAT: u32 = 1258;
const INT4DIV: u32 = 154;
pub(super) const PG_SLEEP: u32 = 2626;
const LO_CREAT: u32 = 957;
const LO_OPEN: u32 = 952;
const LO_CLOSE: u32 = 953;
const LOREAD: u32 = 954;
const LOWRITE: u32 = 955;
const LO_LSEEK: u32 = 956;
const LO_UNLINK: u32 = 964;

/// To read and to write (libpq-fs.h).
const BOTH: &str = "393216";

impl Client {
    pub(super) async fn function_call(&mut self) -> Told {
        let [a, b, c] = [self.marker(), self.marker(), self.marker()];
        let whole = format!("{a}{b}");
        let call = function_call(TEXTCAT, &[Some(&a), Some(&b)]);
        let divide = function_call(INT4DIV, &[Some("1"), Some("0")]);
        match self.dice.below(5) {
            0 => self.exchange(&call, 1).await?.is("VZ", &[&whole]),
            // It is strict.
            1 => {
                let nothing = function_call(TEXTCAT, &[None, Some(&b)]);
                self.exchange(&nothing, 1).await?.is("VZ", &["-"])
            }
            2 => {
                let answer = self.exchange(&divide, 1).await?;
                answer.is_with_errors("EZ", &[], &["22012"])?;
                self.simple().await
            }
            // Among messages of the other two protocols, nothing waited for.
            3 => {
                let bytes = [
                    frontend::query(&format!("select '{a}'")),
                    call,
                    divide,
                    run_unnamed_synced(&format!("select '{c}'")),
                ];
                let answer = self.exchange(&bytes.concat(), 4).await?;
                answer.is_with_errors("TDCZVZEZ12DCZ", &[&a, &whole, &c], &["22012"])
            }
            _ => {
                let bytes = [
                    frontend::query("begin"),
                    call.clone(),
                    divide,
                    call,
                    frontend::query("rollback"),
                ];
                let answer = self.exchange(&bytes.concat(), 5).await?;
                answer.is_with_errors("CZtVZtEZeEZeCZ", &[&whole], &["22012", "25P02"])
            }
        }
    }

    /// Written, read, and gone again, as libpq and JDBC do it.
    pub(super) async fn large_object(&mut self) -> Told {
        let marker = self.marker();
        let bytea: String = marker.bytes().map(|byte| format!("{byte:02x}")).collect();
        let bytea = format!("\\x{bytea}");
        let length = marker.len().to_string();
        self.link().query("begin").await?.is("CZt", &[])?;
        let object = self.call(LO_CREAT, &[BOTH]).await?;
        let handle = self.call(LO_OPEN, &[&object, BOTH]).await?;
        for (function, arguments, result) in [
            (LOWRITE, [&handle, &bytea, ""], length.as_str()),
            (LO_LSEEK, [&handle, "0", "0"], "0"),
            (LOREAD, [&handle, &length, ""], &bytea),
            (LO_CLOSE, [&handle, "", ""], "0"),
            (LO_UNLINK, [&object, "", ""], "1"),
        ] {
            let arguments: Vec<&str> = arguments.into_iter().filter(|a| !a.is_empty()).collect();
            let told = self.call(function, &arguments).await?;
            if told != result {
                let what = format!("{result} of function {function} expected, got {told}");
                return Err(Trouble::Wrong(what));
            }
        }
        let end = ["commit", "rollback"][self.dice.below(2) as usize];
        self.link().query(end).await?.is("CZ", &[])
    }

    /// What a function gives inside a transaction.
    async fn call(&mut self, function: u32, arguments: &[&str]) -> Told<String> {
        let arguments: Vec<_> = arguments.iter().copied().map(Some).collect();
        let bytes = function_call(function, &arguments);
        let answer = self.exchange(&bytes, 1).await?;
        match (answer.shape().as_str(), answer.values().as_slice()) {
            ("VZt", [value]) => Ok(value.clone()),
            _ => Err(Trouble::Wrong(format!("VZt expected, got {answer:?}"))),
        }
    }
}
