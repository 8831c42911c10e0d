//! What the forms and names of other drivers mean.

use super::assert_table;
use crate::endpoint::Endpoint;

#[test]
fn addresses_without_a_scheme_end_their_user_info_at_the_last_at() {
    assert_table(&[
        (
            "ls_app:p%40ss%2Fw0rd%3F@db-1.internal.example:6432/langsmith?sslmode=require&application_name=langsmith&connect_timeout=5",
            "postgresql://ls_app:p%40ss%2Fw0rd%3F@db-1.internal.example:6432/langsmith?sslmode=require&connect_timeout=5&application_name=langsmith",
        ),
        (
            "langsmith@acme-prod.iam@10.20.30.40:5432/langsmith?sslmode=require",
            "postgresql://langsmith%40acme-prod.iam@10.20.30.40:5432/langsmith?sslmode=require",
        ),
        ("u:p@h", "postgresql://u:p@h:5432"),
        ("u@h/d", "postgresql://u@h:5432/d"),
        ("h/d", "postgresql://h:5432/d"),
        ("h:7/d", "postgresql://h:7/d"),
        ("u:p@ss@h/d", "postgresql://u:p%40ss@h:5432/d"),
        ("u:p/s?s#1@h/d", "postgresql://u:p%2Fs%3Fs%231@h:5432/d"),
        ("u:a?b=c@h/d", "postgresql://u:a%3Fb%3Dc@h:5432/d"),
        ("u:100%@h/d", "postgresql://u:100%25@h:5432/d"),
        ("u:p@h1:1,h2:2/d", "postgresql://u:p@h1:1,h2:2/d"),
        ("u:p@[::1]:7/d", "postgresql://u:p@[::1]:7/d"),
        (
            "h/d?user=sa@proj.iam",
            "postgresql://sa%40proj.iam@h:5432/d",
        ),
        ("\"postgres://u:p@h/d\"", "postgresql://u:p@h:5432/d"),
        (
            "psql 'postgresql://u:p@h/d?sslmode=require'",
            "postgresql://u:p@h:5432/d?sslmode=require",
        ),
    ]);
}

#[test]
fn a_uri_whose_host_would_hold_an_at_is_cut_at_the_last_one() {
    let endpoint = Endpoint::parse("postgres://sa@proj.iam:pw@h:7/d").expect("it is read");

    assert_eq!(endpoint.user.as_deref(), Some("sa@proj.iam"));
    assert_eq!(endpoint.hosts[0].name(), Some("h"));
    assert!(
        endpoint.notices()[0].as_str().contains("the last \"@\""),
        "{:?}",
        endpoint.notices()
    );
}

#[test]
fn sqlalchemy_urls_lose_their_driver_and_gather_their_hosts() {
    assert_table(&[
        ("postgresql+psycopg2://u:p@h:7/d", "postgresql://u:p@h:7/d"),
        (
            "postgresql+asyncpg://u:p@h/d?ssl=verify-full",
            "postgresql://u:p@h:5432/d?sslmode=verify-full",
        ),
        (
            "postgresql+asyncpg://u:p@h/d?ssl=true",
            "postgresql://u:p@h:5432/d?sslmode=verify-full",
        ),
        (
            "postgresql+psycopg://u:p@/d?host=h1:1&host=h2:2",
            "postgresql://u:p@h1:1,h2:2/d",
        ),
        (
            "postgresql+psycopg2://u:p@/d?host=/run/pg",
            "postgresql://u:p@%2Frun%2Fpg:5432/d",
        ),
        (
            "postgresql+psycopg2://u:p@h/d?options=-c+a%3Db",
            "postgresql://u:p@h:5432/d?options=-c%20a%3Db",
        ),
        (
            "postgresql+pg8000://u:p@ss@h/d",
            "postgresql://u:p%40ss@h:5432/d",
        ),
    ]);
}

