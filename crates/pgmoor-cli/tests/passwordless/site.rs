//! What all these tests stand on: stand-ins that issue, a judge, a server that asks it, and a gateway.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pgmoor_testkit::identity::{AwsDatabase, AwsStandIn, Judge, LdapResponder};
use pgmoor_testkit::{Ca, Pgmoor, PgmoorBuilder, Postgres, write_private};
use tempfile::TempDir;
use tokio_postgres::NoTls;

/// The database as AWS calls it. Nobody resolves it: connection strings have `hostaddr`.
pub(crate) const HOST: &str = "app.c0ffee.eu-central-1.rds.amazonaws.com";
pub(crate) const REGION: &str = "eu-central-1";
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/app";
/// Server connections live for a second, so that there are many logins; clients wait no longer than they
/// have to for one that does not come.
const POOL: &str = "pool: { mode: transaction, size: 4, lifetime: 1s, checkout_timeout: 3s }";
/// Nothing here takes longer, on a machine that does other things too.
pub(crate) const STUCK: Duration = Duration::from_secs(60);

/// Who may log in with a token that the judge finds good.
const ROLES: [&str; 5] = [
    "iam",
    "other",
    "app@proj.iam",
    "robot@proj.iam",
    "ann@example.com",
];

/// A cloud with a database in it.
pub(crate) struct Cloud {
    pub(crate) judge: Judge,
    pub(crate) aws: AwsStandIn,
    pub(crate) postgres: Postgres,
    ca: Ca,
    files: TempDir,
    _ldap: LdapResponder,
}

/// Where the gateway is to find its identity.
pub(crate) type Variables = Vec<(&'static str, String)>;

impl Cloud {
    pub(crate) async fn new() -> Cloud {
        let (ca, judge) = (Ca::default(), Judge::new());
        let ldap = LdapResponder::start(&judge).await;
        let certificate = ca.issue("database").names([HOST, "localhost"]).finish();
        let mut builder = Postgres::builder().certificate(&certificate);
        for role in ROLES {
            builder = builder.hba(&ldap.hba(role));
        }
        let postgres = builder.start().await;
        let made = ROLES.map(|role| format!("create role \"{role}\" login; "));
        postgres.psql(&made.concat()).await;
        let aws = AwsStandIn::start(&judge, REGION).await;
        judge.guard(AwsDatabase::rds(HOST, postgres.port(), REGION));
        let files = tempfile::tempdir().expect("a directory");
        Cloud {
            judge,
            aws,
            postgres,
            ca,
            files,
            _ldap: ldap,
        }
    }

    /// The workload's home.
    pub(crate) fn home(&self) -> &Path {
        self.files.path()
    }

    /// Writes a file of the workload's.
    pub(crate) fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.files.path().join(name);
        write_private(&path, content);
        path
    }

    pub(crate) fn url(&self, host: &str) -> String {
        self.url_as("iam", host)
    }

    pub(crate) fn url_as(&self, user: &str, host: &str) -> String {
        format!(
            "postgres://{}@{host}:{}/app?hostaddr=127.0.0.1&sslmode=verify-full&sslrootcert={}",
            user.replace('@', "%40"),
            self.postgres.port(),
            self.ca.root_path().display()
        )
    }

    /// A gateway with these variables and no other identity around.
    pub(crate) fn gateway(&self, credential: &str, variables: &Variables) -> PgmoorBuilder {
        self.gateway_to(HOST, credential, variables)
    }

    pub(crate) fn gateway_to(
        &self,
        host: &str,
        credential: &str,
        variables: &Variables,
    ) -> PgmoorBuilder {
        self.gateway_by(&self.url(host), credential, variables)
    }

    pub(crate) fn gateway_by(
        &self,
        url: &str,
        credential: &str,
        variables: &Variables,
    ) -> PgmoorBuilder {
        let nowhere = |name: &str| self.files.path().join(name).display().to_string();
        let mut builder = Pgmoor::builder(env!("CARGO_BIN_EXE_pgmoor"))
            .config(&format!(
                "databases: {{ app: {{ endpoint: cloud, {POOL} }} }}\n\
                 endpoints: {{ cloud: {{ url: \"{url}\", credential: {credential} }} }}"
            ))
            .gateway("auth: { trust: [loopback], users: { app: { password: unused } } }");
        let mut all = vec![
            ("AWS_CONFIG_FILE", nowhere("no-config")),
            ("AWS_SHARED_CREDENTIALS_FILE", nowhere("no-credentials")),
            ("AWS_ENDPOINT_URL_STS", self.aws.url("")),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("HOME", self.files.path().display().to_string()),
            // Nothing may go there: what AWS would be asked is asked of the stand-in.
            ("HTTPS_PROXY", "http://127.0.0.1:9".to_owned()),
        ];
        for (name, value) in variables {
            all.retain(|(known, _)| known != name);
            all.push((*name, value.clone()));
        }
        for (name, value) in all {
            builder = builder.env(name, &value);
        }
        builder
    }
}

/// Who the server says that a client of the gateway is, or all that the client is told instead.
pub(crate) async fn who(pgmoor: &Pgmoor) -> Result<String, String> {
    let told = |error: tokio_postgres::Error| match error.as_db_error() {
        Some(error) => format!(
            "{}: {}\n{}\nhint: {}",
            error.code().code(),
            error.message(),
            error.detail().unwrap_or_default(),
            error.hint().unwrap_or_default()
        ),
        None => error.to_string(),
    };
    let asking = async {
        let client = client(pgmoor).await.map_err(told)?;
        let row = client.query_one("select session_user::text", &[]).await;
        Ok(row.map_err(told)?.get(0))
    };
    let outcome = tokio::time::timeout(STUCK, asking).await;
    outcome.unwrap_or_else(|_| Err("no answer".to_owned()))
}

/// A client of the gateway.
pub(crate) async fn client(
    pgmoor: &Pgmoor,
) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let mut config = tokio_postgres::Config::new();
    config.host("127.0.0.1").port(pgmoor.port());
    config.user("app").password("unused").dbname("app");
    let (client, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// What a client is told when its gateway cannot log in, as soon as the gateway listens.
pub(crate) async fn refused(pgmoor: &Pgmoor) -> String {
    let look = async || match who(pgmoor).await {
        Ok(user) => panic!("let in as {user}"),
        Err(told) if told.contains("hint:") => Some(told),
        Err(_) => None,
    };
    pgmoor_testkit::wait_for_some("the gateway to refuse", STUCK, look).await
}

/// Each of these is said.
#[track_caller]
pub(crate) fn assert_told(told: &str, what: &[&str]) {
    for part in what {
        assert!(told.contains(part), "no {part:?} in:\n{told}");
    }
}
