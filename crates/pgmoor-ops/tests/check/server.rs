//! Checks of what the server is.

use std::time::Duration;

use pgmoor_testkit::{Postgres, has_major};

use crate::prepared::{admin, look, plainly, sql};
use crate::site::{fires, leads, passes};

#[tokio::test]
async fn a_server_that_is_too_old_for_the_application_is_found() {
    let postgres = Postgres::start().await;
    let report = look(&postgres, |look| look.asked.requirement.min_version = 99).await;
    leads(&report, "PGM-SRV-001");

    passes(&plainly(&postgres).await, "PGM-SRV-001");
}

#[tokio::test]
async fn a_version_without_fixes_is_found_and_when_they_end_is_said() {
    let postgres = Postgres::builder().major(15).start().await;
    let years = Duration::from_secs(5 * 365 * 86_400);
    let report = look(&postgres, |look| look.asked.now += years).await;
    let finding = fires(&report, "PGM-SRV-002");
    assert!(finding.seen.contains("2027-11-11"), "{finding:?}");

    let report = look(&postgres, |look| look.asked.now -= years).await;
    passes(&report, "PGM-SRV-002");
}

#[tokio::test]
async fn a_server_that_writes_nothing_by_default_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-SRV-004");

    sql(
        &postgres,
        "alter role app set default_transaction_read_only = on",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = leads(&report, "PGM-SRV-004");
    let hint = finding.hint.as_deref().unwrap();
    assert_eq!(hint, "ALTER ROLE app RESET default_transaction_read_only");
}

#[tokio::test]
async fn another_encoding_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-SRV-005");

    let report = look(&postgres, |look| {
        look.asked.requirement.encoding = "LATIN1".to_owned()
    })
    .await;
    leads(&report, "PGM-SRV-005");
}

#[tokio::test]
async fn a_collation_whose_library_changed_is_found() {
    let postgres = Postgres::builder().major(15).start().await;
    passes(&plainly(&postgres).await, "PGM-SRV-006");

    sql(
        &postgres,
        "create collation public.german (provider = icu, locale = 'de');
         create table public.names (name text collate public.german);
         update pg_collation set collversion = '0.1' where collname = 'german'",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-SRV-006");
    assert!(
        finding
            .hint
            .as_deref()
            .unwrap()
            .contains("ALTER COLLATION public.german REFRESH VERSION")
    );
}

#[tokio::test]
async fn timeouts_that_will_bite_are_found_with_what_takes_them_back() {
    let postgres = Postgres::builder().major(15).start().await;
    let report = plainly(&postgres).await;
    passes(&report, "PGM-SRV-007");
    passes(&report, "PGM-SRV-008");
    passes(&report, "PGM-SRV-009");
    passes(&report, "PGM-SRV-011");

    sql(
        &postgres,
        "alter role app set statement_timeout = '5s';
         alter database app set idle_in_transaction_session_timeout = '1s';
         alter role app in database app set idle_session_timeout = '1min';
         alter role app set lock_timeout = '50ms'",
    )
    .await;
    let report = plainly(&postgres).await;
    let finding = fires(&report, "PGM-SRV-007");
    assert!(finding.seen.contains("5 s"), "{finding:?}");
    let finding = fires(&report, "PGM-SRV-008");
    assert_eq!(
        finding.hint.as_deref(),
        Some("ALTER DATABASE app RESET idle_in_transaction_session_timeout")
    );
    fires(&report, "PGM-SRV-009");
    fires(&report, "PGM-SRV-011");
}

#[tokio::test]
async fn of_several_settings_the_one_that_counts_is_taken_back() {
    let postgres = Postgres::start().await;
    sql(
        &postgres,
        "alter database app set statement_timeout = '5s'; alter role app set statement_timeout = '7s'",
    )
    .await;

    let report = plainly(&postgres).await;

    let finding = fires(&report, "PGM-SRV-007");
    assert_eq!(
        finding.hint.as_deref(),
        Some("ALTER ROLE app RESET statement_timeout")
    );
}

#[tokio::test]
async fn a_limit_on_transactions_is_found_where_there_is_such_a_thing() {
    if !has_major(17) {
        return;
    }
    let postgres = Postgres::builder().major(17).start().await;
    passes(&plainly(&postgres).await, "PGM-SRV-010");

    sql(&postgres, "alter role app set transaction_timeout = '5s'").await;
    fires(&plainly(&postgres).await, "PGM-SRV-010");
}

#[tokio::test]
async fn a_server_that_may_lose_what_was_committed_is_found() {
    let safe = Postgres::builder().conf("fsync", "on").start().await;
    passes(&plainly(&safe).await, "PGM-SRV-012");

    let unsafe_one = Postgres::builder().conf("fsync", "off").start().await;
    let report = plainly(&unsafe_one).await;
    let finding = fires(&report, "PGM-SRV-012");
    assert!(
        finding
            .hint
            .as_deref()
            .unwrap()
            .contains("ALTER SYSTEM SET fsync = on")
    );
}

#[tokio::test]
async fn other_isolation_and_another_time_zone_are_found() {
    let postgres = Postgres::start().await;
    let report = plainly(&postgres).await;
    passes(&report, "PGM-SRV-013");
    passes(&report, "PGM-SRV-014");

    sql(
        &postgres,
        "alter role app set default_transaction_isolation = 'serializable';
         alter role app set timezone = 'Europe/Berlin'",
    )
    .await;
    let report = plainly(&postgres).await;
    fires(&report, "PGM-SRV-013");
    let finding = fires(&report, "PGM-SRV-014");
    assert_eq!(
        finding.hint.as_deref(),
        Some("ALTER ROLE app RESET TimeZone")
    );
}

#[tokio::test]
async fn a_standby_is_found() {
    let postgres = Postgres::start().await;
    passes(&plainly(&postgres).await, "PGM-SRV-003");

    let standby = postgres.standby().await;
    let report = plainly(&standby).await;
    leads(&report, "PGM-SRV-003");
    drop(admin(&postgres).await);
}
