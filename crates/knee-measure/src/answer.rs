//! HTTP/1.1 answers, read piece by piece as they arrive. Bytes in, framing out: no socket.

use httparse::Status;

/// Longest header that is read; beyond it the answer counts as malformed.
const LONGEST_HEAD: usize = 64 << 10;
/// Most header fields that are read.
const MOST_FIELDS: usize = 128;

/// Bytes that are no HTTP/1.1 answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// What a piece of an answer led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More must come.
    More,
    /// Complete.
    Done {
        /// Whether the connection may carry another request.
        reusable: bool,
    },
}

/// How an answer stands when the other side closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AtClose {
    /// Not a byte had come.
    Nothing,
    /// Closing is what ends it.
    Complete,
    /// Fewer bytes than announced.
    Short,
    /// Cut anywhere else.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Head,
    Length(u64),
    ChunkSize {
        size: u64,
        digits: u8,
        extension: bool,
    },
    ChunkData(u64),
    /// The line break after a chunk.
    ChunkEnd,
    /// Fields after the last chunk; true at the start of a line.
    Trailer(bool),
    UntilClose,
}

/// Reads one answer.
#[derive(Debug)]
pub(crate) struct Answer {
    phase: Phase,
    /// Status of the final answer, 0 before its header is complete.
    pub status: u16,
    head_request: bool,
    keep_alive: bool,
    touched: bool,
    /// A header that has come in part.
    partial: Vec<u8>,
}

impl Answer {
    pub fn new() -> Self {
        Answer {
            phase: Phase::Head,
            status: 0,
            head_request: false,
            keep_alive: false,
            touched: false,
            partial: Vec::new(),
        }
    }

    /// Makes ready for the answer to another request.
    pub fn expect(&mut self, head_request: bool) {
        self.phase = Phase::Head;
        self.status = 0;
        self.head_request = head_request;
        self.keep_alive = false;
        self.touched = false;
        self.partial.clear();
    }

    /// Takes the next piece.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<Progress, Malformed> {
        self.touched |= !piece.is_empty();
        while !piece.is_empty() {
            let used = match self.phase {
                Phase::Head => match self.head(piece)? {
                    Some(used) => used,
                    None => return Ok(Progress::More),
                },
                Phase::UntilClose => return Ok(Progress::More),
                Phase::Length(left) => {
                    let used = left.min(piece.len() as u64);
                    self.phase = Phase::Length(left - used);
                    used as usize
                }
                _ => self.chunk(piece)?,
            };
            piece = &piece[used..];
            if self.phase == Phase::Length(0) {
                // Bytes after the answer were never asked for: do not trust the connection.
                return Ok(Progress::Done { reusable: self.keep_alive && piece.is_empty() });
            }
        }
        Ok(Progress::More)
    }

    /// What it means that the other side closes now.
    pub fn at_close(&self) -> AtClose {
        match self.phase {
            Phase::Head if !self.touched => AtClose::Nothing,
            Phase::UntilClose => AtClose::Complete,
            Phase::Length(_) => AtClose::Short,
            _ => AtClose::Cut,
        }
    }

    /// Reads a header; None when it is not complete.
    fn head(&mut self, piece: &[u8]) -> Result<Option<usize>, Malformed> {
        if self.partial.is_empty() {
            let used = self.parse(piece)?;
            if used.is_none() {
                self.partial.extend_from_slice(piece);
            }
            return Ok(used);
        }
        let before = self.partial.len();
        self.partial.extend_from_slice(piece);
        if !piece.contains(&b'\n') && self.partial.len() <= LONGEST_HEAD {
            // No line has ended: do not read the same ones again and again.
            return Ok(None);
        }
        let whole = std::mem::take(&mut self.partial);
        let used = self.parse(&whole)?;
        self.partial = whole;
        if used.is_some() {
            self.partial.clear();
        }
        Ok(used.map(|used| used - before))
    }

    fn parse(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let mut fields = [const { std::mem::MaybeUninit::uninit() }; MOST_FIELDS];
        let mut response = httparse::Response::new(&mut []);
        let config = httparse::ParserConfig::default();
        let used = match config
            .parse_response_with_uninit_headers(&mut response, bytes, &mut fields)
            .map_err(|_| Malformed)?
        {
            Status::Complete(used) => used,
            Status::Partial if bytes.len() > LONGEST_HEAD => return Err(Malformed),
            Status::Partial => return Ok(None),
        };
        self.frame(&response)?;
        Ok(Some(used))
    }

    /// Decides from a complete header how long the body is (RFC 9112, 6.3).
    fn frame(&mut self, response: &httparse::Response<'_, '_>) -> Result<(), Malformed> {
        let status = response.code.ok_or(Malformed)?;
        if (100..200).contains(&status) {
            // Upgrades are never asked for; any other 1xx is followed by the real answer.
            return if status == 101 { Err(Malformed) } else { Ok(()) };
        }
        let mut length = None;
        // Whether a transfer coding ends the body, where there is one.
        let mut chunked = None;
        self.keep_alive = response.version == Some(1);
        for field in response.headers.iter() {
            if field.name.eq_ignore_ascii_case("content-length") {
                let value = number(field.value).ok_or(Malformed)?;
                if length.replace(value).is_some_and(|other| other != value) {
                    return Err(Malformed);
                }
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                // Chunked is the outermost coding or the body ends with the connection.
                chunked = tokens(field.value).last().map(|token| is(token, "chunked"));
            } else if field.name.eq_ignore_ascii_case("connection") {
                self.keep_alive = !has_token(field.value, "close")
                    && (self.keep_alive || has_token(field.value, "keep-alive"));
            }
        }
        self.status = status;
        self.phase = match (chunked, length) {
            _ if self.head_request || status == 204 || status == 304 => Phase::Length(0),
            (Some(true), _) => Phase::ChunkSize { size: 0, digits: 0, extension: false },
            (None, Some(length)) => Phase::Length(length),
            (Some(false), _) | (None, None) => Phase::UntilClose,
        };
        Ok(())
    }

    /// Takes the next part of a chunked body; returns how many bytes it used.
    fn chunk(&mut self, piece: &[u8]) -> Result<usize, Malformed> {
        let byte = piece[0];
        self.phase = match self.phase {
            Phase::ChunkData(left) => {
                let used = left.min(piece.len() as u64);
                self.phase =
                    if used == left { Phase::ChunkEnd } else { Phase::ChunkData(left - used) };
                return Ok(used as usize);
            }
            Phase::ChunkSize { size, digits, extension } => {
                chunk_size(byte, size, digits, extension)?
            }
            Phase::ChunkEnd => match byte {
                b'\r' => Phase::ChunkEnd,
                b'\n' => Phase::ChunkSize { size: 0, digits: 0, extension: false },
                _ => return Err(Malformed),
            },
            Phase::Trailer(at_start) => match byte {
                b'\n' if at_start => Phase::Length(0),
                b'\n' => Phase::Trailer(true),
                b'\r' => Phase::Trailer(at_start),
                _ => Phase::Trailer(false),
            },
            other => other,
        };
        Ok(1)
    }
}

