//! Where each value of a YAML text stands.

use std::ops::Range;
use std::path::Path;

use pgmoor::settings::{Data, Node, Problem};
use saphyr_parser::{Event, Parser, ScalarStyle, StrInput};

use crate::yaml;

/// A value and where it stands, in bytes.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) range: Range<usize>,
    pub(super) kind: Kind,
}

#[derive(Debug)]
pub(super) enum Kind {
    Scalar {
        empty: bool,
    },
    Alias,
    List {
        items: Vec<Spot>,
        flow: bool,
    },
    Map {
        entries: Vec<(String, Range<usize>, Spot)>,
        flow: bool,
    },
}

/// The end of all that is in it; a map in lines ends, for its parser, where the next one begins.
pub(super) fn end_of(spot: &Spot) -> usize {
    match &spot.kind {
        Kind::Map {
            entries,
            flow: false,
        } => entries
            .iter()
            .map(|(_, key, value)| end_of(value).max(key.end))
            .max()
            .unwrap_or(spot.range.end),
        Kind::List { items, flow: false } => {
            items.iter().map(end_of).max().unwrap_or(spot.range.end)
        }
        _ => spot.range.end,
    }
}

pub(super) fn find<'a>(root: &'a Spot, keys: &[&str]) -> Option<&'a Spot> {
    keys.iter().try_fold(root, |spot, key| match &spot.kind {
        Kind::Map { entries, .. } => entries
            .iter()
            .find(|(known, _, _)| known == key)
            .map(|(_, _, value)| value),
        _ => None,
    })
}

pub(super) fn column(text: &str, at: usize) -> usize {
    at - line_start(text, at)
}

pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |line| line + 1)
}

/// Behind the line that has this place, or that ends there.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    if at > 0 && text[..at].ends_with('\n') {
        return at;
    }
    text[at..]
        .find('\n')
        .map_or(text.len(), |line| at + line + 1)
}

/// The first document that is no manifest of Kubernetes.
pub(super) fn parse(text: &str, path: &Path) -> Result<Option<Spot>, Problem> {
    // Says what is wrong by line; what is parsed below is in order then.
    let mut problems = Vec::new();
    let nodes = yaml::parse_all(text, path, &mut problems)?;
    if let Some(problem) = problems.into_iter().next() {
        return Err(problem);
    }
    let is_manifest =
        |node: &Node| node.entry("apiVersion").is_some() && node.entry("kind").is_some();
    let wanted = nodes.iter().position(|node| !is_manifest(node));
    let Some(wanted) = wanted.filter(|index| nodes[*index].data != Data::Null) else {
        return Ok(None);
    };
    let places: Vec<usize> = text
        .char_indices()
        .map(|(at, _)| at)
        .chain([text.len()])
        .collect();
    let mut reader = Reader {
        text,
        places,
        events: Parser::new_from_str(text),
    };
    let mut index = 0;
    while let Some((event, range)) = reader.next() {
        match event {
            Event::StreamEnd => break,
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            event => {
                let spot = reader.spot(&event, range);
                if index == wanted {
                    return Ok(spot);
                }
                index += 1;
            }
        }
    }
    Ok(None)
}

struct Reader<'t> {
    text: &'t str,
    places: Vec<usize>,
    events: Parser<'t, StrInput<'t>>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<(Event<'t>, Range<usize>)> {
        let (event, span) = self.events.next_event()?.ok()?;
        let place = |index: usize| self.places.get(index).copied().unwrap_or(self.text.len());
        Some((event, place(span.start.index())..place(span.end.index())))
    }

    /// Behind the sign that closes; what the parser takes for the end may have blanks and remarks in it.
    fn closed(&self, end: &Range<usize>, sign: char) -> usize {
        if self.text[end.start..].starts_with(sign) {
            end.start + 1
        } else {
            end.end
        }
    }

    fn spot(&mut self, event: &Event<'t>, range: Range<usize>) -> Option<Spot> {
        let opens = |sign: char| self.text[range.start..].starts_with(sign);
        match event {
            Event::Scalar(text, style, ..) => {
                let plain = *style == ScalarStyle::Plain;
                let empty = plain && matches!(text.as_ref(), "" | "~" | "null");
                // A text in lines of its own ends, for its parser, where the next value begins.
                let written = self.text[range.clone()].trim_end().len();
                let end = range.start + written;
                Some(Spot {
                    range: range.start..end,
                    kind: Kind::Scalar { empty },
                })
            }
            Event::Alias(_) => Some(Spot {
                range,
                kind: Kind::Alias,
            }),
            Event::SequenceStart(..) => {
                let flow = opens('[');
                let mut items = Vec::new();
                loop {
                    let (event, inner) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        let range = range.start..self.closed(&inner, ']');
                        return Some(Spot {
                            range,
                            kind: Kind::List { items, flow },
                        });
                    }
                    items.push(self.spot(&event, inner)?);
                }
            }
            Event::MappingStart(..) => {
                let flow = opens('{');
                let mut entries = Vec::new();
                loop {
                    let (event, key) = self.next()?;
                    let Event::Scalar(name, ..) = event else {
                        let range = range.start..self.closed(&key, '}');
                        return Some(Spot {
                            range,
                            kind: Kind::Map { entries, flow },
                        });
                    };
                    let (event, inner) = self.next()?;
                    let value = self.spot(&event, inner)?;
                    entries.push((name.into_owned(), key, value));
                }
            }
            _ => None,
        }
    }
}
