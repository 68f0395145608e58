//! Files that a Dockerfile writes itself: `RUN echo … > FILE`, `printf`, `cat <<EOF > FILE`, groups
//! of them, `tee`, and `COPY <<EOF FILE`.
//!
//! Such a file is the Dockerfile's own text with everything blanked out that is not in the file:
//! each byte keeps its place, so that what is read there is found, and mended, in the Dockerfile.

use std::collections::BTreeMap;
use std::ops::Range;

/// What is written to each path, in order.
#[derive(Debug, Default)]
pub(super) struct Written {
    pieces: BTreeMap<String, Vec<Piece>>,
}

/// A part of a file, where it stands in the Dockerfile.
#[derive(Clone, Debug)]
struct Piece {
    range: Range<usize>,
    /// Whether `\n` in it means a line's end, as for `echo -e` and `printf`.
    escapes: bool,
    /// Whether a line begins with it.
    begins: bool,
}

impl Written {
    /// A here-document that becomes a file.
    pub fn document(&mut self, path: String, range: Range<usize>) {
        self.pieces.insert(path, vec![Piece { range, escapes: false, begins: false }]);
    }

    /// What a RUN writes.
    pub fn run(&mut self, text: &str, run: Range<usize>) {
        let mut reader = Reader { text, at: run.start, end: run.end, documents: Vec::new() };
        let mut groups: Vec<Vec<Piece>> = vec![Vec::new()];
        let mut command = Command::default();
        while let Some(token) = reader.next() {
            match token {
                Token::Word(range) => {
                    let word = &text[range.clone()];
                    if command.words.is_empty() && command.pieces.is_empty() {
                        match word {
                            // `RUN --mount=…`
                            option if option.starts_with("--") => continue,
                            "{" | "(" => {
                                groups.push(Vec::new());
                                continue;
                            }
                            "}" if groups.len() > 1 => {
                                command.pieces = groups.pop().unwrap_or_default();
                                continue;
                            }
                            _ => {}
                        }
                    }
                    command.words.push(range);
                }
                Token::Close if groups.len() > 1 => {
                    self.finish(text, std::mem::take(&mut command), &mut groups);
                    command.pieces = groups.pop().unwrap_or_default();
                }
                Token::Close => {}
                Token::To(path, append) => command.to = Some((path, append)),
                Token::Document(range) => {
                    command.pieces.push(Piece { range, escapes: false, begins: false })
                }
                Token::Pipe => {
                    let pieces = command.said(text);
                    command = Command { pieces, ..Command::default() };
                }
                Token::End => self.finish(text, std::mem::take(&mut command), &mut groups),
            }
        }
        self.finish(text, command, &mut groups);
    }

    fn finish(&mut self, text: &str, command: Command, groups: &mut [Vec<Piece>]) {
        let tee = command.words.first().is_some_and(|word| &text[word.clone()] == "tee");
        let to = match &command.to {
            Some((path, append)) => Some((unquoted(&text[path.clone()]), *append)),
            None if tee => {
                let mut rest = command.words[1..].iter().map(|word| unquoted(&text[word.clone()]));
                let append = rest.clone().any(|word| word == "-a" || word == "--append");
                rest.find(|word| !word.starts_with('-')).map(|path| (path, append))
            }
            None => None,
        };
        let pieces = command.said(text);
        match to {
            Some((path, append)) => {
                let known = self.pieces.entry(path).or_default();
                if !append {
                    known.clear();
                }
                known.extend(pieces);
            }
            None => {
                groups.iter_mut().last().into_iter().for_each(|group| group.extend(pieces.clone()))
            }
        }
    }

    /// The files, by their paths as they are written, each as long as the Dockerfile.
    pub fn files<'w>(&'w self, text: &'w str) -> impl Iterator<Item = (&'w str, String)> {
        let some = self.pieces.iter().filter(|(_, pieces)| !pieces.is_empty());
        some.map(|(path, pieces)| (path.as_str(), masked(text, pieces)))
    }
}

/// A command as far as it says what is written.
#[derive(Default)]
struct Command {
    words: Vec<Range<usize>>,
    /// What it gets from a here-document, a group or a pipe.
    pieces: Vec<Piece>,
    to: Option<(Range<usize>, bool)>,
}

impl Command {
    /// What it puts out.
    fn said(&self, text: &str) -> Vec<Piece> {
        let mut words = self.words.iter().map(|word| (word, &text[word.clone()]));
        let escapes = match words.next().map(|(_, word)| word) {
            Some("echo") => false,
            Some("printf") => true,
            Some("cat" | "tee") | None => return self.pieces.clone(),
            Some(_) => return Vec::new(),
        };
        let is_option = |word: &str| matches!(word, "-e" | "-n" | "-E" | "-en" | "-ne" | "--");
        // `/bin/sh` is mostly a shell whose echo reads escapes.
        let read = words.clone().all(|(_, word)| word != "-E");
        let said = words.skip_while(|(_, word)| is_option(word));
        let escapes = escapes || read;
        let piece = |(at, (range, word)): (usize, (&Range<usize>, &str))| Piece {
            range: inside(range, word),
            escapes,
            begins: at == 0,
        };
        said.enumerate().map(piece).collect()
    }
}

