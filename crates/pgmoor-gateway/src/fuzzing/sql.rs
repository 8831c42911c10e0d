//! Texts of statements: any, and such that are made of parts whose effects are known.

use crate::relay::world::Random;
use crate::sql::{Effect, LOOKED_AT, PinReason, bytes_read, effects};

/// How often a byte may be read: a look ahead at each place where a statement can tell itself from
/// others, not one from each place to the end.
const READ_AT_MOST: usize = 24;

/// A text that begins with `@` tells what to make a text of; all others are looked at as they are.
///
/// # Panics
///
/// When something does not hold.
pub fn sql(data: &[u8]) {
    if let Some(choices) = data.strip_prefix(b"@") {
        return composed(choices);
    }
    look(data);
    if (1..=32).contains(&data.len()) {
        // What is slow shows in a long text.
        look(&data.repeat(LOOKED_AT / data.len()));
    }
}

fn look(text: &[u8]) {
    let before = bytes_read();
    let found = effects(text);
    let read = bytes_read() - before;
    let limit = READ_AT_MOST * (text.len() + 10);
    assert!(read <= limit, "{read} bytes read of {}", text.len());
    assert!(found.list.len() <= text.len());
}

type Known = (&'static [&'static str], fn() -> Option<Effect>);

fn nothing() -> Option<Effect> {
    None
}

/// Statements as words; `?` is a value of any kind.
const STATEMENTS: &[Known] = &[
    (&["select", "?"], nothing),
    (
        &[
            "insert",
            "into",
            "t",
            "values",
            "(",
            "?",
            ",",
            "?",
            ")",
            "returning",
            "a",
        ],
        nothing,
    ),
    (
        &["update", "t", "set", "role", "=", "?", ",", "b", "=", "?"],
        nothing,
    ),
    (&["begin"], nothing),
    (&["commit"], nothing),
    (&["prepare", "transaction", "?"], nothing),
    (&["set", "local", "work_mem", "to", "?"], nothing),
    (&["declare", "c", "cursor", "for", "select", "?"], nothing),
    (&["discard", "plans"], nothing),
    (
        &[
            "select",
            "pg_catalog",
            ".",
            "set_config",
            "(",
            "?",
            ",",
            "?",
            ",",
            "true",
            ")",
        ],
        nothing,
    ),
    (
        &[
            "select",
            "set_config",
            "(",
            "'A'",
            ",",
            "f",
            "(",
            "?",
            ",",
            "true",
            ")",
            ",",
            "false",
            ")",
        ],
        || {
            let name = Some("a".into());
            Some(Effect::SetConfig { name })
        },
    ),
    (
        &[
            "select",
            "set_config",
            "(",
            "'A'",
            ",",
            "?",
            ",",
            "not",
            "true",
            ")",
        ],
        || {
            let name = Some("a".into());
            Some(Effect::SetConfig { name })
        },
    ),
    (&["set", "lock_timeout", "=", "5"], || {
        let (name, value) = ("lock_timeout".into(), "5".into());
        Some(Effect::Set { name, value })
    }),
    (&["reset", "lock_timeout"], || {
        let name = "lock_timeout".into();
        Some(Effect::Reset { name })
    }),
    (&["set", "lock_timeout", "to", "default"], || {
        let name = "lock_timeout".into();
        Some(Effect::Reset { name })
    }),
    (&["reset", "all"], || Some(Effect::ResetAll)),
    (&["discard", "all"], || Some(Effect::DiscardAll)),
    (&["deallocate", "all"], || Some(Effect::DeallocateAll)),
    (&["deallocate", "prepare", "all"], || {
        Some(Effect::DeallocateAll)
    }),
    (&["deallocate", "s1"], || {
        let name = "s1".into();
        Some(Effect::Deallocate { name })
    }),
    (&["do", "?"], || Some(Effect::Unseen)),
    (&["call", "p", "(", "?", ")"], || Some(Effect::Unseen)),
    (&["listen", "x"], || Some(Effect::Pin(PinReason::Listen))),
    (&["load", "?"], || Some(Effect::Pin(PinReason::Load))),
    (&["prepare", "p", "as", "select", "?"], || {
        Some(Effect::Pin(PinReason::Prepare))
    }),
    (
        &["create", "temp", "table", "t", "as", "select", "?"],
        || Some(Effect::Pin(PinReason::TemporaryTable)),
    ),
    (&["select", "?", "into", "temp", "t"], || {
        Some(Effect::Pin(PinReason::TemporaryTable))
    }),
    (
        &[
            "declare", "c", "cursor", "with", "hold", "for", "select", "?",
        ],
        || Some(Effect::Pin(PinReason::HoldCursor)),
    ),
    (&["select", "pg_advisory_lock", "(", "?", ")"], || {
        Some(Effect::Pin(PinReason::AdvisoryLock))
    }),
    (&["set", "role", "x"], || Some(Effect::Pin(PinReason::Role))),
    (&["set", "session", "authorization", "x"], || {
        Some(Effect::Pin(PinReason::Role))
    }),
];

