//! The run-time parameters of a client's session, and how a server connection is given them.
//!
//! A client's parameters come from its startup message and from what it sets later. They follow
//! it from one server connection to the next: at check-out the difference between what the
//! connection has and what the client expects is sent along with the first query.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::sql::Effect;

/// Reported by the server, but not to be set.
const READ_ONLY: [&str; 8] = [
    "server_version",
    "server_encoding",
    "is_superuser",
    "session_authorization",
    "integer_datetimes",
    "in_hot_standby",
    "lc_collate",
    "lc_ctype",
];

/// A value in the form that gives it back.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Value {
    /// The value itself, as a startup message or a ParameterStatus carries it.
    Literal(Box<str>),
    /// SQL as it stood behind `SET name TO`.
    Written(Box<str>),
}

/// What a server connection is opened with besides the endpoint's own parameters, and so what a
/// `RESET` on it goes back to; `None` for nothing.
pub(crate) type Opening = Option<Parameters>;

/// Any text will do as a name, and few clients share theirs: no server connection is opened for one,
/// and no server is asked about it.
pub(crate) const NAME: &str = "application_name";

/// Parameters by lower-case name, few of them, in the order of their names. Cheap to clone, and to compare
/// when nothing changed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters(Arc<[(Box<str>, Value)]>);

impl PartialEq for Parameters {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}
impl Eq for Parameters {}

impl std::hash::Hash for Parameters {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Parameters {
    /// From the pairs of a startup message; names are not case-sensitive, the last one wins.
    pub(crate) fn from_startup<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut parameters = Vec::new();
        for (name, value) in pairs {
            let name = name.to_ascii_lowercase();
            let value = Value::Literal(value.into());
            match place(&parameters, &name) {
                Ok(at) => parameters[at].1 = value,
                Err(at) => parameters.insert(at, (name.into(), value)),
            }
        }
        Self(parameters.into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let at = place(&self.0, name).ok()?;
        Some(&self.0[at].1)
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        if self.get(name) == Some(&value) {
            return;
        }
        let mut parameters = self.0.to_vec();
        match place(&parameters, name) {
            Ok(at) => parameters[at].1 = value,
            Err(at) => parameters.insert(at, (name.into(), value)),
        }
        self.0 = parameters.into();
    }

    pub(crate) fn remove(&mut self, name: &str) {
        if let Ok(at) = place(&self.0, name) {
            let mut parameters = self.0.to_vec();
            parameters.remove(at);
            self.0 = parameters.into();
        }
    }

    /// Where they are kept: the same for clones that nobody has changed.
    pub(crate) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// As a startup message carries them.
    pub(crate) fn to_pairs(&self) -> Vec<(String, String)> {
        let literals = self.0.iter().filter_map(|(name, value)| match value {
            Value::Literal(value) => Some((name.to_string(), value.to_string())),
            Value::Written(_) => None,
        });
        literals.collect()
    }

    /// The statement that gives a session that has reset its own these parameters, but for those
    /// that its server connection was opened with, which are back by themselves.
    pub(crate) fn restored(&self, opened_with: &Opening) -> Option<String> {
        let is_back = |name: &str| {
            let opened_with = opened_with.as_ref();
            opened_with.is_some_and(|opened_with| opened_with.get(name).is_some())
        };
        let mut wanted = String::new();
        for (name, value) in &*self.0 {
            if let Value::Literal(value) = value
                && !is_back(name)
            {
                let separator = if wanted.is_empty() { "" } else { "," };
                let _ = write!(
                    wanted,
                    "{separator}({},{})",
                    quote_literal(name),
                    quote_literal(value)
                );
            }
        }
        // What the client has set itself has the source "session"; settings of its own making
        // (with a dot) are listed nowhere.
        (!wanted.is_empty()).then(|| {
            format!(
                "SELECT pg_catalog.set_config(w.name,w.value,false) FROM (VALUES {wanted}) w(name,value) \
                 LEFT JOIN pg_catalog.pg_settings s ON pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) w.name \
                 WHERE CASE WHEN s.name IS NULL \
                 THEN COALESCE(pg_catalog.current_setting(w.name,true),'') OPERATOR(pg_catalog.=) '' \
                 ELSE s.source OPERATOR(pg_catalog.<>) 'session' END"
            )
        })
    }

