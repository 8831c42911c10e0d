//! Edits a YAML file in place: sets values and takes some out, and leaves every other byte as it is.

mod spot;

use std::ops::Range;
use std::path::Path;

use pgmoor::settings::{Data, Node, Origin, Problem};

use super::tree::Tree;
use crate::yaml;
use spot::{Kind, Spot, column, end_of, find, line_end, line_start, parse};

/// The text with `wanted` in it, and without what is below `owned` and not in `wanted`. Comments and all
/// other keys stay as they are. Items of lists that have a `name` are found by it.
///
/// # Errors
/// The text is no YAML, or is written in a way that cannot be edited without losing something.
pub fn merged(
    text: &str,
    path: &Path,
    wanted: &Tree,
    owned: &[Vec<String>],
) -> Result<String, Problem> {
    let mut text = text.to_owned();
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    for keys in owned {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        remove(&mut text, path, &keys, wanted)?;
    }
    set(&mut text, path, &mut Vec::new(), wanted)?;
    check(&text, path, wanted)?;
    Ok(text)
}

fn impossible(path: &Path, keys: &[&str]) -> Problem {
    Problem::new(
        &Origin::file(&path.into(), 1, 1),
        format!("cannot edit \"{}\" in place", keys.join(".")),
    )
    .cause(
        "it is written by an alias, or in a form that cannot be changed without losing something",
    )
    .hint("take the values without --merge, and put them in by hand")
}

/// Sets all leaves below, one after the other: each changes where the next one stands.
fn set(
    text: &mut String,
    path: &Path,
    keys: &mut Vec<String>,
    wanted: &Tree,
) -> Result<(), Problem> {
    match wanted {
        // `{$file: PATH}` stands for one value, whatever stood there.
        Tree::Map(entries)
            if entries.iter().any(|(key, _)| key.starts_with('$'))
                && !is_map_in_lines(text, path, keys)? =>
        {
            put(text, path, keys, wanted)
        }
        Tree::Map(entries) if !entries.is_empty() => {
            for (key, value) in entries {
                keys.push(key.clone());
                set(text, path, keys, value)?;
                keys.pop();
            }
            Ok(())
        }
        Tree::List(items) if items.iter().all(|item| name_of(item).is_some()) => {
            for item in items {
                set_item(text, path, keys, item)?;
            }
            Ok(())
        }
        leaf => put(text, path, keys, leaf),
    }
}

fn is_map_in_lines(text: &str, path: &Path, keys: &[String]) -> Result<bool, Problem> {
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let root = parse(text, path)?;
    let spot = root.as_ref().and_then(|root| find(root, &names));
    Ok(spot.is_some_and(|spot| matches!(spot.kind, Kind::Map { flow: false, .. })))
}

fn name_of(item: &Tree) -> Option<&str> {
    match item.at(&["name"]) {
        Some(Tree::Text(name)) => Some(name),
        _ => None,
    }
}

/// Puts a value at a path: over the one that is there, or as a new key below the deepest map that is.
fn put(text: &mut String, path: &Path, keys: &[String], value: &Tree) -> Result<(), Problem> {
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let Some(root) = parse(text, path)? else {
        text.push_str(&nested(keys, value).print());
        return Ok(());
    };
    let mut spot = &root;
    for (depth, key) in keys.iter().enumerate() {
        let Kind::Map { entries, flow } = &spot.kind else {
            return Err(impossible(path, &names));
        };
        let Some((_, _, next)) = entries.iter().find(|(known, _, _)| known == key) else {
            let inner = nested(&keys[depth + 1..], value);
            let edit = added(text, spot, entries, *flow, key, &inner);
            let (at, new) = edit.ok_or_else(|| impossible(path, &names))?;
            text.insert_str(at, &new);
            return Ok(());
        };
        let is_last = depth + 1 == keys.len();
        if let Kind::Scalar { empty: true } = next.kind {
            let inner = nested(&keys[depth + 1..], value);
            return fill(text, spot, key, next, &inner).ok_or_else(|| impossible(path, &names));
        }
        if is_last {
            let is_plain = matches!(next.kind, Kind::Scalar { .. })
                || matches!(
                    &next.kind,
                    Kind::List { flow: true, .. } | Kind::Map { flow: true, .. }
                );
            if !is_plain {
                return Err(impossible(path, &names));
            }
            text.replace_range(next.range.clone(), &value.flow());
            return Ok(());
        }
        spot = next;
    }
    Err(impossible(path, &names))
}

