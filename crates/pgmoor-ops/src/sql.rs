//! Names and texts in SQL, written so that they are nothing but that.

use std::borrow::Cow;

/// The words that mean something where a name could stand: those of the keyword lists of PostgreSQL 12
/// to 18 that are not unreserved (PostgreSQL documentation, appendix C).
#[rustfmt::skip]
const KEYWORDS: &[&str] = &[
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization", "between",
    "bigint", "binary", "bit", "boolean", "both", "case", "cast", "char", "character", "check", "coalesce",
    "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog",
    "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user",
    "dec", "decimal", "default", "deferrable", "desc", "distinct", "do", "else", "end", "except", "exists",
    "extract", "false", "fetch", "float", "for", "foreign", "freeze", "from", "full", "grant", "greatest",
    "group", "grouping", "having", "ilike", "in", "initially", "inner", "inout", "int", "integer",
    "intersect", "interval", "into", "is", "isnull", "join", "json", "json_array", "json_arrayagg",
    "json_exists", "json_object", "json_objectagg", "json_query", "json_scalar", "json_serialize",
    "json_table", "json_value", "lateral", "leading", "least", "left", "like", "limit", "localtime",
    "localtimestamp", "merge_action", "national", "natural", "nchar", "none", "normalize", "not", "notnull",
    "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out", "outer", "overlaps", "overlay",
    "placing", "position", "precision", "primary", "real", "references", "returning", "right", "row",
    "select", "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric", "system_user",
    "table", "tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim", "true", "union",
    "unique", "user", "using", "values", "varchar", "variadic", "verbose", "when", "where", "window", "with",
    "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse",
    "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

/// A name as it stands in SQL: as it is where nothing is lost by that, else in quotes.
pub fn identifier(name: &str) -> Cow<'_, str> {
    let mut characters = name.chars();
    let is_plain = characters
        .next()
        .is_some_and(|first| matches!(first, 'a'..='z' | '_'))
        && characters.all(|other| matches!(other, 'a'..='z' | '0'..='9' | '_'))
        && KEYWORDS.binary_search(&name).is_err();
    match is_plain {
        true => Cow::Borrowed(name),
        false => Cow::Owned(format!("\"{}\"", name.replace('"', "\"\""))),
    }
}

/// A name within a schema.
pub fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", identifier(schema), identifier(name))
}

/// A text as it stands in SQL, whatever `standard_conforming_strings` is.
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match quoted.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

/// PostgreSQL cuts longer names off, in bytes (`NAMEDATALEN` - 1).
pub const MAX_NAME: usize = 63;

/// Why this cannot be the name of anything in PostgreSQL.
pub fn unfit_name(name: &str) -> Option<String> {
    if name.is_empty() {
        return Some("it is empty".into());
    }
    if name.contains('\0') {
        return Some("it has a byte of zero".into());
    }
    (name.len() > MAX_NAME).then(|| {
        format!(
            "it has {} bytes, PostgreSQL cuts names off after {MAX_NAME}",
            name.len()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_need_it() {
        assert_eq!(identifier("users"), "users");
        assert_eq!(identifier("user"), "\"user\"");
        assert_eq!(identifier("Users"), "\"Users\"");
        assert_eq!(identifier("1st"), "\"1st\"");
        assert_eq!(identifier(""), "\"\"");
        assert_eq!(identifier("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(qualified("public", "order"), "public.\"order\"");
    }

    #[test]
    fn texts_hold_whatever_they_hold() {
        assert_eq!(literal("it's"), "'it''s'");
        assert_eq!(literal("a\\'b"), "E'a\\\\''b'");
    }

    #[test]
    fn a_name_that_postgresql_would_change_is_unfit() {
        assert_eq!(unfit_name("schéma \"x\"; drop"), None);
        assert!(unfit_name("").is_some());
        assert!(unfit_name("a\0b").is_some());
        assert!(unfit_name(&"é".repeat(32)).is_some(), "64 bytes");
    }

    #[test]
    fn keywords_are_in_order() {
        assert!(KEYWORDS.is_sorted());
    }
}