    /// The statements that turn a session that has `self` into one that has `wanted`;
    /// `None` when there is nothing to do.
    pub(crate) fn changes_to(&self, wanted: &Self) -> Option<String> {
        if Arc::ptr_eq(&self.0, &wanted.0) {
            return None;
        }
        let mut sql = String::new();
        for (name, _) in self.0.iter().filter(|(name, _)| wanted.get(name).is_none()) {
            let _ = write!(sql, "RESET {};", quote_name(name));
        }
        let changed = || {
            let known = |name: &str, value| self.get(name) == Some(value);
            wanted
                .0
                .iter()
                .filter(move |(name, value)| !known(name, value))
        };
        let mut separator = "SELECT ";
        for (name, value) in changed() {
            if let Value::Literal(value) = value {
                // As in a startup message: a list stays a list, which `SET x TO 'a, b'` would not do.
                let _ = write!(
                    sql,
                    "{separator}pg_catalog.set_config({},{},false)",
                    quote_literal(name),
                    quote_literal(value)
                );
                separator = ",";
            }
        }
        if separator == "," {
            sql.push(';');
        }
        for (name, value) in changed() {
            if let Value::Written(value) = value {
                let _ = write!(sql, "SET {} TO {value};", quote_name(name));
            }
        }
        (!sql.is_empty()).then_some(sql)
    }
}

/// Where `name` is, or where it belongs.
fn place(parameters: &[(Box<str>, Value)], name: &str) -> Result<usize, usize> {
    parameters.binary_search_by(|(known, _)| (**known).cmp(name))
}

fn quote_name(name: &str) -> String {
    name.split('.')
        .map(|part| format!("\"{}\"", part.replace('"', "\"\"")))
        .collect::<Vec<_>>()
        .join(".")
}

/// A literal that means the same whatever `standard_conforming_strings` says.
fn quote_literal(value: &str) -> String {
    let doubled = value.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}

/// A change that counts once its transaction has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// The server said so, and says so again if a rollback takes it back.
    Reported {
        name: Box<str>,
        value: Box<str>,
    },
    Set {
        name: Box<str>,
        value: Box<str>,
    },
    Reset {
        name: Box<str>,
    },
    ResetAll,
    /// The client set one that the server reports.
    SetReported {
        name: Box<str>,
    },
}

impl Change {
    /// A rollback takes it back, and nobody says so.
    fn is_uncertain(&self) -> bool {
        !matches!(self, Self::Reported { .. } | Self::SetReported { .. })
    }
}

/// What a client's session has set, and what is not yet certain to stay.
#[derive(Debug, Default)]
pub(crate) struct SessionParameters {
    startup: Parameters,
    current: Parameters,
    pending: Vec<Change>,
    /// How many of them are from before the last ReadyForQuery.
    known: usize,
}

impl SessionParameters {
    pub(crate) fn new(startup: Parameters) -> Self {
        Self {
            current: startup.clone(),
            startup,
            pending: Vec::new(),
            known: 0,
        }
    }

    pub(crate) fn current(&self) -> &Parameters {
        &self.current
    }

    /// A ParameterStatus went to the client.
    pub(crate) fn reported(&mut self, name: &str, value: &str) {
        if !READ_ONLY.contains(&name) {
            self.pending.push(Change::Reported {
                name: name.to_ascii_lowercase().into(),
                value: value.into(),
            });
        }
    }

    /// A statement with this effect succeeded; `is_reported` says that the server reports the name.
    pub(crate) fn succeeded(&mut self, effect: &Effect, is_reported: impl Fn(&str) -> bool) {
        match effect {
            Effect::Set { name, value } if !is_reported(name) => self.pending.push(Change::Set {
                name: name.as_str().into(),
                value: value.as_str().into(),
            }),
            Effect::Set { name, .. } | Effect::SetConfig { name: Some(name) } => {
                self.pending.push(Change::SetReported {
                    name: name.as_str().into(),
                });
            }
            Effect::Reset { name } => self.pending.push(Change::Reset {
                name: name.as_str().into(),
            }),
            Effect::ResetAll => self.pending.push(Change::ResetAll),
            _ => {}
        }
    }

