//! Random scripts: what drivers do, and what they should not.

use pgmoor_wire::frontend;

use super::random::Random;
use super::sim::{Batch, Script};

const NAMES: [&str; 4] = ["", "", "s1", "s2"];
const PORTALS: [&str; 3] = ["", "", "p1"];

/// A script of a few batches.
pub(crate) fn script(random: &mut Random, client: usize) -> Script {
    let mut batches = Vec::new();
    for number in 0..1 + random.below(6) {
        let marker = format!("c{client}n{number}");
        match random.below(12) {
            0 => copy(random, &marker, &mut batches),
            1 => extended_copy(random, &mut batches),
            2 => batches.push(query("discard all")),
            3 => {
                let mut batch = Vec::new();
                let text = extended_text(random, &marker);
                run(random, "", &text, &mut batch);
                frontend::write_sync(&mut batch);
                batches.push(batch);
            }
            _ => batches.push(pipeline(random, &marker)),
        }
    }
    let vanishes = random.below(4) == 0;
    if vanishes && random.below(2) == 0 {
        // Nothing ends it.
        let mut batch = Vec::new();
        for _ in 0..1 + random.below(4) {
            message(random, "gone", &mut batch);
        }
        batches.push(batch);
    }
    Script { batches, vanishes }
}

fn query(text: &str) -> Batch {
    let mut out = Vec::new();
    frontend::write_query(&mut out, text).expect("short");
    out
}

/// Messages of all kinds, then what gets them answered.
fn pipeline(random: &mut Random, marker: &str) -> Batch {
    let mut out = Vec::new();
    for _ in 0..1 + random.below(10) {
        message(random, marker, &mut out);
    }
    if random.below(4) == 0 {
        let text = simple_text(random, marker);
        frontend::write_query(&mut out, &text).expect("short");
    }
    // An error before the Query would have it ignored up to here.
    frontend::write_sync(&mut out);
    out
}

fn message(random: &mut Random, marker: &str, out: &mut Vec<u8>) {
    let name = random.pick(&NAMES).as_bytes();
    let portal = random.pick(&PORTALS).as_bytes();
    match random.below(22) {
        0..=4 => {
            let text = extended_text(random, marker);
            run(
                random,
                std::str::from_utf8(name).expect("it is"),
                &text,
                out,
            );
        }
        5 | 6 => {
            let text = extended_text(random, marker);
            frontend::write_parse(out, name, text.as_bytes(), b"\0\0").expect("short");
        }
        7..=9 => {
            bind(portal, name, out);
            frontend::write_execute(out, portal, 0).expect("short");
        }
        10 => frontend::write_describe(out, b'S', name).expect("short"),
        11 => frontend::write_describe(out, b'P', portal).expect("short"),
        12 | 13 => frontend::write_close(out, b'S', name).expect("short"),
        14 => frontend::write_close(out, b'P', portal).expect("short"),
        15 => frontend::write_flush(out),
        // By a statement without a name: what it means must not depend on who prepared it.
        16 => run(random, "", "deallocate s1", out),
        17..=19 => frontend::write_sync(out),
        _ => {
            let text = simple_text(random, marker);
            frontend::write_query(out, &text).expect("short");
        }
    }
}

/// As drivers do it: all of it, or without what is prepared already.
fn run(random: &mut Random, name: &str, text: &str, out: &mut Vec<u8>) {
    if random.below(6) == 0 {
        frontend::write_close(out, b'S', name.as_bytes()).expect("short");
    }
    frontend::write_parse(out, name.as_bytes(), text.as_bytes(), b"\0\0").expect("short");
    if random.below(2) == 0 {
        frontend::write_describe(out, b'S', name.as_bytes()).expect("short");
    }
    bind(b"", name.as_bytes(), out);
    frontend::write_execute(out, b"", 0).expect("short");
}

fn bind(portal: &[u8], statement: &[u8], out: &mut Vec<u8>) {
    frontend::write_bind_renamed(out, portal, statement, &[0; 6]).expect("short");
}

fn extended_text(random: &mut Random, marker: &str) -> String {
    match random.below(24) {
        0..=5 => format!("select {marker}"),
        6..=9 => "select shared".into(),
        10 | 11 => "select also".into(),
        12 => format!("fail {marker}"),
        13 => "nonsense".into(),
        14 => "".into(),
        15 => "deallocate all".into(),
        _ => common(random),
    }
}

fn simple_text(random: &mut Random, marker: &str) -> String {
    match random.below(20) {
        0..=3 => format!("select {marker}"),
        4 => format!("select {marker}; select again"),
        5 => format!("select {marker}; fail {marker}; select never"),
        6 => "nonsense".into(),
        7 => "".into(),
        8 => "deallocate all".into(),
        9 => "deallocate s1".into(),
        10 => "deallocate s2".into(),
        11 => "create temp table t()".into(),
        12 => "set lock_timeout to 3; fail x".into(),
        _ => common(random),
    }
}

fn common(random: &mut Random) -> String {
    match random.below(10) {
        0 | 1 => "begin".into(),
        2 | 3 => "commit".into(),
        4 => "rollback".into(),
        5 => format!("set lock_timeout to {}", random.below(3)),
        6 => "reset lock_timeout".into(),
        7 => format!("set timezone to '{}'", random.pick(&["UTC", "Asia/Tokyo"])),
        8 => "reset all".into(),
        _ => "reset timezone".into(),
    }
}

fn data(random: &mut Random, out: &mut Vec<u8>) {
    for _ in 0..random.below(3) {
        let row: &[u8] = random.pick(&[b"1\n", b"a long row of many bytes\n", b"bad\n"]);
        out.push(b'd');
        out.extend_from_slice(&(row.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(row);
    }
    match random.below(3) {
        0 => frontend::write_copy_fail(out, "no").expect("short"),
        _ => frontend::write_copy_done(out),
    }
}

fn copy(random: &mut Random, marker: &str, batches: &mut Vec<Batch>) {
    let mut begin = Vec::new();
    if random.below(3) == 0 {
        frontend::write_query(&mut begin, &format!("select {marker}")).expect("short");
    }
    frontend::write_query(&mut begin, "copy").expect("short");
    batches.push(begin);
    let mut rows = Vec::new();
    data(random, &mut rows);
    batches.push(rows);
}

/// As libpq does it: a Sync right behind the Execute, and another one after the data.
fn extended_copy(random: &mut Random, batches: &mut Vec<Batch>) {
    let mut begin = Vec::new();
    let text: &[u8] = random.pick(&[b"copy", b"copy", b"copy early"]);
    frontend::write_parse(&mut begin, b"", text, b"\0\0").expect("short");
    bind(b"", b"", &mut begin);
    frontend::write_execute(&mut begin, b"", 0).expect("short");
    if random.below(2) == 0 {
        frontend::write_sync(&mut begin);
    } else {
        frontend::write_flush(&mut begin);
    }
    batches.push(begin);
    let mut rows = Vec::new();
    data(random, &mut rows);
    frontend::write_sync(&mut rows);
    // Or somebody runs it again and breaks it.
    frontend::write_close(&mut rows, b'S', b"").expect("short");
    frontend::write_sync(&mut rows);
    batches.push(rows);
}
