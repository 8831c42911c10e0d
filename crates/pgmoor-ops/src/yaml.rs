//! YAML text to the neutral tree of the settings, with the place of every key and value.
//!
//! Scalars stay text: what `yes` or `010` means is for the key to say, not for YAML. It writes nothing.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use pgmoor::settings::{Data, Entry, Node, Origin, Problem};
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput};

/// No configuration of ours is nested this deep; a file that is was made to hurt.
const MAX_DEPTH: usize = 32;
/// Aliases may repeat a section, but not blow a small file up.
const MAX_NODES: usize = 100_000;

/// Parses one YAML document. Keys that stand twice are reported in `problems`, the first is kept.
///
/// # Errors
/// The text is no YAML, or not one we take: nested too deep, too large, with a second document.
pub fn parse(text: &str, path: &Path, problems: &mut Vec<Problem>) -> Result<Node, Problem> {
    let mut documents = read(text, path, 1, problems)?;
    Ok(documents.pop().unwrap_or(Node {
        data: Data::Null,
        origin: Origin::file(&Arc::from(path), 1, 1),
    }))
}

/// Parses all documents of a file, as `---` parts them; without any, there are none.
///
/// # Errors
/// As for [`parse`], but for further documents.
pub fn parse_all(
    text: &str,
    path: &Path,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Node>, Problem> {
    read(text, path, usize::MAX, problems)
}

fn read(
    text: &str,
    path: &Path,
    most: usize,
    problems: &mut Vec<Problem>,
) -> Result<Vec<Node>, Problem> {
    let mut tree = Tree {
        events: Parser::new_from_str(text),
        path: Arc::from(path),
        anchors: HashMap::new(),
        nodes: 0,
        problems,
    };
    let mut documents = Vec::new();
    loop {
        let (event, span) = tree.next()?;
        match event {
            Event::StreamEnd => return Ok(documents),
            Event::StreamStart | Event::DocumentStart(_) | Event::DocumentEnd | Event::Nothing => {}
            _ if documents.len() >= most => {
                return Err(Problem::new(
                    &tree.origin(span),
                    "the file has a second document after \"---\"",
                )
                .hint("keep one document in the file"));
            }
            event => {
                let document = tree.node(event, span, 0)?;
                documents.push(document);
            }
        }
    }
}

struct Tree<'text, 'problems> {
    events: Parser<'text, StrInput<'text>>,
    path: Arc<Path>,
    anchors: HashMap<usize, Node>,
    nodes: usize,
    problems: &'problems mut Vec<Problem>,
}

impl<'text> Tree<'text, '_> {
    fn next(&mut self) -> Result<(Event<'text>, Span), Problem> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let marker = error.marker();
        let problem = Problem::new(
            &self.place(marker.line(), marker.col()),
            "the file is not valid YAML",
        )
        .cause(error.info());
        if error.info().contains('\t') || error.info().contains("tab") {
            problem.hint("indent with spaces; YAML takes no tabs")
        } else {
            problem
                .hint("look at this line and the one before: indentation, a missing \":\" or quote")
        }
    }

    fn place(&self, line: usize, column: usize) -> Origin {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        Origin::file(&self.path, number(line), number(column).saturating_add(1))
    }

    fn origin(&self, span: Span) -> Origin {
        self.place(span.start.line(), span.start.col())
    }

    fn node(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Node, Problem> {
        let origin = self.origin(span);
        self.count(1, &origin)?;
        if depth > MAX_DEPTH {
            return Err(Problem::new(&origin, "the file is nested too deep")
                .cause(format!("{MAX_DEPTH} levels are allowed")));
        }
        let (data, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => (scalar(text.into_owned(), style), anchor),
            Event::SequenceStart(anchor, _) => (self.list(depth)?, anchor),
            Event::MappingStart(anchor, _) => (self.map(depth)?, anchor),
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return Err(Problem::new(
                        &origin,
                        "the alias refers to an anchor that is not complete yet",
                    ));
                };
                self.count(size(&node), &origin)?;
                return Ok(node);
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => {
                return Err(Problem::new(
                    &origin,
                    "the file ends where a value is expected",
                ));
            }
        };
        let node = Node { data, origin };
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Data, Problem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Data::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Data, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Data::Map(entries));
            }
            let origin = self.origin(span);
            let Event::Scalar(key, ..) = event else {
                return Err(Problem::new(&origin, "a key must be a single word"));
            };
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            match entries.iter().find(|entry| entry.key == *key) {
                Some(first) => self.problems.push(
                    Problem::new(&origin, format!("the key \"{key}\" stands twice"))
                        .cause(format!("it is already at {}", first.origin))
                        .hint("remove one of them"),
                ),
                None => entries.push(Entry {
                    key: key.into_owned(),
                    origin,
                    value,
                }),
            }
        }
    }

    fn count(&mut self, nodes: usize, origin: &Origin) -> Result<(), Problem> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            return Err(Problem::new(origin, "the file is too large")
                .cause(format!("it has more than {MAX_NODES} values")));
        }
        Ok(())
    }
}

