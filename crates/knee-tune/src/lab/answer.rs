//! Whether somebody answers on a port: one small question, no client.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// How long one question may take.
const LIMIT: Duration = Duration::from_secs(2);
/// A status line is shorter.
const ENOUGH: usize = 64;

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// An HTTP status.
    Status(u16),
    /// A connection and nothing more was asked for.
    Connected,
    /// Bytes that are no HTTP answer.
    Garbage,
    /// No connection, or closed or silent; in words.
    None(String),
}

/// Where on loopback a listening address can be reached, if it can.
pub(super) fn loopback(at: SocketAddr) -> Option<SocketAddr> {
    let local = match at.ip() {
        IpAddr::V4(ip) if ip.is_loopback() => IpAddr::V4(ip),
        // A listener on `::` takes IPv4 as well, unless told otherwise.
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        _ => return None,
    };
    Some(SocketAddr::new(local, at.port()))
}

/// Connects, and asks for `path` if there is one.
pub(super) fn ask(at: SocketAddr, path: Option<&str>) -> Answer {
    let result = TcpStream::connect_timeout(&at, LIMIT).and_then(|stream| match path {
        Some(path) => get(stream, path),
        None => Ok(Answer::Connected),
    });
    result.unwrap_or_else(|e| Answer::None(format!("{at}: {e}")))
}

fn get(mut stream: TcpStream, path: &str) -> std::io::Result<Answer> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.set_write_timeout(Some(LIMIT))?;
    // The path comes from a file of the user's: it must not end the line.
    let path: String = path.chars().filter(|c| !c.is_control() && *c != ' ').collect();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: knee\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut buffer = [0; ENOUGH];
    while head.len() < ENOUGH && !head.contains(&b'\n') {
        match stream.read(&mut buffer)? {
            0 => break,
            n => head.extend_from_slice(&buffer[..n]),
        }
    }
    Ok(match status(&head) {
        Some(status) => Answer::Status(status),
        None if head.is_empty() => Answer::None("closes the connection without an answer".into()),
        None => Answer::Garbage,
    })
}

/// `200` of `HTTP/1.1 200 OK`.
fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head.split(|b| *b == b'\r' || *b == b'\n').next()?).ok()?;
    let rest = line.strip_prefix("HTTP/1.")?;
    let status: u16 = rest.split(' ').nth(1)?.parse().ok()?;
    (100..600).contains(&status).then_some(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn answering(with: &'static [u8]) -> Answer {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = socket.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = socket.accept().unwrap();
            let _ = stream.read(&mut [0; 512]);
            let _ = stream.write_all(with);
        });
        let answer = ask(at, Some("/health"));
        server.join().unwrap();
        answer
    }

    #[test]
    fn an_answer_is_a_status_garbage_or_nothing() {
        assert_eq!(answering(b"HTTP/1.1 204 No Content\r\n\r\n"), Answer::Status(204));
        assert_eq!(answering(b"HTTP/1.0 404\r\n"), Answer::Status(404));
        assert_eq!(answering(b"SSH-2.0-OpenSSH_9.2\r\n"), Answer::Garbage);
        assert_eq!(answering(b"HTTP/1.1 999 x\r\n"), Answer::Garbage);
        assert!(matches!(answering(b""), Answer::None(_)));
        let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(ask(free, None), Answer::None(_)));
    }

    #[test]
    fn only_what_loopback_reaches_is_asked() {
        let at = |text: &str| loopback(text.parse().unwrap()).map(|a| a.to_string());
        assert_eq!(at("0.0.0.0:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(at("[::]:80").as_deref(), Some("127.0.0.1:80"));
        assert_eq!(at("127.0.0.2:80").as_deref(), Some("127.0.0.2:80"));
        assert_eq!((at("[::1]:80"), at("10.0.0.1:80")), (None, None));
    }
}