#[test]
fn jdbc_urls_take_everything_from_parameters() {
    assert_table(&[
        (
            "jdbc:postgresql://h1:1,h2/d?user=u&password=p",
            "postgresql://u:p@h1:1,h2:5432/d",
        ),
        ("jdbc:postgresql:d", "postgresql://localhost:5432/d"),
        (
            "jdbc:postgresql://h/d?ssl=true",
            "postgresql://h:5432/d?sslmode=verify-full",
        ),
        (
            "jdbc:postgresql://h/d?ssl=true&sslmode=require",
            "postgresql://h:5432/d?sslmode=require",
        ),
        (
            "jdbc:postgresql://h/d?sslfactory=org.postgresql.ssl.NonValidatingFactory",
            "postgresql://h:5432/d?sslmode=no-verify",
        ),
        (
            "jdbc:postgresql://h/d?currentSchema=a,b",
            "postgresql://h:5432/d?options=-c%20search_path%3Da,b",
        ),
        (
            "jdbc:postgresql://h/d?targetServerType=preferSecondary",
            "postgresql://h:5432/d?target_session_attrs=prefer-standby",
        ),
        (
            "jdbc:postgresql://h/d?targetServerType=primary",
            "postgresql://h:5432/d?target_session_attrs=read-write",
        ),
        (
            "jdbc:postgresql://h/d?loadBalanceHosts=true&tcpKeepAlive=false",
            "postgresql://h:5432/d?load_balance_hosts=random&keepalives=0",
        ),
        (
            "jdbc:postgresql://h/d?ApplicationName=my+app&connectTimeout=3",
            "postgresql://h:5432/d?connect_timeout=3&application_name=my%20app",
        ),
        (
            "jdbc:postgresql://h/d?prepareThreshold=0&readOnly=true",
            "postgresql://h:5432/d?options=-c%20default_transaction_read_only%3Don",
        ),
        (
            "jdbc:mysql://h/d",
            "error: cannot read JDBC URL: it is not one of PostgreSQL's",
        ),
    ]);
}

#[test]
fn npgsql_strings_have_semicolons_and_their_own_names() {
    assert_table(&[
        (
            "Host=h;Username=u;Password=p;Database=d;SSL Mode=Require",
            "postgresql://u:p@h:5432/d?sslmode=require",
        ),
        (
            "Server=h;Port=7;User Id=u;Pwd='p;q';Database=d;",
            "postgresql://u:p%3Bq@h:7/d",
        ),
        (
            "Host=h1:1,h2:2;Database=d;Target Session Attributes=prefer-standby",
            "postgresql://h1:1,h2:2/d?target_session_attrs=prefer-standby",
        ),
        ("Host=h;Password=\"a\"\"b\"", "postgresql://:a%22b@h:5432"),
        (
            "host=h;database=d;Trust Server Certificate=false;SSL Mode=VerifyFull",
            "postgresql://h:5432/d?sslmode=verify-full",
        ),
        (
            "Host=h;Search Path=a;Maximum Pool Size=5;Timeout=15",
            "postgresql://h:5432?connect_timeout=15&options=-c%20search_path%3Da",
        ),
        ("host=h password=a;b", "postgresql://:a%3Bb@h:5432"),
    ]);
}

