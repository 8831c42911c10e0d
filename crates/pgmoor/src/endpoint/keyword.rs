//! libpq's keyword/value strings: `host=db user='the app' password=a\ b`.

use pgmoor_wire::Secret;

use super::error::EndpointError;
use super::raw::{Dialect, Form, Raw};

const FORM: &str = "keyword/value string";

/// Reads a keyword/value string by libpq's quoting rules.
pub(super) fn parse(text: &str) -> Result<Raw, EndpointError> {
    let mut raw = Raw::new(Dialect::Libpq, Form::Keywords);
    let mut rest = Cursor { text, at: 0 };
    loop {
        rest.skip_blanks();
        if rest.peek().is_none() {
            return Ok(raw);
        }
        let start = rest.at;
        let name = rest.name();
        rest.skip_blanks();
        if rest.peek() != Some('=') {
            // The word may be the rest of a password with a blank in it: it is not quoted.
            return Err(EndpointError::syntax(
                FORM,
                format!(
                    "missing \"=\" after the word at character {}",
                    text[..start].chars().count() + 1
                ),
                "write parameters as name=value; put a value with blanks between single quotes",
            ));
        }
        rest.at += 1;
        rest.skip_blanks();
        let value = if rest.peek() == Some('\'') {
            rest.quoted(&name)?
        } else {
            rest.plain()
        };
        raw.push_after_secret(name, Secret::new(value));
    }
}

struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.peek().is_some_and(|c| c != '=' && !is_blank(c)) {
            self.next();
        }
        self.text[start..self.at].to_owned()
    }

    fn plain(&mut self) -> String {
        let mut value = String::new();
        while let Some(c) = self.next() {
            match c {
                c if is_blank(c) => break,
                '\\' => value.extend(self.next()),
                c => value.push(c),
            }
        }
        value
    }

    fn quoted(&mut self, name: &str) -> Result<String, EndpointError> {
        let start = self.at;
        self.at += 1;
        let mut value = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(value),
                Some('\\') => value.extend(self.next()),
                Some(c) => value.push(c),
                None => {
                    let place = self.text[..start].chars().count() + 1;
                    let of = if super::known::is_keyword(name) {
                        format!(" of {name:?}")
                    } else {
                        String::new()
                    };
                    return Err(EndpointError::syntax(
                        FORM,
                        format!("the quote at character {place}{of} is not closed"),
                        "write a single quote inside a value as \\'",
                    ));
                }
            }
        }
    }
}

/// What C's `isspace` calls a blank.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r')
}
