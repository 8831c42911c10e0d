//! Comparing two catalogues: every property of every object, by code that knows nothing of how one was written from
//! the other.
//!
//! It goes by the written form ([`serde`]) of the objects, so that a property that is read is also compared.

mod prepare;
mod text;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::model::Catalogue;
use prepare::{Key, prepare};

/// How two catalogues are compared.
#[derive(Debug, Clone, Default)]
pub struct Comparison {
    /// What the roles of the first are called in the second; others keep their names.
    pub roles: BTreeMap<String, String>,
}

/// Something that is not the same. As text, a sentence.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    /// In PostgreSQL's words.
    pub kind: String,
    /// As it stands in SQL, with its table.
    pub name: String,
    /// Which property, as `column a, default`; empty when one side has no such object.
    pub property: String,
    /// In the first catalogue; none where there is no such thing.
    pub here: Option<String>,
    /// In the second.
    pub there: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            name,
            property,
            here,
            there,
        } = self;
        write!(f, "{kind} {name}: ")?;
        match (property.is_empty(), here, there) {
            (true, Some(_), _) => f.write_str("is here and not there"),
            (true, None, _) => f.write_str("is there and not here"),
            (false, here, there) => {
                let [here, there] = [here, there].map(|value| value.as_deref().unwrap_or("absent"));
                write!(f, "{property} is {here} here and {there} there")
            }
        }
    }
}

/// The major versions of both sides.
#[derive(Clone, Copy)]
struct Majors {
    here: u32,
    there: u32,
}

/// All differences, in order of kind and name; none when the catalogues say the same.
///
/// What differs only because a version knows less than the other is no difference: names of `NOT NULL` constraints
/// (18), the privilege `MAINTAIN` of an owner (17), a newer version of an extension, other words for the same
/// expression.
pub fn compare(here: &Catalogue, there: &Catalogue, comparison: &Comparison) -> Vec<Difference> {
    let majors = Majors {
        here: here.major(),
        there: there.major(),
    };
    let ours = prepare(here, &comparison.roles, majors);
    let theirs = prepare(there, &BTreeMap::new(), majors);
    let mut found = Vec::new();
    for (key, value) in &ours {
        match theirs.get(key) {
            Some(other) => Walk {
                key,
                majors,
                found: &mut found,
            }
            .values(&mut Vec::new(), value, other),
            None => found.push(one_sided(key, true)),
        }
    }
    found.extend(
        theirs
            .keys()
            .filter(|key| !ours.contains_key(*key))
            .map(|key| one_sided(key, false)),
    );
    found.sort();
    found
}

fn one_sided(key: &Key, is_here: bool) -> Difference {
    let [here, there] = [is_here, !is_here].map(|is| is.then(|| "there".to_owned()));
    Difference {
        kind: key.kind.clone(),
        name: key.full_name(),
        property: String::new(),
        here,
        there,
    }
}

/// The walk through two values of one object.
struct Walk<'a> {
    key: &'a Key,
    majors: Majors,
    found: &'a mut Vec<Difference>,
}

impl Walk<'_> {
    fn values(&mut self, path: &mut Vec<String>, here: &Value, there: &Value) {
        match (here, there) {
            (Value::Object(here), Value::Object(there)) => self.maps(path, here, there),
            (Value::Array(here), Value::Array(there)) if named(here) && named(there) => {
                self.lists(path, here, there)
            }
            _ if here == there => {}
            (Value::String(one), Value::String(other))
                if path.last().is_some_and(|last| is_expression(last))
                    && text::same(one, self.majors.here, other, self.majors.there) => {}
            (Value::String(one), Value::String(other))
                if self.key.kind == "extension"
                    && path.last().is_some_and(|last| last == "version")
                    && !is_older(other, one) => {}
            _ => self.differ(path, shown(here), shown(there)),
        }
    }

    fn maps(
        &mut self,
        path: &mut Vec<String>,
        here: &Map<String, Value>,
        there: &Map<String, Value>,
    ) {
        let names: std::collections::BTreeSet<&String> = here.keys().chain(there.keys()).collect();
        for name in names {
            path.push(name.clone());
            let [here, there] = [here, there].map(|map| map.get(name).unwrap_or(&Value::Null));
            self.values(path, here, there);
            path.pop();
        }
    }

    /// Lists of things with names: each is looked for by its name, then their order is compared.
    fn lists(&mut self, path: &mut Vec<String>, here: &[Value], there: &[Value]) {
        let list = path.pop().unwrap_or_default();
        let singular = list.trim_end_matches('s').to_owned();
        for value in here {
            path.push(format!("{singular} {}", name_of(value)));
            match there.iter().find(|other| name_of(other) == name_of(value)) {
                Some(other) => self.values(path, value, other),
                None => self.differ(path, Some("there".to_owned()), None),
            }
            path.pop();
        }
        for other in there
            .iter()
            .filter(|other| !here.iter().any(|value| name_of(other) == name_of(value)))
        {
            path.push(format!("{singular} {}", name_of(other)));
            self.differ(path, None, Some("there".to_owned()));
            path.pop();
        }
        let order = |values: &[Value], others: &[Value]| {
            let both = values
                .iter()
                .map(name_of)
                .filter(|name| others.iter().any(|other| name_of(other) == *name));
            both.map(str::to_owned).collect::<Vec<_>>().join(", ")
        };
        let (ours, theirs) = (order(here, there), order(there, here));
        if ours != theirs {
            path.push(format!("order of {list}"));
            self.differ(path, Some(ours), Some(theirs));
            path.pop();
        }
        path.push(list);
    }

    fn differ(&mut self, path: &[String], here: Option<String>, there: Option<String>) {
        let path = path
            .iter()
            .filter(|step| *step != "detail")
            .map(|step| step.replace('_', " "));
        self.found.push(Difference {
            kind: self.key.kind.clone(),
            name: self.key.full_name(),
            property: path.collect::<Vec<_>>().join(", "),
            here,
            there,
        });
    }
}

/// Whether one version of an extension is older than another; "1.10" is newer than "1.9".
fn is_older(one: &str, other: &str) -> bool {
    let numbers = |version: &str| {
        version
            .split('.')
            .map(|part| part.parse::<u32>().unwrap_or_default())
            .collect::<Vec<_>>()
    };
    numbers(one) < numbers(other)
}

fn named(values: &[Value]) -> bool {
    values
        .iter()
        .all(|value| value.get("name").is_some_and(Value::is_string))
}

fn name_of(value: &Value) -> &str {
    value
        .get("name")
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Properties whose text PostgreSQL writes from what it parsed, and may write otherwise the second time.
fn is_expression(property: &str) -> bool {
    [
        "definition",
        "default",
        "using",
        "check",
        "body",
        "filter",
        "bound",
        "partition_key",
    ]
    .contains(&property)
}

fn shown(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(format!("\"{text}\"")),
        Value::Array(values) if values.is_empty() => None,
        other => Some(other.to_string()),
    }
}