/// A value below keys of its own.
fn nested(keys: &[String], value: &Tree) -> Tree {
    let mut tree = Tree::default();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    tree.set(&keys, value.clone());
    tree
}

/// Where a new key of a map goes, and its text.
fn added(
    text: &str,
    map: &Spot,
    entries: &[(String, Range<usize>, Spot)],
    flow: bool,
    key: &str,
    value: &Tree,
) -> Option<(usize, String)> {
    let entry = Tree::Map(vec![(key.to_owned(), value.clone())]);
    if flow {
        let inner = entry.flow();
        let inner = inner.strip_prefix('{')?.strip_suffix('}')?;
        let at = map.range.end.checked_sub(1)?;
        if !text[at..].starts_with('}') {
            return None;
        }
        return Some(match entries.last() {
            Some((_, _, last)) => (last.range.end.min(at), format!(", {inner}")),
            None => (at, inner.to_owned()),
        });
    }
    let (_, first, _) = entries.first()?;
    let indent = column(text, first.start);
    let ends = entries
        .iter()
        .map(|(_, key, value)| end_of(value).max(key.end));
    let end = ends.max()?;
    let mut block = String::new();
    entry.block(&mut block, indent);
    Some((line_end(text, end), block))
}

/// Writes a value after a key that has none.
fn fill(text: &mut String, map: &Spot, key: &str, empty: &Spot, value: &Tree) -> Option<()> {
    let Kind::Map { entries, flow } = &map.kind else {
        return None;
    };
    let (_, at, _) = entries.iter().find(|(known, _, _)| known == key)?;
    let colon = at.end + text[at.end..].find(':')? + 1;
    if *flow || !matches!(value, Tree::Map(_) | Tree::List(_)) {
        let end = empty.range.end.max(colon);
        text.replace_range(colon..end, &format!(" {}", value.flow()));
        return Some(());
    }
    let mut block = String::new();
    value.block(&mut block, column(text, at.start) + 2);
    // What is written for nothing (~, null) goes; a remark behind it stays.
    let end = empty.range.end.max(colon);
    text.replace_range(colon..end, "");
    let at = line_end(text, colon);
    text.insert_str(at, &block);
    Some(())
}

/// Sets an item of a list by its name.
fn set_item(text: &mut String, path: &Path, keys: &[String], item: &Tree) -> Result<(), Problem> {
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let root = parse(text, path)?;
    let spot = root.as_ref().and_then(|root| find(root, &names));
    let Some(spot) = spot else {
        return put(text, path, keys, &Tree::List(vec![item.clone()]));
    };
    if let Kind::Scalar { empty: true } = spot.kind {
        return put(text, path, keys, &Tree::List(vec![item.clone()]));
    }
    let Kind::List { items, flow } = &spot.kind else {
        return Err(impossible(path, &names));
    };
    let known = items
        .iter()
        .find(|known| item_name(text, known) == name_of(item));
    match known {
        Some(known) => {
            let (range, new) = match &known.kind {
                Kind::Map { flow: true, .. } => (known.range.clone(), item.flow()),
                _ => {
                    let indent = column(text, known.range.start);
                    let mut block = String::new();
                    item.block(&mut block, indent);
                    let end = end_of(known);
                    let block = block[indent..].trim_end_matches('\n').to_owned();
                    (known.range.start..end, block)
                }
            };
            text.replace_range(range, &new);
        }
        None if *flow => {
            let at = spot.range.end - 1;
            let comma = if items.is_empty() { "" } else { ", " };
            text.insert_str(at, &format!("{comma}{}", item.flow()));
        }
        None => {
            let Some(last) = items.last() else {
                return Err(impossible(path, &names));
            };
            // An item's own column is two behind its dash.
            let start = text[..last.range.start].rfind('-');
            let indent = start.map_or(0, |at| column(text, at));
            let mut block = String::new();
            Tree::List(vec![item.clone()]).block(&mut block, indent);
            let at = line_end(text, end_of(last));
            text.insert_str(at, &block);
        }
    }
    Ok(())
}

fn item_name<'a>(text: &'a str, item: &Spot) -> Option<&'a str> {
    let spot = find(item, &["name"])?;
    Some(text[spot.range.clone()].trim_matches(['"', '\'']))
}

