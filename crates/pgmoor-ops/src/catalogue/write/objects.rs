//! What makes an object that is not a table or part of one.

use crate::catalogue::model::{Detail, Object};
use crate::catalogue::routine::{Aggregate, FunctionKind, Operator, OperatorClass};
use crate::catalogue::types::{BaseType, Collation, Range};
use crate::sql::{identifier, literal, qualified};

use super::text::{collate, foreign_options};

/// The statement, for kinds that are made before the rows; none for others.
pub(super) fn create(object: &Object, target: u32) -> Option<String> {
    data_types(object, target)
        .or_else(|| routines(object))
        .or_else(|| methods(object))
}

/// Schemas, extensions, types.
fn data_types(object: &Object, target: u32) -> Option<String> {
    let name = &object.name;
    Some(match &object.detail {
        Detail::Schema {} => format!("CREATE SCHEMA IF NOT EXISTS {name}"),
        Detail::Extension { .. } => {
            let schema = identifier(object.schema.as_deref().unwrap_or("public"));
            format!("CREATE EXTENSION IF NOT EXISTS {name} SCHEMA {schema}")
        }
        Detail::Collation(collation) => self::collation(name, collation, target),
        Detail::Enum { values } => {
            let values = values
                .iter()
                .map(|value| literal(value))
                .collect::<Vec<_>>();
            format!("CREATE TYPE {name} AS ENUM ({})", values.join(", "))
        }
        Detail::Composite(composite) => {
            let attribute = |a: &crate::catalogue::types::Attribute| {
                format!(
                    "{} {}{}",
                    identifier(&a.name),
                    a.type_name,
                    collate(a.collation.as_ref())
                )
            };
            let attributes = composite
                .attributes
                .iter()
                .map(attribute)
                .collect::<Vec<_>>();
            format!("CREATE TYPE {name} AS ({})", attributes.join(", "))
        }
        Detail::Range(range) => self::range(name, range, target),
        Detail::BaseType(base) => base_type(name, base, target),
        Detail::ShellType {} => format!("CREATE TYPE {name}"),
        Detail::Domain(domain) => {
            let mut text = format!(
                "CREATE DOMAIN {name} AS {}{}",
                domain.base,
                collate(domain.collation.as_ref())
            );
            if let Some(default) = &domain.default {
                text += &format!(" DEFAULT {default}");
            }
            if domain.not_null {
                text += " NOT NULL";
            }
            for constraint in domain
                .constraints
                .iter()
                .filter(|one| !one.definition.ends_with(" NOT VALID"))
            {
                text += &format!(
                    " CONSTRAINT {} {}",
                    identifier(&constraint.name),
                    constraint.definition
                );
            }
            text
        }
        _ => return None,
    })
}

