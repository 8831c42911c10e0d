//! A file that is edited in place keeps all that is not about the database.

use std::path::Path;

use pgmoor_ops::system::{Tree, merged};
use pgmoor_ops::yaml;
use proptest::prelude::*;

fn edit(text: &str, wanted: &Tree, owned: &[&[&str]]) -> String {
    let owned: Vec<Vec<String>> = owned
        .iter()
        .map(|keys| keys.iter().map(|&key| key.to_owned()).collect())
        .collect();
    merged(text, Path::new("values.yaml"), wanted, &owned)
        .unwrap_or_else(|problem| panic!("{problem}\n{text}"))
}

fn wanted(pairs: &[(&[&str], Tree)]) -> Tree {
    let mut tree = Tree::default();
    for (path, value) in pairs {
        tree.set(path, value.clone());
    }
    tree
}

const LANGSMITH: &str = "# Our LangSmith.
config:
  langsmithLicenseKey: key # secret enough
postgres:
  # Ours since May.
  external:
    enabled: false
    host: old.example
    password: \"old\"
    # The end.

backend:
  replicas: 3
  serviceAccount: {annotations: {a: b}}   # keep
";

#[test]
fn values_are_set_stale_ones_go_and_comments_stay() {
    let wanted = wanted(&[
        (&["postgres", "external", "enabled"], Tree::Flag(true)),
        (&["postgres", "external", "existingSecretName"], "pg".into()),
        (
            &["backend", "serviceAccount", "annotations", "role"],
            "arn:x".into(),
        ),
        (&["commonLabels", "l"], "true".into()),
    ]);

    let text = edit(LANGSMITH, &wanted, &[&["postgres", "external"]]);

    insta::assert_snapshot!(text, @r#"
    # Our LangSmith.
    config:
      langsmithLicenseKey: key # secret enough
    postgres:
      # Ours since May.
      external:
        enabled: true
        existingSecretName: pg
        # The end.

    backend:
      replicas: 3
      serviceAccount: {annotations: {a: b, role: "arn:x"}}   # keep
    commonLabels:
      l: "true"
    "#);
    assert_eq!(
        edit(&text, &wanted, &[&["postgres", "external"]]),
        text,
        "a second time"
    );
}

#[test]
fn variables_of_a_list_are_found_by_their_names() {
    let before = "coder:
  env:
    - name: CODER_ACCESS_URL
      value: https://coder # ours
    - name: CODER_PG_AUTH
      value: awsiamrds
    # The address.
    - name: CODER_PG_CONNECTION_URL
      value: postgres://old
  replicas: 2
";
    let variable = Tree::map([
        ("name", "CODER_PG_CONNECTION_URL".into()),
        ("value", "postgres://new".into()),
    ]);
    let pool = Tree::map([("name", "POOL".into()), ("value", "9".into())]);
    let wanted = wanted(&[(&["coder", "env"], Tree::List(vec![variable, pool]))]);
    let owned: &[&[&str]] = &[
        &["coder", "env", "CODER_PG_AUTH"],
        &["coder", "env", "CODER_PG_CONNECTION_URL"],
    ];

    let text = edit(before, &wanted, owned);

    insta::assert_snapshot!(text, @r#"
    coder:
      env:
        - name: CODER_ACCESS_URL
          value: https://coder # ours
        # The address.
        - name: CODER_PG_CONNECTION_URL
          value: "postgres://new"
        - name: POOL
          value: "9"
      replicas: 2
    "#);
}

#[test]
fn keys_without_a_value_and_empty_files_are_filled() {
    let wanted = wanted(&[(&["a", "b", "c"], "x".into())]);

    for (before, after) in [
        ("", "a:\n  b:\n    c: x\n"),
        ("a:\nz: 1\n", "a:\n  b:\n    c: x\nz: 1\n"),
        ("a: ~ # none\n", "a: # none\n  b:\n    c: x\n"),
        ("a: {}\n", "a: {b: {c: x}}\n"),
        ("a:\n  b: {c: y, d: z}\n", "a:\n  b: {c: x, d: z}\n"),
        ("z: 1", "z: 1\na:\n  b:\n    c: x\n"),
        (
            "a:\n    b:\n        d: 1\n",
            "a:\n    b:\n        d: 1\n        c: x\n",
        ),
        (
            "apiVersion: v1\nkind: Secret\n---\na: {b: {c: y}}\n",
            "apiVersion: v1\nkind: Secret\n---\na: {b: {c: x}}\n",
        ),
    ] {
        assert_eq!(edit(before, &wanted, &[]), after, "{before:?}");
    }
}

#[test]
fn file_in_place_of_a_text_is_one_value() {
    let wanted = wanted(&[(&["password", "$file"], "pw".into())]);

    for (before, after) in [
        ("password: ${PW} # old\n", "password: {$file: pw} # old\n"),
        ("password: {$env: PW}\n", "password: {$file: pw}\n"),
        (
            "password:\n  $file: old # kept\n",
            "password:\n  $file: pw # kept\n",
        ),
        ("", "password:\n  $file: pw\n"),
    ] {
        assert_eq!(edit(before, &wanted, &[]), after, "{before:?}");
    }
}

#[test]
fn what_cannot_be_edited_without_a_loss_is_refused() {
    let wanted = wanted(&[(&["a", "b"], "x".into())]);

    for before in ["z: &z {b: 1}\na: *z\n", "a: text\n", "a:\n  b:\n    c: 1\n"] {
        let problem = merged(before, Path::new("v.yaml"), &wanted, &[]).unwrap_err();

        assert!(problem.to_string().contains("in place"), "{problem}");
    }
    let broken = merged("a: [\n", Path::new("v.yaml"), &wanted, &[]).unwrap_err();
    assert!(
        broken.to_string().starts_with("error: v.yaml:2:1: "),
        "{broken}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn other_keys_and_comments_outlive_any_edit(
        keys in proptest::collection::btree_set("[a-e]", 1..4),
        flow in any::<bool>(),
        target in "[a-e]",
        inner in "[x-z]",
    ) {
        let mut before = String::from("# head\n");
        for key in &keys {
            if flow {
                before.push_str(&format!("{key}: {{k{key}: 1, w: 2}} # of {key}\n"));
            } else {
                before.push_str(&format!("{key}:\n  # of {key}\n  k{key}: 1\n  w: 2\n"));
            }
        }
        let wanted = wanted(&[(&[&target, &inner], Tree::Number(7))]);

        let after = edit(&before, &wanted, &[]);

        let node = yaml::parse(&after, Path::new("v.yaml"), &mut Vec::new()).expect("is YAML");
        for key in &keys {
            let remark = format!("# of {key}");
            prop_assert!(after.contains(&remark), "{}", after);
            prop_assert!(node.at(&[key, &format!("k{key}")]).is_some(), "{}", after);
        }
        prop_assert!(node.at(&[&target, &inner]).is_some(), "{}", after);
        prop_assert!(after.starts_with("# head\n"));
    }
}
