//! Who may do what, and labels.

use serde::{Deserialize, Serialize};

/// One privilege.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Grant {
    /// The role; none for `PUBLIC`.
    pub grantee: Option<String>,
    /// `SELECT`.
    pub privilege: String,
    /// Who gave it.
    pub grantor: String,
    /// Whether it may be passed on.
    pub grantable: bool,
}

/// A security label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// The module that understands it.
    pub provider: String,
    /// The label.
    pub label: String,
}