/// A word's range without its quotes.
fn inside(range: &Range<usize>, word: &str) -> Range<usize> {
    let quoted =
        ['"', '\''].iter().any(|q| word.len() > 1 && word.starts_with(*q) && word.ends_with(*q));
    if quoted { range.start + 1..range.end - 1 } else { range.clone() }
}

fn unquoted(word: &str) -> String {
    word.replace(['"', '\''], "")
}

/// The text with all but these pieces blanked out.
fn masked(text: &str, pieces: &[Piece]) -> String {
    let mut bytes: Vec<u8> =
        text.bytes().map(|byte| if byte == b'\n' { b'\n' } else { b' ' }).collect();
    for piece in pieces {
        bytes[piece.range.clone()].copy_from_slice(&text.as_bytes()[piece.range.clone()]);
        let mut at = piece.range.start;
        while piece.escapes && at + 1 < piece.range.end {
            if bytes[at] == b'\\' {
                let meant = match bytes[at + 1] {
                    b'n' => b'\n',
                    b't' => b'\t',
                    byte => byte,
                };
                // A line that goes on in the next one, and an escape that is longer than two bytes.
                let whole = meant.is_ascii();
                bytes[at] = b' ';
                if whole {
                    bytes[at + 1] = meant;
                }
                at += 1;
            }
            at += 1;
        }
        // What ends and begins a line is the byte beside it: a quote or a blank.
        if let Some(behind) = bytes.get_mut(piece.range.end) {
            *behind = b'\n';
        }
        let before = piece.range.start.checked_sub(1).filter(|_| piece.begins);
        if let Some(before) = before {
            bytes[before] = b'\n';
        }
    }
    // The pieces begin and end between characters; only ones that overlap can break one.
    String::from_utf8(bytes).unwrap_or_else(|_| " ".repeat(text.len()))
}

enum Token {
    Word(Range<usize>),
    /// `> FILE`, and whether it is `>>`.
    To(Range<usize>, bool),
    /// The content of a here-document.
    Document(Range<usize>),
    Pipe,
    /// `)`
    Close,
    End,
}

/// Reads the tokens of a RUN.
struct Reader<'t> {
    text: &'t str,
    at: usize,
    end: usize,
    /// Ends of here-documents that begin with the next line.
    documents: Vec<String>,
}