/// What computes.
fn routines(object: &Object) -> Option<String> {
    let name = &object.name;
    Some(match &object.detail {
        Detail::Language {
            trusted,
            handler,
            inline,
            validator,
        } => {
            let trusted = if *trusted { "TRUSTED " } else { "" };
            let part = |word: &str, function: &Option<String>| {
                function
                    .as_ref()
                    .map_or(String::new(), |function| format!(" {word} {function}"))
            };
            format!(
                "CREATE {trusted}LANGUAGE {name}{}{}{}",
                part("HANDLER", handler),
                part("INLINE", inline),
                part("VALIDATOR", validator)
            )
        }
        Detail::Function(function) => {
            let sql = function.sql.trim_end();
            let word = if function.kind == FunctionKind::Procedure {
                "PROCEDURE"
            } else {
                "FUNCTION"
            };
            sql.replacen(
                &format!("CREATE OR REPLACE {word}"),
                &format!("CREATE {word}"),
                1,
            )
        }
        Detail::Aggregate(aggregate) => self::aggregate(object, aggregate),
        Detail::Operator(operator) => self::operator(object, operator),
        Detail::OperatorFamily(_) => format!("CREATE OPERATOR FAMILY {name}"),
        Detail::OperatorClass(class) => operator_class(object, class),
        Detail::Cast {
            function,
            context,
            method,
            ..
        } => {
            let how = match (method.as_str(), function) {
                (_, Some(function)) => format!("WITH FUNCTION {function}"),
                ("i", None) => "WITH INOUT".to_owned(),
                _ => "WITHOUT FUNCTION".to_owned(),
            };
            let context = match context.as_str() {
                "a" => " AS ASSIGNMENT",
                "i" => " AS IMPLICIT",
                _ => "",
            };
            format!("CREATE CAST {name} {how}{context}")
        }
        Detail::Transform {
            from_sql, to_sql, ..
        } => {
            let parts = [("FROM SQL", from_sql), ("TO SQL", to_sql)];
            let parts = parts.iter().filter_map(|(word, function)| {
                Some(format!("{word} WITH FUNCTION {}", function.as_ref()?))
            });
            format!(
                "CREATE TRANSFORM {name} ({})",
                parts.collect::<Vec<_>>().join(", ")
            )
        }
        Detail::Conversion {
            source,
            target,
            function,
            default,
        } => {
            let default = if *default { "DEFAULT " } else { "" };
            format!(
                "CREATE {default}CONVERSION {name} FOR {} TO {} FROM {function}",
                literal(source),
                literal(target)
            )
        }
        _ => return None,
    })
}

/// Access methods, text search, what is elsewhere.
fn methods(object: &Object) -> Option<String> {
    let name = &object.name;
    Some(match &object.detail {
        Detail::AccessMethod { of, handler } => {
            let of = if of == "t" { "TABLE" } else { "INDEX" };
            format!("CREATE ACCESS METHOD {name} TYPE {of} HANDLER {handler}")
        }
        Detail::SearchParser {
            start,
            token,
            end,
            headline,
            types,
        } => {
            let headline = headline
                .as_ref()
                .map_or(String::new(), |headline| format!(", HEADLINE = {headline}"));
            format!(
                "CREATE TEXT SEARCH PARSER {name} (START = {start}, GETTOKEN = {token}, END = {end}, LEXTYPES = {types}{headline})"
            )
        }
        Detail::SearchTemplate { init, lexize } => {
            let init = init
                .as_ref()
                .map_or(String::new(), |init| format!("INIT = {init}, "));
            format!("CREATE TEXT SEARCH TEMPLATE {name} ({init}LEXIZE = {lexize})")
        }
        Detail::SearchDictionary { template, options } => {
            let options = options
                .as_ref()
                .map_or(String::new(), |options| format!(", {options}"));
            format!("CREATE TEXT SEARCH DICTIONARY {name} (TEMPLATE = {template}{options})")
        }
        Detail::SearchConfiguration { parser, mappings } => {
            let mut text = format!("CREATE TEXT SEARCH CONFIGURATION {name} (PARSER = {parser})");
            for mapping in mappings {
                let (token, dictionaries) =
                    (identifier(&mapping.token), mapping.dictionaries.join(", "));
                text += &format!(
                    ";\nALTER TEXT SEARCH CONFIGURATION {name} ADD MAPPING FOR {token} WITH {dictionaries}"
                );
            }
            text
        }
        Detail::ForeignDataWrapper {
            handler,
            validator,
            options,
        } => {
            let part = |word: &str, function: &Option<String>| {
                function
                    .as_ref()
                    .map_or(String::new(), |function| format!(" {word} {function}"))
            };
            format!(
                "CREATE FOREIGN DATA WRAPPER {name}{}{}{}",
                part("HANDLER", handler),
                part("VALIDATOR", validator),
                foreign_options(options)
            )
        }
        Detail::Server {
            wrapper,
            server_type,
            version,
            options,
        } => {
            let part = |word: &str, value: &Option<String>| {
                value
                    .as_ref()
                    .map_or(String::new(), |value| format!(" {word} {}", literal(value)))
            };
            format!(
                "CREATE SERVER {name}{}{} FOREIGN DATA WRAPPER {wrapper}{}",
                part("TYPE", server_type),
                part("VERSION", version),
                foreign_options(options)
            )
        }
        _ => return None,
    })
}

