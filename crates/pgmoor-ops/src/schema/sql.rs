//! Takes the text of a migration apart into statements, as psql does, and tells a few kinds of them.
//!
//! It parses no SQL: what a statement means is the server's affair.

use std::iter::Peekable;
use std::str::CharIndices;

/// One statement of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement<'a> {
    /// From its first word to before its semicolon.
    pub(super) text: &'a str,
    /// The line that it begins on, from 1.
    pub(super) line: usize,
}

/// What is known of a statement that runs outside a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// `CREATE INDEX CONCURRENTLY`: when it dies, an index that is not valid stays.
    BuildIndex {
        /// The index's name as it is in the catalogue.
        index: String,
        /// The table as it is written.
        table: String,
    },
    /// `DROP INDEX CONCURRENTLY` of one index, as it is written.
    DropIndex(String),
    /// `SET` and `RESET`: nothing of it stays.
    Setting,
    /// It may commit more than once, so that a part of it may stay.
    Several,
    /// It happens as a whole or not at all.
    One,
}

impl Kind {
    /// Whether the server waits for others in it without standing in anybody's way: it takes a lock
    /// that readers and writers do not ask for.
    pub(super) fn waits_politely(&self) -> bool {
        matches!(self, Self::BuildIndex { .. } | Self::DropIndex(_))
    }
}

/// A word, a quoted name, or one other character; comments and blanks are nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Quoted(&'a str),
    Text,
    Other(char),
}

struct Lexer<'a> {
    sql: &'a str,
    rest: Peekable<CharIndices<'a>>,
}

impl<'a> Lexer<'a> {
    fn new(sql: &'a str) -> Self {
        Self {
            sql,
            rest: sql.char_indices().peekable(),
        }
    }

    fn at(&mut self) -> usize {
        self.rest.peek().map_or(self.sql.len(), |(at, _)| *at)
    }

    fn skip_while(&mut self, is: impl Fn(char) -> bool) {
        while self.rest.next_if(|(_, c)| is(*c)).is_some() {}
    }

    fn skip_to(&mut self, end: usize) {
        while self.rest.next_if(|(at, _)| *at < end).is_some() {}
    }

    /// To behind `end`, or to the end of the text.
    fn skip_past(&mut self, end: &str) {
        let from = self.at();
        let found = self.sql[from..].find(end);
        self.skip_to(found.map_or(self.sql.len(), |at| from + at + end.len()));
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.skip_while(char::is_whitespace);
            let from = self.at();
            let rest = &self.sql[from..];
            if rest.starts_with("--") {
                self.skip_past("\n");
            } else if rest.starts_with("/*") {
                self.skip_comment();
            } else {
                return;
            }
        }
    }

    /// Comments nest.
    fn skip_comment(&mut self) {
        let mut depth = 0_usize;
        loop {
            let from = self.at();
            let rest = &self.sql[from..];
            if rest.is_empty() {
                return;
            } else if rest.starts_with("/*") {
                depth += 1;
                self.skip_to(from + 2);
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.skip_to(from + 2);
                if depth == 0 {
                    return;
                }
            } else {
                self.rest.next();
            }
        }
    }

    /// To behind the closing quote; a doubled one is none, nor is one behind a backslash where those count.
    fn skip_quoted(&mut self, quote: char, backslash: bool) {
        while let Some((_, c)) = self.rest.next() {
            if c == '\\' && backslash {
                self.rest.next();
            } else if c == quote && self.rest.next_if(|(_, next)| *next == quote).is_none() {
                return;
            }
        }
    }

    /// `$tag$ … $tag$`; anything else that begins with a dollar is no quote.
    fn dollar_quoted(&mut self, from: usize) -> bool {
        let rest = &self.sql[from + 1..];
        let Some(end) = rest.find('$') else {
            return false;
        };
        let tag = &rest[..end];
        let is_tag = tag.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !tag.starts_with(|c: char| c.is_ascii_digit());
        if is_tag {
            let quote = &self.sql[from..=from + 1 + end];
            self.skip_to(from + quote.len());
            self.skip_past(quote);
        }
        is_tag
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = (usize, Token<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_blanks_and_comments();
        let (from, c) = self.rest.next()?;
        let token = match c {
            '\'' => {
                self.skip_quoted('\'', false);
                Token::Text
            }
            '"' => {
                self.skip_quoted('"', false);
                let end = self.at();
                Token::Quoted(&self.sql[from..end])
            }
            '$' if self.dollar_quoted(from) => Token::Text,
            c if c.is_alphabetic() || c == '_' => {
                self.skip_while(|c| c.is_alphanumeric() || matches!(c, '_' | '$'));
                let end = self.at();
                let word = &self.sql[from..end];
                let escapes = word.eq_ignore_ascii_case("e");
                if escapes && self.rest.next_if(|(_, c)| *c == '\'').is_some() {
                    self.skip_quoted('\'', true);
                    Token::Text
                } else {
                    Token::Word(word)
                }
            }
            other => Token::Other(other),
        };
        Some((from, token))
    }
}

