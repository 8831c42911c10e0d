//! Finds imports that go up: a parent lists its modules lowest layer first, and each may import
//! only from those above it in that list. So modules stay out of import knots.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::source::{Source, is_test_file};
use super::{Finding, Rule};

/// A module's place in its crate: `["pool", "queue"]` is `crate::pool::queue`.
type ModulePath = Vec<String>;

pub(crate) fn look(sources: &[Source]) -> Vec<Finding> {
    let mut crates: BTreeMap<String, Vec<(ModulePath, &Source)>> = BTreeMap::new();
    for source in sources.iter().filter(|source| !is_only_tests(&source.path)) {
        if let Some((root, module)) = place(&source.path) {
            crates.entry(root).or_default().push((module, source));
        }
    }
    crates
        .values()
        .flat_map(|files| look_in_crate(files))
        .collect()
}

/// The test kit is for tests, and has layers all the same.
fn is_only_tests(path: &Path) -> bool {
    is_test_file(path) && !path.iter().any(|part| part == "pgmoor-testkit")
}

fn look_in_crate(files: &[(ModulePath, &Source)]) -> Vec<Finding> {
    let mut families: BTreeMap<ModulePath, Family> = files
        .iter()
        .map(|(module, source)| (module.clone(), Family::of(declared(&source.code))))
        .collect();
    let mut upward = Vec::new();
    for (module, source) in files {
        let mut seen = BTreeSet::new();
        for (line, path) in imports(source, module) {
            let Some((parent, import)) = between_siblings(module, &path) else {
                continue;
            };
            let Some(family) = families.get_mut(&parent) else {
                continue;
            };
            if family.goes_up(&import) && seen.insert(import.clone()) {
                upward.push((*source, line, parent, import.clone()));
            }
            family.imports.insert(import);
        }
    }
    upward
        .into_iter()
        .map(|(source, line, parent, Import { from, to })| {
            let advice = families[&parent].advice();
            let what =
                format!("\"{from}\" imports from \"{to}\", which is listed below it; {advice}");
            source.finding(Rule::ModuleOrder, line, what)
        })
        .collect()
}

/// A module that names something in a sibling of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Import {
    from: String,
    to: String,
}

/// The modules of one parent in the order of its list, and who imports from whom.
struct Family {
    order: Vec<String>,
    imports: BTreeSet<Import>,
}

impl Family {
    fn of(order: Vec<String>) -> Family {
        let imports = BTreeSet::new();
        Family { order, imports }
    }

    fn goes_up(&self, import: &Import) -> bool {
        let position = |name: &String| self.order.iter().position(|child| child == name);
        match (position(&import.from), position(&import.to)) {
            (Some(from), Some(to)) => from < to,
            _ => false,
        }
    }

    /// The order that would hold, as near to the present one as can be; or that there is none.
    fn advice(&self) -> String {
        let mut left = self.order.clone();
        let mut order = Vec::new();
        let needs_one_of = |module: &String, left: &[String]| {
            let is_left = |name: &String| name != module && left.contains(name);
            let mut imports = self.imports.iter();
            imports.any(|import| import.from == *module && is_left(&import.to))
        };
        while let Some(next) = left.iter().position(|module| !needs_one_of(module, &left)) {
            order.push(left.remove(next));
        }
        if left.is_empty() {
            return format!("this order holds: {}", order.join(", "));
        }
        // Whoever nobody else of the rest needs is above the knot, not in it.
        let is_needed = |module: &String, left: &[String]| {
            let mut imports = self.imports.iter();
            imports.any(|import| import.to == *module && left.contains(&import.from))
        };
        while let Some(above) = left.iter().position(|module| !is_needed(module, &left)) {
            left.remove(above);
        }
        format!("no order holds, there is a knot: {}", left.join(", "))
    }
}

/// The parent under which `module` and what it names part, and which of its children they are in.
fn between_siblings(module: &ModulePath, path: &ModulePath) -> Option<(ModulePath, Import)> {
    let common = module.iter().zip(path).take_while(|(a, b)| a == b).count();
    let import = Import {
        from: module.get(common)?.clone(),
        to: path.get(common)?.clone(),
    };
    Some((module[..common].to_vec(), import))
}

/// The source directory of the crate and the module that a file is.
fn place(path: &Path) -> Option<(String, ModulePath)> {
    let text = path.to_str()?;
    let (root, inside) = match text.strip_prefix("src/") {
        Some(inside) => ("", inside),
        None => text.split_once("/src/")?,
    };
    let mut module: ModulePath = inside
        .strip_suffix(".rs")?
        .split('/')
        .map(str::to_owned)
        .collect();
    let last = module.last().map(String::as_str);
    if last == Some("mod") || (module.len() == 1 && matches!(last, Some("lib" | "main"))) {
        module.pop();
    }
    Some((root.to_owned(), module))
}

