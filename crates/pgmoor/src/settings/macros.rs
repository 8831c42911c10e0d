//! `settings!` and `choices!`: one declaration for a struct, its defaults, its loading and its pages.

/// Declares a section of the configuration.
///
/// ```
/// pgmoor::settings! {
///     /// How one pool behaves.
///     pub struct Pool {
///         /// How long a client may wait for a server connection.
///         checkout_timeout: std::time::Duration = "10s", range "1ms..=10m", since "0.1";
///         /// The endpoint that serves it.
///         endpoint: Option<String>, example "primary", since "0.1";
///     }
/// }
/// assert_eq!(Pool::default().checkout_timeout.as_secs(), 10);
/// ```
///
/// `check path::to::function` after the struct names a `fn(&Self, &Node, &Place, &mut Loader)` that
/// reports what is wrong between fields.
#[macro_export]
macro_rules! settings {
    (
        $(#[doc = $doc:literal])+
        $visibility:vis struct $name:ident {
            $(
                $(#[doc = $field_doc:literal])+
                $field:ident : $type:ty $(= $default:expr)? $(, range $range:literal)? $(, example $example:literal)?, since $since:literal;
            )+
        }
        $(check $check:path)?
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Debug)]
        $visibility struct $name {
            $(
                $(#[doc = $field_doc])+
                pub $field: $type,
            )+
        }

        impl Default for $name {
            fn default() -> Self {
                let place = $crate::settings::Place { key: "", range: None };
                let mut loader = $crate::settings::Loader::for_defaults();
                <Self as $crate::settings::Absent>::absent(&place, &mut loader)
                    .expect("declared defaults are valid")
            }
        }

        impl $crate::settings::Absent for $name {
            fn absent(
                place: &$crate::settings::Place<'_>,
                loader: &mut $crate::settings::Loader<'_>,
            ) -> Option<Self> {
                let node = $crate::settings::Node::empty($crate::settings::Origin::Default);
                Self::load_fields(&node, place, loader)
            }
        }

        impl $name {
            fn load_fields(
                node: &$crate::settings::Node,
                place: &$crate::settings::Place<'_>,
                loader: &mut $crate::settings::Loader<'_>,
            ) -> Option<Self> {
                // All fields are read before any is given up, so that every problem is found.
                $(
                    let $field: Option<$type> = {
                        let key = $crate::settings::join(place.key, stringify!($field));
                        #[allow(unused_mut, unused_assignments)]
                        let mut range: Option<&'static str> = None;
                        $( range = Some($range); )?
                        let place = $crate::settings::Place { key: &key, range };
                        match node.entry(stringify!($field)) {
                            Some(entry) => <$type as $crate::settings::Value>::load(&entry.value, &place, loader),
                            None => $crate::settings!(@absent $type, place, loader $(, $default)?),
                        }
                    };
                )+
                Some(Self { $( $field: $field?, )+ })
            }
        }

        impl $crate::settings::Value for $name {
            fn shape() -> $crate::settings::Shape {
                $crate::settings::Shape::Section($crate::settings::Section {
                    name: stringify!($name),
                    doc: concat!($($doc, "\n"),+).trim_ascii(),
                    fields: vec![
                        $(
                            $crate::settings::Field {
                                name: stringify!($field),
                                doc: concat!($($field_doc, "\n"),+).trim_ascii(),
                                shape: <$type as $crate::settings::Value>::shape(),
                                default: $crate::settings!(@default_node $($default)?),
                                range: $crate::settings!(@option $($range)?),
                                example: $crate::settings!(@option $($example)?),
                                since: $since,
                            },
                        )+
                    ],
                })
            }

            fn load(
                node: &$crate::settings::Node,
                place: &$crate::settings::Place<'_>,
                loader: &mut $crate::settings::Loader<'_>,
            ) -> Option<Self> {
                let known = [$(stringify!($field)),+];
                let keys_are_known = $crate::settings::check_keys(node, place, &known, loader);
                let loaded = Self::load_fields(node, place, loader)?;
                $( $check(&loaded, node, place, loader); )?
                keys_are_known.then_some(loaded)
            }

            fn show(&self) -> $crate::settings::Shown {
                $crate::settings::Shown::Map(vec![
                    $( (stringify!($field).to_owned(), $crate::settings::Value::show(&self.$field)), )+
                ])
            }
        }
    };

    (@absent $type:ty, $place:expr, $loader:expr, $default:expr) => {
        <$type as $crate::settings::Value>::load(&$crate::settings::Node::from($default), &$place, $loader)
    };
    (@absent $type:ty, $place:expr, $loader:expr) => {
        <$type as $crate::settings::Absent>::absent(&$place, $loader)
    };
    (@default_node $default:expr) => { Some($crate::settings::Node::from($default)) };
    (@default_node) => { None };
    (@option $value:expr) => { Some($value) };
    (@option) => { None };
}

/// Declares a choice of words.
///
/// ```
/// pgmoor::choices! {
///     /// When a server connection is given back.
///     pub enum Mode {
///         /// When the client leaves.
///         Session = "session",
///         /// When the transaction ends.
///         Transaction = "transaction",
///     }
/// }
/// assert_eq!(Mode::Session.as_str(), "session");
/// ```
#[macro_export]
macro_rules! choices {
    (
        $(#[doc = $doc:literal])+
        $visibility:vis enum $name:ident {
            $(
                $(#[doc = $word_doc:literal])+
                $variant:ident = $word:literal,
            )+
        }
    ) => {
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        $visibility enum $name {
            $(
                $(#[doc = $word_doc])+
                $variant,
            )+
        }

        impl $name {
            /// The word for it in the configuration.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $( Self::$variant => $word, )+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl $crate::settings::Scalar for $name {
            const KIND: $crate::settings::Kind = $crate::settings::Kind {
                name: "word",
                allowed: concat!("one of" $(, " ", $word)+),
                json: $crate::settings::JsonType::String,
            };
            const NONE_IS_ABSENT: bool = false;

            fn read(
                text: &str,
                _: &$crate::settings::Origin,
                _: &$crate::settings::Loader<'_>,
            ) -> Result<Self, String> {
                match text {
                    $( $word => Ok(Self::$variant), )+
                    _ => Err($crate::settings::one_of(&[$($word),+])),
                }
            }

            fn explain(text: &str, problem: $crate::settings::Problem) -> $crate::settings::Problem {
                match $crate::settings::nearest(text, [$($word),+]) {
                    Some(word) => problem.hint(format!("did you mean \"{word}\"?")),
                    None => problem,
                }
            }

            fn print(&self) -> $crate::settings::Shown {
                $crate::settings::Shown::Text(self.as_str().to_owned())
            }

            fn scalar_shape() -> $crate::settings::Shape {
                $crate::settings::Shape::Choice(vec![
                    $( $crate::settings::Choice { word: $word, doc: concat!($($word_doc, "\n"),+).trim_ascii() }, )+
                ])
            }
        }
    };
}
