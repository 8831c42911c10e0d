//! From statement text to the effects that outlive its transaction.

use super::lexer::{Lexer, Token};
use super::skim::{self, KEYWORDS};
use crate::counters::PINS;

/// Something that a statement leaves behind in its session when it succeeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// `SET name TO value`: the lower-cased name and the value as written, fit to be replayed.
    Set { name: String, value: String },
    /// `RESET name` or `SET name TO DEFAULT`.
    Reset { name: String },
    /// `RESET ALL`.
    ResetAll,
    /// `set_config(name, …)` that may outlive the transaction; the name if it is a literal.
    SetConfig { name: Option<String> },
    /// `DISCARD ALL`: the session as it was when it began.
    DiscardAll,
    /// `DEALLOCATE ALL`.
    DeallocateAll,
    /// `DEALLOCATE name`.
    Deallocate { name: String },
    /// State that lives in the server's process and cannot be carried to another one.
    Pin(PinReason),
    /// `currval` or `lastval` of a sequence that this text has not touched: what was done to it in
    /// this session before is on the server connection of then.
    Sequence,
    /// `DO` or `CALL`: whatever the code inside leaves behind is not seen here.
    Unseen,
}

/// Why a session cannot change its server connection any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum PinReason {
    Listen,
    AdvisoryLock,
    TemporaryTable,
    HoldCursor,
    Prepare,
    Role,
    Setting,
    Load,
    /// The answers to this session's messages cannot be counted for certain.
    Unprovable,
}

impl PinReason {
    pub(crate) const ALL: [Self; PINS] = [
        Self::Listen,
        Self::AdvisoryLock,
        Self::TemporaryTable,
        Self::HoldCursor,
        Self::Prepare,
        Self::Role,
        Self::Setting,
        Self::Load,
        Self::Unprovable,
    ];

    /// As the metrics say it.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Listen => "listen",
            Self::AdvisoryLock => "advisory_lock",
            Self::TemporaryTable => "temporary_table",
            Self::HoldCursor => "hold_cursor",
            Self::Prepare => "prepare",
            Self::Role => "role",
            Self::Setting => "setting",
            Self::Load => "load",
            Self::Unprovable => "unprovable",
        }
    }

    /// What the client did, as a message would name it.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::Listen => "LISTEN",
            Self::AdvisoryLock => "a session-level advisory lock",
            Self::TemporaryTable => "a temporary table",
            Self::HoldCursor => "a cursor WITH HOLD",
            Self::Prepare => "PREPARE",
            Self::Role => "SET ROLE or SET SESSION AUTHORIZATION",
            Self::Setting => "a session setting that cannot be followed",
            Self::Load => "LOAD",
            Self::Unprovable => "messages out of step during COPY",
        }
    }
}

/// Text longer than this is looked at only up to here; the caller then resets the server
/// connection before anybody else gets it.
pub(crate) const LOOKED_AT: usize = 64 * 1024;

/// What a text leaves behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Effects {
    /// In the order of the statements; empty, without allocation, for nearly every text.
    pub(crate) list: Vec<Effect>,
    /// There is no more than one statement in the text.
    pub(crate) single: bool,
}

/// The effects of all statements in `sql`.
pub(crate) fn effects(sql: &[u8]) -> Effects {
    let sql = &sql[..sql.len().min(LOOKED_AT)];
    if skim::is_plain(sql) {
        return Effects {
            list: Vec::new(),
            single: true,
        };
    }
    read(sql)
}

/// The same, word by word.
pub(super) fn read(sql: &[u8]) -> Effects {
    let mut lexer = Lexer::new(sql);
    let mut list = Vec::new();
    let mut statements = 0;
    while let Some(first) = lexer.peek() {
        if first != Token::Symbol(b';') {
            statements += 1;
        }
        statement(&mut lexer, &mut list);
    }
    Effects {
        list,
        single: statements < 2,
    }
}

/// Reads one statement up to and with its semicolon.
fn statement(lexer: &mut Lexer<'_>, found: &mut Vec<Effect>) {
    if let Some(Token::Word(first)) = lexer.peek()
        && let Some(keyword) = KEYWORDS.into_iter().find(|keyword| is(first, keyword))
    {
        lexer.next();
        leading(keyword, lexer, found);
    }
    rest(lexer, found);
}

fn is(word: &[u8], keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword.as_bytes())
}

/// The statement begins with `keyword`, which has been read.
fn leading(keyword: &str, lexer: &mut Lexer<'_>, found: &mut Vec<Effect>) {
    match keyword {
        "set" => set(lexer, found),
        "reset" => reset(lexer, found),
        "deallocate" => deallocate(lexer, found),
        "load" => found.push(Effect::Pin(PinReason::Load)),
        "do" | "call" => found.push(Effect::Unseen),
        "listen" => found.push(Effect::Pin(PinReason::Listen)),
        "prepare" if !lexer.take_word("transaction") => found.push(Effect::Pin(PinReason::Prepare)),
        "discard" if lexer.take_word("all") => found.push(Effect::DiscardAll),
        "declare" if declares_hold(lexer) => found.push(Effect::Pin(PinReason::HoldCursor)),
        "create" => {
            let _ = lexer.take_word("or") && lexer.take_word("replace");
            let _ = lexer.take_word("global") || lexer.take_word("local");
            if lexer.take_word("temp") || lexer.take_word("temporary") {
                found.push(Effect::Pin(PinReason::TemporaryTable));
            }
        }
        _ => {}
    }
}