#[test]
fn names_of_other_drivers_are_translated() {
    assert_table(&[
        (
            "postgres://h/d?schema=my%22app",
            "postgresql://h:5432/d?options=-c%20search_path%3D%22my%22%22app%22",
        ),
        (
            "postgres://h/d?sslcert=/ca.pem&sslaccept=strict",
            "postgresql://h:5432/d?sslmode=verify-full&sslrootcert=/ca.pem",
        ),
        (
            "postgres://h/d?sslcert=/c.pem&sslkey=/k.pem&schema=s",
            "postgresql://h:5432/d?sslcert=/c.pem&sslkey=/k.pem&options=-c%20search_path%3D%22s%22",
        ),
        (
            "postgres://h/d?pgbouncer=true&connection_limit=1&pool_timeout=9",
            "postgresql://h:5432/d",
        ),
        (
            "postgres://h/d?pool_max_conns=4&default_query_exec_mode=exec",
            "postgresql://h:5432/d",
        ),
        (
            "postgres://h/d?sslmode=no-verify",
            "postgresql://h:5432/d?sslmode=no-verify",
        ),
        (
            "postgres://h/d?ssl=no-verify",
            "postgresql://h:5432/d?sslmode=no-verify",
        ),
        (
            "postgres://h/d?ssl=0",
            "postgresql://h:5432/d?sslmode=disable",
        ),
        (
            "postgres://h/d?connectionTimeoutMillis=1500",
            "postgresql://h:5432/d?connect_timeout=2",
        ),
        (
            "postgres://h/d?pool=5&prepared_statements=false",
            "postgresql://h:5432/d",
        ),
        (
            "postgres://h/d?ssl-mode=require&options[statement_timeout]=5s",
            "postgresql://h:5432/d?sslmode=require&options=-c%20statement_timeout%3D5s",
        ),
        ("pgsql://u@h/d", "postgresql://u@h:5432/d"),
    ]);
}

#[test]
fn what_a_driver_says_of_the_certificate_never_weakens_a_mode_that_verifies() {
    let conflict = |name: &str| {
        format!(
            "error: sslmode=verify-full verifies the certificate, and parameter \"{name}\" asks not to"
        )
    };
    let npgsql = conflict("Trust Server Certificate");
    let prisma = conflict("sslaccept");
    assert_table(&[
        (
            "Host=h;Trust Server Certificate=true;SSL Mode=VerifyFull",
            &npgsql,
        ),
        (
            "Host=h;SSL Mode=VerifyFull;Trust Server Certificate=true",
            &npgsql,
        ),
        (
            "Host=h;SSL Mode=Require;Trust Server Certificate=true",
            "postgresql://h:5432?sslmode=no-verify",
        ),
        (
            "postgres://h/d?sslmode=verify-full&sslaccept=accept_invalid_certs",
            &prisma,
        ),
        (
            "postgres://h/d?sslaccept=accept_invalid_certs",
            "postgresql://h:5432/d?sslmode=no-verify",
        ),
        (
            "postgres://h/d?sslaccept=strict&sslmode=require",
            "postgresql://h:5432/d?sslmode=verify-full",
        ),
        (
            "postgres://h/d?sslmode=disable&sslaccept=strict",
            "postgresql://h:5432/d?sslmode=disable",
        ),
        (
            "jdbc:postgresql://h/d?ssl=true&sslfactory=org.postgresql.ssl.NonValidatingFactory",
            "postgresql://h:5432/d?sslmode=no-verify",
        ),
    ]);
}

#[test]
fn no_setting_can_pose_as_a_part_of_the_login_or_the_protocol() {
    for name in [
        "options[user]",
        "options[database]",
        "_pq_.command",
        "options[_pq_.command]",
        "options[]",
    ] {
        let error = Endpoint::parse(&format!("postgres://h/d?{name}=x"))
            .expect_err("it is no server setting");
        assert!(
            error.to_string().starts_with("unknown parameter"),
            "{error}"
        );
    }
}

#[test]
fn server_settings_go_to_the_startup_message() {
    let address = "postgres://h/d?search_path=a,b&statement_timeout=5s&timezone=UTC&my.setting=x&search_path=c";

    let endpoint = Endpoint::parse(address).expect("it is read");

    let settings: Vec<(&str, &str)> = endpoint
        .startup_parameters
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let expected = [
        ("statement_timeout", "5s"),
        ("TimeZone", "UTC"),
        ("my.setting", "x"),
        ("search_path", "c"),
    ];
    assert_eq!(settings, expected);
}
