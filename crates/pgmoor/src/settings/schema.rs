//! The JSON Schema, for editors and for the chart's values.

use serde_json::{Map, Value, json};

use super::node::{Data, Node};
use super::sample::one_line;
use super::shape::{Field, JsonType, Kind, Section, Shape};

/// Makes the JSON Schema (2020-12) for a whole configuration.
pub fn schema(root: &Section, title: &str) -> Value {
    let mut schema = section(root);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema["title"] = json!(title);
    schema
}

fn section(section: &Section) -> Value {
    let properties: Map<String, Value> = section
        .fields
        .iter()
        .map(|field| (field.name.to_owned(), property(field)))
        .collect();
    json!({
        "type": ["object", "null"],
        "description": one_line(section.doc),
        "properties": properties,
        "additionalProperties": false,
    })
}

fn property(field: &Field) -> Value {
    let mut property = shape(&field.shape, field.range);
    property["description"] = json!(one_line(field.doc));
    if let Some(default) = &field.default {
        property["default"] = default_value(default, &field.shape);
    }
    property
}

fn shape(shape_: &Shape, range: Option<&str>) -> Value {
    match shape_ {
        Shape::Scalar(kind) => scalar(*kind, range),
        Shape::Choice(words) => or_variable(
            json!({ "enum": words.iter().map(|choice| choice.word).collect::<Vec<_>>() }),
        ),
        Shape::List(item) => {
            let item = shape(item, range);
            json!({ "anyOf": [{ "type": "array", "items": item }, item, { "type": "null" }] })
        }
        Shape::Map(_, value) => {
            json!({ "type": ["object", "null"], "additionalProperties": shape(value, None) })
        }
        Shape::Section(fields) => section(fields),
        Shape::Optional(inner) => match inner.inner() {
            Shape::Section(_) | Shape::Map(..) => shape(inner, range),
            _ => json!({ "anyOf": [shape(inner, range), { "enum": [null, "none"] }] }),
        },
    }
}

fn scalar(kind: Kind, range: Option<&str>) -> Value {
    match kind.json {
        JsonType::String => json!({ "type": "string" }),
        JsonType::Boolean => or_variable(json!({ "type": "boolean" })),
        JsonType::StringOrMap => json!({ "type": ["string", "object"] }),
        JsonType::IntegerOrString => json!({ "anyOf": [{ "const": 0 }, { "type": "string" }] }),
        JsonType::Integer => {
            let mut number = json!({ "type": "integer", "minimum": 0 });
            if let Some((low, high)) = range.and_then(|range| range.split_once("..=")) {
                for (key, bound) in [("minimum", low), ("maximum", high)] {
                    if let Ok(bound) = bound.parse::<u64>() {
                        number[key] = json!(bound);
                    }
                }
            }
            or_variable(number)
        }
    }
}

/// Any value may come from the environment.
fn or_variable(schema: Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": "\\$\\{.+\\}" }] })
}

fn default_value(node: &Node, shape: &Shape) -> Value {
    match (&node.data, shape.inner()) {
        (
            Data::Scalar(text),
            Shape::Scalar(Kind {
                json: JsonType::Integer,
                ..
            }),
        ) => text
            .parse::<u64>()
            .map_or_else(|_| json!(text), |number| json!(number)),
        (
            Data::Scalar(text),
            Shape::Scalar(Kind {
                json: JsonType::Boolean,
                ..
            }),
        ) => json!(text == "true"),
        (Data::Scalar(text), _) => json!(text),
        (Data::List(items), Shape::List(item)) => {
            items.iter().map(|node| default_value(node, item)).collect()
        }
        (Data::Null | Data::List(_) | Data::Map(_), _) => Value::Null,
    }
}
