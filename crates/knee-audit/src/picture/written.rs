//! Files that a Dockerfile writes itself: `RUN echo … > FILE`, `printf`, `cat <<EOF > FILE`, groups
//! of them, `tee`, and `COPY <<EOF FILE`.
//!
//! Such a file is the Dockerfile's own text with everything blanked out that is not in the file:
//! each byte keeps its place, so that what is read there is found, and mended, in the Dockerfile.

use knee_files::formats::shell::{self, Token};
use knee_files::formats::word::{Inner, Word};
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
        let mut groups: Vec<Vec<Piece>> = vec![Vec::new()];
        let mut command = Command::default();
        for token in shell::tokens(&Inner::verbatim(text, run)) {
            match token {
                // `RUN --mount=…`
                Token::Word(word) if command.is_open() && word.text.starts_with("--") => {}
                Token::Word(word) if command.is_open() && word.text == "{" => {
                    groups.push(Vec::new());
                }
                Token::End('(') if command.is_open() => groups.push(Vec::new()),
                Token::Word(word) if command.is_open() && word.text == "}" && groups.len() > 1 => {
                    command.pieces = groups.pop().unwrap_or_default();
                }
                Token::End(')') if groups.len() > 1 => {
                    self.finish(text, std::mem::take(&mut command), &mut groups);
                    command.pieces = groups.pop().unwrap_or_default();
                }
                Token::Word(word) => command.words.push(word),
                Token::List { .. } => {}
                Token::To { file, append } => command.to = Some((file.text, append)),
                Token::Document(range) => {
                    command.pieces.push(Piece { range, escapes: false, begins: false });
                }
                Token::End('|') if command.to.is_none() => {
                    let pieces = command.said(text);
                    command = Command { pieces, ..Command::default() };
                }
                Token::End(_) => self.finish(text, std::mem::take(&mut command), &mut groups),
            }
        }
        self.finish(text, command, &mut groups);
    }

    fn finish(&mut self, text: &str, command: Command, groups: &mut [Vec<Piece>]) {
        let pieces = command.said(text);
        match tee(&command.words).or(command.to) {
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

/// The file that `tee` writes to, and whether behind what is in it.
fn tee(words: &[Word]) -> Option<(String, bool)> {
    let (_, rest) = words.split_first().filter(|(first, _)| first.text == "tee")?;
    let append = rest.iter().any(|word| matches!(&*word.text, "-a" | "--append"));
    let path = rest.iter().find(|word| !word.text.starts_with('-'))?;
    Some((path.text.clone(), append))
}

/// A command as far as it says what is written.
#[derive(Default)]
struct Command {
    words: Vec<Word>,
    /// What it gets from a here-document, a group or a pipe.
    pieces: Vec<Piece>,
    to: Option<(String, bool)>,
}

impl Command {
    /// Whether nothing of it was read yet.
    fn is_open(&self) -> bool {
        self.words.is_empty() && self.pieces.is_empty()
    }

    /// What it puts out.
    fn said(&self, text: &str) -> Vec<Piece> {
        let mut words = self.words.iter();
        match words.next().map(|word| &*word.text) {
            Some("echo" | "printf") => {}
            Some("cat" | "tee") | None => return self.pieces.clone(),
            Some(_) => return Vec::new(),
        }
        let is_option =
            |word: &&Word| matches!(&*word.text, "-e" | "-n" | "-E" | "-en" | "-ne" | "--");
        // `/bin/sh` is mostly a shell whose echo reads escapes, as printf does.
        let escapes = words.clone().all(|word| word.text != "-E");
        let piece = |(at, word): (usize, &Word)| Piece {
            range: inside(&word.range, &text[word.range.clone()]),
            escapes,
            begins: at == 0,
        };
        words.skip_while(is_option).enumerate().map(piece).collect()
    }
}

/// A word's range without its quotes.
fn inside(range: &Range<usize>, word: &str) -> Range<usize> {
    let quoted =
        ['"', '\''].iter().any(|q| word.len() > 1 && word.starts_with(*q) && word.ends_with(*q));
    if quoted { range.start + 1..range.end - 1 } else { range.clone() }
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
        assert_eq!(file("echo a | tee /a > /dev/null", "/a").unwrap(), "a");
        assert_eq!(file("(echo a; echo b) > /a", "/a").unwrap(), "a|b");
        assert_eq!(
            file("printf '[www]\\npm = static\\n' >> \"/a\" 2>/dev/null", "/a").unwrap(),
            "[www]|pm = static"
        );
        assert_eq!(file("echo a > /a || echo b > /b", "/a").unwrap(), "a");
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
