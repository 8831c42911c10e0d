//! The one list of what this repository needs of a machine.

use clap::ValueEnum;

use xtask::host;

/// What a machine shall be able to do; each includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum Purpose {
    /// Run `pgmoor up` with a bundled server
    Run,
    /// Run the whole test suite
    Test,
    /// Run the benchmarks too
    Bench,
}

/// Something that must be installed.
pub(crate) struct Need {
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    pub(crate) purpose: Purpose,
    pub(crate) is_met: fn() -> bool,
    pub(crate) apt: &'static [&'static str],
    pub(crate) brew: &'static [&'static str],
}

/// The package of the server itself: Debian's makes a cluster unless told otherwise.
pub(crate) const DEBIAN_SERVER: &str = "postgresql";

pub(crate) const NEEDS: &[Need] = &[
    Need {
        name: "PostgreSQL",
        why: "bundled endpoints and the tests run it",
        purpose: Purpose::Run,
        is_met: || host::postgres_programs().is_some(),
        apt: &[DEBIAN_SERVER, "postgresql-contrib"],
        brew: &["postgresql@17"],
    },
    Need {
        name: "psql",
        why: "pgmoor psql and the tests run it",
        purpose: Purpose::Run,
        is_met: || beside_postgres("psql") || host::has("psql"),
        apt: &["postgresql-client"],
        brew: &["postgresql@17"],
    },
    Need {
        name: "pgbench",
        why: "the tests run it through the gateway",
        purpose: Purpose::Test,
        is_met: || beside_postgres("pgbench") || host::has("pgbench"),
        apt: &["postgresql-contrib"],
        brew: &["postgresql@17"],
    },
    Need {
        name: "libfaketime",
        why: "the tests set the clock of the gateway by it",
        purpose: Purpose::Test,
        is_met: || host::has("faketime"),
        apt: &["faketime"],
        brew: &["libfaketime"],
    },
    Need {
        name: "Python with venv",
        why: "the suite of psycopg, the tests of the chart, and the clients of clouds",
        purpose: Purpose::Test,
        is_met: || host::runs("python3", &["-c", "import ensurepip, venv"]),
        apt: &["python3", "python3-venv"],
        brew: &["python"],
    },
    Need {
        name: "OpenSSL",
        why: "the tests of the chart make certificates with it",
        purpose: Purpose::Test,
        is_met: || host::has("openssl"),
        apt: &["openssl"],
        brew: &["openssl"],
    },
    Need {
        name: "Node with npm",
        why: "the suite of node-postgres, and the clients of clouds",
        purpose: Purpose::Test,
        is_met: || host::has("node") && host::has("npm"),
        apt: &["nodejs", "npm"],
        brew: &["node"],
    },
    Need {
        name: "tools for source packages",
        why: "PostgreSQL's own regression suite is built from its source",
        purpose: Purpose::Test,
        // Elsewhere than on Debian and its kin that suite is left out.
        is_met: || {
            !host::has("apt-get")
                || ["dpkg-source", "make", "cc", "bzip2"]
                    .into_iter()
                    .all(host::has)
        },
        apt: &["dpkg-dev", "make", "gcc", "libc6-dev", "bzip2"],
        brew: &[],
    },
    Need {
        name: "Go",
        why: "the suites of pgx and lib/pq, and what judges the chart's pods",
        purpose: Purpose::Test,
        is_met: || host::has("go"),
        apt: &["golang-go"],
        brew: &["go"],
    },
    Need {
        name: "Java",
        why: "the suite of the JDBC driver",
        purpose: Purpose::Test,
        // macOS has a "java" that only says where to get one.
        is_met: || host::runs("java", &["-version"]),
        apt: &["default-jdk-headless"],
        brew: &["openjdk"],
    },
    Need {
        name: "Maven",
        why: "it builds the suite of the JDBC driver",
        purpose: Purpose::Test,
        is_met: || host::has("mvn"),
        apt: &["maven"],
        brew: &["maven"],
    },
    Need {
        name: "PgBouncer",
        why: "the tests of checks look through it, the benchmarks compare with it",
        purpose: Purpose::Test,
        is_met: || host::has("pgbouncer") || std::path::Path::new("/usr/sbin/pgbouncer").is_file(),
        apt: &[DEBIAN_PGBOUNCER],
        brew: &["pgbouncer"],
    },
];

/// The package of PgBouncer: Debian's starts a service on port 6432 unless told otherwise.
pub(crate) const DEBIAN_PGBOUNCER: &str = "pgbouncer";

fn beside_postgres(program: &str) -> bool {
    host::postgres_programs().is_some_and(|dir| dir.join(program).is_file())
}
