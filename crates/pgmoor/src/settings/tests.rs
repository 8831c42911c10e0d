//! What a person reads about a configuration, and what the code gets from it.

use std::fs;
use std::num::NonZeroU32;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Secret;

crate::choices! {
    /// A flavour.
    enum Flavour {
        /// Sweet.
        Sweet = "sweet",
        /// Salty.
        Salty = "salty",
    }
}

crate::settings! {
    /// A kitchen.
    struct Kitchen {
        /// How many cooks.
        cooks: NonZeroU32 = "2", range "1..=9", since "0.1";
        /// The flavour.
        flavour: Flavour = "sweet", since "0.1";
        /// How long to wait.
        patience: Timeout = "10s", range "1s..=1h", since "0.1";
        /// The recipe.
        recipe: Option<Secret<String>>, example "file:./recipe", since "0.1";
        /// Where things are.
        shelf: PathBuf = "./shelf", since "0.1";
        /// Its doors.
        doors: Vec<std::net::SocketAddr> = ["127.0.0.1:1"], since "0.1";
        /// The ovens.
        ovens: std::collections::BTreeMap<String, Oven>, since "0.1";
    }
}

crate::settings! {
    /// An oven.
    struct Oven {
        /// How long it heats.
        heat: Duration = "1m", since "0.1";
    }
}

fn place() -> Place<'static> {
    Place {
        key: "",
        range: None,
    }
}

fn file() -> Arc<Path> {
    Arc::from(Path::new("dir/kitchen.yaml"))
}

/// A tree as if each entry stood on a line of its own.
fn tree(entries: &[(&str, Data)]) -> Node {
    let entry = |(index, (key, data)): (usize, &(&str, Data))| {
        let line = u32::try_from(index).expect("few lines") + 1;
        Entry {
            key: (*key).to_owned(),
            origin: Origin::file(&file(), line, 1),
            value: Node {
                data: data.clone(),
                origin: Origin::file(&file(), line, 10),
            },
        }
    };
    Node {
        data: Data::Map(entries.iter().enumerate().map(entry).collect()),
        origin: Origin::file(&file(), 1, 1),
    }
}

fn text(text: &str) -> Data {
    Data::Scalar(text.to_owned())
}

fn load(node: &Node) -> Result<Kitchen, String> {
    let variables = |name: &str| (name == "COOKS").then(|| "7".to_owned());
    let mut loader = Loader::new(&variables, Path::new("/work"), Path::new("dir"));
    let kitchen = Kitchen::load(node, &place(), &mut loader);
    loader
        .finish(kitchen)
        .map_err(|problems| problems.to_string())
}