fn collation(name: &str, collation: &Collation, target: u32) -> String {
    let Collation {
        provider,
        deterministic,
        collate,
        ctype,
        locale,
        rules,
    } = collation;
    let provider = match provider.as_str() {
        "i" => "icu",
        "b" => "builtin",
        _ => "libc",
    };
    let mut parts = vec![format!("PROVIDER = {provider}")];
    let mut add = |word: &str, value: &Option<String>| {
        parts.extend(
            value
                .as_ref()
                .map(|value| format!("{word} = {}", literal(value))),
        )
    };
    add("LOCALE", locale);
    add("LC_COLLATE", collate);
    add("LC_CTYPE", ctype);
    if target >= 16 {
        add("RULES", rules);
    }
    if !deterministic {
        parts.push("DETERMINISTIC = false".to_owned());
    }
    format!("CREATE COLLATION {name} ({})", parts.join(", "))
}

fn range(name: &str, range: &Range, target: u32) -> String {
    let mut parts = vec![format!("SUBTYPE = {}", range.subtype)];
    let mut add = |word: &str, value: &Option<String>| {
        parts.extend(value.as_ref().map(|value| format!("{word} = {value}")))
    };
    add("SUBTYPE_OPCLASS", &range.operator_class);
    add("COLLATION", &range.collation);
    add("CANONICAL", &range.canonical);
    add("SUBTYPE_DIFF", &range.difference);
    if target >= 14 {
        add("MULTIRANGE_TYPE_NAME", &range.multirange);
    }
    format!("CREATE TYPE {name} AS RANGE ({})", parts.join(", "))
}

fn base_type(name: &str, base: &BaseType, target: u32) -> String {
    let length = if base.length < 0 {
        "VARIABLE".to_owned()
    } else {
        base.length.to_string()
    };
    let mut parts = vec![format!(
        "INPUT = {}, OUTPUT = {}, INTERNALLENGTH = {length}",
        base.input, base.output
    )];
    let mut add = |word: &str, value: &Option<String>| {
        parts.extend(value.as_ref().map(|value| format!("{word} = {value}")))
    };
    add("RECEIVE", &base.receive);
    add("SEND", &base.send);
    add("TYPMOD_IN", &base.modifier_in);
    add("TYPMOD_OUT", &base.modifier_out);
    add("ANALYZE", &base.analyze);
    add("ELEMENT", &base.element);
    if target >= 14 {
        add("SUBSCRIPT", &base.subscript);
    }
    parts.extend(
        base.default
            .as_ref()
            .map(|default| format!("DEFAULT = {}", literal(default))),
    );
    parts.push(format!(
        "ALIGNMENT = {}, STORAGE = {}, CATEGORY = {}, DELIMITER = {}",
        base.alignment,
        base.storage,
        literal(&base.category),
        literal(&base.delimiter)
    ));
    let flags = [
        ("PREFERRED", base.preferred),
        ("COLLATABLE", base.collatable),
        ("PASSEDBYVALUE", base.by_value),
    ];
    parts.extend(
        flags
            .iter()
            .filter(|flag| flag.1)
            .map(|(word, _)| match *word {
                "PASSEDBYVALUE" => (*word).to_owned(),
                word => format!("{word} = true"),
            }),
    );
    format!("CREATE TYPE {name} ({})", parts.join(", "))
}

