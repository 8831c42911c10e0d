//! The one list of what is measured, with the bars that pgmoor is held to.

use crate::gates::Way;

/// One line of the table.
pub(crate) struct Row {
    /// What `--only` looks at; stable, as results are compared by it.
    pub(crate) name: &'static str,
    pub(crate) title: &'static str,
    pub(crate) work: Work,
    pub(crate) clients: u32,
    pub(crate) way: Way,
    pub(crate) tls: bool,
    /// PostgreSQL itself can have this many clients, and the figure means something.
    pub(crate) direct: bool,
    pub(crate) bars: &'static [Bar],
}

/// What the clients do.
pub(crate) enum Work {
    /// A script of pgbench's own, or one of ours.
    Pgbench {
        protocol: Protocol,
        script: Script,
        /// Connect for each transaction; then a transaction's time is that of the whole cycle.
        reconnect: bool,
    },
    /// One statement again and again, by clients of our own.
    Own(Statement),
    /// Log in, ask once, stay.
    Idle,
}

#[derive(Clone, Copy)]
pub(crate) enum Statement {
    SelectOne,
    /// `COPY … TO STDOUT` of this many rows.
    CopyOut {
        rows: u32,
    },
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Protocol {
    Simple,
    Extended,
    Prepared,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Script {
    /// pgbench's `select-only`.
    SelectOnly,
    /// pgbench's `tpcb-like`.
    TpcB,
    /// `select 1`.
    SelectOne,
    /// A result of 1,000 rows of pgbench_accounts, about 120 KiB.
    ThousandRows,
}

/// What pgmoor shall reach.
#[derive(Clone, Copy)]
pub(crate) enum Bar {
    /// CPU per transaction, at most this part of PgBouncer's.
    Cpu(f64),
    /// Memory per idle client, at most this part of PgBouncer's.
    Memory(f64),
    /// Transactions a second, at least this part of a direct connection's.
    OfDirect(f64),
    /// p50 at most this many µs above a direct connection's.
    P50AboveDirect(f64),
    /// p99 no higher than PgBouncer's.
    P99,
}

const fn pgbench(protocol: Protocol, script: Script) -> Work {
    Work::Pgbench {
        protocol,
        script,
        reconnect: false,
    }
}

const CONNECT: Work = Work::Pgbench {
    protocol: Protocol::Simple,
    script: Script::SelectOne,
    reconnect: true,
};

/// What most rows are; the fields that differ are written out.
const BASE: Row = Row {
    name: "",
    title: "",
    work: pgbench(Protocol::Simple, Script::SelectOnly),
    clients: 32,
    way: Way::Tcp,
    tls: false,
    direct: true,
    bars: &[],
};

pub(crate) static ROWS: &[Row] = &[
    Row {
        name: "select-simple",
        title: "select, simple",
        bars: &[Bar::Cpu(0.95), Bar::OfDirect(0.88), Bar::P99],
        ..BASE
    },
    Row {
        name: "select-extended",
        title: "select, extended",
        work: pgbench(Protocol::Extended, Script::SelectOnly),
        bars: &[Bar::Cpu(0.85), Bar::OfDirect(0.88), Bar::P99],
        ..BASE
    },
    Row {
        name: "select-prepared",
        title: "select, prepared",
        work: pgbench(Protocol::Prepared, Script::SelectOnly),
        bars: &[Bar::Cpu(0.85), Bar::OfDirect(0.88), Bar::P99],
        ..BASE
    },
    Row {
        name: "tpcb-simple",
        title: "TPC-B, simple, 16 clients",
        work: pgbench(Protocol::Simple, Script::TpcB),
        clients: 16,
        bars: &[Bar::Cpu(0.95), Bar::P99],
        ..BASE
    },
    Row {
        name: "tpcb-prepared",
        title: "TPC-B, prepared, 16 clients",
        work: pgbench(Protocol::Prepared, Script::TpcB),
        clients: 16,
        bars: &[Bar::Cpu(0.85), Bar::P99],
        ..BASE
    },
    Row {
        name: "connect-trust",
        title: "connect each time, no password, 8 clients",
        work: CONNECT,
        clients: 8,
        way: Way::Trust,
        bars: &[Bar::Cpu(1.0), Bar::P99],
        ..BASE
    },
    Row {
        name: "connect-scram",
        title: "connect each time, SCRAM, 8 clients",
        work: CONNECT,
        clients: 8,
        bars: &[Bar::Cpu(1.0), Bar::P99],
        ..BASE
    },
    Row {
        name: "connect-tls",
        title: "connect each time, TLS and SCRAM, 8 clients",
        work: CONNECT,
        clients: 8,
        tls: true,
        bars: &[Bar::Cpu(0.7), Bar::P99],
        ..BASE
    },
    Row {
        name: "rows-1000",
        title: "results of 1,000 rows",
        work: pgbench(Protocol::Simple, Script::ThousandRows),
        bars: &[Bar::Cpu(0.55), Bar::P99],
        ..BASE
    },
    Row {
        name: "copy-out",
        title: "COPY of 10,000 rows to the client, 8 clients",
        work: Work::Own(Statement::CopyOut { rows: 10_000 }),
        clients: 8,
        bars: &[Bar::Cpu(0.55), Bar::P99],
        ..BASE
    },
    Row {
        name: "latency",
        title: "one client, `select 1`",
        work: Work::Own(Statement::SelectOne),
        clients: 1,
        bars: &[Bar::P50AboveDirect(20.0), Bar::P99],
        ..BASE
    },
    Row {
        name: "latency-tls",
        title: "one client, `select 1`, client TLS",
        work: Work::Own(Statement::SelectOne),
        clients: 1,
        tls: true,
        bars: &[Bar::P50AboveDirect(20.0), Bar::P99],
        ..BASE
    },
    Row {
        name: "clients-500",
        title: "select, simple, 500 clients",
        clients: 500,
        way: Way::Trust,
        bars: &[Bar::Cpu(1.0), Bar::P99],
        ..BASE
    },
    Row {
        name: "clients-5000",
        title: "select, simple, 5,000 clients",
        clients: 5_000,
        way: Way::Trust,
        direct: false,
        bars: &[Bar::Cpu(1.0), Bar::P99],
        ..BASE
    },
    Row {
        name: "tls-simple",
        title: "select, simple, client TLS",
        tls: true,
        bars: &[Bar::Cpu(0.9), Bar::P99],
        ..BASE
    },
    Row {
        name: "tls-prepared",
        title: "select, prepared, client TLS",
        work: pgbench(Protocol::Prepared, Script::SelectOnly),
        tls: true,
        bars: &[Bar::Cpu(0.9), Bar::P99],
        ..BASE
    },
    Row {
        name: "unix-simple",
        title: "select, simple, Unix sockets on both sides",
        way: Way::Unix,
        bars: &[Bar::Cpu(0.95), Bar::P99],
        ..BASE
    },
    Row {
        name: "unix-prepared",
        title: "select, prepared, Unix sockets on both sides",
        work: pgbench(Protocol::Prepared, Script::SelectOnly),
        way: Way::Unix,
        bars: &[Bar::Cpu(0.85), Bar::P99],
        ..BASE
    },
    idle("idle-2000", "2,000 idle clients", 2_000, false),
    idle("idle-2000-tls", "2,000 idle clients, TLS", 2_000, true),
    idle("idle-10000", "10,000 idle clients", 10_000, false),
    idle("idle-10000-tls", "10,000 idle clients, TLS", 10_000, true),
];

const fn idle(name: &'static str, title: &'static str, clients: u32, tls: bool) -> Row {
    Row {
        name,
        title,
        work: Work::Idle,
        clients,
        tls,
        direct: false,
        bars: if tls {
            &[Bar::Memory(0.6)]
        } else {
            &[Bar::Memory(1.0)]
        },
        ..BASE
    }
}

impl Protocol {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Protocol::Simple => "simple",
            Protocol::Extended => "extended",
            Protocol::Prepared => "prepared",
        }
    }
}

impl Row {
    pub(crate) fn is_idle(&self) -> bool {
        matches!(self.work, Work::Idle)
    }

    /// Whether a gate without named statements cannot do this.
    pub(crate) fn needs_named_statements(&self) -> bool {
        matches!(
            self.work,
            Work::Pgbench {
                protocol: Protocol::Prepared,
                ..
            }
        )
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_row_has_a_name_of_its_own() {
        let names: BTreeSet<&str> = ROWS.iter().map(|row| row.name).collect();

        assert_eq!(names.len(), ROWS.len());
    }
}
