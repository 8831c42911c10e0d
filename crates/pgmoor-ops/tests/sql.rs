//! Names and texts as PostgreSQL itself quotes them.

#![allow(clippy::unwrap_used, missing_docs)]

use pgmoor_ops::sql::{identifier, literal};
use pgmoor_testkit::{Postgres, has_major};

#[tokio::test]
async fn every_keyword_and_every_odd_text_is_quoted_as_the_server_does() {
    for major in (12..=18).filter(|major| has_major(*major)) {
        let postgres = Postgres::builder().major(major).start().await;
        let client = postgres.connect_admin().await;
        let odd = ["a b", "A", "ä", "a\"b", "1a", "_a1", "", "a$b", "a\\b'c"];
        let rows = client
            .query(
                "select name, quote_ident(name), quote_literal(name) from
                    (select word as name from pg_get_keywords() union select unnest($1::text[])) names",
                &[&odd.as_slice()],
            )
            .await
            .unwrap();
        assert!(rows.len() > 400);
        for row in rows {
            let name: &str = row.get(0);
            // A name may be quoted without need: keywords of other versions are.
            let needs_quotes = row.get::<_, &str>(1).starts_with('"');
            let quoted = format!("\"{}\"", name.replace('"', "\"\""));
            let ours = identifier(name);
            assert!(
                ours == quoted || (ours == name && !needs_quotes),
                "{major}: {name}"
            );

            let back = format!("select {}", literal(name));
            let back = client.query_one(back.as_str(), &[]).await.unwrap();
            assert_eq!(back.get::<_, &str>(0), name);
        }
    }
}