impl Reader<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        let at = self.at + ahead;
        (at < self.end).then(|| self.text.as_bytes()[at])
    }

    fn next(&mut self) -> Option<Token> {
        loop {
            match self.byte(0)? {
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'\\' if matches!(self.byte(1), Some(b'\n')) => self.at += 2,
                b'\\' if matches!(self.byte(1), Some(b'\r')) => self.at += 3,
                b'#' => {
                    self.at += self.text[self.at..self.end].find('\n').unwrap_or(self.end - self.at)
                }
                b'\n' => {
                    self.at += 1;
                    return Some(self.document().map_or(Token::End, Token::Document));
                }
                b'|' if self.byte(1) != Some(b'|') => {
                    self.at += 1;
                    return Some(Token::Pipe);
                }
                b';' | b'&' | b'|' => {
                    self.at += 1;
                    return Some(Token::End);
                }
                b'(' => {
                    self.at += 1;
                    return Some(Token::Word(self.at - 1..self.at));
                }
                b')' => {
                    self.at += 1;
                    return Some(Token::Close);
                }
                b'<' if self.byte(1) == Some(b'<') => {
                    self.at += 2;
                    if self.byte(0) == Some(b'-') {
                        self.at += 1;
                    }
                    let end = self.word();
                    self.documents.push(unquoted(&self.text[end]));
                }
                b'<' => self.at += 1,
                b'>' => {
                    let append = self.byte(1) == Some(b'>');
                    self.at += if append { 2 } else { 1 };
                    while self.byte(0) == Some(b' ') {
                        self.at += 1;
                    }
                    // `2>&1` goes to no file.
                    let path = self.word();
                    if !self.text[path.clone()].starts_with('&') && !path.is_empty() {
                        return Some(Token::To(path, append));
                    }
                }
                _ => {
                    let word = self.word();
                    let number = self.text[word.clone()].bytes().all(|b| b.is_ascii_digit());
                    if !(number && self.byte(0) == Some(b'>')) {
                        return Some(Token::Word(word));
                    }
                    // The errors' way, not the output's.
                    self.at += 1;
                    self.at += usize::from(self.byte(0) == Some(b'>'));
                    self.at += usize::from(self.byte(0) == Some(b'&'));
                    self.word();
                }
            }
        }
    }

    /// The content of the here-document that begins here.
    fn document(&mut self) -> Option<Range<usize>> {
        if self.documents.is_empty() {
            return None;
        }
        let end = self.documents.remove(0);
        let start = self.at;
        for line in self.text[start..self.end].split_inclusive('\n') {
            let before = self.at;
            self.at += line.len();
            if line.trim() == end {
                return Some(start..before);
            }
        }
        Some(start..self.end)
    }

    fn word(&mut self) -> Range<usize> {
        let start = self.at;
        let mut quote = None;
        while let Some(byte) = self.byte(0) {
            match (quote, byte) {
                (Some(open), byte) if byte == open => quote = None,
                (Some(b'"') | None, b'\\') => self.at += 1,
                (None, b'"' | b'\'') => quote = Some(byte),
                (
                    None,
                    b' ' | b'\t' | b'\r' | b'\n' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')',
                ) => break,
                _ => {}
            }
            self.at += 1;
        }
        self.at = self.at.min(self.end);
        while !self.text.is_char_boundary(self.at) {
            self.at += 1;
        }
        // A byte that begins no word is passed over.
        if self.at == start
            && self.byte(0).is_some_and(|b| {
                !matches!(b, b'\n' | b';' | b'&' | b'|' | b'>' | b'<' | b'(' | b')' | b' ')
            })
        {
            self.at += 1;
        }
        start..self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(run: &str, path: &str) -> Option<String> {
        let mut written = Written::default();
        written.run(run, 0..run.len());
        let found = written.files(run).find(|(own, _)| *own == path).map(|(_, text)| text);
        let lines = found?.lines().map(|line| line.trim().to_string()).collect::<Vec<_>>();
        Some(lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("|"))
    }

    #[test]
    fn lines_that_are_echoed_one_by_one() {
        let run = "echo \"[program:web]\" > /etc/a.conf && \\\n    echo \"command=nginx -g 'daemon off;'\" >> /etc/a.conf && \\\n    echo other > /b";
        assert_eq!(
            file(run, "/etc/a.conf").unwrap(),
            "[program:web]|command=nginx -g 'daemon off;'"
        );
        assert_eq!(file(run, "/b").unwrap(), "other");
        let mut written = Written::default();
        written.run(run, 0..run.len());
        let (_, text) = written.files(run).last().unwrap();
        assert!(text.contains("\n[program") && text.contains("\ncommand"), "not indented: {text}");
        assert_eq!(file("echo a > /a; echo b > /a", "/a").unwrap(), "b", "written anew");
    }

    #[test]
    fn groups_pipes_and_escapes() {
        let group = "{ echo '[global]'; echo 'daemonize = no'; } | tee /etc/fpm.d/z.conf";
        assert_eq!(file(group, "/etc/fpm.d/z.conf").unwrap(), "[global]|daemonize = no");
        assert_eq!(file("(echo a; echo b) > /a", "/a").unwrap(), "a|b");
        assert_eq!(
            file("printf '[www]\\npm = static\\n' >> \"/a\" 2>/dev/null", "/a").unwrap(),
            "[www]|pm = static"
        );
        assert_eq!(file("apt-get update > /dev/null 2>&1 && make", "/dev/null"), None);
    }

    #[test]
    fn here_documents() {
        let run = "cat <<'EOF' > /run.sh\n#!/bin/sh\nexec node a.js\nEOF\n";
        assert_eq!(file(run, "/run.sh").unwrap(), "#!/bin/sh|exec node a.js");
        let script = "<<EOT\nset -e\ncat > /a <<-X\n\tb\n\tX\necho c >> /a\nEOT\n";
        assert_eq!(file(script, "/a"), None, "a script in a here-document is not looked into");
    }

    #[test]
    fn bytes_keep_their_places() {
        let run = "RUN echo 'ä' && echo 'workers = 4' > /a";
        let mut written = Written::default();
        written.run(run, 4..run.len());
        let (_, text) = written.files(run).next().unwrap();
        assert_eq!((text.len(), text.find("workers")), (run.len(), run.find("workers")));
    }

    proptest! {
        #[test]
        fn any_text_is_read(parts in proptest::collection::vec(prop::sample::select(vec![
            "echo ", "'", "\"", "\\", "\n", " > ", ">>", "<<EOF", "EOF", "ä", "|", "{", "}", "(", ")", ";", "&&", "2>&1", "/a", "cat ", "tee ", "#", "\\n", "$",
        ]), 0..24)) {
            let run = parts.concat();
            let mut written = Written::default();
            written.run(&run, 0..run.len());
            for (_, text) in written.files(&run) {
                prop_assert_eq!(text.len(), run.len());
            }
        }
    }
}
