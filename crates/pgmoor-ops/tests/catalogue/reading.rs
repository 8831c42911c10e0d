//! The catalogue is read in full, of every major version.

use std::collections::BTreeMap;

use pgmoor_ops::catalogue::{Catalogue, Detail};
use pgmoor_testkit::majors;

use crate::site::{object, read, source};

/// How many objects of each kind the data set has where all versions have the same.
const KINDS: &[(&str, usize)] = &[
    ("access method", 1),
    ("aggregate", 3),
    ("cast", 3),
    ("collation", 3),
    ("conversion", 1),
    ("database", 1),
    ("default privileges", 6),
    ("domain", 3),
    ("event trigger", 2),
    ("extension", 8),
    ("foreign data wrapper", 1),
    ("foreign table", 2),
    ("large object", 3),
    ("materialized view", 3),
    ("operator", 6),
    ("operator class", 3),
    ("operator family", 3),
    ("policy", 4),
    ("privileges", 1),
    ("rule", 3),
    ("schema", 5),
    ("server", 2),
    ("setting", 3),
    ("text search configuration", 1),
    ("text search dictionary", 2),
    ("text search parser", 1),
    ("text search template", 1),
    ("trigger", 15),
    ("user mapping", 2),
];

fn count(catalogue: &Catalogue) -> BTreeMap<&'static str, usize> {
    let mut counts = BTreeMap::new();
    for object in &catalogue.objects {
        *counts.entry(object.detail.kind()).or_default() += 1;
    }
    counts
}

#[tokio::test]
async fn every_kind_of_object_is_read_of_every_major_version() {
    for major in majors() {
        let postgres = source(major).await;

        let catalogue = read(&postgres).await;

        let counts = count(&catalogue);
        for (kind, number) in KINDS {
            assert_eq!(
                counts.get(kind),
                Some(number),
                "{kind} on {major}: {counts:?}"
            );
        }
        let table = object(&catalogue, "table", "public.runs");
        assert!(matches!(&table.detail, Detail::Table(table) if table.columns.len() == 16));
    }
}
