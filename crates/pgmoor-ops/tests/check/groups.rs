//! What is read: no more than what the wanted checks look at, and no less.

use pgmoor_ops::check::{Layer, Selection, registry};
use pgmoor_ops::preflight;
use pgmoor_ops::report::{DatabaseReport, Status};
use pgmoor_testkit::{Ca, Postgres};

use crate::site::{Look, options};

async fn with(look: Look, selection: Selection) -> DatabaseReport {
    let mut options = options(look.limit);
    options.selection = selection;
    let report = preflight::run(&[look.examination()], &options, |_| {}).await;
    report.databases.into_iter().next().unwrap()
}

#[tokio::test]
async fn each_layer_alone_comes_to_what_it_comes_to_with_all_others() {
    let ca = Ca::default();
    let postgres = Postgres::builder().tls(&ca).start().await;
    let target = Postgres::start().await;
    let look = || {
        let root = ca.root_path().display();
        let url = format!("{}?sslmode=verify-full&sslrootcert={root}", postgres.url());
        let mut look = Look::at(&url);
        look.asked.for_move = true;
        look.to(&target)
    };
    let all = with(look(), Selection::default()).await;
    assert!(all.connected, "{all:#?}");
    for layer in Layer::ALL {
        let selection = Selection {
            layers: vec![layer],
            ..Selection::default()
        };
        let alone = with(look(), selection).await;

        let of = |report: &DatabaseReport| -> Vec<(&str, Status)> {
            let checks = report.checks.iter().filter(|check| check.layer == layer);
            checks.map(|check| (check.id, check.status)).collect()
        };
        // How fast a line is, is another thing each time.
        if layer != Layer::Latency {
            assert_eq!(of(&alone), of(&all), "{layer}");
        }
        let server =
            |report: &DatabaseReport| report.server.as_ref().map(|server| server.version.clone());
        if alone.connected {
            assert_eq!(server(&alone), server(&all), "{layer}");
            assert!(server(&alone).flatten().is_some(), "{layer}");
        }
        for check in &alone.checks {
            assert!(!check.seen.contains("nobody asked for it"), "{check:?}");
        }
    }
}

#[tokio::test]
async fn what_is_written_is_judged_without_anybody_being_asked() {
    let postgres = Postgres::start().await;
    let before = postgres.log();
    let selection = Selection {
        layers: vec![Layer::Configuration],
        ..Selection::default()
    };

    let report = with(Look::at(&postgres.url()), selection).await;

    assert!(!report.connected && !report.tried);
    assert!(
        report
            .checks
            .iter()
            .all(|check| check.layer == Layer::Configuration)
    );
    assert_eq!(postgres.log(), before);
}

#[tokio::test]
async fn one_check_alone_says_what_took_its_ground_away() {
    let only = registry::find("PGM-SRV-001").unwrap().id;
    let selection = Selection {
        only: vec![only],
        ..Selection::default()
    };
    let port = pgmoor_testkit::free_port();
    let report = with(
        Look::at(&format!("postgres://app:geheim@127.0.0.1:{port}/app")),
        selection,
    )
    .await;

    assert_eq!(report.checks.len(), 1);
    assert_eq!(report.checks[0].seen, "not reached, see PGM-NET-002");
}
