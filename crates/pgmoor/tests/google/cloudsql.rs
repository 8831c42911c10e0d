//! The connector, against an instance with a real PostgreSQL behind it.

use std::sync::Arc;
use std::time::Duration;

use pgmoor::Secret;
use pgmoor::cloudsql::{CloudSql, CloudSqlOptions, IpType, Refresh};
use pgmoor::connector::{ConnectError, Connection, Connector, Login};
use pgmoor::credential::{CredentialProvider, FailureCause, PasswordProvider};
use pgmoor_testkit::google::{CaMode, Google, IAM_HBA, Instance, InstanceOptions, Service};
use pgmoor_testkit::identity::Fault;
use pgmoor_testkit::{Postgres, wait_for};
use pgmoor_wire::{frontend, tag};
use tokio::time::Instant;

use crate::common::{APP, World};

pub(crate) const NAME: &str = "proj:europe-west1:db";
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// An instance with a server behind it, on which [`APP`] logs in by IAM.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) postgres: Postgres,
    pub(crate) instance: Instance,
    pub(crate) options: CloudSqlOptions,
}

impl Site {
    pub(crate) async fn new(options: InstanceOptions) -> Site {
        let world = World::machine().await;
        let postgres = Postgres::builder().hba(IAM_HBA).start().await;
        let name = options.name.clone();
        let project = name.rsplitn(3, ':').last().expect("project").to_owned();
        let instance = world.google.instance(options, &postgres).await;
        instance.add_iam_role(APP, &postgres).await;
        world.google.make_client(APP, &project);
        let options = CloudSqlOptions {
            port: instance.port(),
            api_endpoint: Some(world.google.url()),
            ..CloudSqlOptions::new(name)
        };
        Site {
            world,
            postgres,
            instance,
            options,
        }
    }

    pub(crate) async fn usual() -> Site {
        Site::new(InstanceOptions::new(NAME)).await
    }

    pub(crate) fn connector(&self) -> Connector {
        self.connector_as(APP, None)
    }

    /// `password` is for a connector that does not log in by IAM.
    pub(crate) fn connector_as(&self, user: &str, password: Option<&str>) -> Connector {
        let line = CloudSql::new(self.options.clone(), self.world.identity()).expect("name");
        let mut endpoint = line.endpoint();
        endpoint.user = Some(user.to_owned());
        endpoint.dbname = Some("app".to_owned());
        let credential: Arc<dyn CredentialProvider> = match password {
            Some(password) => Arc::new(PasswordProvider::new(Secret::from(password))),
            None => line.iam_login().expect("it logs in by IAM"),
        };
        let connector = Connector::with_home(endpoint, credential, None).expect("connector");
        connector.by_line(Arc::new(line))
    }

    pub(crate) async fn refused(&self) -> String {
        match open(&self.connector()).await {
            Ok(connection) => panic!("connected: {connection:?}"),
            Err(error) => told(&error),
        }
    }
}

pub(crate) async fn open(connector: &Connector) -> Result<Connection, ConnectError> {
    connector
        .connect(Login::Endpoint, None, &[], Instant::now() + PATIENCE)
        .await
}

pub(crate) fn told(error: &ConnectError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!("\ncause: {error}"));
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// Who the session is, by the server's own word.
async fn whoami(connection: &mut Connection) -> String {
    ask(connection, "select current_user").await
}

