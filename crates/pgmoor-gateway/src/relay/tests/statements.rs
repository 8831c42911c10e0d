//! Prepared statements that move between server connections.

use pgmoor_testkit::frontend::{
    bind, close_statement, describe_statement, execute, flush, parse, query, sync,
};

use super::pair::{Pair, fresh_server, server};

fn run(name: &str) -> Vec<u8> {
    [bind("", name, &[]), execute("", 0)].concat()
}

#[test]
fn a_statement_follows_its_client_to_another_server() {
    let mut pair = Pair::new();

    pair.say(&[parse("s", "select 1"), sync()].concat());
    pair.answer(&server(&["1", "Z I"]));
    pair.moves();

    assert_eq!(pair.say(&[run("s"), sync()].concat()), "PBES");
    assert_eq!(
        pair.answer(&server(&["1", "2", "C SELECT 1", "Z I"])),
        "2CZ"
    );
}

#[test]
fn an_unnamed_statement_of_somebody_else_is_never_bound() {
    let mut pair = Pair::new();
    pair.server.unnamed = Some(u64::MAX);

    // The Parse is skipped: what the next part binds cannot be told before the error is there.
    let first = [bind("", "missing", &[]), parse("", "select 1"), sync()].concat();
    assert_eq!(pair.say(&first), "BPS");
    let (sent, _, left) = pair.try_say(&run("")).expect("a client may");
    assert!(sent.is_empty() && left == run("").len());
    assert!(pair.relay.is_waiting());

    pair.answer(&server(&["E 26000", "Z I"]));
    assert!(pair.relay.resumes());
    let (sent, ..) = pair.try_say(&run("")).expect("a client may");
    assert!(sent.windows(11).any(|w| w == b"pgmoor_none"));
}

#[test]
fn a_parse_that_failed_leaves_its_name_free() {
    let mut pair = Pair::new();

    pair.say(&[parse("s", "nonsense"), sync()].concat());
    let again = [parse("s", "select 1"), sync()].concat();
    assert_eq!(pair.try_say(&again).expect("a client may").2, again.len());
    pair.answer(&server(&["E 42601", "Z I"]));

    assert!(pair.relay.resumes());
    assert_eq!(pair.say(&again), "PS");
    assert_eq!(pair.answer(&server(&["1", "Z I"])), "1Z");
}

#[test]
fn a_statement_prepared_in_a_skipped_part_is_prepared_again_in_the_next() {
    let mut pair = Pair::new();
    pair.say(&[parse("s", "select 1"), sync()].concat());
    pair.answer(&server(&["1", "Z I"]));
    pair.moves();

    let failing = [run("missing"), run("s"), sync()].concat();
    assert_eq!(pair.say(&failing), "BEPBES");
    assert!(pair.try_say(&run("s")).expect("a client may").0.is_empty());
    pair.answer(&server(&["E 26000", "Z I"]));

    assert_eq!(pair.say(&[run("s"), sync()].concat()), "PBES");
}

#[test]
fn parse_and_close_without_sync_shift_no_answer() {
    let mut pair = Pair::new();

    let batch = [
        parse("a", "select 1"),
        close_statement("a"),
        parse("b", "select 2"),
        close_statement("b"),
        query("select 3"),
    ];
    assert_eq!(pair.say(&batch.concat()), "PPQ");
    assert_eq!(
        pair.answer(&server(&["1", "1", "C SELECT 1", "Z I"])),
        "1313CZ"
    );
    assert!(pair.relay.is_releasable(&pair.server));
}

#[test]
fn a_name_that_is_taken_is_refused_with_the_clients_own_name() {
    let mut pair = Pair::new();
    pair.say(&[parse("s", "select 1"), sync()].concat());
    pair.answer(&server(&["1", "Z I"]));

    assert_eq!(pair.say(&[parse("s", "select 2"), sync()].concat()), "CPPS");
    let told = pair
        .try_answer(&server(&["3", "1", "E 42P05", "Z I"]))
        .expect("a server may");
    let told = String::from_utf8_lossy(&told);
    assert!(
        told.contains("prepared statement \"s\" already exists"),
        "{told}"
    );
}

#[test]
fn a_deallocate_behind_unsynced_messages_ends_their_transaction_on_the_server() {
    let mut pair = Pair::new();
    pair.say(&[parse("s", "select 1"), sync()].concat());
    pair.answer(&server(&["1", "Z I"]));

    assert_eq!(
        pair.say(&[run("s"), query("deallocate s")].concat()),
        "BECPQ"
    );
    assert!(!pair.relay.is_releasable(&pair.server));
    let answers = ["2", "C INSERT 0 1", "3", "1", "C DEALLOCATE", "Z I"];
    assert_eq!(pair.answer(&server(&answers)), "2CCZ");
    assert!(pair.relay.is_releasable(&pair.server));
}

#[test]
fn nothing_is_taken_behind_a_discard_all_before_it_is_done() {
    let mut pair = Pair::new();

    pair.say(&query("discard all"));
    let listen = query("listen x");
    assert_eq!(pair.try_say(&listen).expect("a client may").2, listen.len());
    pair.answer(&server(&["C DISCARD ALL", "Z I"]));
    pair.say(&listen);
    pair.answer(&server(&["C LISTEN", "Z I"]));

    assert!(pair.server.dirty);
    assert!(!pair.relay.is_releasable(&pair.server));
}

#[test]
fn effects_of_an_old_portal_do_not_count_again() {
    let mut pair = Pair::new();
    pair.say(&query("begin"));
    pair.answer(&server(&["C BEGIN", "Z T"]));
    let deallocate = [parse("", "deallocate all"), run(""), sync()].concat();
    pair.say(&deallocate);
    pair.answer(&server(&["1", "2", "C DEALLOCATE ALL", "Z T"]));

    pair.say(&[parse("s", "select 1"), run("s"), sync()].concat());
    pair.answer(&server(&["1", "2", "C SELECT 1", "Z T"]));

    assert_eq!(pair.say(&[run("s"), sync()].concat()), "BES");
}

#[test]
fn what_has_to_wait_in_an_open_part_asks_for_the_answers() {
    let mut pair = Pair::new();
    let batch = [parse("", "deallocate all"), run(""), parse("s", "select 1")].concat();

    let (sent, _, left) = pair.try_say(&batch).expect("a client may");

    assert_eq!(super::pair::tags(&sent), "PBEH");
    assert_eq!(left, parse("s", "select 1").len());
}

#[test]
fn messages_cut_anywhere_are_the_same_messages() {
    let batch = [
        parse("s", "select 1"),
        describe_statement("s"),
        bind("", "s", &[Some(&"x".repeat(40_000))]),
        execute("", 0),
        flush(),
        sync(),
    ]
    .concat();
    let whole = Pair::new().try_say(&batch).expect("a client may").0;
    for step in [1, 3, 7, 1000, 17_000] {
        let mut pair = Pair::new();
        pair.server = fresh_server();
        let (mut sent, mut inbox) = (Vec::new(), Vec::new());
        for piece in batch.chunks(step) {
            inbox.extend_from_slice(piece);
            let (out, _, left) = pair.try_say(&inbox).expect("a client may");
            sent.extend(out);
            inbox.drain(..inbox.len() - left);
        }
        assert!(inbox.is_empty());
        // The number in the name is another one.
        assert_eq!(super::pair::tags(&sent), super::pair::tags(&whole));
    }
}
