//! HTTP/1.1 answers, read piece by piece as they arrive. Bytes in, framing out: no socket.

#[cfg(test)]
mod tests;

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
