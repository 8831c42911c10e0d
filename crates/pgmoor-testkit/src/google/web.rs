//! What Google's services read of a request and how they word a refusal, on top of the one HTTP stand-in.

use std::collections::HashMap;

use serde_json::{Value, json};

pub(crate) use crate::identity::{Asked, Reply};

impl Asked {
    pub(crate) fn bearer(&self) -> Option<&str> {
        self.header("authorization")?.strip_prefix("Bearer ")
    }

    /// The fields of a form, when the request says that it is one.
    pub(crate) fn stated_form(&self) -> Option<HashMap<String, String>> {
        let kind = self.header("content-type")?;
        let is_form = kind.starts_with("application/x-www-form-urlencoded");
        is_form.then(|| self.form().into_iter().collect())
    }

    /// The body, when the request says that it is JSON and it is.
    pub(crate) fn stated_json(&self) -> Option<Value> {
        let kind = self.header("content-type")?;
        self.json().filter(|_| kind.starts_with("application/json"))
    }
}

impl Reply {
    /// A refusal as Google's APIs word it.
    pub(crate) fn refused(status: u16, message: impl Into<String>) -> Reply {
        let name = match status {
            400 => "INVALID_ARGUMENT",
            401 => "UNAUTHENTICATED",
            403 => "PERMISSION_DENIED",
            404 => "NOT_FOUND",
            429 => "RESOURCE_EXHAUSTED",
            503 => "UNAVAILABLE",
            _ => "INTERNAL",
        };
        let error = json!({ "code": status, "message": message.into(), "status": name });
        Reply::json(status, &json!({ "error": error }))
    }

    /// A refusal as OAuth words it.
    pub(crate) fn oauth(status: u16, error: &str, description: impl Into<String>) -> Reply {
        let body = json!({ "error": error, "error_description": description.into() });
        Reply::json(status, &body)
    }
}