    /// Something that a rollback would take back is waiting for the end of the transaction.
    pub(crate) fn has_uncertain(&self) -> bool {
        self.pending.iter().any(Change::is_uncertain)
    }

    /// The same, of what came since the last ReadyForQuery.
    pub(crate) fn has_new_uncertain(&self) -> bool {
        self.pending
            .iter()
            .skip(self.known)
            .any(Change::is_uncertain)
    }

    /// ReadyForQuery came.
    pub(crate) fn cycle_ended(&mut self) {
        self.known = self.pending.len();
    }

    /// The client discarded its session: it is as it was when it began.
    pub(crate) fn discard(&mut self) {
        self.pending.clear();
        self.known = 0;
        self.current = self.startup.clone();
    }

    /// The transaction ended; `applied` is what the server connection has, `reported` gives what it
    /// last reported.
    pub(crate) fn transaction_ended<'a>(
        &mut self,
        committed: bool,
        applied: &mut Parameters,
        reported: impl Fn(&str) -> Option<&'a str>,
    ) {
        let pending = std::mem::take(&mut self.pending);
        self.known = 0;
        // In the order of the client's commands. Reports come in an order of their own: before the
        // effects of a simple query, behind those of the extended protocol.
        for change in pending.iter().filter(|_| committed) {
            match change {
                Change::Set { name, value } => {
                    let value = Value::Written(value.clone());
                    applied.set(name, value.clone());
                    self.current.set(name, value);
                }
                // The server goes back to its own default; the client, to what it asked for at
                // startup. What comes next makes up the difference.
                Change::Reset { name } => {
                    applied.remove(name);
                    match self.startup.get(name) {
                        Some(value) => self.current.set(name, value.clone()),
                        None => self.current.remove(name),
                    }
                }
                Change::ResetAll => {
                    *applied = Parameters::default();
                    self.current = self.startup.clone();
                }
                // Perhaps to what it was: then nothing is reported.
                Change::SetReported { name } => {
                    if let Some(value) = reported(name) {
                        let value = Value::Literal(value.into());
                        applied.set(name, value.clone());
                        self.current.set(name, value);
                    }
                }
                Change::Reported { .. } => {}
            }
        }
        for change in &pending {
            if let Change::Reported { name, value } = change {
                let value = Value::Literal(value.clone());
                if !committed || !was_reset(&pending, name) {
                    self.current.set(name, value.clone());
                }
                applied.set(name, value);
            }
        }
        if *applied == self.current {
            // Same value: make the next comparison one of addresses.
            *applied = self.current.clone();
        }
    }
}

/// Whether the last that the client did to it was a reset.
fn was_reset(changes: &[Change], wanted: &str) -> bool {
    let mut was_reset = false;
    for change in changes {
        match change {
            Change::ResetAll => was_reset = true,
            Change::Reset { name } if **name == *wanted => was_reset = true,
            Change::SetReported { name } if **name == *wanted => was_reset = false,
            _ => {}
        }
    }
    was_reset
}

/// Reads the `options` of a startup message: `-c name=value`, `-cname=value`, `--name=value`.
///
/// # Errors
///
/// The switch that is none of these, or that has no value.
pub(crate) fn parse_options(options: &str) -> Result<Vec<(String, String)>, String> {
    let mut words = split_options(options).into_iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let assignment = if word == "-c" {
            words.next().ok_or_else(|| word.clone())?
        } else if let Some(rest) = word.strip_prefix("--").or_else(|| word.strip_prefix("-c")) {
            rest.to_owned()
        } else {
            return Err(word);
        };
        match assignment.split_once('=') {
            // As the server reads them: a dash in a name stands for an underscore.
            Some((name, value)) if !name.is_empty() => {
                found.push((name.replace('-', "_"), value.to_owned()));
            }
            _ => return Err(word),
        }
    }
    Ok(found)
}

