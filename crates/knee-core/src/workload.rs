//! What is sent to the service: requests with weights.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One kind of request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Path with query, starting with `/`.
    pub path: String,
    /// Extra header fields, in order. Values may be secrets: never print them.
    #[serde(skip)]
    pub headers: Vec<(String, String)>,
    /// What is sent after the header.
    #[serde(skip)]
    pub body: Body,
    /// Share of the traffic relative to the other requests' weights; positive.
    pub weight: f64,
}

/// The body of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// The bytes themselves.
    Inline(Vec<u8>),
    /// One of these files, drawn anew for each request.
    Files(Vec<PathBuf>),
}

impl Request {
    /// `GET path` with weight 1.
    pub fn get(path: impl Into<String>) -> Self {
        Request {
            method: "GET".into(),
            path: path.into(),
            headers: Vec::new(),
            body: Body::Empty,
            weight: 1.0,
        }
    }
}
