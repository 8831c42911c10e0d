//! What clients do, and what each of it must be answered with.

mod function;
mod simple;

mod extended;
mod pipeline;

mod copy;
mod large;
mod transaction;

mod cancel;
mod state;
mod vanish;

use super::client::Client;
use super::trouble::Told;
use crate::frontend;

/// Lists the acts once: name, how likely, method.
macro_rules! acts {
    ($($name:literal $weight:literal $method:ident;)+) => {
        /// What a client can do, and how likely that is.
        pub(super) const ACTS: &[(&str, u64)] = &[$(($name, $weight)),+];

        impl Client {
            /// Does the act of this number.
            pub(super) async fn perform(&mut self, number: usize) -> Told {
                match ACTS[number].0 {
                    $($name => Box::pin(self.$method()).await,)+
                    name => unreachable!("no act is called {name}"),
                }
            }
        }
    };
}

acts! {
    "simple query" 8 simple;
    "several statements in a query" 3 several_statements;
    "query that fails" 2 failing_query;
    "notice" 1 notice;
    "session is looked at" 3 look;

    "function call" 3 function_call;
    "large object" 1 large_object;

    "unnamed statement" 5 unnamed;
    "named statement" 8 named;
    "named statement is deallocated" 2 deallocate;
    "parameters" 3 parameters;
    "description" 2 describe;
    "portal with a row limit" 3 suspended_portal;
    "flush in place of sync" 3 flush_only;

    "pipeline of several" 4 several_syncs;
    "pipeline without a sync between" 3 one_sync;
    "pipeline that fails" 4 failing_pipeline;
    "parse and close without sync" 3 parse_and_close_unsynced;
    "prepare that fails" 4 failing_prepare;
    "queries sent ahead" 2 queries_ahead;
    "syncs alone" 1 syncs_alone;

    "transaction" 8 transaction;
    "commit alone" 5 autocommit;
    "transaction in a pipeline" 4 pipelined_transaction;
    "statement timeout" 1 statement_timeout;

    "copy in" 3 copy_in;
    "copy in, extended" 2 copy_in_extended;
    "copy out" 2 copy_out;

    "large value" 1 large_value;
    "large parameter" 1 large_parameter;
    "slow reader" 1 read_slowly;

    "setting" 3 setting;
    "sql prepare" 3 sql_prepare;
    "notification" 1 notification;
    "state is left behind" 3 leave_state_behind;

    "cancel" 2 cancel;
    "cancel of a session that is over" 1 cancel_stale;
    "vanishes" 5 vanish;
}

/// Parse, Bind and Execute of the unnamed statement.
fn run_unnamed(sql: &str) -> Vec<u8> {
    [
        frontend::parse("", sql),
        frontend::bind("", "", &[]),
        frontend::execute("", 0),
    ]
    .concat()
}

/// The same with a Sync behind.
fn run_unnamed_synced(sql: &str) -> Vec<u8> {
    [run_unnamed(sql), frontend::sync()].concat()
}
