//! The catalogue of a database as data: its objects, what each is made of, and which needs which.
//!
//! Names that stand in SQL as they are (`name`, `table`, types, functions) are quoted and qualified where they need
//! it; `schema`, `bare` and the names of roles and columns are raw.

use serde::{Deserialize, Serialize};

use super::privilege::{Grant, Label};
use super::relation::{Constraint, Index, MaterializedView, Sequence, Table, View};
use super::routine::{Aggregate, Function, Operator, OperatorClass, OperatorFamily};
use super::types::{BaseType, Collation, Composite, Domain, Range};

/// The form of [`Catalogue`] as it is written; another form gets another number.
pub const FORMAT: u32 = 1;

/// All of a database that is the user's own. Objects of an extension are left to their extension.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Catalogue {
    /// [`FORMAT`].
    pub format: u32,
    /// The server it was read from: `150004` is 15.4.
    pub server_version: u32,
    /// The database.
    pub database: String,
    /// The roles of the server, those of PostgreSQL itself left out.
    pub roles: Vec<Role>,
    /// In order of kind and name.
    pub objects: Vec<Object>,
    /// Which object needs which, both by their place in `objects`.
    pub dependencies: Vec<(usize, usize)>,
    /// The same, of the defaults of columns alone.
    pub default_dependencies: Vec<(usize, usize)>,
}

/// One object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Object {
    /// As it stands in SQL: `public."Runs"`, `public.f(integer)`; of what belongs to a table, its own name only.
    pub name: String,
    /// The table, view or domain that it belongs to, as it stands in SQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The schema, raw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The name without schema and arguments, raw.
    pub bare: String,
    /// The role that owns it, raw; none where the kind has no owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Who may do what, PostgreSQL's defaults spelled out; none where the kind has no privileges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Vec<Grant>>,
    /// Its comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// Its security labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Label>,
    /// What it is.
    pub detail: Detail,
}

/// A role, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Raw.
    pub name: String,
    /// `SUPERUSER`, `LOGIN` and the like, those that are on.
    pub attributes: Vec<String>,
    /// Its `CONNECTION LIMIT`; -1 is none.
    pub connection_limit: i32,
    /// The roles it is a member of.
    pub member_of: Vec<String>,
    /// `name=value`, in all databases.
    pub settings: Vec<String>,
}

/// What an object is, by kind.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "they are PostgreSQL's own kinds and columns")]
pub enum Detail {
    Database {
        encoding: String,
        collate: String,
        ctype: String,
        provider: String,
        locale: Option<String>,
        connection_limit: i32,
    },
    Setting {
        role: Option<String>,
        settings: Vec<String>,
    },
    Schema {},
    Extension {
        version: String,
        configuration: Vec<String>,
    },
    Language {
        trusted: bool,
        handler: Option<String>,
        inline: Option<String>,
        validator: Option<String>,
    },
    Collation(Collation),
    Enum {
        values: Vec<String>,
    },
    Composite(Composite),
    Range(Range),
    BaseType(BaseType),
    ShellType {},
    Domain(Domain),
    Function(Function),
    Aggregate(Aggregate),
    Operator(Operator),
    OperatorFamily(OperatorFamily),
    OperatorClass(OperatorClass),
    Cast {
        source: String,
        target: String,
        function: Option<String>,
        context: String,
        method: String,
    },
    Transform {
        type_name: String,
        language: String,
        from_sql: Option<String>,
        to_sql: Option<String>,
    },
    Conversion {
        source: String,
        target: String,
        function: String,
        default: bool,
    },
    AccessMethod {
        of: String,
        handler: String,
    },
    SearchParser {
        start: String,
        token: String,
        end: String,
        headline: Option<String>,
        types: String,
    },
    SearchTemplate {
        init: Option<String>,
        lexize: String,
    },
    SearchDictionary {
        template: String,
        options: Option<String>,
    },
    SearchConfiguration {
        parser: String,
        mappings: Vec<Mapping>,
    },
    Sequence(Sequence),
    Table(Table),
    View(View),
    MaterializedView(MaterializedView),
    Index(Index),
    Constraint(Constraint),
    Trigger {
        definition: String,
        enabled: String,
        inherited: bool,
    },
    Rule {
        definition: String,
        enabled: String,
    },
    Policy {
        command: String,
        permissive: bool,
        roles: Vec<Option<String>>,
        using: Option<String>,
        check: Option<String>,
    },
    Statistics {
        definition: String,
        target: Option<i32>,
    },
    ForeignDataWrapper {
        handler: Option<String>,
        validator: Option<String>,
        options: Vec<String>,
    },
    Server {
        wrapper: String,
        server_type: Option<String>,
        version: Option<String>,
        options: Vec<String>,
    },
    UserMapping {
        server: String,
        role: Option<String>,
        options: Option<MappingOptions>,
    },
    EventTrigger {
        event: String,
        function: String,
        tags: Vec<String>,
        enabled: String,
    },
    Publication {
        all_tables: bool,
        publish: Vec<String>,
        via_root: bool,
        generated: String,
        tables: Vec<PublishedTable>,
        schemas: Vec<String>,
    },
    /// Its connection string and password are not read.
    Subscription {
        enabled: bool,
        publications: Vec<String>,
        slot: Option<String>,
    },
    LargeObject {},
    DefaultPrivileges {
        role: String,
        in_schema: Option<String>,
        objects: String,
    },
    /// An object of an extension or of PostgreSQL itself, of which somebody changed the privileges.
    MemberPrivileges {
        objects: String,
        initial: Vec<Grant>,
    },
}