/// `DECLARE name … CURSOR WITH HOLD FOR`.
fn declares_hold(lexer: &mut Lexer<'_>) -> bool {
    let mut ahead = lexer.clone();
    while let Some(token) = ahead.next() {
        match token {
            Token::Word(word) if is(word, "with") => return ahead.take_word("hold"),
            Token::Word(word) if is(word, "for") => return false,
            Token::Symbol(b';') => return false,
            _ => {}
        }
    }
    false
}

/// Reads on to the end of the statement, watching for calls that leave something behind.
fn rest(lexer: &mut Lexer<'_>, found: &mut Vec<Effect>) {
    let mut is_touched = false;
    while let Some(token) = lexer.next() {
        let word = match token {
            Token::Symbol(b';') => return,
            Token::Word(word) | Token::Identifier(word) => word,
            _ => continue,
        };
        match word.len() {
            4 if is(word, "into") => {
                let mut ahead = lexer.clone();
                let _ = ahead.take_word("global") || ahead.take_word("local");
                if ahead.take_word("temp") || ahead.take_word("temporary") {
                    found.push(Effect::Pin(PinReason::TemporaryTable));
                }
            }
            // A name in the schema of temporary things, wherever it stands.
            7 if is(word, "pg_temp") => found.push(Effect::Pin(PinReason::TemporaryTable)),
            6 if is(word, "insert") => is_touched = true,
            5 if is(word, "merge") => is_touched = true,
            6 | 7 if is(word, "setval") || is(word, "nextval") => is_touched = true,
            7 if is(word, "currval") || is(word, "lastval") => {
                let is_call = lexer.peek() == Some(Token::Symbol(b'('));
                if is_call && !is_touched && !found.contains(&Effect::Sequence) {
                    found.push(Effect::Sequence);
                }
            }
            11 if is(word, "search_path") => skip_path(lexer),
            10 if is(word, "set_config") && lexer.peek() == Some(Token::Symbol(b'(')) => {
                set_config(lexer, found);
            }
            16.. if is_session_lock(word) => found.push(Effect::Pin(PinReason::AdvisoryLock)),
            _ => {}
        }
    }
}

/// `= schema, …` after `search_path`: where to look for things makes none. A routine sets it for its
/// own calls, a role or database for later sessions, `SET LOCAL` for the transaction.
fn skip_path(lexer: &mut Lexer<'_>) {
    let mut ahead = lexer.clone();
    if !assigns(&ahead) {
        return;
    }
    while let Some(Token::Symbol(b'=' | b',') | Token::Word(_)) = ahead.next() {
        let name = ahead.next();
        let is_schema = matches!(
            name,
            Some(Token::Word(_) | Token::Identifier(_) | Token::String(..))
        );
        if !is_schema || ahead.peek() == Some(Token::Symbol(b'.')) {
            return;
        }
        *lexer = ahead.clone();
        if ahead.peek() != Some(Token::Symbol(b',')) {
            return;
        }
    }
}

fn is_session_lock(word: &[u8]) -> bool {
    [
        "pg_advisory_lock",
        "pg_advisory_lock_shared",
        "pg_try_advisory_lock",
        "pg_try_advisory_lock_shared",
    ]
    .iter()
    .any(|name| is(word, name))
}

/// Arguments of `set_config` with more tokens are not looked through: calls within calls would have
/// each byte read once for every call.
const MAX_ARGUMENTS: usize = 32;

