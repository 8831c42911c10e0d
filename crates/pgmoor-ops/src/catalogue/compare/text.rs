//! Whether two texts that PostgreSQL wrote say the same.
//!
//! It writes what it parsed. Parsed and written again, by itself or by a newer version, a few things come out in other
//! words: a cast of an array becomes a cast of each element, and from 16 on a column of an only table loses the
//! table's name.

/// Whether they do; each with the major version that wrote it.
pub(super) fn same(here: &str, major_here: u32, there: &str, major_there: u32) -> bool {
    let (one, other) = (array_casts(tokens(here)), array_casts(tokens(there)));
    match (major_here < 16, major_there < 16) {
        (true, false) => same_but_qualified(&one, &other),
        (false, true) => same_but_qualified(&other, &one),
        _ => one == other,
    }
}

/// Whether `long` is `short` with names of tables before some of its columns.
fn same_but_qualified(long: &[String], short: &[String]) -> bool {
    let (mut at, mut rest) = (0, short);
    while at < long.len() {
        match rest {
            [first, others @ ..] if *first == long[at] && !is_qualifier(&long[at..], rest) => {
                at += 1;
                rest = others;
            }
            _ if long.get(at + 1).is_some_and(|dot| dot == ".") && is_name(&long[at]) => at += 2,
            _ => return false,
        }
    }
    rest.is_empty()
}

/// A name with a dot behind it here, and none there.
fn is_qualifier(long: &[String], short: &[String]) -> bool {
    long.get(1).is_some_and(|dot| dot == ".") && short.get(1).is_none_or(|next| next != ".")
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first == '"' || first == '_' || first.is_alphabetic())
}

/// `(ARRAY[a, b])::text[]` as `ARRAY[(a)::text, (b)::text]`.
fn array_casts(tokens: Vec<String>) -> Vec<String> {
    let mut at = 0;
    let mut tokens = tokens;
    while at + 2 < tokens.len() {
        if tokens[at] == "("
            && tokens[at + 1] == "ARRAY"
            && tokens[at + 2] == "["
            && let Some(cast) = array_cast(&tokens[at..])
        {
            tokens.splice(at..at + cast.length, cast.instead);
        }
        at += 1;
    }
    tokens
}

struct ArrayCast {
    length: usize,
    instead: Vec<String>,
}

fn array_cast(tokens: &[String]) -> Option<ArrayCast> {
    let close = closing(tokens, 2)?;
    if tokens.get(close + 1)? != ")" || tokens.get(close + 2)? != "::" {
        return None;
    }
    let after = &tokens[close + 3..];
    let words = after
        .iter()
        .take_while(|token| is_name(token) || *token == ".")
        .count();
    if words == 0 || after.get(words)? != "[" || after.get(words + 1)? != "]" {
        return None;
    }
    let mut instead = vec!["ARRAY".to_owned(), "[".to_owned()];
    for (number, element) in elements(&tokens[3..close]).into_iter().enumerate() {
        if number > 0 {
            instead.push(",".to_owned());
        }
        instead.push("(".to_owned());
        instead.extend_from_slice(element);
        instead.extend([")".to_owned(), "::".to_owned()]);
        instead.extend_from_slice(&after[..words]);
    }
    instead.push("]".to_owned());
    Some(ArrayCast {
        length: close + 3 + words + 2,
        instead,
    })
}

/// Where the bracket that opens at `open` is closed.
fn closing(tokens: &[String], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Parts between commas that are in no bracket.
fn elements(tokens: &[String]) -> Vec<&[String]> {
    let mut depth = 0_i32;
    tokens
        .split(|token| {
            match token.as_str() {
                "(" | "[" => depth += 1,
                ")" | "]" => depth -= 1,
                _ => {}
            }
            depth == 0 && token == ","
        })
        .collect()
}

/// Names, numbers, strings and operators; blanks are gone.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c == '_' || c == '$' || c.is_alphanumeric();
        let length = match first {
            _ if first.is_whitespace() => {
                rest = &rest[first.len_utf8()..];
                continue;
            }
            '\'' | '"' => quoted(rest, first),
            ':' if rest.starts_with("::") => 2,
            _ if is_word(first) => rest.find(|c: char| !is_word(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after;
    }
    tokens
}

/// To the quote that is not followed by another.
fn quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    while let Some(next) = text[at..].find(quote) {
        at += next + 1;
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::same;

    #[test]
    fn an_array_that_is_cast_is_one_of_casts() {
        let first = "CHECK (((kind)::text = ANY ((ARRAY['a'::character varying, 'b,''['::character varying])::text[])))";
        let second = "CHECK (((kind)::text = ANY (ARRAY[('a'::character varying)::text, ('b,''['::character varying)::text])))";

        assert!(same(first, 15, second, 15));
        assert!(!same(first, 15, &second.replace("'a'", "'c'"), 15));
    }

    #[test]
    fn a_column_of_an_only_table_needs_no_name_of_it() {
        let old =
            " SELECT r.id,\n    r.name\n   FROM public.runs r\n  WHERE (r.name ~~ 'a.b'::text);";
        let new = " SELECT id,\n    name\n   FROM public.runs r\n  WHERE (name ~~ 'a.b'::text);";

        assert!(same(old, 12, new, 16));
        assert!(same(new, 18, old, 15));
        assert!(!same(old, 12, new, 15));
        assert!(!same(old, 12, &new.replace("public.runs", "runs"), 12));
        assert!(!same(&old.replace("'a.b'", "'b'"), 12, new, 16));
    }
}
