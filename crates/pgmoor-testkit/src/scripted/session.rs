//! The state a server keeps for a session, as far as it decides what is refused. No I/O.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend;
use crate::message::{Message, tags};

/// What a fake server knows of one session, and everything it was sent.
#[derive(Default)]
pub struct Session {
    /// All messages in their order.
    pub received: Vec<Message>,
    statements: BTreeMap<String, String>,
    /// Portals and the SQL of the statement they were bound to.
    portals: BTreeMap<String, String>,
    in_transaction: bool,
    failed: bool,
    /// After an error in the extended protocol everything is skipped up to Sync.
    skipping: bool,
    ended: bool,
}

impl Session {
    /// The names of the prepared statements that exist.
    pub fn statements(&self) -> BTreeSet<String> {
        self.statements.keys().cloned().collect()
    }

    /// The tags of all messages as one word.
    pub fn tags(&self) -> String {
        tags(&self.received)
    }

    /// Whether the server would close the connection now.
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// What a server sends back for a message.
    pub fn answer(&mut self, message: &Message) -> Vec<u8> {
        self.received.push(message.clone());
        match message.tag {
            b'X' => {
                self.ended = true;
                Vec::new()
            }
            b'S' => self.sync(),
            // COPY has failed or ended: what is still on the way is dropped.
            b'd' | b'c' | b'f' | b'H' => Vec::new(),
            _ if self.skipping => Vec::new(),
            b'Q' => {
                let sql = message.strings().swap_remove(0);
                self.simple_query(&sql)
            }
            b'P' => self.parse(&message.strings()),
            b'B' => self.bind(&message.strings()),
            b'D' => self.describe(message),
            b'E' => {
                let portal = message.strings().swap_remove(0);
                self.execute(&portal)
            }
            b'C' => self.close(message),
            other => {
                self.ended = true;
                let text = format!("invalid frontend message type {other}");
                backend::fatal("08P01", &text)
            }
        }
    }

    fn status(&self) -> u8 {
        match (self.in_transaction, self.failed) {
            (true, true) => b'E',
            (true, false) => b'T',
            (false, _) => b'I',
        }
    }

    fn sync(&mut self) -> Vec<u8> {
        self.skipping = false;
        if !self.in_transaction {
            self.portals.clear();
        }
        backend::ready(self.status())
    }

    /// An error in the extended protocol.
    fn refuse(&mut self, sqlstate: &str, text: &str) -> Vec<u8> {
        self.skipping = true;
        self.failed = self.in_transaction;
        backend::error(sqlstate, text)
    }

    fn simple_query(&mut self, sql: &str) -> Vec<u8> {
        self.statements.remove("");
        self.portals.remove("");
        let mut answer = self.run(sql).unwrap_or_else(|refusal| {
            self.failed = self.in_transaction;
            refusal
        });
        answer.extend(self.sync());
        answer
    }

    fn parse(&mut self, strings: &[String]) -> Vec<u8> {
        let (name, sql) = (&strings[0], &strings[1]);
        if !name.is_empty() && self.statements.contains_key(name) {
            let text = format!("prepared statement \"{name}\" already exists");
            return self.refuse("42P05", &text);
        }
        if self.failed && !ends_transaction(sql) {
            return self.refuse("25P02", "current transaction is aborted");
        }
        self.statements.insert(name.clone(), sql.clone());
        backend::parse_complete()
    }

    fn bind(&mut self, strings: &[String]) -> Vec<u8> {
        let (portal, statement) = (&strings[0], &strings[1]);
        let Some(sql) = self.statements.get(statement).cloned() else {
            let text = format!("prepared statement \"{statement}\" does not exist");
            return self.refuse("26000", &text);
        };
        if !portal.is_empty() && self.portals.contains_key(portal) {
            let text = format!("portal \"{portal}\" already exists");
            return self.refuse("42P03", &text);
        }
        self.portals.insert(portal.clone(), sql);
        backend::bind_complete()
    }

    fn describe(&mut self, message: &Message) -> Vec<u8> {
        let (kind, name) = target(message);
        let known = match kind {
            b'S' => self.statements.get(&name),
            _ => self.portals.get(&name),
        };
        let Some(sql) = known else {
            return self.unknown(kind, &name);
        };
        let rows = match returns_rows(sql) {
            true => backend::row_description(&["value"]),
            false => backend::no_data(),
        };
        match kind {
            b'S' => [backend::parameter_description(&[]), rows].concat(),
            _ => rows,
        }
    }

    fn execute(&mut self, portal: &str) -> Vec<u8> {
        let Some(sql) = self.portals.get(portal).cloned() else {
            return self.unknown(b'P', portal);
        };
        match self.run(&sql) {
            Ok(answer) if returns_rows(&sql) => {
                // Execute sends no RowDescription; Describe does.
                let description = backend::row_description(&["value"]).len();
                answer[description..].to_vec()
            }
            Ok(answer) => answer,
            Err(refusal) => {
                self.skipping = true;
                self.failed = self.in_transaction;
                refusal
            }
        }
    }