fn scalar(text: String, style: ScalarStyle) -> Data {
    let is_null =
        style == ScalarStyle::Plain && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL");
    if is_null {
        Data::Null
    } else {
        Data::Scalar(text)
    }
}

fn size(node: &Node) -> usize {
    1 + match &node.data {
        Data::Null | Data::Scalar(_) => 0,
        Data::List(items) => items.iter().map(size).sum(),
        Data::Map(entries) => entries.iter().map(|entry| size(&entry.value)).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(text: &str) -> String {
        let mut problems = Vec::new();
        if let Err(problem) = parse(text, Path::new("p.yaml"), &mut problems) {
            problems.push(problem);
        }
        problems
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn keys_and_values_know_their_line_and_column() {
        let tree = parse(
            "a:\n  b: [x, \"y\"]\n",
            Path::new("p.yaml"),
            &mut Vec::new(),
        )
        .expect("is YAML");

        let entry = tree
            .at(&["a"])
            .and_then(|a| a.entry("b"))
            .expect("is there");
        assert_eq!(entry.origin.to_string(), "p.yaml:2:3");
        let Data::List(items) = &entry.value.data else {
            panic!("is a list")
        };
        assert_eq!(items[1].origin.to_string(), "p.yaml:2:10");
        assert_eq!(items[1].data, Data::Scalar("y".to_owned()));
    }

    #[test]
    fn an_empty_file_sets_nothing() {
        for text in ["", "# only a comment\n", "---\n", "~"] {
            let tree = parse(text, Path::new("p.yaml"), &mut Vec::new()).expect("is YAML");
            assert_eq!(tree.data, Data::Null, "{text:?}");
        }
    }

    #[test]
    fn quoted_null_is_text_and_plain_null_is_nothing() {
        let tree = parse(
            "a: \"null\"\nb: null\n",
            Path::new("p.yaml"),
            &mut Vec::new(),
        )
        .expect("is YAML");

        assert_eq!(
            tree.at(&["a"]).map(|node| node.data.clone()),
            Some(Data::Scalar("null".to_owned()))
        );
        assert_eq!(
            tree.at(&["b"]).map(|node| node.data.clone()),
            Some(Data::Null)
        );
    }

    #[test]
    fn an_alias_repeats_its_anchor_but_cannot_blow_up() {
        let tree = parse(
            "a: &x {k: v}\nb: *x\n",
            Path::new("p.yaml"),
            &mut Vec::new(),
        )
        .expect("is YAML");
        assert_eq!(
            tree.at(&["b", "k"]).map(|node| node.data.clone()),
            Some(Data::Scalar("v".to_owned()))
        );

        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let below = format!("*a{}, ", level - 1).repeat(10);
            bomb.push_str(&format!(
                "a{level}: &a{level} [{}]\n",
                below.trim_end_matches(", ")
            ));
        }
        assert!(problems_of(&bomb).contains("too large"));
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_place() {
        insta::assert_snapshot!(problems_of("a: 1\nb: 2\na: 3\n"), @r#"
        error: p.yaml:3:1: the key "a" stands twice
        cause: it is already at p.yaml:1:1
        hint: remove one of them
        "#);
        insta::assert_snapshot!(problems_of("a: [1, 2\n"), @r#"
        error: p.yaml:2:1: the file is not valid YAML
        cause: while parsing a flow sequence, expected ',' or ']'
        hint: look at this line and the one before: indentation, a missing ":" or quote
        "#);
        insta::assert_snapshot!(problems_of("a: 1\n---\nb: 2\n"), @r#"
        error: p.yaml:3:1: the file has a second document after "---"
        hint: keep one document in the file
        "#);
        insta::assert_snapshot!(problems_of("? [a]\n: b\n"), @"error: p.yaml:1:3: a key must be a single word");
        assert!(problems_of(&format!("{}{}", "[".repeat(40), "]".repeat(40))).contains("too deep"));
        assert!(problems_of(&"[".repeat(100_000)).contains("not valid YAML"));
    }
}
