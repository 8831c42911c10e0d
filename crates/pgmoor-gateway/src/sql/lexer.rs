//! Splits SQL text into the tokens that matter: words, quoted things, symbols.
//!
//! Follows the lexical structure of PostgreSQL (chapter 4.1): nested comments, dollar quotes,
//! `E''` strings. Assumes `standard_conforming_strings = on`. Does not know numbers or operators.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// An unquoted identifier or keyword, as written.
    Word(&'a [u8]),
    /// A double-quoted identifier, without its quotes, doubled quotes left doubled.
    Identifier(&'a [u8]),
    /// A single-quoted or dollar-quoted string, without its quotes; the flag says that what
    /// stands between them is the value itself (no escapes in it).
    String(&'a [u8], bool),
    /// Any other byte.
    Symbol(u8),
}

#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Where the next token may start.
    pub(super) fn offset(&self) -> usize {
        self.at
    }

    pub(super) fn text(&self, from: usize, to: usize) -> &'a [u8] {
        &self.text[from..to]
    }

    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.clone().next()
    }

    /// Takes the next token when it is the given keyword (lower case).
    pub(super) fn take_word(&mut self, keyword: &str) -> bool {
        let mut ahead = self.clone();
        match ahead.next() {
            Some(Token::Word(word)) if word.eq_ignore_ascii_case(keyword.as_bytes()) => {
                *self = ahead;
                true
            }
            _ => false,
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.get(at).copied().unwrap_or(0)
    }

    fn skip_blanks(&mut self) {
        while self.at < self.text.len() {
            match self.text[self.at] {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'-' if self.byte(self.at + 1) == b'-' => {
                    self.at = match memchr::memchr(b'\n', &self.text[self.at..]) {
                        Some(length) => self.at + length + 1,
                        None => self.text.len(),
                    };
                }
                b'/' if self.byte(self.at + 1) == b'*' => self.skip_comment(),
                _ => return,
            }
        }
    }

    /// Block comments nest in PostgreSQL.
    fn skip_comment(&mut self) {
        let mut depth = 0usize;
        while self.at < self.text.len() {
            match (self.text[self.at], self.byte(self.at + 1)) {
                (b'/', b'*') => {
                    depth += 1;
                    self.at += 2;
                }
                (b'*', b'/') => {
                    depth -= 1;
                    self.at += 2;
                    if depth == 0 {
                        return;
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Reads to the closing quote; a doubled quote stays inside, a backslash escapes if told so.
    fn quoted(&mut self, quote: u8, backslash: bool) -> (&'a [u8], bool) {
        self.at += 1;
        let start = self.at;
        let mut plain = true;
        while self.at < self.text.len() {
            let byte = self.text[self.at];
            let is_pair = byte == quote && self.byte(self.at + 1) == quote;
            if is_pair || (byte == b'\\' && backslash) {
                plain = false;
                self.at += 2;
            } else if byte == quote {
                let body = &self.text[start..self.at];
                self.at += 1;
                return (body, plain);
            } else {
                self.at += 1;
            }
        }
        self.at = self.text.len();
        (&self.text[start.min(self.at)..], false)
    }

    /// `$tag$ … $tag$`; `None` when the dollar starts something else (a parameter).
    fn dollar_quoted(&mut self) -> Option<&'a [u8]> {
        let rest = &self.text[self.at..];
        let tag_end = 1 + rest[1..]
            .iter()
            .position(|&b| b == b'$' || !is_word_byte(b))?;
        if rest.get(tag_end) != Some(&b'$') || rest[1].is_ascii_digit() {
            return None;
        }
        let tag = &rest[..=tag_end];
        let body = &rest[tag.len()..];
        let length = memchr::memmem::find(body, tag).unwrap_or(body.len());
        self.at = (self.at + tag.len() + length + tag.len()).min(self.text.len());
        Some(&body[..length])
    }
}

#[cfg(any(test, feature = "fuzzing"))]
thread_local! {
    static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// How many bytes this thread has read, those that were read twice counted twice.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn bytes_read() -> usize {
    READ.get()
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        #[cfg(any(test, feature = "fuzzing"))]
        let start = self.at;
        let token = self.token();
        #[cfg(any(test, feature = "fuzzing"))]
        READ.set(READ.get() + self.at - start);
        token
    }
}

impl<'a> Lexer<'a> {
    fn token(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        let first = *self.text.get(self.at)?;
        Some(match first {
            b'\'' => {
                let (body, plain) = self.quoted(b'\'', false);
                Token::String(body, plain)
            }
            b'"' => Token::Identifier(self.quoted(b'"', false).0),
            b'e' | b'E' if self.byte(self.at + 1) == b'\'' => {
                self.at += 1;
                let (body, plain) = self.quoted(b'\'', true);
                Token::String(body, plain)
            }
            b'$' if self.at + 1 < self.text.len() => match self.dollar_quoted() {
                Some(body) => Token::String(body, true),
                None => {
                    self.at += 1;
                    Token::Symbol(b'$')
                }
            },
            byte if is_word_start(byte) => {
                let rest = &self.text[self.at..];
                let length = rest
                    .iter()
                    .position(|&b| !is_word_byte(b) && b != b'$')
                    .unwrap_or(rest.len());
                self.at += length;
                Token::Word(&rest[..length])
            }
            // A number is taken whole, so that "1e" does not start a word or an E-string.
            byte if byte.is_ascii_digit() => {
                while is_word_byte(self.byte(self.at)) || self.byte(self.at) == b'.' {
                    self.at += 1;
                }
                Token::Symbol(byte)
            }
            byte => {
                self.at += 1;
                Token::Symbol(byte)
            }
        })
    }
}

fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}
