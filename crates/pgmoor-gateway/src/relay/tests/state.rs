//! What a session sets and leaves behind, and what follows it.

use pgmoor_testkit::backend::{fatal, notice};
use pgmoor_testkit::frontend::{bind, copy_data, copy_done, execute, parse, query, sync};

use super::pair::{Pair, server};
use crate::parameters::Parameters;
use crate::relay::{Broken, Violation};
use crate::settings::SessionState;

fn run(sql: &str) -> Vec<u8> {
    [parse("", sql), bind("", "", &[]), execute("", 0)].concat()
}

#[test]
fn a_setting_follows_its_client_when_it_is_committed() {
    let mut pair = Pair::new();
    pair.say(&[run("set lock_timeout to 5"), sync()].concat());
    pair.answer(&server(&["1", "2", "C SET", "Z I"]));

    let sent = pair.moves();
    assert!(String::from_utf8_lossy(&sent).contains("SET \"lock_timeout\" TO 5"));
    assert_eq!(pair.answer(&server(&["C SET", "Z I"])), "");
}

#[test]
fn a_client_whose_transaction_is_done_does_not_hear_of_its_servers_end() {
    for farewell in [
        fatal(
            "57P01",
            "terminating connection due to administrator command",
        ),
        notice(
            "57P02",
            "terminating connection because of crash of another server process",
        ),
    ] {
        let mut pair = Pair::new();
        pair.say(&query("select 1"));

        let heard = pair.answer(&[server(&["C SELECT 1", "Z I"]), farewell].concat());

        assert_eq!(heard, "CZ");
        assert!(pair.server.leaves);
        assert!(!pair.relay.server_said_farewell());
    }
}

#[test]
fn a_client_in_a_transaction_is_told_of_its_servers_end() {
    let mut pair = Pair::new();
    pair.say(&query("begin"));

    let farewell = fatal(
        "57P01",
        "terminating connection due to administrator command",
    );
    let heard = pair.answer(&[server(&["C BEGIN", "Z T"]), farewell].concat());

    assert_eq!(heard, "CZE");
    assert!(pair.relay.server_said_farewell());
}

#[test]
fn a_setting_beside_a_commit_and_an_error_keeps_the_server() {
    let mut pair = Pair::new();
    let batch = [
        run("begin"),
        run("set lock_timeout to 5"),
        run("commit"),
        run("fail"),
        sync(),
    ];
    pair.say(&batch.concat());
    pair.answer(&server(&[
        "1", "2", "C BEGIN", "1", "2", "C SET", "1", "2", "C COMMIT", "E 42601", "Z I",
    ]));

    assert!(pair.server.dirty);
    assert!(!pair.relay.is_releasable(&pair.server));
}

#[test]
fn a_reset_by_the_extended_protocol_brings_back_what_the_client_began_with() {
    let startup = Parameters::from_startup([("timezone", "Asia/Tokyo")]);
    let mut pair = Pair::with(SessionState::Pin, startup.clone());
    pair.moves();
    pair.answer(&server(&["C SELECT 1", "Z I"]));

    pair.say(&[run("reset timezone"), sync()].concat());
    pair.answer(&server(&["1", "2", "C RESET", "S TimeZone=UTC", "Z I"]));

    assert_eq!(pair.relay.parameters.current(), &startup);
    assert_ne!(pair.server.applied, startup);
}

#[test]
fn what_cannot_follow_is_refused_when_told_so() {
    let mut pair = Pair::with(SessionState::Refuse, Parameters::default());

    assert_eq!(pair.say(&query("listen x")), "Q");
    let told = pair
        .try_answer(&server(&["E 42601", "Z I"]))
        .expect("a server may");

    assert!(String::from_utf8_lossy(&told).contains("LISTEN cannot be used"));
    assert!(pair.relay.is_releasable(&pair.server));
}

#[test]
fn a_sync_that_a_failed_copy_swallowed_is_counted_once() {
    for answers_to_syncs in [1, 2] {
        let mut pair = Pair::new();
        pair.say(&[run("copy t from stdin"), sync()].concat());
        pair.answer(&server(&["1", "2", "G"]));
        let rest = [copy_data(b"bad"), copy_done(), sync()].concat();
        assert_eq!(pair.say(&rest), "dcSCH");

        pair.answer(&server(&["E 57014"]));
        for _ in 0..answers_to_syncs {
            assert!(!pair.relay.is_releasable(&pair.server));
            assert_eq!(pair.answer(&server(&["Z I"])), "Z");
        }
        assert_eq!(pair.answer(&server(&["3"])), "");
        assert!(pair.relay.is_releasable(&pair.server));
    }
}

#[test]
fn a_question_during_copy_ends_the_session() {
    let mut pair = Pair::new();
    pair.say(&query("copy t from stdin"));
    pair.answer(&server(&["G"]));

    assert_eq!(
        pair.try_say(&query("select 1")),
        Err(Violation::DuringCopy(b'Q'))
    );
}

#[test]
fn an_answer_that_nothing_was_asked_for_breaks_the_connection() {
    for message in [
        "D x",
        "1",
        "2",
        "3",
        "n",
        "C SELECT 1",
        "Z I",
        "d x",
        "t xx",
        "V xxxx",
    ] {
        let mut pair = Pair::new();
        let tag = message.as_bytes()[0];
        assert_eq!(
            pair.try_answer(&server(&[message])),
            Err(Broken::OutOfStep(tag))
        );
    }
}

#[test]
fn an_answer_of_our_own_waits_for_the_end_of_a_message_that_comes_in_pieces() {
    let mut pair = Pair::new();
    let news = server(&["A 0000channel"]);
    let mut told = pair.try_answer(&news[..7]).expect("a server may");
    let close = pgmoor_testkit::frontend::close_statement("s");

    let (_, now, _) = pair.try_say(&close).expect("a client may");
    assert!(now.is_empty());
    told.extend(pair.try_answer(&news[7..]).expect("a server may"));

    assert_eq!(super::pair::tags(&told), "A3");
}

#[test]
fn a_copy_that_nobody_asked_for_ends_the_server_connection() {
    let mut pair = Pair::new();

    let idle = pair.try_answer(&server(&["G"]));
    let mut pair = Pair::new();
    pair.say(&[query("select 1"), query("select 2")].concat());
    pair.answer(&server(&["C SELECT 1", "Z I", "C SELECT 1", "Z I"]));
    let answered = pair.try_answer(&server(&["G"]));

    assert_eq!(idle, Err(Broken::OutOfStep(b'G')));
    assert_eq!(answered, Err(Broken::OutOfStep(b'G')));
}