fn is(token: Option<&Token<'_>>, word: &str) -> bool {
    matches!(token, Some(Token::Word(found)) if found.eq_ignore_ascii_case(word))
}

/// The statements of a file.
pub(super) fn statements(sql: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut start = None;
    // Depth of BEGIN ATOMIC … END, the body of a function in SQL's own form (14 on).
    let (mut depth, mut before) = (0_usize, Token::Other(';'));
    let mut push = |start: usize, end: usize| {
        found.push(Statement {
            text: sql[start..end].trim_end(),
            line: line_of(sql, start),
        });
    };
    for (at, token) in Lexer::new(sql) {
        if token == Token::Other(';') && depth == 0 {
            if let Some(start) = start.take() {
                push(start, at);
            }
        } else {
            start.get_or_insert(at);
            let opens = is(Some(&token), "atomic") && is(Some(&before), "begin")
                || depth > 0 && is(Some(&token), "case");
            if opens {
                depth += 1;
            } else if depth > 0 && is(Some(&token), "end") {
                depth -= 1;
            }
        }
        before = token;
    }
    if let Some(start) = start {
        push(start, sql.len());
    }
    found
}

/// The line that this byte is on, from 1.
pub(super) fn line_of(sql: &str, at: usize) -> usize {
    let before = &sql.as_bytes()[..at.min(sql.len())];
    before.iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The word by which this statement would begin or end a transaction. `END` alone is left to the
/// server: it may be the end of something else that is not understood here.
pub(super) fn transaction_word<'a>(statement: &Statement<'a>) -> Option<&'a str> {
    let mut tokens = Lexer::new(statement.text).map(|(_, token)| token);
    let (first, second, third) = (tokens.next(), tokens.next(), tokens.next());
    let Some(Token::Word(word)) = first else {
        return None;
    };
    let first = first.as_ref();
    let controls = is(first, "begin")
        || is(first, "commit")
        || is(first, "abort")
        || is(first, "start") && is(second.as_ref(), "transaction")
        || is(first, "prepare") && is(second.as_ref(), "transaction")
        // To a savepoint is another matter.
        || is(first, "rollback")
            && !is(second.as_ref(), "to")
            && !is(third.as_ref(), "to");
    controls.then_some(word)
}

/// Which kind of statement this is, outside a transaction.
pub(super) fn kind(statement: &str) -> Kind {
    let tokens: Vec<(usize, Token<'_>)> = Lexer::new(statement).take(24).collect();
    let mut words = Words {
        statement,
        tokens: &tokens,
        next: 0,
    };
    if words.take("create") {
        words.take("unique");
        if words.take("index") && words.take("concurrently") {
            return words.built_index().unwrap_or(Kind::Several);
        }
        return Kind::One;
    }
    if words.take("drop") {
        if words.take("index") && words.take("concurrently") {
            return words.dropped_index().unwrap_or(Kind::Several);
        }
        return Kind::One;
    }
    if words.take("set") || words.take("reset") {
        return Kind::Setting;
    }
    let several = ["call", "do", "vacuum", "cluster", "reindex"];
    if several.iter().any(|word| words.take(word)) {
        return Kind::Several;
    }
    let detaches = |(_, token): &(usize, Token<'_>)| is(Some(token), "detach");
    if tokens.iter().any(detaches) {
        return Kind::Several;
    }
    Kind::One
}

struct Words<'a> {
    statement: &'a str,
    tokens: &'a [(usize, Token<'a>)],
    next: usize,
}

