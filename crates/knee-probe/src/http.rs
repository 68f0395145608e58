//! One small request to somebody near: HTTP/1.1 with nothing but the standard library, and one deadline for
//! all of it.

use crate::names;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// A task's metadata is some kB.
const MOST: usize = 1 << 20;

/// Why there is no document.
#[derive(Debug)]
pub enum Wrong {
    /// No `http://HOST[:PORT]/PATH`.
    Url,
    /// Its host has no address, or who knows them cannot be asked.
    Name(io::Error),
    /// The time was over.
    Slow,
    /// Nobody answers, or no longer.
    Io(io::Error),
    /// Another status than 200.
    Status(u16),
    /// It is no HTTP answer, or one without an end.
    Form,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wrong::Url => f.write_str("the address is not of the form http://HOST/PATH"),
            Wrong::Name(error) => write!(f, "its host's name cannot be looked up: {error}"),
            Wrong::Slow => f.write_str("no answer in time"),
            Wrong::Io(error) => error.fmt(f),
            Wrong::Status(status) => write!(f, "it answered with status {status}"),
            Wrong::Form => f.write_str("what it answered is no HTTP/1.1"),
        }
    }
}

impl From<io::Error> for Wrong {
    fn from(error: io::Error) -> Wrong {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Wrong::Slow,
            _ => Wrong::Io(error),
        }
    }
}

/// What was answered.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Seconds after which to ask again, where it says so (`Retry-After`; a date there is left alone).
    pub retry_after: Option<u64>,
    /// Its body.
    pub body: Vec<u8>,
}

/// The body of a GET, which has come by then.
pub fn get(url: &str, until: Instant) -> Result<Vec<u8>, Wrong> {
    match ask("GET", url, &[("Accept", "application/json")], b"", until)? {
        Answer { status: 200, body, .. } => Ok(body),
        Answer { status, .. } => Err(Wrong::Status(status)),
    }
}

/// The answer to a POST of a JSON document with these fields in its head.
pub fn post(
    url: &str,
    fields: &[(String, String)],
    document: &[u8],
    until: Instant,
) -> Result<Answer, Wrong> {
    let more = fields.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let fields: Vec<(&str, &str)> =
        [("Content-Type", "application/json")].into_iter().chain(more).collect();
    ask("POST", url, &fields, document, until)
}

fn ask(
    method: &str,
    url: &str,
    fields: &[(&str, &str)],
    document: &[u8],
    until: Instant,
) -> Result<Answer, Wrong> {
    let Place { host, port, written, path } = split(url).ok_or(Wrong::Url)?;
    let addresses = names::addresses(host, until).map_err(Wrong::Name)?;
    let mut stream = connect(&addresses, port, until)?;
    stream.set_write_timeout(Some(left(until)?))?;
    let mut request =
        format!("{method} {path} HTTP/1.1\r\nHost: {written}\r\nConnection: close\r\n");
    if !document.is_empty() {
        request.push_str(&format!("Content-Length: {}\r\n", document.len()));
    }
    request.extend(fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")));
    stream.write_all(&[request.as_bytes(), b"\r\n", document].concat())?;
    let mut came = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        // Before each read: a server that sends a byte now and then must not hold this up.
        stream.set_read_timeout(Some(left(until)?))?;
        let length = stream.read(&mut buffer)?;
        came.extend(buffer.iter().take(length));
        if let Some(answer) = answer(&came, length == 0)? {
            return Ok(answer);
        }
        if length == 0 || came.len() > MOST {
            return Err(Wrong::Form);
        }
    }
}

/// Whether it is something that can be asked, and fit for a head.
pub fn is_url(url: &str) -> bool {
    split(url).is_some()
}

fn left(until: Instant) -> Result<Duration, Wrong> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Wrong::Slow) } else { Ok(left) }
}

/// Where a URL points to.
#[derive(Debug, PartialEq)]
struct Place<'a> {
    /// An address or a name.
    host: &'a str,
    port: u16,
    /// Host and port as they are written.
    written: &'a str,
    path: &'a str,
}

fn split(url: &str) -> Option<Place<'_>> {
    let rest = url.strip_prefix("http://")?;
    if rest.contains(|c: char| c.is_control() || c == ' ') {
        return None;
    }
    let (written, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    let (host, port) = match written.strip_prefix('[') {
        // An address of IPv6 has colons of its own.
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or(port.is_empty().then_some("80"))?)
        }
        None => {
            let (host, port) = written.split_once(':').unwrap_or((written, "80"));
            (Some(host).filter(|host| names::is_name(host))?, port)
        }
    };
    Some(Place { host, port: port.parse().ok()?, written, path })
}

/// The first of them that takes a connection; each has its share of the time that is left.
fn connect(addresses: &[IpAddr], port: u16, until: Instant) -> Result<TcpStream, Wrong> {
    let mut wrong = Wrong::Slow;
    for (at, address) in addresses.iter().enumerate() {
        let rest = u32::try_from(addresses.len().saturating_sub(at)).unwrap_or(u32::MAX);
        let share = left(until)? / rest.max(1);
        match TcpStream::connect_timeout(&SocketAddr::new(*address, port), share) {
            Ok(stream) => return Ok(stream),
            Err(error) => wrong = error.into(),
        }
    }
    Err(wrong)
}

