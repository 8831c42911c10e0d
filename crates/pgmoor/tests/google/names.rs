//! Names in DNS that lead to instances, and what happens when they lead elsewhere.

use std::time::Duration;

use pgmoor_testkit::dns::{Dns, Kind};
use pgmoor_testkit::google::{InstanceOptions, Service};

use crate::cloudsql::{NAME, Site, ended, open, told};
use crate::common::APP;

const DOMAIN: &str = "db.example.com";
const PATIENCE: Duration = Duration::from_secs(20);

/// A site that is known by a name in DNS.
async fn named(options: InstanceOptions, dns: &Dns) -> Site {
    let mut site = Site::new(options).await;
    site.options.instance = DOMAIN.to_owned();
    site.options.dns_server = Some(dns.address());
    site.options.dns_check = Duration::from_millis(50);
    site
}

#[tokio::test]
async fn text_record_leads_to_the_instance_and_the_name_may_be_in_the_certificate() {
    let dns = Dns::start().await;
    dns.text(DOMAIN, &["zzz:europe-west1:other", "v=spf1 -all", NAME]);
    let options = InstanceOptions {
        // Its metadata announce another name than the one that is configured.
        dns_name: Some(DOMAIN.to_owned()),
        ..InstanceOptions::shared(NAME, DOMAIN)
    };
    let site = named(options, &dns).await;
    let connection = open(&site.connector())
        .await
        .unwrap_or_else(|error| panic!("{}", told(&error)));
    assert!(
        connection.server.starts_with("db.example.com (127.0.0.1:"),
        "{}",
        connection.server
    );
}

#[tokio::test]
async fn address_of_the_name_wins_over_the_instances_own() {
    let dns = Dns::start().await;
    dns.text(DOMAIN, &[NAME]);
    dns.address_of(DOMAIN, "127.0.0.3".parse().expect("address"));
    let site = named(InstanceOptions::new(NAME), &dns).await;
    let connection = open(&site.connector()).await.expect("connection");
    assert!(
        connection.server.contains("(127.0.0.3:"),
        "{}",
        connection.server
    );
}

#[tokio::test]
async fn aliases_are_followed_to_a_name_of_googles() {
    let dns = Dns::start().await;
    let goog = "0a1b.2c3d.europe-west1.sql-psa.goog";
    dns.alias(DOMAIN, "alias.example.com");
    dns.alias("alias.example.com", goog);
    let options = InstanceOptions::shared(NAME, goog);
    let mut site = named(options, &dns).await;
    // The certificate has Google's name and not the operator's.
    let refused = site.refused().await;
    assert!(refused.contains("not valid for name"), "{refused}");
    assert!(site.world.google.calls(Service::ResolveSettings) > 0);

    site.options.instance = goog.to_owned();
    assert!(open(&site.connector()).await.is_ok());
}

#[tokio::test]
async fn name_without_a_record_is_an_error_with_the_fix() {
    let dns = Dns::start().await;
    dns.text(DOMAIN, &["v=spf1 -all"]);
    let site = named(InstanceOptions::new(NAME), &dns).await;
    let refused = site.refused().await;
    assert!(
        refused.contains("cannot find the Cloud SQL instance of db.example.com"),
        "{refused}"
    );
    assert!(
        refused.contains("hint: give it a TXT record with project:region:instance"),
        "{refused}"
    );
}

#[tokio::test]
async fn connections_of_a_name_end_when_it_leads_elsewhere_and_those_of_others_do_not() {
    let dns = Dns::start().await;
    dns.text(DOMAIN, &[NAME]);
    let site = named(InstanceOptions::new(NAME), &dns).await;
    let other = "proj:europe-west1:other";
    let second = site
        .world
        .google
        .instance(InstanceOptions::new(other), &site.postgres)
        .await;
    // One role for both: it is the same server.
    second.knows_iam_role(APP);
    let connector = site.connector();
    let mut by_name = open(&connector).await.expect("connection");
    let mut site_by_instance = named(InstanceOptions::new("proj:europe-west1:third"), &dns).await;
    site_by_instance.options.instance = "proj:europe-west1:third".to_owned();
    let mut by_instance = open(&site_by_instance.connector())
        .await
        .expect("connection");

    dns.text(DOMAIN, &[other]);

    ended(&mut by_name).await;
    let mut byte = [0; 1];
    let silent = tokio::time::timeout(
        Duration::from_millis(100),
        by_instance.stream.read_some(&mut byte),
    );
    assert!(
        silent.await.is_err(),
        "a connection to an instance by its own name was ended"
    );
    pgmoor_testkit::wait_for("the old instance to be left", PATIENCE, async || {
        site.instance.connections() == 0
    })
    .await;
}

#[tokio::test]
async fn dns_server_that_fails_has_not_said_that_the_name_leads_elsewhere() {
    let dns = Dns::start().await;
    dns.text(DOMAIN, &[NAME]);
    let own = "127.0.0.3".parse().expect("address");
    dns.address_of(DOMAIN, own);
    let site = named(InstanceOptions::new(NAME), &dns).await;
    let mut connection = open(&site.connector()).await.expect("connection");

    for kind in [Kind::A, Kind::Aaaa, Kind::Txt] {
        dns.fail(DOMAIN, kind, true);
        let asked = dns.asked(DOMAIN, kind);
        // Each round asks for it again once it has heard the answers before.
        pgmoor_testkit::wait_for("further rounds", PATIENCE, async || {
            dns.asked(DOMAIN, kind) > asked + 3
        })
        .await;
        assert_eq!(site.instance.connections(), 1, "{kind:?}");
        dns.fail(DOMAIN, kind, false);
    }

    // That it leads nowhere else is an answer too: from here on the instance's own address counts.
    dns.no_address(DOMAIN);
    ended(&mut connection).await;
}

#[tokio::test]
async fn connection_that_is_dropped_is_closed_though_its_name_is_watched() {
    let dns = Dns::start().await;
    dns.text(DOMAIN, &[NAME]);
    let site = named(InstanceOptions::new(NAME), &dns).await;
    let connection = open(&site.connector()).await.expect("connection");
    assert_eq!(site.instance.connections(), 1);

    drop(connection);

    pgmoor_testkit::wait_for("its end", PATIENCE, async || {
        site.instance.connections() == 0
    })
    .await;
}
