//! The trait of everything that can stand in a configuration, and lists, maps and optional values.

use std::collections::BTreeMap;

use super::loader::{Loader, Place};
use super::node::{Data, Node, Origin};
use super::problem::Problem;
use super::scalar::Scalar;
use super::shape::Shape;
use super::show::Shown;

/// Something that can stand in a configuration.
pub trait Value: Sized {
    /// Its form, for documentation.
    fn shape() -> Shape;

    /// Reads it from the tree. `None` means that a problem was reported.
    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self>;

    /// Shows it as it is in effect, without secrets.
    fn show(&self) -> Shown;

    /// Whether the word `none` means "not set" for an optional value of this type.
    fn none_is_absent() -> bool {
        true
    }
}

/// A value that has a meaning when its key is not there and no default is declared.
pub trait Absent: Value {
    /// The value of an absent key.
    fn absent(place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self>;
}

impl<T: Scalar> Value for T {
    fn shape() -> Shape {
        T::scalar_shape()
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        let text = loader.text(node, place)?;
        match T::read(&text, &node.origin, loader) {
            Ok(value) => check_range(value, &text, node, place, loader),
            Err(cause) => {
                loader.report(T::explain(
                    &text,
                    Problem::new(
                        &node.origin,
                        format!("invalid value \"{text}\" for \"{}\"", place.key),
                    )
                    .cause(cause),
                ));
                None
            }
        }
    }

    fn show(&self) -> Shown {
        self.print()
    }

    fn none_is_absent() -> bool {
        T::NONE_IS_ABSENT
    }
}

fn check_range<T: Scalar>(
    value: T,
    text: &str,
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) -> Option<T> {
    let Some(range) = place.range else {
        return Some(value);
    };
    let (low, high) = range
        .split_once("..=")
        .expect("declared ranges read low..=high");
    let bound = |text: &str| {
        (!text.is_empty()).then(|| {
            T::read(text, &Origin::Default, &Loader::for_defaults())
                .unwrap_or_else(|cause| panic!("declared bound {text}: {cause}"))
        })
    };
    let (at_least, at_most) = (bound(low), bound(high));
    if value.is_within(at_least.as_ref(), at_most.as_ref()) {
        return Some(value);
    }
    let allowed = match (at_least, at_most) {
        (Some(_), Some(_)) => format!("must be between {low} and {high}"),
        (Some(_), None) => format!("must be {low} or more"),
        (None, _) => format!("must be {high} or less"),
    };
    loader.report(
        Problem::new(
            &node.origin,
            format!("invalid value \"{text}\" for \"{}\"", place.key),
        )
        .cause(allowed),
    );
    None
}

impl<T: Value> Value for Option<T> {
    fn shape() -> Shape {
        Shape::Optional(Box::new(T::shape()))
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        match &node.data {
            Data::Null => Some(None),
            Data::Scalar(text)
                if T::none_is_absent() && matches!(text.as_str(), "none" | "off") =>
            {
                Some(None)
            }
            Data::Scalar(_) | Data::List(_) | Data::Map(_) => {
                T::load(node, place, loader).map(Some)
            }
        }
    }

    fn show(&self) -> Shown {
        self.as_ref().map_or(Shown::Null, Value::show)
    }
}

impl<T: Value> Absent for Option<T> {
    fn absent(_: &Place<'_>, _: &mut Loader<'_>) -> Option<Self> {
        Some(None)
    }
}

impl<T: Value> Value for Vec<T> {
    fn shape() -> Shape {
        Shape::List(Box::new(T::shape()))
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        let items = match &node.data {
            Data::Null => return Some(Vec::new()),
            Data::List(items) => items.iter().collect(),
            // One value is a list of one: `listen: 0.0.0.0:6432`.
            Data::Scalar(_) => vec![node],
            Data::Map(_) => {
                loader.report(
                    Problem::new(&node.origin, format!("\"{}\" must be a list", place.key))
                        .cause(format!("it is {}", node.kind()))
                        .hint("write each item on its own line after \"- \", or all in [ ]"),
                );
                return None;
            }
        };
        // Every item is read, so that every problem is found.
        let loaded: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let key = format!("{}[{index}]", place.key);
                T::load(
                    item,
                    &Place {
                        key: &key,
                        range: place.range,
                    },
                    loader,
                )
            })
            .collect();
        loaded.into_iter().collect()
    }

    fn show(&self) -> Shown {
        Shown::List(self.iter().map(Value::show).collect())
    }
}

impl<T: Value> Absent for Vec<T> {
    fn absent(_: &Place<'_>, _: &mut Loader<'_>) -> Option<Self> {
        Some(Vec::new())
    }
}

impl<T: Value> Value for BTreeMap<String, T> {
    fn shape() -> Shape {
        Shape::Map("name", Box::new(T::shape()))
    }

    fn load(node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) -> Option<Self> {
        let Some(entries) = node.entries() else {
            loader.report(
                Problem::new(
                    &node.origin,
                    format!("\"{}\" must be a section with names as keys", place.key),
                )
                .cause(format!("it is {}", node.kind())),
            );
            return None;
        };
        let mut map = BTreeMap::new();
        let mut complete = true;
        for entry in entries {
            let key = join(place.key, &entry.key);
            if entry.key.is_empty() || entry.key.contains('\0') {
                loader.report(Problem::new(
                    &entry.origin,
                    format!("\"{}\" has an empty name", place.key),
                ));
                complete = false;
                continue;
            }
            match T::load(
                &entry.value,
                &Place {
                    key: &key,
                    range: None,
                },
                loader,
            ) {
                Some(value) => drop(map.insert(entry.key.clone(), value)),
                None => complete = false,
            }
        }
        complete.then_some(map)
    }

    fn show(&self) -> Shown {
        Shown::Map(
            self.iter()
                .map(|(name, value)| (name.clone(), value.show()))
                .collect(),
        )
    }
}

impl<T: Value> Absent for BTreeMap<String, T> {
    fn absent(_: &Place<'_>, _: &mut Loader<'_>) -> Option<Self> {
        Some(BTreeMap::new())
    }
}

/// A key below another.
pub fn join(parent: &str, key: &str) -> String {
    if parent.is_empty() {
        key.to_owned()
    } else {
        format!("{parent}.{key}")
    }
}