fn chunk_size(byte: u8, size: u64, digits: u8, extension: bool) -> Result<Phase, Malformed> {
    match byte {
        b'\n' if digits == 0 => Err(Malformed),
        b'\n' if size == 0 => Ok(Phase::Trailer(true)),
        b'\n' => Ok(Phase::ChunkData(size)),
        b'\r' | b';' | b' ' | b'\t' => Ok(Phase::ChunkSize { size, digits, extension: true }),
        _ if extension => Ok(Phase::ChunkSize { size, digits, extension }),
        _ => {
            let digit = (byte as char).to_digit(16).ok_or(Malformed)?;
            if digits == 15 {
                return Err(Malformed);
            }
            let size = size << 4 | u64::from(digit);
            Ok(Phase::ChunkSize { size, digits: digits + 1, extension })
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    if text.is_empty() || text.len() > 18 || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(text.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

fn has_token(value: &[u8], token: &str) -> bool {
    tokens(value).any(|part| is(part, token))
}

fn tokens(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|part| !part.is_empty())
}

fn is(part: &[u8], token: &str) -> bool {
    part.eq_ignore_ascii_case(token.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEPT: Result<Progress, Malformed> = Ok(Progress::Done { reusable: true });
    const CLOSED: Result<Progress, Malformed> = Ok(Progress::Done { reusable: false });
    const MORE: Result<Progress, Malformed> = Ok(Progress::More);

    fn whole(text: &str) -> (Result<Progress, Malformed>, Answer) {
        let mut answer = Answer::new();
        answer.expect(false);
        (answer.feed(text.as_bytes()), answer)
    }

    const COMPLETE: &[(&str, Result<Progress, Malformed>)] = &[
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", KEPT),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi", CLOSED),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", CLOSED),
        ("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: Keep-Alive\r\n\r\nhi", KEPT),
        ("HTTP/1.1 204 No Content\r\n\r\n", KEPT),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", KEPT),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KEPT),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n", KEPT),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n", KEPT),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: gzip, Chunked,\r\n\r\n0\r\n\r\n",
            KEPT,
        ),
        ("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", KEPT),
        ("HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", KEPT),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nextra", CLOSED),
    ];

    #[test]
    fn an_answer_ends_where_its_framing_says() {
        for (text, expected) in COMPLETE {
            let (progress, answer) = whole(text);
            assert_eq!(progress, *expected, "{text:?}");
            assert!(answer.status >= 200, "{text:?}");
        }
    }

    #[test]
    fn closing_means_what_the_framing_says() {
        for (text, expected) in [
            ("", AtClose::Nothing),
            ("HTTP/1.1 200", AtClose::Cut),
            ("HTTP/1.1 200 OK\r\n\r\nhello", AtClose::Complete),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", AtClose::Complete),
            ("HTTP/1.1 100 Continue\r\n\r\n", AtClose::Cut),
            ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", AtClose::Short),
            ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", AtClose::Cut),
        ] {
            let (progress, answer) = whole(text);
            assert_eq!((progress, answer.at_close()), (MORE, expected), "{text:?}");
        }
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let mut answer = Answer::new();
        answer.expect(true);
        assert_eq!(answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"), KEPT);
    }

    #[test]
    fn garbage_is_malformed() {
        for text in [
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        ] {
            assert_eq!(whole(text).0, Err(Malformed), "{text:?}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(LONGEST_HEAD));
        assert_eq!(whole(&endless).0, Err(Malformed));
    }

    /// What reading `text` in such pieces comes to, and how much of it was taken.
    fn read(text: &[u8], head: bool, pieces: &[usize]) -> (Result<Progress, Malformed>, usize) {
        let mut answer = Answer::new();
        answer.expect(head);
        let (mut at, mut sizes) = (0, pieces.iter().cycle());
        let mut last = MORE;
        while at < text.len() && last == MORE {
            let end = text.len().min(at + sizes.next().unwrap());
            last = answer.feed(&text[at..end]);
            at = end;
        }
        (last, at)
    }

    /// A body and how it is framed: the bytes that follow the status line.
    fn framed() -> impl Strategy<Value = Vec<u8>> {
        let chunk =
            (proptest::collection::vec(any::<u8>(), 1..40), "(|;[a-z]{1,5}(=[a-z0-9]{1,5})?)");
        let chunked =
            (proptest::collection::vec(chunk, 0..6), "(|[A-Z][a-z]{1,6}: [a-z]{0,9}\r\n)");
        let body = proptest::collection::vec(any::<u8>(), 0..200);
        prop_oneof![
            body.prop_map(|body| {
                let mut bytes = format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes();
                bytes.extend(body);
                bytes
            }),
            chunked.prop_map(|(chunks, trailer)| {
                let mut bytes = b"Transfer-Encoding: chunked\r\n\r\n".to_vec();
                for (data, extension) in chunks {
                    bytes.extend(format!("{:x}{extension}\r\n", data.len()).into_bytes());
                    bytes.extend(data);
                    bytes.extend(b"\r\n");
                }
                bytes.extend(format!("0\r\n{trailer}\r\n").into_bytes());
                bytes
            }),
        ]
    }

    fn pieces() -> impl Strategy<Value = Vec<usize>> {
        proptest::collection::vec(1usize..60, 1..8)
    }

    proptest! {
        #[test]
        fn the_size_of_the_pieces_does_not_matter(which in 0..COMPLETE.len() - 1, pieces in pieces()) {
            let (text, expected) = COMPLETE[which];
            prop_assert_eq!(read(text.as_bytes(), false, &pieces), (expected, text.len()), "{}", text);
        }

        #[test]
        fn any_framed_body_ends_at_its_last_byte(
            status in 200u16..600, framed in framed(), interim in 0usize..3, pieces in pieces(),
        ) {
            prop_assume!(status != 204 && status != 304);
            let mut text = b"HTTP/1.1 102 Processing\r\n\r\n".repeat(interim);
            text.extend(format!("HTTP/1.1 {status} x\r\nServer: y\r\n").into_bytes());
            text.extend(&framed);
            prop_assert_eq!(read(&text, false, &pieces), (KEPT, text.len()));
            // Cut anywhere, it is not complete.
            for cut in [text.len() - 1, text.len() / 2] {
                prop_assert_eq!(read(&text[..cut], false, &pieces).0, MORE);
            }
            // A next answer that nobody asked for.
            text.extend(b"HTTP/1.1 200 OK\r\n");
            prop_assert_eq!(read(&text, false, &[text.len()]).0, CLOSED);
        }

        #[test]
        fn any_bytes_are_an_answer_or_malformed_in_pieces_as_in_one(
            head: bool,
            start in prop_oneof![
                Just(""),
                Just("HTTP/1.1 200 OK\r\n"),
                Just("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n"),
                Just("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
            ],
            bytes in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..200),
                "[0-9a-f:;\r\n Contenlgh-]{0,80}".prop_map(String::into_bytes),
            ],
            pieces in pieces(),
        ) {
            let text = [start.as_bytes(), &bytes].concat();
            let (whole, _) = read(&text, head, &[text.len().max(1)]);
            let (parts, at) = read(&text, head, &pieces);
            match (whole, parts) {
                (Ok(Progress::Done { .. }), Ok(Progress::Done { reusable })) => {
                    // In pieces, it may be complete before the bytes that should not be there.
                    prop_assert!(!reusable || at < text.len() || whole == parts);
                }
                // A line that is wrong is seen when it ends.
                (Err(Malformed), Ok(Progress::More)) => {}
                _ => prop_assert_eq!(whole, parts),
            }
        }
    }
}