#[test]
fn every_problem_is_found_at_once_with_place_reason_and_advice() {
    let node = tree(&[
        ("coks", text("3")),
        ("cooks", text("12")),
        ("flavour", text("salti")),
        ("patience", text("30")),
        ("recipe", text("${RECIPE}")),
        (
            "doors",
            Data::List(vec![Node::scalar(
                "localhost:5",
                Origin::file(&file(), 6, 12),
            )]),
        ),
        ("ovens", text("hot")),
    ]);

    insta::assert_snapshot!(load(&node).expect_err("is wrong"), @r#"
    error: dir/kitchen.yaml:1:1: unknown key "coks"
    hint: did you mean "cooks"?

    error: dir/kitchen.yaml:2:10: invalid value "12" for "cooks"
    cause: must be between 1 and 9

    error: dir/kitchen.yaml:3:10: invalid value "salti" for "flavour"
    cause: must be "sweet" or "salty"
    hint: did you mean "salty"?

    error: dir/kitchen.yaml:4:10: invalid value "30" for "patience"
    cause: must be a number with ms, s, m, h or d, such as "10s", or "0" for no limit
    hint: did you mean "30s" or "30ms"?

    error: dir/kitchen.yaml:5:10: "recipe" needs the environment variable "RECIPE"
    cause: RECIPE is not set
    hint: set RECIPE, or write ${RECIPE:-default}

    error: dir/kitchen.yaml:6:12: invalid value "localhost:5" for "doors[0]"
    cause: must be an IP address and port, such as "127.0.0.1:6432"
    hint: write "127.0.0.1:5"

    error: dir/kitchen.yaml:7:10: "ovens" must be a section with names as keys
    cause: it is a single value
    "#);
}

#[test]
fn variables_are_filled_in_and_an_escaped_one_is_not() {
    let kitchen = load(&tree(&[
        ("cooks", text("${COOKS}")),
        ("recipe", text("$${COOKS}-${NONE:-salt}")),
    ]));

    let kitchen = kitchen.expect("is right");
    assert_eq!(kitchen.cooks.get(), 7);
    assert_eq!(kitchen.recipe.expect("is set").expose(), "${COOKS}-salt");
}

#[test]
fn relative_paths_start_at_the_file_that_names_them() {
    let written = load(&tree(&[("shelf", text("../top"))])).expect("is right");
    let default = load(&tree(&[])).expect("is right");

    assert_eq!(written.shelf, Path::new("/work/dir/../top"));
    assert_eq!(default.shelf, Path::new("dir/shelf"));
    assert_eq!(Kitchen::default().shelf, Path::new("./shelf"));
}

#[test]
fn zero_switches_a_time_limit_off() {
    let kitchen = load(&tree(&[("patience", text("0"))])).expect("is right");

    assert_eq!(kitchen.patience.get(), None);
}

#[test]
fn a_secret_file_is_refused_when_everyone_can_read_it_and_loses_one_line_break() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("recipe");
    fs::write(&path, "pepper\n\n").expect("write");
    let node = tree(&[("recipe", text(&format!("file:{}", path.display())))]);
    let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("chmod");

    mode(0o644);
    let refused = load(&node)
        .expect_err("is open to all")
        .replace(&directory.path().display().to_string(), "DIR");
    mode(0o400);
    let taken = load(&node).expect("is readable by its owner only");

    // The hint differs for root's files.
    let (refused, hint) = refused.rsplit_once('\n').expect("three lines");
    assert!(hint.starts_with("hint: run: chmod 06"), "{hint}");
    insta::assert_snapshot!(refused, @r#"
    error: dir/kitchen.yaml:1:10: cannot use the secret file of "recipe"
    cause: DIR/recipe can be read by others (mode 0644)
    "#);
    assert_eq!(taken.recipe.expect("is set").expose(), "pepper\n");
}

#[test]
fn a_secret_file_that_an_editor_or_a_broken_copy_spoiled_is_refused_without_its_content() {
    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("recipe");
    let node = tree(&[("recipe", text(&format!("file:{}", path.display())))]);
    for (content, why) in [
        (&b""[..], "it is empty"),
        (b"\n", "it is empty"),
        (b"\xef\xbb\xbfpepper\n", "it starts with a byte order mark"),
        (b"\xff\xfep\0e\0p\0", "is not UTF-8 text"),
        (b"pep\0per", "it contains a zero byte"),
    ] {
        fs::write(&path, content).expect("write");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");

        let refused = load(&node).expect_err("is spoiled");

        assert!(refused.contains(why), "{content:?}: {refused}");
        assert!(!refused.contains("pep"), "{content:?}: {refused}");
    }
}

#[test]
fn secrets_are_neither_shown_nor_debugged() {
    let kitchen = load(&tree(&[("recipe", text("pepper"))])).expect("is right");

    assert!(!format!("{kitchen:?}{:?}", kitchen.show()).contains("pepper"));
}

#[test]
fn passwords_in_connection_strings_are_masked_in_every_form() {
    for (written, shown) in [
        (
            "postgres://app:se:c/r@et@h:5432/db?sslmode=require",
            "postgres://app:***@h:5432/db?sslmode=require",
        ),
        ("postgres://app@h/db", "postgres://app@h/db"),
        ("app:secret@h:5432/db", "app:***@h:5432/db"),
        (
            "host=h password=secret dbname=db",
            "host=h password=*** dbname=db",
        ),
        (
            "host=h password = 'se cr\\'et' dbname=db",
            "host=h password =*** dbname=db",
        ),
        (
            "postgres://h/db?password=secret&sslpassword=other&x=1",
            "postgres://h/db?password=***&sslpassword=***&x=1",
        ),
    ] {
        assert_eq!(ConnectionText::new(written).masked(), shown);
    }
}

fn from_environment(tree: &mut Node, variables: &[(&str, &str)]) -> String {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Problems(overlay(
        tree,
        &Kitchen::shape(),
        variables,
        &["PGMOOR_CONFIG"],
    ))
    .to_string()
}

#[test]
fn the_environment_overrides_the_file_at_any_depth() {
    let oven = Entry {
        key: "Big-One".to_owned(),
        origin: Origin::Default,
        value: Node {
            data: Data::Null,
            origin: Origin::Default,
        },
    };
    let mut node = tree(&[("cooks", text("3")), ("ovens", Data::Map(vec![oven]))]);

    let problems = from_environment(
        &mut node,
        &[
            ("PGMOOR_COOKS", "4"),
            ("PGMOOR_DOORS", "127.0.0.1:2, [::1]:3"),
            ("PGMOOR_OVENS__BIG_ONE__HEAT", "1h30m"),
            ("PGMOOR_OVENS__SMALL__HEAT", "5s"),
            ("PGMOOR_CONFIG", "elsewhere"),
            ("HOME", "/root"),
        ],
    );

    assert_eq!(problems, "");
    let kitchen = load(&node).expect("is right");
    assert_eq!(kitchen.cooks.get(), 4);
    assert_eq!(kitchen.doors.len(), 2);
    assert_eq!(kitchen.ovens["Big-One"].heat, Duration::from_secs(5400));
    assert_eq!(kitchen.ovens["small"].heat, Duration::from_secs(5));
}

#[test]
fn variables_that_match_nothing_are_refused_with_the_one_that_is_meant() {
    let mut node = tree(&[]);

    let problems = from_environment(
        &mut node,
        &[
            ("PGMOOR_COKS", "4"),
            ("PGMOOR_OVENS_APP_HEAT", "4s"),
            ("PGMOOR_HEAT", "4s"),
            ("PGMOOR_OVENS__A", "hot"),
        ],
    );

    insta::assert_snapshot!(problems, @r#"
    error: environment variable PGMOOR_COKS: it matches no key
    cause: names start with PGMOOR_, then the key's parts joined by __
    hint: did you mean PGMOOR_COOKS?

    error: environment variable PGMOOR_HEAT: it matches no key
    cause: names start with PGMOOR_, then the key's parts joined by __
    hint: did you mean PGMOOR_OVENS__APP__HEAT?

    error: environment variable PGMOOR_OVENS_APP_HEAT: it matches no key
    cause: names start with PGMOOR_, then the key's parts joined by __
    hint: did you mean PGMOOR_OVENS__APP__HEAT?

    error: environment variable PGMOOR_OVENS__A: "ovens.a" is a section and has no value of its own
    hint: set one of its keys, such as PGMOOR_OVENS__A__HEAT
    "#);
}

#[test]
fn variables_that_kubernetes_makes_for_a_service_are_passed_over() {
    let mut node = tree(&[]);

    let problems = from_environment(
        &mut node,
        &[
            ("PGMOOR_SERVICE_HOST", "10.0.0.1"),
            ("PGMOOR_SERVICE_PORT_POSTGRES", "5432"),
            ("PGMOOR_PORT", "tcp://10.0.0.1:5432"),
            ("PGMOOR_PORT_5432_TCP_ADDR", "10.0.0.1"),
            ("PGMOOR_GATEWAY_SERVICE_HOST", "10.0.0.1"),
        ],
    );

    assert_eq!((problems.as_str(), node), ("", tree(&[])));
}

#[test]
fn the_sample_shows_every_key_and_changes_nothing() {
    let Shape::Section(section) = Kitchen::shape() else {
        unreachable!("a struct is a section")
    };

    insta::assert_snapshot!(sample(&section, "A kitchen."), @r#"
    # A kitchen.

    # How many cooks.
    #cooks: 2

    # The flavour.
    # sweet: Sweet.
    # salty: Salty.
    #flavour: sweet

    # How long to wait.
    #patience: 10s

    # The recipe.
    #recipe: "file:./recipe"

    # Where things are.
    #shelf: ./shelf

    # Its doors.
    #doors: ["127.0.0.1:1"]

    # The ovens.
    ovens:
      #app:
        # How long it heats.
        #heat: 1m
    "#);
}

proptest! {
    #[test]
    fn a_duration_reads_back_as_it_was_written(milliseconds in 0u64..10_000_000_000) {
        let duration = Duration::from_millis(milliseconds);
        let read = Duration::read(&write_duration(duration), &Origin::Default, &Loader::for_defaults());
        prop_assert_eq!(read, Ok(duration));
    }

    #[test]
    fn masking_never_panics_and_hides_the_password(password in "[a-zA-Z0-9@:/?#&= ']{8,20}") {
        let masked = mask(&format!("postgres://app:{password}@host/db"));
        prop_assert!(!masked.contains(&password));
    }
}
