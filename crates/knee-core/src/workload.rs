//! What is sent to the service: requests with weights.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// One kind of request. `Debug` names header fields and the size of a body, never their values.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
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

/// The body of a request. `Debug` shows no byte of it.
#[derive(Clone, Default, PartialEq)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// The bytes themselves.
    Inline(Vec<u8>),
    /// One of these files, drawn anew for each request.
    Files(Vec<PathBuf>),
}

/// A request that no HTTP/1.1 message can carry. Header values are never named.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// Not the path of an origin-form request target (RFC 9112, 3.2.1).
    #[error("a path starts with / and holds no blank; encode blanks as %20")]
    Path,
    /// No token (RFC 9110, 5.6.2), or CONNECT, which makes a tunnel.
    #[error("the method is no HTTP method; write GET, POST or another")]
    Method,
    /// A header field's name is no token.
    #[error("a header field has a name that HTTP does not allow")]
    HeaderName,
    /// A header field's value would end the header.
    #[error("the value of the header field {0} holds a line break")]
    HeaderValue(String),
    /// A header field that frames the message.
    #[error("leave out the header field {0}: it follows from the body")]
    Framing(String),
    /// A weight that is no share.
    #[error("a weight is a number of 0 or more")]
    Weight,
}

impl Request {
    /// Refuses what would break the framing of a message.
    pub fn check(&self) -> Result<(), RequestError> {
        if !self.path.starts_with('/') || self.path.bytes().any(|b| b <= b' ' || b == 0x7f) {
            return Err(RequestError::Path);
        }
        if !is_token(&self.method) || self.method == "CONNECT" {
            return Err(RequestError::Method);
        }
        for (name, value) in &self.headers {
            if !is_token(name) {
                return Err(RequestError::HeaderName);
            }
            if value.bytes().any(|b| b == b'\r' || b == b'\n' || b == 0) {
                return Err(RequestError::HeaderValue(name.clone()));
            }
            let frames = ["content-length", "transfer-encoding"];
            if frames.iter().any(|f| name.eq_ignore_ascii_case(f)) {
                return Err(RequestError::Framing(name.clone()));
            }
        }
        let share = self.weight.is_finite() && self.weight >= 0.0;
        share.then_some(()).ok_or(RequestError::Weight)
    }

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

fn is_token(text: &str) -> bool {
    let of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(of_token)
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("headers", &headers)
            .field("body", &self.body)
            .field("weight", &self.weight)
            .finish()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Body::Empty => f.write_str("Empty"),
            Body::Inline(bytes) => write!(f, "Inline({} bytes)", bytes.len()),
            Body::Files(paths) => f.debug_tuple("Files").field(paths).finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_framing_is_refused() {
        let with = |change: fn(&mut Request)| {
            let mut request = Request::get("/a?b=%20");
            change(&mut request);
            request.check()
        };
        assert_eq!(with(|_| ()), Ok(()));
        assert_eq!(with(|r| r.path = "a".into()), Err(RequestError::Path));
        assert_eq!(with(|r| r.path = "/a b".into()), Err(RequestError::Path));
        assert_eq!(with(|r| r.method = "CONNECT".into()), Err(RequestError::Method));
        assert_eq!(with(|r| r.weight = f64::NAN), Err(RequestError::Weight));
        let header = |name: &str, value: &str| {
            let mut request = Request::get("/");
            request.headers = vec![(name.into(), value.into())];
            request.check()
        };
        assert_eq!(header("a b", "c"), Err(RequestError::HeaderName));
        assert_eq!(header("A", "b\r\nC: d"), Err(RequestError::HeaderValue("A".into())));
        assert_eq!(
            header("Content-Length", "1"),
            Err(RequestError::Framing("Content-Length".into()))
        );
    }

    #[test]
    fn a_secret_is_not_shown() {
        let mut request = Request::get("/");
        request.headers = vec![("Authorization".into(), "hunter2".into())];
        request.body = Body::Inline(b"hunter3".to_vec());
        let shown = format!("{request:?}");
        assert!(shown.contains("Authorization") && shown.contains("7 bytes"), "{shown}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