fn aggregate(object: &Object, aggregate: &Aggregate) -> String {
    let a = aggregate;
    let modify = |letter: &str| match letter {
        "s" => "SHAREABLE",
        "w" => "READ_WRITE",
        _ => "READ_ONLY",
    };
    let mut parts = vec![format!("SFUNC = {}, STYPE = {}", a.transition, a.state)];
    let mut add = |word: &str, value: Option<String>| {
        parts.extend(value.map(|value| format!("{word} = {value}")))
    };
    add(
        "SSPACE",
        (a.state_size > 0).then(|| a.state_size.to_string()),
    );
    add("INITCOND", a.initial.as_ref().map(|text| literal(text)));
    add("FINALFUNC", a.finish.clone());
    add(
        "FINALFUNC_MODIFY",
        a.finish
            .is_some()
            .then(|| modify(&a.finish_modify).to_owned()),
    );
    add("COMBINEFUNC", a.combine.clone());
    add("SERIALFUNC", a.serialize.clone());
    add("DESERIALFUNC", a.deserialize.clone());
    add("MSFUNC", a.moving_transition.clone());
    add("MINVFUNC", a.moving_inverse.clone());
    add("MSTYPE", a.moving_state.clone());
    add(
        "MSSPACE",
        (a.moving_state_size > 0).then(|| a.moving_state_size.to_string()),
    );
    add(
        "MINITCOND",
        a.moving_initial.as_ref().map(|text| literal(text)),
    );
    add("MFINALFUNC", a.moving_finish.clone());
    add(
        "MFINALFUNC_MODIFY",
        a.moving_finish
            .is_some()
            .then(|| modify(&a.moving_finish_modify).to_owned()),
    );
    add("SORTOP", a.sort_operator.clone());
    add(
        "PARALLEL",
        match a.parallel.as_str() {
            "s" => Some("SAFE".to_owned()),
            "r" => Some("RESTRICTED".to_owned()),
            _ => None,
        },
    );
    let flags = [
        ("FINALFUNC_EXTRA", a.finish_extra),
        ("MFINALFUNC_EXTRA", a.moving_finish_extra),
        ("HYPOTHETICAL", a.sort == "h"),
    ];
    parts.extend(
        flags
            .iter()
            .filter(|flag| flag.1)
            .map(|flag| flag.0.to_owned()),
    );
    let arguments = if a.arguments.is_empty() {
        "*"
    } else {
        &a.arguments
    };
    format!(
        "CREATE AGGREGATE {}({arguments}) ({})",
        routine_name(object),
        parts.join(", ")
    )
}

/// Without the arguments.
fn routine_name(object: &Object) -> String {
    qualified(object.schema.as_deref().unwrap_or_default(), &object.bare)
}

fn operator(object: &Object, operator: &Operator) -> String {
    let mut parts = Vec::new();
    let mut add = |word: &str, value: &Option<String>| {
        parts.extend(value.as_ref().map(|value| format!("{word} = {value}")))
    };
    add("FUNCTION", &operator.function);
    add("LEFTARG", &operator.left);
    add("RIGHTARG", &operator.right);
    add("COMMUTATOR", &operator.commutator);
    add("NEGATOR", &operator.negator);
    add("RESTRICT", &operator.restrict);
    add("JOIN", &operator.join);
    let flags = [("MERGES", operator.merges), ("HASHES", operator.hashes)];
    parts.extend(
        flags
            .iter()
            .filter(|flag| flag.1)
            .map(|flag| flag.0.to_owned()),
    );
    let schema = identifier(object.schema.as_deref().unwrap_or_default());
    format!(
        "CREATE OPERATOR {schema}.{} ({})",
        object.bare,
        parts.join(", ")
    )
}

fn operator_class(object: &Object, class: &OperatorClass) -> String {
    let default = if class.default { " DEFAULT" } else { "" };
    let class_name = qualified(object.schema.as_deref().unwrap_or_default(), &object.bare);
    let mut members = class.members.clone();
    members.extend(
        class
            .storage
            .as_ref()
            .map(|storage| format!("STORAGE {storage}")),
    );
    if members.is_empty() {
        // It must have something; this says nothing.
        members.push(format!("STORAGE {}", class.type_name));
    }
    format!(
        "CREATE OPERATOR CLASS {class_name}{default} FOR TYPE {} USING {} FAMILY {} AS {}",
        class.type_name,
        class.method,
        class.family,
        members.join(", ")
    )
}