/// The modules that a file declares, in order.
fn declared(code: &str) -> Vec<String> {
    code.lines()
        .filter_map(|line| {
            let line = line.trim().strip_suffix(';')?;
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["mod", name] | ["pub" | "pub(crate)" | "pub(super)", "mod", name] => {
                    Some(name.to_owned())
                }
                _ => None,
            }
        })
        .collect()
}

/// Paths inside the crate that product code of a file names, each with its line.
fn imports(source: &Source, module: &ModulePath) -> Vec<(usize, ModulePath)> {
    let end: usize = source
        .lines()
        .take_while(|(_, _, is_test)| !is_test || is_test_file(&source.path))
        .map(|(_, line, _)| line.len() + 1)
        .sum();
    let code = &source.code[..end.min(source.code.len())];
    let mut found = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in code.match_indices(start) {
            if code[..at]
                .ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '$')
            {
                continue; // Part of a longer path, or of a macro that others use.
            }
            let line = code[..at].matches('\n').count() + 1;
            for path in expand(&code[at..]) {
                found.extend(absolute(module, &path).map(|path| (line, path)));
            }
        }
    }
    found
}

/// The paths that begin at the start of `code`: one, or each of a group in braces.
fn expand(code: &str) -> Vec<Vec<String>> {
    let code = code.trim_start();
    if let Some(group) = code.strip_prefix('{') {
        return group_parts(group).into_iter().flat_map(expand).collect();
    }
    let length = code
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(code.len());
    let (segment, rest) = code.split_at(length);
    if segment.is_empty() {
        return vec![Vec::new()];
    }
    let tails = rest
        .strip_prefix("::")
        .map_or_else(|| vec![Vec::new()], expand);
    tails
        .into_iter()
        .map(|tail| std::iter::once(segment.to_owned()).chain(tail).collect())
        .collect()
}

/// The parts between the commas of a group, up to its closing brace.
fn group_parts(group: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0;
    let mut start = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts
}

/// A path as seen from the root of the crate; none when it leaves the crate.
fn absolute(module: &ModulePath, path: &[String]) -> Option<ModulePath> {
    let mut base = module.clone();
    let mut rest = path;
    while let Some((first, tail)) = rest.split_first() {
        match first.as_str() {
            "crate" => base.clear(),
            "super" => {
                base.pop()?;
            }
            _ => break,
        }
        rest = tail;
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<Source> = files
            .iter()
            .map(|(path, text)| Source::new(path.into(), (*text).into()))
            .collect();
        look(&sources).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_import_from_a_module_listed_below_is_found() {
        let found = found(&[
            ("crates/a/src/lib.rs", "mod low;\npub mod high;\n"),
            (
                "crates/a/src/low.rs",
                "use std::io;\nuse crate::{high::Thing, Error};\n",
            ),
            ("crates/a/src/high.rs", "use crate::low::Base;\n"),
        ]);

        assert_eq!(found.len(), 1, "{found:#?}");
        let what = "\"low\" imports from \"high\", which is listed below it";
        assert!(found[0].starts_with(&format!("crates/a/src/low.rs:2: module-order: {what}")));
    }

    #[test]
    fn the_order_that_holds_or_the_knot_is_named() {
        let mut family = Family::of(["a", "b", "c", "d"].map(str::to_owned).to_vec());
        let import = |from: &str, to: &str| Import {
            from: from.into(),
            to: to.into(),
        };
        family.imports = BTreeSet::from([import("a", "c"), import("d", "a")]);
        assert_eq!(family.advice(), "this order holds: b, c, a, d");

        family.imports.insert(import("c", "a"));
        assert_eq!(family.advice(), "no order holds, there is a knot: a, c");
    }

    #[test]
    fn siblings_deeper_down_have_an_order_too() {
        let found = found(&[
            ("crates/a/src/lib.rs", "mod pool;\n"),
            ("crates/a/src/pool/mod.rs", "mod queue;\nmod permits;\n"),
            (
                "crates/a/src/pool/queue.rs",
                "fn f() { super::permits::take() }\n",
            ),
            (
                "crates/a/src/pool/permits.rs",
                "use crate::pool::queue::Queue;\n",
            ),
        ]);

        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].contains("queue.rs:1"), "{}", found[0]);
    }

    #[test]
    fn tests_may_import_from_everywhere() {
        let found = found(&[
            ("crates/a/src/lib.rs", "mod low;\nmod high;\n"),
            (
                "crates/a/src/low.rs",
                "fn f() {}\n#[cfg(test)]\nmod tests { use crate::high::Thing; }\n",
            ),
            ("crates/a/src/high.rs", ""),
        ]);

        assert_eq!(found, Vec::<String>::new());
    }

    #[test]
    fn nested_groups_are_expanded() {
        let paths = expand("crate::{a::{B, c::D}, e}; crate::f");

        let joined: Vec<String> = paths.iter().map(|path| path.join("::")).collect();
        assert_eq!(joined, ["crate::a::B", "crate::a::c::D", "crate::e"]);
    }
}
