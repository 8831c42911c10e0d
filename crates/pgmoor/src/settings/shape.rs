//! What a declaration says of itself: the ground for the sample, the reference page, the JSON Schema
//! and for finding the key that an environment variable means.

/// The form of a value.
#[derive(Clone, Debug)]
pub enum Shape {
    /// Text with a meaning.
    Scalar(Kind),
    /// One of a few words.
    Choice(Vec<Choice>),
    /// A list of values.
    List(Box<Shape>),
    /// Sections or values by a name the user picks; the first field says what the name is.
    Map(&'static str, Box<Shape>),
    /// A section with fixed keys.
    Section(Section),
    /// A value that may be left out or be `none`.
    Optional(Box<Shape>),
}

/// A kind of scalar, as shown to the user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Short name, `duration`.
    pub name: &'static str,
    /// What may be written, with an example.
    pub allowed: &'static str,
    /// The JSON Schema type.
    pub json: JsonType,
}

/// The JSON Schema type of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A number, or text such as `10s`.
    IntegerOrString,
    /// Text, or keys with numbers.
    StringOrMap,
}

/// One word of a choice.
#[derive(Clone, Copy, Debug)]
pub struct Choice {
    /// The word.
    pub word: &'static str,
    /// What it means.
    pub doc: &'static str,
}

/// A section: a struct with documented fields.
#[derive(Clone, Debug)]
pub struct Section {
    /// The Rust name, for schema definitions.
    pub name: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// Its keys in order of declaration.
    pub fields: Vec<Field>,
}

/// One key of a section.
#[derive(Clone, Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Its documentation.
    pub doc: &'static str,
    /// The form of its value.
    pub shape: Shape,
    /// The declared default, as it would be written; `None` when there is none.
    pub default: Option<super::node::Node>,
    /// The declared range, `1ms..=10m`.
    pub range: Option<&'static str>,
    /// An example as it would be written.
    pub example: Option<&'static str>,
    /// The version that brought it.
    pub since: &'static str,
}

impl Shape {
    /// The shape itself, without `Optional` around it.
    pub fn inner(&self) -> &Shape {
        match self {
            Self::Optional(inner) => inner.inner(),
            other => other,
        }
    }
}

impl Section {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}