const BLANKS: &[&str] = &[
    " ",
    " ",
    "\n",
    "\t\r\n",
    "/**/",
    " /* ; listen x */ ",
    "/* /* set a = b */ ' */",
    " -- ; discard all '\n",
    "\x0c",
];

/// What values are full of: all that would mean something elsewhere.
const EVIL: &[&str] = &[
    "",
    "x",
    "; listen x ;",
    "set a = b",
    "/*",
    "*/",
    "--",
    "\n",
    "$$",
    "$t$",
    "'",
    "\"",
    "\\",
    "\\'",
    "(",
    ")",
    ",",
    "é",
    "set_config('a','b',false)",
];

/// Statements one after another, with any case, blanks and values: the effects are known.
fn composed(choices: &[u8]) {
    let mut random = Random::given(choices.iter().copied());
    let mut text = String::new();
    let mut expected = Vec::new();
    let statements = 1 + random.below(4);
    for _ in 0..statements {
        let (words, effect) = STATEMENTS[random.below(STATEMENTS.len())];
        for (at, word) in words.iter().enumerate() {
            // What is before a value of SET would be a part of it.
            let is_value = at == 3 && words[0] == "set" && matches!(*word, "5" | "default");
            text.push_str(if is_value { " " } else { random.pick(BLANKS) });
            match *word {
                "?" => value(&mut random, &mut text),
                word if word.starts_with('\'') => text.push_str(word),
                word => cased(&mut random, word, &mut text),
            }
        }
        text.push_str(random.pick(BLANKS));
        text.push(';');
        expected.extend(effect());
    }
    let before = bytes_read();
    let found = effects(text.as_bytes());
    let read = bytes_read() - before;
    assert_eq!(found.list, expected, "{text}");
    assert_eq!(found.single, statements == 1, "{text}");
    assert!(read <= READ_AT_MOST * text.len(), "{read} of {text}");
}

fn cased(random: &mut Random, word: &str, text: &mut String) {
    match random.below(3) {
        0 => text.push_str(&word.to_ascii_uppercase()),
        1 => text.push_str(word),
        _ => {
            for letter in word.chars() {
                text.push(match random.below(2) {
                    0 => letter.to_ascii_uppercase(),
                    _ => letter,
                });
            }
        }
    }
}

/// A string or a name, in one of the ways to quote it.
fn value(random: &mut Random, text: &mut String) {
    let mut inside = String::new();
    for _ in 0..random.below(5) {
        inside.push_str(random.pick(EVIL));
    }
    match random.below(6) {
        0 => text.push_str("17"),
        1 => text.push_str("$1"),
        2 => text.push_str(&format!("\"{}\"", inside.replace('"', "\"\""))),
        3 => text.push_str(&format!("'{}'", inside.replace('\'', "''"))),
        4 => {
            let inside = inside.replace('\\', "\\\\").replace('\'', "\\'");
            text.push_str(&format!("E'{inside}'"));
        }
        _ => {
            // Nothing inside ends it.
            text.push_str(&format!("$quote${inside}$quote$"));
        }
    }
}
