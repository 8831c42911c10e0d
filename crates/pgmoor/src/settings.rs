//! Settings: one declaration gives struct, defaults, loading with every problem found, and pages.
//!
//! It reads a neutral tree ([`Node`]); it neither parses YAML nor looks at the environment by itself.

mod node;
mod problem;
mod show;

mod seen;
mod shape;

mod loader;
mod scalar;
mod value;

mod secret;
mod section;

mod span;

mod macros;

mod environment;
mod sample;

mod reference;
mod schema;

mod google;

mod vault;

mod credential;

mod endpoint;

mod migrations;

pub use credential::{
    AwsSettings, AzureCloud, AzureSettings, AzureSource, CredentialProvider, CredentialSettings,
};
pub use endpoint::{BundledSettings, EndpointSettings, Endpoints};
pub use environment::{PREFIX, overlay, variable};
pub use google::{CloudSqlIpType, CloudSqlRefresh, CloudSqlSettings, GoogleSettings};
pub use loader::{Loader, Place, Variables};
pub use migrations::SchemaSettings;
pub use node::{Data, Entry, Node, Origin};
pub use problem::{Problem, Problems, nearest};
pub use reference::reference;
pub use sample::{quote, sample};
pub use scalar::{Scalar, Timeout, one_of, write_duration};
pub use schema::schema;
pub use secret::{ConnectionText, FiledSecret, SecretFile, mask, plain};
pub use section::check_keys;
pub use seen::Seen;
pub use shape::{Choice, Field, JsonType, Kind, Section, Shape};
pub use show::Shown;
pub use span::Span;
pub use value::{Absent, Value, join};
pub use vault::VaultSettings;

#[cfg(test)]
mod tests;
