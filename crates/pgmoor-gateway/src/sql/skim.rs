//! A quick look that tells nearly all texts from those that have to be read word by word.

/// The first words of statements that may leave something behind.
pub(super) const KEYWORDS: [&str; 11] = [
    "set",
    "reset",
    "load",
    "listen",
    "create",
    "prepare",
    "deallocate",
    "declare",
    "discard",
    "do",
    "call",
];

/// A part of every word that [`effects`](super::effects()) looks for inside a statement.
const NEEDLES: [[u8; 4]; 5] = [*b"temp", *b"set_", *b"advi", *b"rrva", *b"astv"];

/// Blocks of this many bytes are compared at once.
const BLOCK: usize = 16;

/// Whether it is one statement without any effect for certain; `false` says nothing.
///
/// Looks at the bytes as they are, in strings and comments too: what is not there at all cannot be
/// a word.
pub(super) fn is_plain(sql: &[u8]) -> bool {
    let sql = sql.trim_ascii_start();
    let word = sql.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    let (first, rest) = sql.split_at(word);
    // A comment first, a bracket, an identifier of another alphabet: to be read properly.
    if first.is_empty() || rest.first().is_some_and(|&b| !is_end_of_word(b)) {
        return false;
    }
    let starts_something = KEYWORDS
        .iter()
        .any(|keyword| first.eq_ignore_ascii_case(keyword.as_bytes()));
    !starts_something && !holds_needle(rest)
}

fn is_end_of_word(byte: u8) -> bool {
    byte.is_ascii() && !byte.is_ascii_alphanumeric() && byte != b'_' && byte != b'$'
}

/// Whether a needle stands anywhere, in upper or lower case, or a semicolon before the end.
fn holds_needle(sql: &[u8]) -> bool {
    let sql = sql.trim_ascii_end();
    let body = sql.strip_suffix(b";").unwrap_or(sql);
    let blocks = body.len().saturating_sub(3) / BLOCK;
    for block in 0..blocks {
        let from = block * BLOCK;
        if let Some(block) = body
            .get(from..from + BLOCK + 3)
            .and_then(|b| b.first_chunk())
            && holds_needle_in(block)
        {
            return true;
        }
    }
    // What is left, with blanks behind it: less than a block and a needle.
    let left = &body[blocks * BLOCK..];
    let mut last = [b' '; BLOCK + 3];
    last[..left.len()].copy_from_slice(left);
    holds_needle_in(&last)
}

/// Plain comparisons without branches, which compile to vector instructions.
fn holds_needle_in(block: &[u8; BLOCK + 3]) -> bool {
    let mut found = 0_u8;
    for &byte in block {
        found |= u8::from(byte == b';');
    }
    for at in 0..BLOCK {
        for needle in NEEDLES {
            let mut same = 1_u8;
            for (offset, &wanted) in needle.iter().enumerate() {
                let byte = block[at + offset];
                // Folds case; of what is no letter, only '_' has to stay itself, and others that
                // become it do no harm.
                let folded = if wanted == b'_' { byte } else { byte | 0x20 };
                same &= u8::from(folded == wanted);
            }
            found |= same;
        }
    }
    found != 0
}