/// Which dictionaries a kind of token is looked up in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// The kind of token.
    pub token: String,
    /// In order.
    pub dictionaries: Vec<String>,
}

/// A table of a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedTable {
    /// As it stands in SQL.
    pub name: String,
    /// All, when none are named.
    pub columns: Option<Vec<String>>,
    /// Which rows.
    pub filter: Option<String>,
}

/// `name=value` of a user mapping, where one is a password mostly: seen by nobody, written nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct MappingOptions(pub(super) Vec<String>);

impl std::fmt::Debug for MappingOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for MappingOptions {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let hidden = self.0.iter().map(|option| {
            let name = option.split_once('=').map_or("", |(name, _)| name);
            format!("{name}=***")
        });
        serializer.collect_seq(hidden)
    }
}

impl Catalogue {
    /// The major version of its server.
    pub fn major(&self) -> u32 {
        self.server_version / 10_000
    }

    /// Tables of all sorts, partitioned and foreign ones too, with their objects.
    pub fn tables(&self) -> impl Iterator<Item = (&Object, &Table)> {
        self.objects
            .iter()
            .filter_map(|object| match &object.detail {
                Detail::Table(table) => Some((object, table)),
                _ => None,
            })
    }

    /// Sequences, those of identity columns too.
    pub fn sequences(&self) -> impl Iterator<Item = (&Object, &Sequence)> {
        self.objects
            .iter()
            .filter_map(|object| match &object.detail {
                Detail::Sequence(sequence) => Some((object, sequence)),
                _ => None,
            })
    }

    /// Leaves out all objects but those that are to be kept, which are asked for in order.
    pub fn retain(&mut self, mut keep: impl FnMut(&Object) -> bool) {
        let mut places = Vec::with_capacity(self.objects.len());
        let mut kept = 0;
        self.objects.retain(|object| {
            let is_kept = keep(object);
            places.push(is_kept.then_some(kept));
            kept += usize::from(is_kept);
            is_kept
        });
        for pairs in [&mut self.dependencies, &mut self.default_dependencies] {
            let renumbered = pairs
                .iter()
                .filter_map(|(one, other)| Some((places[*one]?, places[*other]?)));
            *pairs = renumbered.collect();
        }
    }

    /// What belongs to the table of this name: indexes, constraints, triggers and the like.
    pub fn of_table<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Object> {
        let is_its = move |object: &&Object| object.table.as_deref() == Some(table);
        self.objects.iter().filter(is_its)
    }
}

impl Detail {
    /// The kind in PostgreSQL's own words, as `COMMENT ON` has it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Database { .. } => "database",
            Self::Setting { .. } => "setting",
            Self::Schema { .. } => "schema",
            Self::Extension { .. } => "extension",
            Self::Language { .. } => "language",
            Self::Collation(_) => "collation",
            Self::Enum { .. }
            | Self::Composite(_)
            | Self::Range(_)
            | Self::BaseType(_)
            | Self::ShellType {} => "type",
            Self::Domain(_) => "domain",
            Self::Function(function) => function.kind.word(),
            Self::Aggregate(_) => "aggregate",
            Self::Operator(_) => "operator",
            Self::OperatorFamily(_) => "operator family",
            Self::OperatorClass(_) => "operator class",
            Self::Cast { .. } => "cast",
            Self::Transform { .. } => "transform",
            Self::Conversion { .. } => "conversion",
            Self::AccessMethod { .. } => "access method",
            Self::SearchParser { .. } => "text search parser",
            Self::SearchTemplate { .. } => "text search template",
            Self::SearchDictionary { .. } => "text search dictionary",
            Self::SearchConfiguration { .. } => "text search configuration",
            Self::Sequence(_) => "sequence",
            Self::Table(table) => table.form.word(),
            Self::View(_) => "view",
            Self::MaterializedView(_) => "materialized view",
            Self::Index(_) => "index",
            Self::Constraint(_) => "constraint",
            Self::Trigger { .. } => "trigger",
            Self::Rule { .. } => "rule",
            Self::Policy { .. } => "policy",
            Self::Statistics { .. } => "statistics",
            Self::ForeignDataWrapper { .. } => "foreign data wrapper",
            Self::Server { .. } => "server",
            Self::UserMapping { .. } => "user mapping",
            Self::EventTrigger { .. } => "event trigger",
            Self::Publication { .. } => "publication",
            Self::Subscription { .. } => "subscription",
            Self::LargeObject {} => "large object",
            Self::DefaultPrivileges { .. } => "default privileges",
            Self::MemberPrivileges { .. } => "privileges",
        }
    }
}