/// Splits at white space that no backslash escapes.
fn split_options(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut started = false;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            word.extend(characters.next());
            started = true;
        } else if character.is_ascii_whitespace() {
            if started {
                words.push(std::mem::take(&mut word));
            }
            started = false;
        } else {
            word.push(character);
            started = true;
        }
    }
    if started {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(value: &str) -> Value {
        Value::Literal(value.into())
    }

    fn set(name: &str, value: &str) -> Effect {
        Effect::Set {
            name: name.into(),
            value: value.into(),
        }
    }

    fn nothing_reported(_: &str) -> bool {
        false
    }

    #[test]
    fn equal_parameters_need_no_statement() {
        let a = Parameters::from_startup([("Search_Path", "a, b")]);
        let b = Parameters::from_startup([("search_path", "a, b")]);

        assert_eq!(a.changes_to(&b), None);
        assert_eq!(a.changes_to(&a.clone()), None);
    }

    #[test]
    fn the_difference_is_reset_and_set_in_one_text() {
        let has = Parameters::from_startup([("a.b", "1"), ("same", "x")]);
        let mut wants = Parameters::from_startup([("same", "x"), ("lock_timeout", "it's\\5")]);
        wants.set("work_mem", Value::Written("'4MB'".into()));

        assert_eq!(
            has.changes_to(&wants).expect("a difference"),
            "RESET \"a\".\"b\";SELECT pg_catalog.set_config('lock_timeout',E'it''s\\\\5',false);\
             SET \"work_mem\" TO '4MB';"
        );
    }

    #[test]
    fn a_rolled_back_setting_does_not_follow_the_client() {
        let mut session = SessionParameters::new(Parameters::default());
        let mut applied = Parameters::default();

        session.succeeded(&set("work_mem", "1"), nothing_reported);
        assert!(session.has_uncertain());
        session.transaction_ended(false, &mut applied, |_| None);

        assert_eq!(session.current(), &Parameters::default());
        assert_eq!(applied, Parameters::default());
    }

    #[test]
    fn what_the_server_reports_counts_also_after_a_rollback() {
        let mut session = SessionParameters::new(Parameters::default());
        let mut applied = Parameters::default();

        session.reported("TimeZone", "UTC");
        session.reported("in_hot_standby", "on");
        session.transaction_ended(false, &mut applied, |_| None);

        assert_eq!(session.current().get("timezone"), Some(&literal("UTC")));
        assert_eq!(session.current().get("in_hot_standby"), None);
    }

    #[test]
    fn a_reset_brings_back_the_startup_value_at_the_next_check_out() {
        let startup = Parameters::from_startup([("lock_timeout", "5s")]);
        let mut session = SessionParameters::new(startup.clone());
        let mut applied = startup.clone();

        session.succeeded(&set("lock_timeout", "'1s'"), nothing_reported);
        session.transaction_ended(true, &mut applied, |_| None);
        let reset = Effect::Reset {
            name: "lock_timeout".into(),
        };
        session.succeeded(&reset, nothing_reported);
        session.transaction_ended(true, &mut applied, |_| None);

        assert_eq!(session.current(), &startup);
        assert_eq!(applied, Parameters::default());
    }

    #[test]
    fn options_are_read_as_the_server_reads_them() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());

        assert_eq!(
            parse_options("-c a=1 -cb.c=x\\ y  --lock-timeout=5s -c d="),
            Ok(vec![
                pair("a", "1"),
                pair("b.c", "x y"),
                pair("lock_timeout", "5s"),
                pair("d", "")
            ])
        );
        assert_eq!(parse_options("-c="), Err("-c=".into()));
        assert_eq!(parse_options("-c"), Err("-c".into()));
        assert_eq!(parse_options("-fs"), Err("-fs".into()));
        assert_eq!(parse_options(""), Ok(vec![]));
    }
}