/// The answer when all of it is there; `last` when no more comes.
fn answer(came: &[u8], last: bool) -> Result<Option<Answer>, Wrong> {
    let Some(end) = came.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let (head, rest) = came.split_at_checked(end.saturating_add(4)).ok_or(Wrong::Form)?;
    let head = std::str::from_utf8(head).map_err(|_| Wrong::Form)?;
    let mut status = head.lines().next().unwrap_or_default().split(' ');
    if !status.next().is_some_and(|version| version.starts_with("HTTP/1.")) {
        return Err(Wrong::Form);
    }
    let status = status.next().and_then(|s| s.parse().ok()).ok_or(Wrong::Form)?;
    let field = |name: &str| {
        let mut fields = head.lines().filter_map(|line| line.split_once(':'));
        let found = fields.find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let retry_after = field("retry-after").and_then(|seconds| seconds.parse().ok());
    // Nobody needs the body of a refusal.
    if !(200..300).contains(&status) {
        return Ok(Some(Answer { status, retry_after, body: vec![] }));
    }
    let chunked =
        field("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"));
    let body = match field("content-length") {
        _ if chunked => chunks(rest)?,
        Some(length) => {
            let length = length.parse().map_err(|_| Wrong::Form)?;
            rest.get(..length).map(<[u8]>::to_vec)
        }
        None => last.then(|| rest.to_vec()),
    };
    Ok(body.map(|body| Answer { status, retry_after, body }))
}

/// `SIZE\r\n...\r\n`, to the chunk of size 0.
fn chunks(mut rest: &[u8]) -> Result<Option<Vec<u8>>, Wrong> {
    let mut body = Vec::new();
    loop {
        let Some(end) = rest.windows(2).position(|w| w == b"\r\n") else { return Ok(None) };
        let line = rest.get(..end).and_then(|line| std::str::from_utf8(line).ok());
        let size = line.and_then(|line| line.split(';').next()).map(str::trim);
        let size = size.and_then(|s| usize::from_str_radix(s, 16).ok()).ok_or(Wrong::Form)?;
        if size == 0 {
            return Ok(Some(body));
        }
        let begin = end.saturating_add(2);
        let after = begin.saturating_add(size);
        let (Some(chunk), Some(next)) =
            (rest.get(begin..after), rest.get(after.saturating_add(2)..))
        else {
            return Ok(None);
        };
        body.extend(chunk);
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str, last: bool) -> Option<String> {
        let whole = answer(text.as_bytes(), last).unwrap();
        whole.map(|answer| String::from_utf8(answer.body).unwrap())
    }

    #[test]
    fn a_body_ends_by_its_length_by_its_chunks_or_with_the_connection() {
        let ok = "HTTP/1.1 200 OK\r\n";
        assert_eq!(read(&format!("{ok}content-length: 2\r\n\r\n{{}}"), false), Some("{}".into()));
        assert_eq!(read(&format!("{ok}Content-Length: 3\r\n\r\n{{}}"), false), None);
        let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n1;x=y\r\n}}\r\n");
        assert_eq!(read(&chunked, false), None);
        assert_eq!(read(&format!("{chunked}0\r\n\r\n"), false), Some("{}".into()));
        assert_eq!(read(&format!("{ok}\r\n{{}}"), false), None);
        assert_eq!(read(&format!("{ok}\r\n{{}}"), true), Some("{}".into()));
        let busy = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n\r\n";
        let busy = answer(busy, true).unwrap().unwrap();
        assert_eq!((busy.status, busy.retry_after), (429, Some(7)));
        assert!(matches!(answer(b"SSH-2.0-OpenSSH\r\n\r\n", true), Err(Wrong::Form)));
    }

    #[test]
    fn a_url_names_an_address_or_a_host() {
        let at =
            |url| split(url).map(|p| format!("{} {} {} {}", p.host, p.port, p.written, p.path));
        for (url, place) in [
            ("http://169.254.170.2/v4/7f3a/task", "169.254.170.2 80 169.254.170.2 /v4/7f3a/task"),
            ("http://127.0.0.1:8080", "127.0.0.1 8080 127.0.0.1:8080 /"),
            ("http://[::1]:8080/x", "::1 8080 [::1]:8080 /x"),
            ("http://[::1]", "::1 80 [::1] /"),
            (
                "http://otel-collector:4318/v1/metrics",
                "otel-collector 4318 otel-collector:4318 /v1/metrics",
            ),
        ] {
            assert_eq!(at(url).as_deref(), Some(place), "{url}");
        }
        for url in [
            "",
            "https://169.254.170.2/",
            "http://user:pw@collector/",
            "http://collector:port/",
            "http://:4318/",
            "http://[::1/",
            "http://[::1]x/",
            "http://127.0.0.1/a\r\nb",
        ] {
            assert_eq!(at(url), None, "{url}");
        }
    }

    #[test]
    fn the_next_address_is_tried() {
        let soon = || Instant::now() + Duration::from_secs(20);
        let here = IpAddr::from([127, 0, 0, 1]);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        // Nobody listens on that address of the machine's own network.
        let both = ["127.0.0.2".parse().unwrap(), here];
        let stream = connect(&both, port, soon()).unwrap();
        assert_eq!(stream.peer_addr().unwrap().ip(), here);
        assert!(connect(&both[..1], port, soon()).is_err());
    }

    proptest! {
        #[test]
        fn any_answer_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..120), text in ".{0,80}") {
            let _ = (answer(&bytes, true), chunks(&bytes), split(&text));
            let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
            let _ = answer(&[head, &bytes[..]].concat(), true);
        }
    }
}
