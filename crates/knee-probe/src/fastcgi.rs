//! A FastCGI client that asks for one page: a pool's status, or a script's answer.
//!
//! Source: the FastCGI specification 1.0 (<https://fastcgi-archives.github.io/FastCGI_Specification.html>).

use crate::{ProbeError, names};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// No status is longer.
const ANSWER: usize = 1 << 20;
const VERSION: u8 = 1;
const HEADER: usize = 8;

/// Types of records.
const BEGIN: u8 = 1;
const END: u8 = 3;
const PARAMS: u8 = 4;
const STDIN: u8 = 5;
const STDOUT: u8 = 6;
const STDERR: u8 = 7;

/// Asks for a page and returns its body. `listen` is `host:port` or the absolute path of a unix
/// socket; `page` goes out as the script's name and as its file.
///
/// # Errors
/// [`ProbeError::FastCgi`]: no connection, no whole answer within `patience`, an answer that is no
/// FastCGI, or a status other than 200.
pub fn get(
    listen: &str,
    page: &str,
    query: &str,
    patience: Duration,
) -> Result<Vec<u8>, ProbeError> {
    let failed =
        |problem: String| ProbeError::FastCgi { listen: listen.into(), page: page.into(), problem };
    let mut connection = Connection::open(listen, Instant::now() + patience);
    let answer = connection
        .as_mut()
        .map_err(|e| words(e))
        .and_then(|connection| connection.ask(&request(page, query)).map_err(|e| words(&e)));
    answer.and_then(|answer| body(&answer)).map_err(failed)
}

/// The kernel's word for a socket's time-out is "try again".
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => "no answer in time".into(),
        _ if error.raw_os_error() == Some(Errno::INPROGRESS.raw_os_error()) => {
            "no connection in time".into()
        }
        _ => error.to_string(),
    }
}

/// An open socket, and until when it may take.
struct Connection {
    socket: File,
    until: Instant,
}

impl Connection {
    /// A unix socket's connect waits where the server's queue is full: the time-out comes first.
    fn open(listen: &str, until: Instant) -> io::Result<Connection> {
        let new = |family| -> io::Result<Connection> {
            let flags = SocketFlags::CLOEXEC;
            let fd = net::socket_with(family, SocketType::STREAM, flags, None)?;
            let connection = Connection { socket: File::from(fd), until };
            connection.limit()?;
            Ok(connection)
        };
        if listen.starts_with('/') {
            let connection = new(AddressFamily::UNIX)?;
            net::connect(&connection.socket, &SocketAddrUnix::new(listen)?)?;
            return Ok(connection);
        }
        let at = address(listen, until)?;
        let connection =
            new(if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 })?;
        net::connect(&connection.socket, &at)?;
        Ok(connection)
    }

    /// Sends a request and reads its answer to the end.
    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.limit()?;
        self.socket.write_all(request)?;
        let mut answer = Answer::default();
        let mut buffer = [0; 16 << 10];
        while !answer.ended {
            self.limit()?;
            let length = self.socket.read(&mut buffer)?;
            if length == 0 {
                let early = "the connection was closed before the answer's end";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, early));
            }
            answer.take(&buffer[..length])?;
        }
        Ok(answer.out)
    }

    /// Lets the next call take what is left of the time.
    fn limit(&self) -> io::Result<()> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        for way in [Timeout::Recv, Timeout::Send] {
            set_socket_timeout(&self.socket, way, Some(left))?;
        }
        Ok(())
    }
}

/// `HOST:PORT`, as an address of IPv6 in brackets.
fn address(listen: &str, until: Instant) -> io::Result<SocketAddr> {
    let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "no HOST:PORT");
    let (host, port) = listen.rsplit_once(':').ok_or_else(wrong)?;
    let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().map_err(|_| wrong())?;
    let all = names::addresses(host, until)?;
    Ok(SocketAddr::new(*all.first().ok_or_else(wrong)?, port))
}

/// One request, number 1, that closes the connection at its end.
fn request(page: &str, query: &str) -> Vec<u8> {
    let mut params = Vec::new();
    for (name, value) in [
        ("GATEWAY_INTERFACE", "CGI/1.1"),
        ("SERVER_PROTOCOL", "HTTP/1.1"),
        ("SERVER_SOFTWARE", "knee"),
        ("REQUEST_METHOD", "GET"),
        ("REMOTE_ADDR", "127.0.0.1"),
        ("SCRIPT_NAME", page),
        ("SCRIPT_FILENAME", page),
        ("REQUEST_URI", page),
        ("QUERY_STRING", query),
    ] {
        length(&mut params, name.len());
        length(&mut params, value.len());
        params.extend_from_slice(name.as_bytes());
        params.extend_from_slice(value.as_bytes());
    }
    // Role 1: responder; no flags.
    let mut bytes = record(BEGIN, &[0, 1, 0, 0, 0, 0, 0, 0]);
    for part in params.chunks(0xffff) {
        bytes.extend(record(PARAMS, part));
    }
    bytes.extend(record(PARAMS, &[]));
    bytes.extend(record(STDIN, &[]));
    bytes
}

/// One byte below 128, else four with the highest bit set.
fn length(params: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short @ 0..128) => params.push(short),
        _ => params.extend((length as u32 | 1 << 31).to_be_bytes()),
    }
}

