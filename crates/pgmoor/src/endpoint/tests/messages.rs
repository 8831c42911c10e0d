//! What an operator reads when an address is wrong, or was not taken literally.

use super::said;

#[test]
fn wrong_addresses_are_refused_with_what_why_and_what_to_do() {
    let addresses = [
        "postgres://u:p@h:port/d",
        "postgres://h:port/d",
        "postgres://app:hunter2",
        "postgres://u@h:70000/d",
        "postgres://u:p/q@h/d",
        "postgres://h/d?sslmod=require",
        "postgres://h/d?statment_timeout=5s",
        "postgres://h/d?zzz=1",
        "postgres://h/d?sslmode",
        "postgres://h/d?sslmode=verify_full",
        "postgres://h/d?connect_timeout=5s",
        "postgres://h/d?sslidentity=/id.p12",
        "postgres://h/d?sslmode=disable&channel_binding=require",
        "postgres://h/d?require_auth=scram-sha-256,!md5",
        "postgres://h/d?require_auth=gss",
        "postgres://h/d?scram_client_key=AAAA",
        "postgres://h/d?hostaddr=example.org",
        "postgres://h/d?ssl_min_protocol_version=TLSv1.3&ssl_max_protocol_version=TLSv1.2",
        "postgres://u:p%zz@h/d",
        "postgres://[::1/d",
        "postgres:/h/d",
        "mysql://u:p@h/d",
        "mydb",
        "host=h password=two words",
        "host=h password='open",
        "host=h sslsni=yes",
        "host=h gssencmode=require",
        "host=h service=prod",
        "host=h dbname=postgres://u:p@h/d",
        "u:p@h:port/d",
        "u:p@h/d?sslmode",
        "Host=h;Colour=red",
        "Host=h;Password='p",
        "jdbc:postgresql://h/d?sslfactory=com.example.Factory",
    ];

    let lines: Vec<String> = addresses
        .iter()
        .map(|address| format!("{address}\n{}", said(address)))
        .collect();

    insta::assert_snapshot!(lines.join("\n\n"));
}

#[test]
fn what_was_not_taken_literally_is_told() {
    let addresses = [
        "",
        "POSTGRES://h/d",
        "postgresql+asyncpg://u:p@h/d?ssl=require",
        "'postgres://h/d'",
        "postgres://u:p@x@h/d",
        "postgres://h/d?options=-csearch_path=x",
        "postgres://h/d?pool_max_conns=4&schema=app&sslcert=/ca.pem",
        "postgres://h/d?sslmode=no-verify&sslcompression=1&krbsrvname=pg&sslkeylogfile=/k",
        "postgres://h/d?client_encoding=auto&ssl_min_protocol_version=TLSv1",
        "jdbc:postgresql://u:p@h/d?ssl=true&targetServerType=primary&prepareThreshold=0",
        "Host=h;Pooling=true;Trust Server Certificate=true",
    ];

    let lines: Vec<String> = addresses
        .iter()
        .map(|address| format!("{address}\n{}", said(address)))
        .collect();

    insta::assert_snapshot!(lines.join("\n\n"));
}