    fn close(&mut self, message: &Message) -> Vec<u8> {
        let (kind, name) = target(message);
        match kind {
            b'S' => self.statements.remove(&name),
            _ => self.portals.remove(&name),
        };
        backend::close_complete()
    }

    fn unknown(&mut self, kind: u8, name: &str) -> Vec<u8> {
        match kind {
            b'S' => {
                let text = format!("prepared statement \"{name}\" does not exist");
                self.refuse("26000", &text)
            }
            _ => self.refuse("34000", &format!("portal \"{name}\" does not exist")),
        }
    }

    /// Runs one statement: its answer without ReadyForQuery, or an error.
    fn run(&mut self, sql: &str) -> Result<Vec<u8>, Vec<u8>> {
        let words: Vec<&str> = sql
            .trim()
            .trim_end_matches(';')
            .split_whitespace()
            .collect();
        let verb = words.first().map(|word| word.to_ascii_uppercase());
        let verb = verb.as_deref().unwrap_or_default();
        if self.failed && !ends_transaction(sql) {
            return Err(backend::error("25P02", "current transaction is aborted"));
        }
        match verb {
            "" => return Ok(backend::empty_query()),
            "BEGIN" => self.in_transaction = true,
            "COMMIT" | "ROLLBACK" => {
                let tag = if self.failed { "ROLLBACK" } else { verb };
                (self.in_transaction, self.failed) = (false, false);
                return Ok(backend::command_complete(tag));
            }
            "SELECT" => {
                let value = words.get(1).copied();
                let answer = [
                    backend::row_description(&["value"]),
                    backend::data_row(&[value]),
                    backend::command_complete("SELECT 1"),
                ];
                return Ok(answer.concat());
            }
            "DEALLOCATE" => match words.last().copied().unwrap_or_default() {
                all if all.eq_ignore_ascii_case("all") => self.statements.clear(),
                name => {
                    if self.statements.remove(name.trim_matches('"')).is_none() {
                        let text = format!("prepared statement \"{name}\" does not exist");
                        return Err(backend::error("26000", &text));
                    }
                }
            },
            "DISCARD" if self.in_transaction => {
                let text = "DISCARD ALL cannot run inside a transaction block";
                return Err(backend::error("25001", text));
            }
            "DISCARD" => {
                self.statements.clear();
                self.portals.clear();
                return Ok(backend::command_complete("DISCARD ALL"));
            }
            "SET" | "RESET" => {}
            _ => return Err(backend::error("42601", "syntax error")),
        }
        Ok(backend::command_complete(verb))
    }
}

fn target(message: &Message) -> (u8, String) {
    let name = Message::new(message.tag, &message.body[1..]).strings();
    (message.body[0], name.into_iter().next().unwrap_or_default())
}

fn first_word_is(sql: &str, words: &[&str]) -> bool {
    let first = sql.split_whitespace().next().unwrap_or_default();
    let first = first.trim_end_matches(';');
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}

fn ends_transaction(sql: &str) -> bool {
    first_word_is(sql, &["commit", "rollback"])
}

fn returns_rows(sql: &str) -> bool {
    first_word_is(sql, &["select"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frontend;

    /// Sends everything and returns the tags and SQLSTATEs that come back.
    fn conversation(messages: &[Vec<u8>]) -> (String, Vec<String>) {
        let mut session = Session::default();
        let mut answers = Vec::new();
        let mut bytes = messages.concat();
        while let Some(message) = Message::take(&mut bytes) {
            answers.extend(session.answer(&message));
        }
        let answers: Vec<Message> = std::iter::from_fn(|| Message::take(&mut answers)).collect();
        let errors = answers.iter().filter(|answer| answer.tag == b'E');
        (tags(&answers), errors.map(Message::sqlstate).collect())
    }

    #[test]
    fn a_statement_is_prepared_bound_and_executed() {
        let (tags, _) = conversation(&[
            frontend::parse("a", "select 1"),
            frontend::describe_statement("a"),
            frontend::bind("", "a", &[]),
            frontend::execute("", 0),
            frontend::sync(),
        ]);

        assert_eq!(tags, "1tT2DCZ");
    }

    #[test]
    fn after_an_error_everything_is_skipped_up_to_sync() {
        let (tags, errors) = conversation(&[
            frontend::bind("", "nobody", &[]),
            frontend::execute("", 0),
            frontend::query("select 1"),
            frontend::sync(),
            frontend::query("select 1"),
        ]);

        assert_eq!(tags, "EZTDCZ");
        assert_eq!(errors, ["26000"]);
    }

    #[test]
    fn a_failed_transaction_takes_only_its_end() {
        let (tags, errors) = conversation(&[
            frontend::query("begin"),
            frontend::query("nonsense"),
            frontend::query("select 1"),
            frontend::query("commit"),
        ]);

        assert_eq!(tags, "CZEZEZCZ");
        assert_eq!(errors, ["42601", "25P02"]);
    }

    #[test]
    fn a_name_cannot_be_taken_twice() {
        let parse = frontend::parse("a", "select 1");
        let (_, errors) = conversation(&[parse.clone(), parse, frontend::sync()]);

        assert_eq!(errors, ["42P05"]);
    }
}