fn record(kind: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = (content.len() as u16).to_be_bytes();
    let mut bytes = vec![VERSION, kind, 0, 1, high, low, 0, 0];
    bytes.extend_from_slice(content);
    bytes
}

/// What has come of an answer.
#[derive(Default)]
struct Answer {
    /// Bytes of a record that is not complete.
    rest: Vec<u8>,
    /// Standard output.
    out: Vec<u8>,
    ended: bool,
}

impl Answer {
    fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        let wrong = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what.to_string()));
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(header) = self.rest[at..].first_chunk::<HEADER>() {
            let [version, kind, _, _, high, low, padding, _] = *header;
            if version != VERSION {
                return wrong("it does not answer in FastCGI");
            }
            let content = usize::from(u16::from_be_bytes([high, low]));
            let end = at + HEADER + content + usize::from(padding);
            if self.rest.len() < end {
                break;
            }
            match kind {
                STDOUT => {
                    let from = at + HEADER;
                    self.out.extend_from_slice(&self.rest[from..from + content]);
                }
                // After it, the protocol's status: 0 where the request was taken.
                END => match self.rest.get(at + HEADER + 4) {
                    Some(0) if content >= 8 => self.ended = true,
                    _ => return wrong("it refused the request"),
                },
                STDERR => {}
                _ => return wrong("it does not answer in FastCGI"),
            }
            at = end;
        }
        if self.out.len() > ANSWER {
            return wrong("its answer is longer than 1 MiB");
        }
        self.rest.drain(..at);
        Ok(())
    }
}

/// Splits CGI's header fields off: `Status` other than 200 is an error, and none is 200.
fn body(answer: &[u8]) -> Result<Vec<u8>, String> {
    let mut rest = answer;
    loop {
        let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
            return Err("an answer without header fields".into());
        };
        let line = String::from_utf8_lossy(&rest[..end]).trim().to_string();
        rest = &rest[end + 1..];
        if line.is_empty() {
            return Ok(rest.to_vec());
        }
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("status") => {
                if !value.trim().starts_with("200") {
                    return Err(format!("it answers {}", value.trim()));
                }
            }
            Some(_) => {}
            None => return Err("an answer without header fields".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::net::UnixListener;

    const SOON: Duration = Duration::from_secs(5);
    const PAGE: &[u8] = b"Content-Type: text/plain\r\n\r\n{\"a\":1}";

    fn answer(out: &[u8], records: usize) -> Vec<u8> {
        let mut bytes = record(STDERR, b"a notice");
        for part in out.chunks(out.len().div_ceil(records.max(1)).max(1)) {
            bytes.extend(record(STDOUT, part));
        }
        bytes.extend(record(STDOUT, &[]));
        bytes.extend(record(END, &[0; 8]));
        bytes
    }

    /// What a client gets from a server that reads the request and says this.
    fn told(bytes: &[u8]) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().unwrap();
                let mut asked = vec![0; request("/status", "json").len()];
                stream.read_exact(&mut asked).unwrap();
                assert_eq!(asked, request("/status", "json"));
                stream.write_all(bytes).unwrap();
            });
            get(path.to_str().unwrap(), "/status", "json", SOON)
        })
        .map_err(|e| e.to_string().rsplit_once("FastCGI: ").unwrap().1.to_string())
    }

    #[test]
    fn an_answer_is_put_together() {
        assert_eq!(told(&answer(PAGE, 3)).unwrap(), b"{\"a\":1}");
    }

    #[test]
    fn what_is_no_answer_says_why() {
        let refused = |at: &str| get(at, "/", "", SOON).unwrap_err().to_string();
        assert!(refused("/no/such.sock").contains("No such file"));
        assert!(refused("127.0.0.1:1").contains("Connection refused"));
        assert!(refused(&format!("/{}", "x".repeat(200))).contains("too long"));
        assert_eq!(
            told(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err(),
            "it does not answer in FastCGI"
        );
        assert_eq!(
            told(&answer(b"Status: 404 Not Found\r\n\r\nFile not found.", 1)).unwrap_err(),
            "it answers 404 Not Found"
        );
        assert_eq!(told(&answer(b"plain", 1)).unwrap_err(), "an answer without header fields");
        assert_eq!(
            told(&record(STDOUT, PAGE)).unwrap_err(),
            "the connection was closed before the answer's end"
        );
        let mut overloaded = record(END, &[0, 0, 0, 0, 2, 0, 0, 0]);
        assert_eq!(told(&overloaded).unwrap_err(), "it refused the request");
        overloaded.truncate(9);
        assert!(told(&overloaded).unwrap_err().contains("before the answer's end"));
    }

    #[test]
    fn a_server_that_says_nothing_is_left() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let error = get(path.to_str().unwrap(), "/", "", Duration::from_millis(20)).unwrap_err();
        assert!(error.to_string().ends_with("no answer in time"), "{error}");
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_answer_is_the_same(out in prop::collection::vec(any::<u8>(), 0..400), records in 1usize..6, cut in 1usize..50) {
            let mut parser = Answer::default();
            for part in answer(&out, records).chunks(cut) {
                parser.take(part).unwrap();
            }
            prop_assert!(parser.ended);
            prop_assert_eq!(parser.out, out);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Answer::default().take(&bytes);
            let _ = body(&bytes);
        }
    }
}