/// The arguments of `set_config`: nothing is left behind when the third says `true`. Only what is a
/// literal and nothing else is known.
fn set_config(lexer: &mut Lexer<'_>, found: &mut Vec<Effect>) {
    let mut ahead = lexer.clone();
    ahead.next();
    let mut arguments = [const { (0, None) }; 3];
    let (mut argument, mut depth, mut ends) = (0, 0_usize, false);
    for token in ahead.take(MAX_ARGUMENTS) {
        match token {
            Token::Symbol(b')') if depth == 0 => {
                ends = true;
                break;
            }
            Token::Symbol(b';') => break,
            Token::Symbol(b',') if depth == 0 => {
                argument += 1;
                continue;
            }
            Token::Symbol(b'(' | b'[') => depth += 1,
            Token::Symbol(b')' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some((tokens, first)) = arguments.get_mut(argument) {
            *tokens += 1;
            first.get_or_insert(token);
        }
    }
    let literal = |at: usize| match arguments[at] {
        (1, token) if ends => token,
        _ => None,
    };
    let local = match literal(2) {
        Some(Token::Word(word)) => is(word, "true"),
        Some(Token::String(text, true)) => is(text, "t") || is(text, "true") || is(text, "on"),
        _ => false,
    };
    if local {
        return;
    }
    let name = match literal(0) {
        Some(Token::String(text, true)) => text_of(text).map(|name| name.to_ascii_lowercase()),
        _ => None,
    };
    found.push(Effect::SetConfig { name });
}

fn text_of(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

/// `SET …`; the word has been read.
fn set(lexer: &mut Lexer<'_>, found: &mut Vec<Effect>) {
    if lexer.take_word("local") || lexer.take_word("transaction") || lexer.take_word("constraints")
    {
        return;
    }
    let _ = lexer.take_word("session");
    let pinned = [
        ("authorization", PinReason::Role),
        ("characteristics", PinReason::Setting),
        ("role", PinReason::Role),
        ("xml", PinReason::Setting),
        ("seed", PinReason::Setting),
    ];
    for (word, reason) in pinned {
        let mut ahead = lexer.clone();
        if ahead.take_word(word) && !assigns(&ahead) {
            return found.push(Effect::Pin(reason));
        }
    }
    let mut ahead = lexer.clone();
    if ahead.take_word("time") && ahead.take_word("zone") {
        return value_of(&mut ahead, "timezone".into(), found);
    }
    let mut ahead = lexer.clone();
    if ahead.take_word("names") && !assigns(&ahead) {
        return value_of(&mut ahead, "client_encoding".into(), found);
    }
    let mut ahead = lexer.clone();
    if ahead.take_word("schema") && !assigns(&ahead) {
        return value_of(&mut ahead, "search_path".into(), found);
    }
    match setting_name(lexer) {
        Some(name) if name == "role" || name == "session_authorization" => {
            found.push(Effect::Pin(PinReason::Role));
        }
        Some(name) if assigns(lexer) => {
            lexer.next();
            value_of(lexer, name, found);
        }
        _ => {}
    }
}

fn assigns(lexer: &Lexer<'_>) -> bool {
    match lexer.peek() {
        Some(Token::Symbol(b'=')) => true,
        Some(Token::Word(word)) => is(word, "to"),
        _ => false,
    }
}

/// `name` or `class.name`, lower case.
fn setting_name(lexer: &mut Lexer<'_>) -> Option<String> {
    let mut name = String::new();
    loop {
        match lexer.next()? {
            Token::Word(part) | Token::Identifier(part) => {
                name.push_str(&text_of(part)?.to_ascii_lowercase());
            }
            _ => return None,
        }
        if lexer.peek() != Some(Token::Symbol(b'.')) {
            return Some(name);
        }
        lexer.next();
        name.push('.');
    }
}

/// Reads the value up to the end of the statement.
fn value_of(lexer: &mut Lexer<'_>, name: String, found: &mut Vec<Effect>) {
    let start = lexer.offset();
    let mut end = start;
    while let Some(token) = lexer.peek() {
        if token == Token::Symbol(b';') {
            break;
        }
        lexer.next();
        end = lexer.offset();
    }
    let Some(value) = text_of(lexer.text(start, end)) else {
        return found.push(Effect::Pin(PinReason::Setting));
    };
    let value = value.trim();
    let is_default = value.is_empty()
        || value.eq_ignore_ascii_case("default")
        || name == "timezone" && value.eq_ignore_ascii_case("local");
    found.push(if is_default {
        Effect::Reset { name }
    } else {
        Effect::Set {
            name,
            value: value.to_owned(),
        }
    });
}

fn reset(lexer: &mut Lexer<'_>, found: &mut Vec<Effect>) {
    let mut ahead = lexer.clone();
    if ahead.take_word("all") {
        return found.push(Effect::ResetAll);
    }
    if ahead.take_word("role") || (ahead.take_word("session") && ahead.take_word("authorization")) {
        return;
    }
    let mut ahead = lexer.clone();
    if ahead.take_word("time") && ahead.take_word("zone") {
        let name = "timezone".into();
        return found.push(Effect::Reset { name });
    }
    if let Some(name) = setting_name(lexer) {
        found.push(Effect::Reset { name });
    }
}

fn deallocate(lexer: &mut Lexer<'_>, found: &mut Vec<Effect>) {
    let _ = lexer.take_word("prepare");
    let name = match lexer.next() {
        Some(Token::Word(word)) if is(word, "all") => return found.push(Effect::DeallocateAll),
        // Unquoted names fold to lower case, as the server folds them.
        Some(Token::Word(word)) => text_of(&word.to_ascii_lowercase()),
        Some(Token::Identifier(name)) => text_of(name).map(|name| name.replace("\"\"", "\"")),
        _ => None,
    };
    if let Some(name) = name {
        found.push(Effect::Deallocate { name });
    }
}
