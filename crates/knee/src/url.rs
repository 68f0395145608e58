//! The URL of a service under measurement.

use std::fmt;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// `http://host[:port]/path[?query]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Name or address, without the brackets of IPv6.
    pub host: String,
    /// Port; 80 where none is given.
    pub port: u16,
    /// Path with query, starting with `/`.
    pub path: String,
}

/// A URL that cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("write http://HOST:PORT/PATH, for example http://127.0.0.1:8000/api/orders")]
    Scheme,
    /// TLS.
    #[error("TLS is not measured yet; name the service's own port behind it with http://")]
    Tls,
    /// `user:password@`.
    #[error("a user name in a URL is not sent; use --header 'Authorization: ...'")]
    User,
    /// No host, or a port that is none.
    #[error("`{0}` is no HOST:PORT")]
    Authority(String),
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Url, UrlError> {
        if text.starts_with("https://") {
            return Err(UrlError::Tls);
        }
        let rest = text.strip_prefix("http://").ok_or(UrlError::Scheme)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err(UrlError::User);
        }
        let (host, port) =
            split(authority).ok_or_else(|| UrlError::Authority(authority.to_owned()))?;
        // A fragment stays with the client (RFC 9110, 4.2.5).
        let path = path.split('#').next().unwrap_or_default();
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Url { host: host.to_owned(), port, path: format!("{slash}{path}") })
    }
}

/// `host`, `host:port`, `[::1]` or `[::1]:port`.
fn split(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(80), |port| port.parse().ok().filter(|port| *port > 0))?;
    let plain = |c: char| c.is_ascii_graphic() && !"[]<>\"\\^`{|}".contains(c);
    (!host.is_empty() && host.chars().all(plain)).then_some((host, port))
}

impl Url {
    /// What the Host header field says.
    pub fn authority(&self) -> String {
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == 80 { host } else { format!("{host}:{}", self.port) }
    }

    /// Whether its name alone says that it is this machine: what else a name means is known only to
    /// those who are asked for it.
    pub fn is_here(&self) -> bool {
        let name = self.host.to_ascii_lowercase();
        let address = name.parse::<IpAddr>().map(|at| at.to_canonical().is_loopback());
        address.unwrap_or(name == "localhost")
    }

    /// Its address; a loopback one where the name has several.
    pub fn resolve(&self) -> std::io::Result<SocketAddr> {
        let mut all: Vec<SocketAddr> = (self.host.as_str(), self.port).to_socket_addrs()?.collect();
        // IPv4 first: most services listen there only.
        all.sort_by_key(|at| (!at.ip().is_loopback(), !at.is_ipv4()));
        all.first().copied().ok_or_else(|| std::io::Error::other("the name has no address"))
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority(), self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_url_is_host_port_and_path() {
        for (text, host, port, path, shown) in [
            (
                "http://127.0.0.1:8000/a?b=c#d",
                "127.0.0.1",
                8000,
                "/a?b=c",
                "http://127.0.0.1:8000/a?b=c",
            ),
            ("http://localhost", "localhost", 80, "/", "http://localhost/"),
            ("http://localhost?q", "localhost", 80, "/?q", "http://localhost/?q"),
            ("http://[::1]:9/x", "::1", 9, "/x", "http://[::1]:9/x"),
        ] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.host.as_str(), url.port, url.path.as_str()), (host, port, path));
            assert_eq!(url.to_string(), shown);
        }
    }

    #[test]
    fn a_mistake_is_named() {
        for (text, error) in [
            ("127.0.0.1:8000", UrlError::Scheme),
            ("https://localhost/", UrlError::Tls),
            ("http://me:secret@localhost/", UrlError::User),
            ("http://:80/", UrlError::Authority(":80".into())),
            ("http://localhost:0/", UrlError::Authority("localhost:0".into())),
            ("http://localhost:http/", UrlError::Authority("localhost:http".into())),
            ("http://[::1/", UrlError::Authority("[::1".into())),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_known_without_asking_for_a_name() {
        let here = |text: &str| text.parse::<Url>().unwrap().is_here();
        for text in ["http://localhost/", "http://LOCALHOST:9/"] {
            assert!(here(text), "{text}");
        }
        assert!(
            here("http://127.8.8.8/")
                && here("http://[::1]/")
                && here("http://[::ffff:127.0.0.1]/")
        );
        for text in ["http://orders/", "http://10.0.0.1/", "http://localhost.example/"] {
            assert!(!here(text), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_url_or_an_error(text in "(http://)?[a-z\\[\\]:0-9/?#@é ]{0,20}") {
            if let Ok(url) = text.parse::<Url>() {
                prop_assert_eq!(url.to_string().parse::<Url>(), Ok(url));
            }
        }
    }
}