/// Takes out what is below a path and not wanted.
fn remove(text: &mut String, path: &Path, keys: &[&str], wanted: &Tree) -> Result<(), Problem> {
    loop {
        let Some(root) = parse(text, path)? else {
            return Ok(());
        };
        let (map, list) = match keys.split_last() {
            Some((last, rest)) => (find(&root, keys), find(&root, rest).zip(Some(*last))),
            None => return Ok(()),
        };
        // A variable of a list, by its name.
        if let Some((
            Spot {
                kind: Kind::List { items, flow },
                ..
            },
            name,
        )) = list
        {
            let listed = wanted.at(&keys[..keys.len() - 1]);
            let is_wanted = matches!(listed, Some(Tree::List(items)) if items.iter().any(|item| name_of(item) == Some(name)));
            let found = items
                .iter()
                .position(|item| item_name(text, item) == Some(name));
            let Some(index) = found.filter(|_| !is_wanted) else {
                return Ok(());
            };
            if *flow {
                let next = items.get(index + 1).map(|next| next.range.start);
                let before = index.checked_sub(1).map(|index| items[index].range.end);
                let range = match (next, before) {
                    (Some(next), _) => items[index].range.start..next,
                    (None, Some(before)) => before..items[index].range.end,
                    (None, None) => items[index].range.clone(),
                };
                text.replace_range(range, "");
            } else if items.len() == 1 {
                return Err(impossible(path, keys));
            } else {
                let item = &items[index];
                let dash = text[..item.range.start].rfind('-');
                let start = dash.map_or(item.range.start, |at| line_start(text, at));
                let end = line_end(text, end_of(item));
                text.replace_range(start..end, "");
            }
            continue;
        }
        let Some(map) = map else { return Ok(()) };
        let keep = wanted.at(keys);
        let Kind::Map { entries, flow } = &map.kind else {
            if keep.is_none() {
                return drop_key(text, path, &root, keys);
            }
            return Ok(());
        };
        let stale = entries
            .iter()
            .position(|(key, _, _)| keep.is_none_or(|keep| keep.at(&[key]).is_none()));
        let Some(index) = stale else { return Ok(()) };
        cut(text, map, entries, *flow, index);
    }
}

fn drop_key(text: &mut String, path: &Path, root: &Spot, keys: &[&str]) -> Result<(), Problem> {
    let (last, rest) = keys.split_last().ok_or_else(|| impossible(path, keys))?;
    let parent = find(root, rest).ok_or_else(|| impossible(path, keys))?;
    let Kind::Map { entries, flow } = &parent.kind else {
        return Err(impossible(path, keys));
    };
    let index = entries.iter().position(|(key, _, _)| key == last);
    let index = index.ok_or_else(|| impossible(path, keys))?;
    cut(text, parent, entries, *flow, index);
    Ok(())
}

/// Cuts an entry out of its map.
fn cut(
    text: &mut String,
    map: &Spot,
    entries: &[(String, Range<usize>, Spot)],
    flow: bool,
    index: usize,
) {
    let (_, key, value) = &entries[index];
    let end = end_of(value).max(key.end);
    if flow {
        let range = match (entries.get(index + 1), index.checked_sub(1)) {
            (Some((_, next, _)), _) => key.start..next.start,
            (None, Some(before)) => end_of(&entries[before].2)..end,
            (None, None) => map.range.start + 1..map.range.end - 1,
        };
        text.replace_range(range, "");
        return;
    }
    let range = line_start(text, key.start)..line_end(text, end.max(colon_after(text, key.end)));
    text.replace_range(range, "");
}

fn colon_after(text: &str, at: usize) -> usize {
    text[at..].find(':').map_or(at, |colon| at + colon)
}

/// Reads the result again: an edit that did something else than it should must not get out.
fn check(text: &str, path: &Path, wanted: &Tree) -> Result<(), Problem> {
    let nodes = yaml::parse_all(text, path, &mut Vec::new())?;
    let is_there = nodes.iter().any(|node| has(node, wanted));
    is_there
        .then_some(())
        .ok_or_else(|| impossible(path, &["it"]))
}

fn has(node: &Node, wanted: &Tree) -> bool {
    let is = |text: &str| matches!(&node.data, Data::Scalar(known) if known == text);
    match wanted {
        Tree::Flag(flag) => is(&flag.to_string()),
        Tree::Number(number) => is(&number.to_string()),
        Tree::Text(text) => is(text),
        Tree::Map(entries) => entries
            .iter()
            .all(|(key, value)| node.at(&[key]).is_some_and(|node| has(node, value))),
        Tree::List(items) => match &node.data {
            Data::List(known) => items
                .iter()
                .all(|item| known.iter().any(|known| has(known, item))),
            _ => false,
        },
    }
}
