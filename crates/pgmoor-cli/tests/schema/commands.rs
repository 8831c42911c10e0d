//! What the commands print, and how they end.

use crate::site::Site;

fn site() -> [(&'static str, &'static str); 4] {
    [
        ("V1__users.sql", "create table users (id int)"),
        ("V1__users.down.sql", "drop table users"),
        ("V2__names.sql", "alter table users add name text"),
        ("V2__names.down.sql", "alter table users drop name"),
    ]
}

#[tokio::test]
async fn what_a_person_sees_from_the_first_migration_to_the_way_back() {
    let site = Site::new(&site()).await;
    let mut seen = String::new();
    let mut go = |arguments: &[&str]| {
        let (code, out, err) = site.run(arguments);
        seen.push_str(&format!("$ pgmoor schema {}\n", arguments.join(" ")));
        seen.push_str(&err);
        seen.push_str(&out);
        seen.push_str(&format!("exit {code}\n\n"));
    };

    go(&["status"]);
    go(&["up", "--to", "1"]);
    go(&["status", "--strict"]);
    go(&["up", "--dry-run"]);
    go(&["up"]);
    go(&["up"]);
    go(&["down"]);
    go(&["down", "--yes"]);
    go(&["status"]);
    go(&["new", "add posts"]);
    go(&["resolve", "2", "--as", "applied", "--yes"]);
    go(&["up", "--to", "9"]);

    insta::assert_snapshot!(seen);
}

#[tokio::test]
async fn what_does_not_fit_is_shown_with_what_to_do() {
    let site = Site::new(&site()).await;
    site.run(&["up"]);
    site.write("V1__users.sql", "create table users (id bigint)");
    site.write("V4__more.sql", "select 1");

    let (code, out, err) = site.run(&["status"]);

    insta::assert_snapshot!(format!("{out}{err}exit {code}"));
}

#[tokio::test]
async fn json_is_one_document_also_when_it_fails() {
    let site = Site::new(&site()).await;
    let json = |arguments: &[&str]| -> (i32, serde_json::Value) {
        let mut all = arguments.to_vec();
        all.extend(["-o", "json"]);
        let (code, out, _) = site.run(&all);
        (code, serde_json::from_str(&out).expect("one document"))
    };

    let (_, up) = json(&["up"]);
    assert_eq!(up["applied"][1]["migration"], "V2__names");
    let (_, status) = json(&["status"]);
    assert_eq!(status["migrations"][0]["state"], "applied");
    assert_eq!(status["current"], "V2__names");
    let (code, refused) = json(&["down"]);
    assert_eq!((code, &refused["exit_code"]), (4, &serde_json::json!(4)));
    site.write("V3__bad.sql", "select nonsense");
    let (code, failed) = json(&["up"]);
    assert_eq!(code, 1);
    assert_eq!(
        failed["errors"][0]["error"],
        "migration V3__bad failed at line 1"
    );
    site.write("V3_bad.sql", "");
    let (code, failed) = json(&["status"]);
    assert_eq!(code, 2);
    assert_eq!(failed["errors"][0]["error"], "cannot use the migrations");
}
