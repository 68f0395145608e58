//! Requests as bytes, rendered once and drawn by weight.

use crate::MeasureError;
use knee_core::workload::{Body, Request};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::io::Write;

/// One request as it goes over the wire.
pub(crate) struct Message {
    pub bytes: Vec<u8>,
    /// Answers to HEAD have no body, whatever their header says.
    pub head: bool,
    /// Whether sending it twice does no harm (RFC 9110, 9.2.2), so that a client may send it
    /// again when a kept-alive connection closes before the answer begins.
    pub idempotent: bool,
    /// Index of the request it stands for.
    pub request: usize,
}

/// All messages with their shares of the traffic.
pub(crate) struct Messages {
    list: Vec<Message>,
    /// Running sum of the shares, the last one 1.
    shares: Vec<f64>,
    random: Xoshiro256PlusPlus,
}

impl Messages {
    pub fn new(requests: &[Request], host: &str, seed: u64) -> Result<Self, MeasureError> {
        let mut list = Vec::new();
        let mut shares = Vec::new();
        let mut sum = 0.0;
        for (index, request) in requests.iter().enumerate() {
            request.check().map_err(|source| MeasureError::Request {
                path: request.path.escape_debug().to_string(),
                source,
            })?;
            let bodies = bodies(request)?;
            for body in &bodies {
                sum += request.weight / bodies.len() as f64;
                shares.push(sum);
                list.push(render(index, request, host, body));
            }
        }
        if sum <= 0.0 {
            return Err(MeasureError::NoRequest);
        }
        shares.iter_mut().for_each(|s| *s /= sum);
        Ok(Messages { list, shares, random: Xoshiro256PlusPlus::seed_from_u64(!seed) })
    }

    /// Draws the next message.
    pub fn draw(&mut self) -> u32 {
        if self.list.len() == 1 {
            return 0;
        }
        let place = (self.random.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
        self.shares.partition_point(|s| *s <= place).min(self.list.len() - 1) as u32
    }

    pub fn get(&self, index: u32) -> &Message {
        &self.list[index as usize]
    }

    /// The first message of each request.
    pub fn one_of_each(&self) -> Vec<u32> {
        let mut seen = None;
        let indices = self.list.iter().enumerate();
        let first = indices.filter(|(_, m)| seen.replace(m.request) != Some(m.request));
        first.map(|(i, _)| i as u32).collect()
    }
}

fn bodies(request: &Request) -> Result<Vec<Vec<u8>>, MeasureError> {
    match &request.body {
        Body::Empty => Ok(vec![Vec::new()]),
        Body::Inline(bytes) => Ok(vec![bytes.clone()]),
        Body::Files(paths) => {
            let read = |path: &std::path::PathBuf| {
                std::fs::read(path)
                    .map_err(|source| MeasureError::Body { path: path.clone(), source })
            };
            paths.iter().map(read).collect()
        }
    }
}

fn render(index: usize, request: &Request, host: &str, body: &[u8]) -> Message {
    let mut bytes = format!("{} {} HTTP/1.1\r\n", request.method, request.path).into_bytes();
    let has = |name: &str| request.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let defaults = [
        ("Host", host),
        ("User-Agent", concat!("knee/", env!("CARGO_PKG_VERSION"))),
        ("Accept", "*/*"),
    ];
    for (name, value) in defaults.iter().filter(|(name, _)| !has(name)) {
        field(&mut bytes, name, value);
    }
    for (name, value) in &request.headers {
        field(&mut bytes, name, value);
    }
    let expects_body = matches!(request.method.as_str(), "POST" | "PUT" | "PATCH");
    if expects_body || !body.is_empty() {
        field(&mut bytes, "Content-Length", &body.len().to_string());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(body);
    let method = request.method.as_str();
    Message {
        bytes,
        head: method == "HEAD",
        idempotent: matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"),
        request: index,
    }
}

fn field(bytes: &mut Vec<u8>, name: &str, value: &str) {
    // Writing to a Vec cannot fail.
    let _ = write!(bytes, "{name}: {value}\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(requests: &[Request]) -> Result<Messages, MeasureError> {
        Messages::new(requests, "localhost:80", 1)
    }

    #[test]
    fn a_request_becomes_its_bytes() {
        let mut post = Request::get("/orders?x=1");
        post.method = "POST".into();
        post.headers = vec![("host".into(), "shop.test".into()), ("X-A".into(), "b".into())];
        post.body = Body::Inline(b"{}".to_vec());
        let list = messages(&[post]).unwrap();
        let text = String::from_utf8(list.get(0).bytes.clone()).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            text,
            format!(
                "POST /orders?x=1 HTTP/1.1\r\nUser-Agent: knee/{version}\r\nAccept: */*\r\n\
                 host: shop.test\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{{}}"
            )
        );
        assert!(!list.get(0).idempotent);
    }

    #[test]
    fn messages_are_drawn_by_weight() {
        let mut rare = Request::get("/rare");
        rare.weight = 0.25;
        let mut list = messages(&[Request::get("/"), rare]).unwrap();
        let rare = (0..10_000).filter(|_| list.draw() == 1).count();
        assert!((1850..2150).contains(&rare), "{rare} of 10000, 2000 expected");
    }

    #[test]
    fn each_file_is_a_body() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<_> = ["a", "bb"].iter().map(|n| folder.path().join(n)).collect();
        paths.iter().for_each(|p| std::fs::write(p, "x").unwrap());
        let mut put = Request::get("/");
        put.body = Body::Files(paths.clone());
        assert_eq!(messages(std::slice::from_ref(&put)).unwrap().list.len(), 2);
        std::fs::remove_file(&paths[1]).unwrap();
        let error = messages(&[put]).err().unwrap().to_string();
        assert!(error.starts_with("body ") && error.contains("bb"), "{error}");
    }

    #[test]
    fn a_secret_is_not_named() {
        let mut request = Request::get("/");
        request.headers = vec![("Authorization".into(), "secret\r\nX: y".into())];
        let error = messages(&[request]).err().unwrap().to_string();
        assert!(error.contains("Authorization") && !error.contains("secret"), "{error}");
        for path in ["x", "/a b", "/a\r\nX: y", ""] {
            assert!(messages(&[Request::get(path)]).is_err(), "{path:?}");
        }
        assert!(matches!(messages(&[]), Err(MeasureError::NoRequest)));
    }
}