impl Words<'_> {
    fn token(&self) -> Option<&Token<'_>> {
        self.tokens.get(self.next).map(|(_, token)| token)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = is(self.token(), word);
        self.next += usize::from(found);
        found
    }

    fn built_index(&mut self) -> Option<Kind> {
        if self.take("if") && !(self.take("not") && self.take("exists")) {
            return None;
        }
        if self.take("on") {
            // The server chooses the name.
            return None;
        }
        let index = match *self.token()? {
            Token::Word(word) => word.to_lowercase(),
            Token::Quoted(quoted) => unquoted(quoted),
            Token::Text | Token::Other(_) => return None,
        };
        self.next += 1;
        if !self.take("on") {
            return None;
        }
        self.take("only");
        let table = self.name()?;
        Some(Kind::BuildIndex { index, table })
    }

    fn dropped_index(&mut self) -> Option<Kind> {
        if self.take("if") && !self.take("exists") {
            return None;
        }
        let index = self.name()?;
        // Several, or CASCADE, which the server refuses here.
        self.token().is_none().then_some(Kind::DropIndex(index))
    }

    /// A name, perhaps in a schema, as it is written.
    fn name(&mut self) -> Option<String> {
        let from = self.tokens.get(self.next)?.0;
        loop {
            let (at, token) = self.tokens.get(self.next)?;
            let (Token::Word(part) | Token::Quoted(part)) = token else {
                return None;
            };
            let end = at + part.len();
            self.next += 1;
            if self.token() != Some(&Token::Other('.')) {
                return Some(self.statement[from..end].to_owned());
            }
            self.next += 1;
        }
    }
}

fn unquoted(quoted: &str) -> String {
    let inner = quoted.strip_prefix('"').unwrap_or(quoted);
    inner
        .strip_suffix('"')
        .unwrap_or(inner)
        .replace("\"\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(sql: &str) -> Vec<&str> {
        statements(sql)
            .into_iter()
            .map(|statement| statement.text)
            .collect()
    }

    #[test]
    fn semicolons_in_quotes_comments_and_bodies_end_no_statement() {
        let sql = "-- a; b\ninsert into t values ('a;''b', E'\\';', \"c;\", $x$;$y$;$x$) /* ; /* ; */ ; */ ; \n\
                   select 1;;create function f() returns int begin atomic select case when true then 1 end; select 2; end;\nselect $1;";

        assert_eq!(
            texts(sql),
            [
                "insert into t values ('a;''b', E'\\';', \"c;\", $x$;$y$;$x$) /* ; /* ; */ ; */",
                "select 1",
                "create function f() returns int begin atomic select case when true then 1 end; select 2; end",
                "select $1",
            ]
        );
        assert_eq!(statements(sql)[1].line, 3);
        assert_eq!(texts("select 'never ends; "), ["select 'never ends;"]);
        assert_eq!(texts(" -- nothing"), Vec::<&str>::new());
    }

    #[test]
    fn what_would_end_the_transaction_is_seen() {
        let word = |sql: &'static str| transaction_word(&statements(sql)[0]);

        assert_eq!(word("/* x */ Commit and chain"), Some("Commit"));
        assert_eq!(word("start transaction"), Some("start"));
        assert_eq!(word("begin"), Some("begin"));
        assert_eq!(word("rollback"), Some("rollback"));
        assert_eq!(word("rollback to savepoint a"), None);
        assert_eq!(word("rollback work to a"), None);
        assert_eq!(word("savepoint a"), None);
        assert_eq!(word("prepare p as select 1"), None);
        assert_eq!(word("create table commit (a int)"), None);
    }

    #[test]
    fn an_index_that_is_built_or_dropped_concurrently_is_known_by_its_name() {
        let build = |index: &str, table: &str| Kind::BuildIndex {
            index: index.into(),
            table: table.into(),
        };

        assert_eq!(
            kind(
                "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS Users_Email ON ONLY app.\"Users\" (email)"
            ),
            build("users_email", "app.\"Users\"")
        );
        assert_eq!(
            kind("create index concurrently \"We\"\"ird\" on t using gin (a)"),
            build("We\"ird", "t")
        );
        assert_eq!(
            kind("create index concurrently on t (a)"),
            Kind::Several,
            "the server names it"
        );
        assert_eq!(kind("create index i on t (a)"), Kind::One);
        assert_eq!(
            kind("drop index concurrently if exists a.b"),
            Kind::DropIndex("a.b".into())
        );
        assert_eq!(kind("drop index concurrently a, b"), Kind::Several);
        assert_eq!(kind("set lock_timeout = 0"), Kind::Setting);
        assert_eq!(kind("vacuum full t"), Kind::Several);
        assert_eq!(
            kind("alter table p detach partition q concurrently"),
            Kind::Several
        );
        assert_eq!(kind("alter type mood add value 'meh'"), Kind::One);
    }
}