async fn ask(connection: &mut Connection, query: &str) -> String {
    let mut out = Vec::new();
    frontend::write_query(&mut out, query).expect("query");
    connection.stream.write_all(&out).await.expect("send");
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    while !received.ends_with(&[tag::READY_FOR_QUERY, 0, 0, 0, 5, b'I']) {
        let count = connection.stream.read_some(&mut chunk).await.expect("read");
        assert_ne!(count, 0, "the server closed");
        received.extend_from_slice(&chunk[..count]);
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// Waits until the other side has closed.
pub(crate) async fn ended(connection: &mut Connection) {
    let mut chunk = [0; 256];
    let reading = async { while let Ok(1..) = connection.stream.read_some(&mut chunk).await {} };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .expect("it is closed");
}

#[tokio::test]
async fn certificate_logs_in_without_a_password_whoever_signs_for_the_server() {
    let shared = |name_in_certificate| InstanceOptions {
        certificate_has_name: name_in_certificate,
        ..InstanceOptions::shared(NAME, "0a1b.2c3d.europe-west1.sql.goog")
    };
    let customers = InstanceOptions {
        ca_mode: CaMode::Customer,
        ..shared(true)
    };
    // Announced already, and not yet in the certificate: its common name counts.
    let announced = InstanceOptions {
        ca_mode: CaMode::PerInstance,
        ..shared(false)
    };
    for options in [
        InstanceOptions::new(NAME),
        shared(true),
        customers,
        announced,
    ] {
        let mode = options.ca_mode;
        let site = Site::new(options).await;
        let mut connection = open(&site.connector())
            .await
            .unwrap_or_else(|error| panic!("{mode:?}: {}", told(&error)));
        assert!(
            whoami(&mut connection).await.contains("app@proj.iam"),
            "{mode:?}"
        );
        assert_eq!(connection.user, "app@proj.iam");
        assert_eq!(connection.stream.tls().expect("TLS").version, "TLSv1.3");
    }
}

#[tokio::test]
async fn server_that_is_neither_called_nor_named_right_is_refused() {
    let options = InstanceOptions {
        certificate_has_name: false,
        ..InstanceOptions::shared(NAME, "0a1b.2c3d.europe-west1.sql.goog")
    };
    let site = Site::new(options).await;
    let refused = site.refused().await;
    assert!(
        refused.starts_with("TLS with proj:europe-west1:db (127.0.0.1:"),
        "{refused}"
    );
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn password_goes_inside_of_it_where_the_role_has_one() {
    let mut site = Site::usual().await;
    site.options.iam = false;
    let connector = site.connector_as("app", Some(site.postgres.app_password()));
    let mut connection = open(&connector).await.expect("connection");
    assert!(whoami(&mut connection).await.contains("app"));

    let refused = open(&site.connector_as("app", Some("wrong")))
        .await
        .expect_err("wrong");
    assert_eq!(refused.sqlstate().as_str(), "28P01");
}

#[tokio::test]
async fn persons_consent_is_enough() {
    let mut site = Site::usual().await;
    let person = "ann@example.com";
    let file = site.world.google.user_file(person);
    site.world.set_file(&file);
    site.world.google.make_client(person, "proj");
    site.instance.add_iam_role(person, &site.postgres).await;

    let opened = open(&site.connector_as(person, None)).await;

    let mut connection = opened.unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(whoami(&mut connection).await.contains(person));
}

#[tokio::test]
async fn certificates_are_shared_by_connections() {
    let site = Site::usual().await;
    let connector = site.connector();
    let all = (0..8).map(|_| open(&connector));
    let mut opened = Vec::new();
    for one in all {
        opened.push(one.await.expect("connection"));
    }
    assert_eq!(site.instance.certificates(), 1);
    assert_eq!(site.world.google.calls(Service::ConnectSettings), 1);
    assert_eq!(site.instance.connections(), 8);
}

#[tokio::test]
async fn certificate_is_renewed_ahead_without_anybody_asking() {
    let site = Site::usual().await;
    // Less than an hour is left: four minutes before the end, which is in two seconds.
    site.instance
        .change(|options| options.certificate_life = Duration::from_secs(242));
    let connector = site.connector();
    drop(open(&connector).await.expect("connection"));
    assert_eq!(site.instance.certificates(), 1);

    wait_for("a new certificate", PATIENCE, async || {
        site.instance.certificates() == 2
    })
    .await;
}

#[tokio::test]
async fn figures_are_those_of_the_certificate_and_of_its_renewal() {
    let site = Site::usual().await;
    let life = Duration::from_secs(1_000);
    site.instance
        .change(|options| options.certificate_life = life);
    let line = CloudSql::new(site.options.clone(), site.world.identity()).expect("name");
    let login = line.iam_login().expect("it logs in by IAM");
    let mut endpoint = line.endpoint();
    endpoint.user = Some(APP.to_owned());
    endpoint.dbname = Some("app".to_owned());
    let connector = Connector::with_home(endpoint, login.clone(), None).expect("connector");
    let connector = connector.by_line(Arc::new(line));
    drop(open(&connector).await.expect("connection"));

    let status = login.status().expect("figures");

    let now = std::time::SystemTime::now();
    let left = status.time_left(now).expect("it ends");
    assert!(left <= life && left > life - PATIENCE, "{left:?}");
    let next = status.next_renewal.expect("it is renewed");
    let next = next.duration_since(now).expect("later");
    // Four minutes before its end.
    assert!(next <= life - Duration::from_secs(240), "{next:?}");
    assert!(status.is_valid && status.last_error.is_none());
    assert_eq!((status.renewals, status.failures.total()), (1, 0));

    let google = &site.world.google;
    google.fail_always(Service::EphemeralCert, Google::refusal(503));
    site.postgres
        .psql("alter role \"app@proj.iam\" nologin")
        .await;
    open(&connector).await.expect_err("may not log in");

    let status = login.status().expect("figures");
    assert_eq!(status.failures.of(FailureCause::Rejected), 1);
    assert_eq!(status.failures.of(FailureCause::Unavailable), 1);
    assert!(status.is_valid, "the one that is held is good still");
    let why = status.last_error.expect("it failed").to_string();
    assert!(
        why.contains("Cloud SQL instance proj:europe-west1:db"),
        "{why}"
    );
}

#[tokio::test]
async fn lazy_connector_renews_when_a_connection_needs_it() {
    let mut site = Site::usual().await;
    site.options.refresh = Refresh::Lazy;
    site.instance
        .change(|options| options.certificate_life = Duration::from_secs(200));
    let connector = site.connector();
    drop(open(&connector).await.expect("connection"));
    assert_eq!(site.instance.certificates(), 1);
    site.instance
        .change(|options| options.certificate_life = Duration::from_secs(3_600));

    // Less than four minutes are left: a new one is waited for, and then used.
    drop(open(&connector).await.expect("connection"));
    assert_eq!(site.instance.certificates(), 2);
    drop(open(&connector).await.expect("connection"));
    assert_eq!(site.instance.certificates(), 2);
}

#[tokio::test]
async fn new_authority_of_the_server_is_found_out_within_the_attempt() {
    let site = Site::usual().await;
    let connector = site.connector();
    let mut before = open(&connector).await.expect("connection");

    site.instance.rotate();

    let mut after = open(&connector)
        .await
        .unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(whoami(&mut after).await.contains("app@proj.iam"));
    assert_eq!(site.instance.certificates(), 2);
    // What is open goes on.
    assert!(whoami(&mut before).await.contains("app@proj.iam"));
}

#[tokio::test]
async fn each_type_of_address_is_taken_when_asked_for() {
    let options = InstanceOptions {
        addresses: vec![
            ("PRIMARY", "127.0.0.1".to_owned()),
            ("PRIVATE", "127.0.0.2".to_owned()),
        ],
        psc_name: Some("localhost".to_owned()),
        ..InstanceOptions::new(NAME)
    };
    let mut site = Site::new(options).await;
    for (ip_type, address) in [
        (IpType::Public, "(127.0.0.1:"),
        (IpType::Private, "(127.0.0.2:"),
        (IpType::Auto, "(127.0.0.1:"),
    ] {
        site.options.ip_type = ip_type;
        let connection = open(&site.connector()).await.expect("connection");
        assert!(
            connection.server.contains(address),
            "{ip_type:?}: {}",
            connection.server
        );
    }
    site.options.ip_type = IpType::Psc;
    assert!(open(&site.connector()).await.is_ok());
}

#[tokio::test]
async fn project_of_a_domain_is_found() {
    let site = Site::new(InstanceOptions::new("example.com:proj:europe-west1:db")).await;
    assert!(open(&site.connector()).await.is_ok());
}

#[tokio::test]
async fn api_with_trouble_of_its_own_is_asked_again() {
    let site = Site::usual().await;
    site.world
        .google
        .fail(Service::ConnectSettings, Google::refusal(503), 2);
    site.world
        .google
        .fail(Service::EphemeralCert, Google::refusal(500), 1);
    assert!(open(&site.connector()).await.is_ok());
    assert_eq!(site.world.google.calls(Service::ConnectSettings), 3);
}

#[tokio::test]
async fn values_that_are_good_stay_in_use_while_the_api_is_away() {
    let site = Site::usual().await;
    site.instance
        .change(|options| options.certificate_life = Duration::from_secs(241));
    let connector = site.connector();
    drop(open(&connector).await.expect("connection"));
    site.world
        .google
        .fail_always(Service::EphemeralCert, Google::refusal(400));
    let asked = site.world.google.calls(Service::EphemeralCert);

    wait_for("a renewal that fails", PATIENCE, async || {
        site.world.google.calls(Service::EphemeralCert) > asked
    })
    .await;

    assert!(open(&connector).await.is_ok());
    assert_eq!(site.instance.certificates(), 1);
}

#[tokio::test]
async fn query_is_cancelled_by_the_same_way() {
    let site = Site::usual().await;
    let connector = site.connector();
    let mut connection = open(&connector).await.expect("connection");
    let cancel = connection.cancel.clone();
    let running = "select count(*) from pg_stat_activity where query like 'select pg_sleep%' and state = 'active' and pid <> pg_backend_pid()";
    let cancelling = async {
        wait_for("the query", PATIENCE, async || {
            site.postgres.psql(running).await == "1"
        })
        .await;
        cancel
            .cancel(Instant::now() + PATIENCE)
            .await
            .expect("cancel");
    };

    let (answer, ()) = tokio::join!(ask(&mut connection, "select pg_sleep(60)"), cancelling);

    assert!(answer.contains("57014"), "{answer}");
}

#[tokio::test]
async fn instance_that_is_not_there_ends_at_the_deadline_with_its_name() {
    let mut site = Site::usual().await;
    site.options.port = pgmoor_testkit::free_port();
    let refused = site.refused().await;
    assert!(
        refused.starts_with("cannot connect to proj:europe-west1:db (127.0.0.1:"),
        "{refused}"
    );

    site.world
        .google
        .fail_always(Service::ConnectSettings, Fault::Silence);
    let connector = site.connector();
    let deadline = Instant::now() + Duration::from_millis(300);
    let error = connector
        .connect(Login::Endpoint, None, &[], deadline)
        .await
        .expect_err("silent");
    let error = told(&error);
    assert!(
        error.starts_with("no answer from proj:europe-west1:db within"),
        "{error}"
    );
}

#[tokio::test]
async fn no_token_is_in_what_is_told_of_connector_and_errors() {
    let site = Site::usual().await;
    let connector = site.connector();
    let connection = open(&connector).await.expect("connection");
    let shown = format!("{connector:?} {connection:?}");
    site.world.google.take_client(APP, "proj");
    let refused = site.refused().await;
    for token in site.world.google.tokens() {
        assert!(!shown.contains(&token) && !refused.contains(&token));
    }
}
