//! Finds functions that are too long to be seen at once.

use super::source::Source;
use super::{Finding, Rule};

/// The most lines that a function should have.
const LONGEST: usize = 95;

pub(crate) fn look(source: &Source) -> Vec<Finding> {
    functions(&source.code)
        .into_iter()
        .filter(|function| function.lines > LONGEST)
        .map(|Function { name, line, lines }| {
            let what = format!("{name} has {lines} lines, over {LONGEST}");
            source.finding(Rule::FunctionLength, line, what)
        })
        .collect()
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

fn functions(code: &str) -> Vec<Function> {
    code.match_indices("fn ")
        .filter(|(at, _)| !code[..*at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        .filter_map(|(at, _)| {
            let after = &code[at + 3..];
            let length = after.find(|c: char| !c.is_alphanumeric() && c != '_')?;
            let name = after[..length].to_owned();
            // Empty for the type `fn (…)`.
            (!name.is_empty()).then_some(())?;
            let lines = body_end(after)?;
            Some(Function {
                name,
                line: code[..at].matches('\n').count() + 1,
                lines,
            })
        })
        .collect()
}

/// How many lines there are until the body's closing brace; none when there is no body.
fn body_end(after: &str) -> Option<usize> {
    let mut depth = 0;
    // Brackets of arguments and array types: a semicolon in `[u8; 4]` ends nothing.
    let mut brackets = 0;
    let mut lines = 1;
    for c in after.chars() {
        match c {
            '\n' => lines += 1,
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            ';' if depth == 0 && brackets == 0 => return None,
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                if depth <= 0 {
                    return Some(lines);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_measured_from_its_name_to_its_brace() {
        let code = "trait T { fn none(&self, a: [u8; 4]); }\n\nfn some(a: [u8; 4]) -> u8 {\n  {\n  }\n  1\n}\n";

        let found = functions(code);

        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].name.as_str(), found[0].line, found[0].lines),
            ("some", 3, 5)
        );
    }

    #[test]
    fn only_long_functions_are_reported() {
        let text = format!(
            "//! x\nfn short() {{}}\nfn long() {{\n{}}}\n",
            "a();\n".repeat(100)
        );
        let source = Source::new("crates/a/src/b.rs".into(), text);

        let found = look(&source);

        assert_eq!(found.len(), 1);
        assert_eq!(found[0].what, "long has 102 lines, over 95");
    }
}
