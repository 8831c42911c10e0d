//! A subject token that lies in a file or is served at an address.

use std::path::PathBuf;

use pgmoor_wire::Secret;

use super::super::Context;
use super::super::exchange::{ask, near_uri, shown};
use super::super::fields::{self, Fields, unreadable};
use crate::credential::{FailureCause, TokenError};
use crate::http::{Body, HeaderName, HeaderValue, Request};

/// How the token is written: as it is, or as a field of JSON.
#[derive(Debug)]
struct Format(Option<String>);

impl Format {
    fn read(source: &Fields<'_>) -> Result<Self, TokenError> {
        let Some(format) = source.inner("format")? else {
            return Ok(Self(None));
        };
        match format.optional("type").as_deref() {
            None | Some("text") => Ok(Self(None)),
            Some("json") => format
                .text("subject_token_field_name")
                .map(|name| Self(Some(name))),
            Some(_) => Err(unreadable(
                source.origin,
                "has a \"format\" that is neither text nor json",
            )),
        }
    }

    fn token(&self, bytes: &[u8]) -> Result<Secret<String>, &'static str> {
        let text = match &self.0 {
            None => std::str::from_utf8(bytes)
                .map_err(|_| "it is not UTF-8")?
                .trim()
                .to_owned(),
            Some(name) => {
                let value: serde_json::Value =
                    serde_json::from_slice(bytes).map_err(|_| "it is no JSON")?;
                let field = value.get(name).and_then(|value| value.as_str());
                field
                    .ok_or("it lacks the field that subject_token_field_name names")?
                    .to_owned()
            }
        };
        if text.is_empty() {
            return Err("it is empty");
        }
        Ok(Secret::new(text))
    }
}

/// A file that somebody rotates: a projected Kubernetes token, for one. It is read at each exchange.
#[derive(Debug)]
pub(super) struct FromFile {
    path: PathBuf,
    format: Format,
}

impl FromFile {
    pub(super) fn read(source: &Fields<'_>) -> Result<Self, TokenError> {
        Ok(Self {
            path: source.text("file")?.into(),
            format: Format::read(source)?,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("the token in {}", self.path.display())
    }

    pub(super) fn token(&self) -> Result<Secret<String>, TokenError> {
        let bytes = fields::read(&self.path)?;
        self.format.token(&bytes).map_err(|why| {
            let act = format!("use {}", self.describe());
            // It may be in the middle of being rotated.
            TokenError::new(FailureCause::Malformed, act).why(why)
        })
    }
}

/// An address that gives the token to who sends the right headers.
#[derive(Debug)]
pub(super) struct FromUrl {
    address: String,
    headers: Vec<(String, Secret<String>)>,
    format: Format,
}

impl FromUrl {
    pub(super) fn read(source: &Fields<'_>) -> Result<Self, TokenError> {
        let headers = source.inner("headers")?;
        let headers = headers.iter().flat_map(|headers| &headers.map);
        let headers =
            headers.filter_map(|(name, value)| Some((name.clone(), Secret::from(value.as_str()?))));
        Ok(Self {
            address: source.text("url")?,
            headers: headers.collect(),
            format: Format::read(source)?,
        })
    }

    pub(super) fn describe(&self) -> String {
        format!("the token from {}", shown(&self.address))
    }

    pub(super) async fn token(&self, context: &Context) -> Result<Secret<String>, TokenError> {
        let act = format!("get {}", self.describe());
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = near_uri(&act, &self.address)?;
        for (name, value) in &self.headers {
            let (Ok(name), Ok(mut value)) = (
                HeaderName::try_from(name),
                HeaderValue::try_from(value.expose()),
            ) else {
                let error = TokenError::new(FailureCause::Configuration, &act);
                return Err(error.why(format!("header \"{name}\" cannot be sent")));
            };
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        let answer = ask(&context.client, &act, &request).await?;
        let token = self.format.token(answer.body().as_bytes());
        token.map_err(|why| TokenError::new(FailureCause::Malformed, &act).why(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_read_as_text_or_from_a_field() {
        let text = Format(None);
        assert_eq!(text.token(b" abc\n").expect("token").expose(), "abc");
        assert_eq!(text.token(b"\n").expect_err("empty"), "it is empty");
        let json = Format(Some("id_token".to_owned()));
        assert_eq!(
            json.token(br#"{"id_token":"abc"}"#)
                .expect("token")
                .expose(),
            "abc"
        );
        assert!(json.token(br#"{"other":"abc"}"#).is_err());
        assert!(json.token(b"abc").is_err());
    }
}
