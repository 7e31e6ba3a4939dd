//! What a form sends, and what stands after the `?` of an address.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;

use super::page::Trouble;
use crate::api::{BODY, bytes};
use crate::problem::Problem;

/// Names and values, in the order of the form. What a browser sends of a form that is ours has them all; what somebody else makes up may not.
#[derive(Debug, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// What stands in a body, or after a `?`.
    pub fn read(text: &[u8]) -> Self {
        Self(form_urlencoded::parse(text).into_owned().collect())
    }

    /// One; unset where it is missing or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// One that has to be there.
    pub fn one(&self, name: &str) -> Result<&str, Problem> {
        self.get(name).ok_or_else(|| Problem::invalid(format!("{name}: fill this in")))
    }

    /// One as it was sent, with its blanks and lines.
    pub fn whole(&self, name: &str) -> &str {
        self.0.iter().find(|(one, _)| one == name).map_or("", |(_, value)| value)
    }

    /// All of one name.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(one, _)| one == name).map(|(_, value)| value.clone()).collect()
    }

    /// A number; unset where it is missing.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Problem> {
        self.get(name).map(|text| text.parse().map_err(|_| Problem::invalid(format!("{name}: this is no such number")))).transpose()
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Trouble;
    async fn from_request(request: Request, _: &S) -> Result<Self, Trouble> {
        Ok(Self::read(&bytes(request, BODY).await?))
    }
}

/// What stands after the `?`.
#[derive(Debug)]
pub struct Query(pub Fields);

impl<S: Send + Sync> FromRequestParts<S> for Query {
    type Rejection = Trouble;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        Ok(Self(Fields::read(parts.uri.query().unwrap_or_default().as_bytes())))
    }
}
