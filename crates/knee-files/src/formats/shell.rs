//! Texts for the shell: `sh -c` texts, start scripts, Procfile lines. Finds the simple commands
//! and their words; expands and runs nothing.

use super::word::{Dress, Inner, Word};
use std::ops::Range;

/// One simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    /// `NAME=value` before the program.
    pub assignments: Vec<(String, Word)>,
    /// The program and its arguments.
    pub words: Vec<Word>,
}

impl Statement {
    /// What the words say.
    pub fn argv(&self) -> Vec<String> {
        self.words.iter().map(|w| w.text.clone()).collect()
    }
}

/// Words that stand before a command and are none.
const KEYWORDS: [&str; 11] =
    ["if", "then", "elif", "else", "while", "until", "do", "!", "{", "}", "time"];

/// The commands of a shell text.
pub fn statements(inner: &Inner) -> Vec<Statement> {
    let mut found = vec![Statement::default()];
    for token in Lexer::new(inner) {
        let current = found.last_mut().expect("never empty");
        match token {
            Token::End(_) => found.push(Statement::default()),
            Token::Word(word) => take(current, word),
            Token::List { .. } | Token::To { .. } | Token::Document(_) => {}
        }
    }
    found.retain(|s| !s.words.is_empty() || !s.assignments.is_empty());
    found
}

/// What a word of a text says as a text of its own, as a shell that it is given to reads it.
pub fn nested(inner: &Inner, word: &Word) -> Inner {
    let mut lexer = Lexer { at: inner.place(word.range.start), ..Lexer::new(inner) };
    let (said, _) = lexer.say();
    inner.part(said.text, &said.places, said.end)
}

pub(super) fn take(statement: &mut Statement, word: Word) {
    if statement.words.is_empty() {
        if KEYWORDS.contains(&word.text.as_str()) {
            return;
        }
        if let Some((name, value)) = word.text.split_once('=').filter(|(n, _)| is_name(n)) {
            let skipped = name.len() + 1;
            let range = word.range.start + skipped..word.range.end;
            let value = Word { text: value.into(), range, ..word.clone() };
            statement.assignments.push((name.into(), value));
            return;
        }
    }
    statement.words.push(word);
}

/// The tokens of a shell text.
pub fn tokens(inner: &Inner) -> impl Iterator<Item = Token> {
    Lexer::new(inner)
}

/// Whether a variable can be called so.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A part of a shell text.
pub enum Token {
    Word(Word),
    /// What ends a command: a line, or one of `;&|()`.
    End(char),
    /// A list of bash's: `name=(a b)`, and whether to what it holds (`name+=(c)`).
    List {
        name: String,
        append: bool,
        words: Vec<Word>,
    },
    /// The file that a command's output goes to, and whether behind what is in it.
    To {
        file: Word,
        append: bool,
    },
    /// Bytes of the content of a here-document.
    Document(Range<usize>),
}

/// What a word says, with the place of each byte.
#[derive(Default)]
struct Said {
    text: String,
    places: Vec<usize>,
    /// Behind the last of them.
    end: usize,
}

impl Said {
    /// A character that stands in this range.
    fn one(&mut self, c: char, range: Range<usize>) {
        self.text.push(c);
        self.places.extend(std::iter::repeat_n(range.start, c.len_utf8()));
        self.end = range.end;
    }

    fn all(&mut self, text: &str, range: Range<usize>) {
        self.text.push_str(&text[range.clone()]);
        self.end = range.end;
        self.places.extend(range);
    }
}

struct Lexer<'a> {
    inner: &'a Inner,
    text: &'a str,
    at: usize,
    /// Ends of the here-documents that begin at the next line, and whether tabs are stripped.
    heredocs: Vec<(String, bool)>,
    /// What was read already and comes next, the last first.
    ahead: Vec<Token>,
    /// Whether the next redirection is that of a descriptor other than the output.
    aside: bool,
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            if let Some(token) = self.ahead.pop() {
                return Some(token);
            }
            let c = self.peek()?;
            if self.rest().starts_with("\\\n") || self.rest().starts_with("\\\r\n") {
                self.at += if self.rest().starts_with("\\\n") { 2 } else { 3 };
            } else if c == '\n' {
                self.at += 1;
                self.ahead.push(Token::End('\n'));
                self.documents();
            } else if c.is_whitespace() {
                self.at += c.len_utf8();
            } else if c == '#' {
                self.at += self.rest().find('\n').unwrap_or(self.rest().len());
            } else if matches!(c, '<' | '>') || self.rest().starts_with("&>") {
                if let Some(token) = self.redirection() {
                    return Some(token);
                }
            } else if matches!(c, ';' | '&' | '|' | '(' | ')') {
                self.at += 1;
                return Some(Token::End(c));
            } else if let Some(word) = self.word() {
                return Some(self.list(&word).unwrap_or(Token::Word(word)));
            }
        }
    }
}

impl<'a> Lexer<'a> {
    fn new(inner: &'a Inner) -> Lexer<'a> {
        let (heredocs, ahead) = (Vec::new(), Vec::new());
        Lexer { inner, text: &inner.text, at: 0, heredocs, ahead, aside: false }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Steps over `> file`, `2>&1`, `<< END`; the digits before were already left out.
    fn redirection(&mut self) -> Option<Token> {
        let aside = std::mem::take(&mut self.aside);
        let rest = self.rest();
        let length =
            rest.find(|c: char| !matches!(c, '<' | '>' | '&' | '|' | '-')).unwrap_or(rest.len());
        let operator = rest[..length].to_string();
        self.at += length;
        while self.peek().is_some_and(|c| c == ' ' || c == '\t') {
            self.at += 1;
        }
        let is_word = self.peek().is_some_and(|c| !c.is_whitespace() && !";&|()<>".contains(c));
        let file = is_word.then(|| self.word()).flatten()?;
        if operator.starts_with("<<") && !operator.starts_with("<<<") {
            self.heredocs.push((file.text, operator.starts_with("<<-")));
            return None;
        }
        // `>&2` goes to another descriptor.
        let written = operator.contains('>') && !operator.ends_with('&') && !aside;
        written.then(|| Token::To { file, append: operator.contains(">>") })
    }

    /// Steps over the here-documents that begin here.
    fn documents(&mut self) {
        for (end, tabs) in std::mem::take(&mut self.heredocs) {
            let start = self.at;
            let mut behind = start;
            while !self.rest().is_empty() {
                let length = self.rest().find('\n').map_or(self.rest().len(), |n| n + 1);
                let line = self.rest()[..length].trim_end_matches(['\n', '\r']);
                let line = if tabs { line.trim_start_matches('\t') } else { line };
                let done = line == end;
                self.at += length;
                if done {
                    break;
                }
                behind = self.at;
            }
            self.ahead.insert(1, Token::Document(self.inner.range(start..behind)));
        }
    }

    /// The list that a word begins, up to its bracket.
    fn list(&mut self, word: &Word) -> Option<Token> {
        let name = word.text.strip_suffix('=').filter(|_| self.peek() == Some('('))?;
        let append = name.ends_with('+');
        let name = name.strip_suffix('+').unwrap_or(name).to_string();
        if !is_name(&name) {
            return None;
        }
        self.at += 1;
        let mut words = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ')' => {
                    self.at += 1;
                    break;
                }
                '#' => self.at += self.rest().find('\n').unwrap_or(self.rest().len()),
                c if c.is_whitespace() => self.at += c.len_utf8(),
                // No list of plain words.
                c if ";&|(<>".contains(c) => self.at += 1,
                '\\' if self.rest()[1..].starts_with(['\n', '\r']) => self.at += 1,
                _ => words.extend(self.word()),
            }
        }
        Some(Token::List { name, append, words })
    }

    /// One word; None when it was only the number of a redirection.
    fn word(&mut self) -> Option<Word> {
        let start = self.at;
        let (said, dynamic) = self.say();
        let number = !said.text.is_empty() && said.text.bytes().all(|b| b.is_ascii_digit());
        if number && self.peek().is_some_and(|c| c == '<' || c == '>') {
            self.aside = said.text != "1";
            return None;
        }
        let range = self.inner.range(start..self.at);
        Some(Word { text: said.text, range, dynamic, dress: Dress::Shell(self.inner.coat) })
    }

    /// Steps over a word: what it says, and whether the shell expands something in it.
    fn say(&mut self) -> (Said, bool) {
        let mut said = Said::default();
        let mut dynamic = false;
        while let Some(c) = self.peek() {
            match c {
                '\'' => self.single(&mut said),
                '"' => self.double(&mut said, &mut dynamic),
                '\\' => self.escaped(&mut said),
                '$' | '`' => {
                    dynamic = true;
                    let range = self.expansion();
                    said.all(self.text, range);
                }
                c if c.is_whitespace() || ";&|()<>".contains(c) => break,
                c => self.take(&mut said, c),
            }
        }
        (said, dynamic)
    }

    fn take(&mut self, said: &mut Said, c: char) {
        let start = self.at;
        self.at += c.len_utf8();
        said.one(c, start..self.at);
    }

    fn single(&mut self, said: &mut Said) {
        let start = self.at + 1;
        let end = start + self.text[start..].find('\'').unwrap_or(self.text.len() - start);
        said.all(self.text, start..end);
        self.at = (end + 1).min(self.text.len());
    }

    fn double(&mut self, said: &mut Said, dynamic: &mut bool) {
        self.at += 1;
        while let Some(c) = self.peek() {
            match c {
                '"' => {
                    self.at += 1;
                    return;
                }
                '\\' => {
                    let next = self.rest()[1..].chars().next();
                    match next {
                        Some('\n') => {}
                        Some(c @ ('"' | '\\' | '$' | '`')) => said.one(c, self.at..self.at + 2),
                        Some(_) | None => said.one('\\', self.at..self.at + 1),
                    }
                    self.at += 1;
                    match next {
                        Some(c @ ('\n' | '"' | '\\' | '$' | '`')) => self.at += c.len_utf8(),
                        Some(c) => self.take(said, c),
                        None => {}
                    }
                }
                '$' | '`' => {
                    *dynamic = true;
                    let range = self.expansion();
                    said.all(self.text, range);
                }
                c => self.take(said, c),
            }
        }
    }

    fn escaped(&mut self, said: &mut Said) {
        let next = self.rest()[1..].chars().next();
        let end = self.at + 1 + next.map_or(0, char::len_utf8);
        if let Some(c) = next.filter(|c| *c != '\n') {
            said.one(c, self.at..end);
        }
        self.at = end;
    }

    /// `$NAME`, `${…}`, `$(…)`, `` `…` ``: left as they are.
    fn expansion(&mut self) -> Range<usize> {
        let start = self.at;
        let rest = self.rest();
        let length = match rest.as_bytes() {
            [b'`', ..] => rest[1..].find('`').map_or(rest.len(), |n| n + 2),
            [b'$', b'{', ..] => balanced(rest, '{', '}'),
            [b'$', b'(', ..] => balanced(rest, '(', ')'),
            _ => {
                let name = rest[1..].find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
                let length = 1 + name.unwrap_or(rest.len() - 1);
                // `$@`, `$1`, `$$`: one character.
                let special = rest[1..].chars().next().filter(|c| "@*#?$!-".contains(*c));
                if length == 1 { 1 + special.map_or(0, char::len_utf8) } else { length }
            }
        };
        self.at += length;
        start..self.at
    }
}

/// Length of `$(…)` or `${…}` with all that it nests.
fn balanced(text: &str, open: char, close: char) -> usize {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return at + c.len_utf8();
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Vec<Vec<String>> {
        statements(&Inner::verbatim(text, 0..text.len())).iter().map(Statement::argv).collect()
    }

    #[test]
    fn a_start_script_is_read_as_the_shell_does() {
        let text = "#!/bin/sh\nset -e # stop\nmkdir -p /run/php\nphp-fpm8.2 --nodaemonize &\n\
                    exec nginx -g 'daemon off;' > /dev/null 2>&1\n";
        let expected: [&[&str]; 4] = [
            &["set", "-e"],
            &["mkdir", "-p", "/run/php"],
            &["php-fpm8.2", "--nodaemonize"],
            &["exec", "nginx", "-g", "daemon off;"],
        ];
        assert_eq!(read(text), expected);
    }

    #[test]
    fn quotes_continuations_and_here_documents() {
        let text = "cat <<EOF > x\ngunicorn --no\nEOF\nA=1 B=\"x y\" gunicorn \\\n  -w ${N:-4} \\\n  \"a b\":c -b 0:$PORT && echo \"$(nproc) (x)\"";
        let found = statements(&Inner::verbatim(text, 0..text.len()));
        let argv: Vec<_> = found.iter().map(Statement::argv).collect();
        assert_eq!(argv[0], ["cat"]);
        assert_eq!(argv[1], ["gunicorn", "-w", "${N:-4}", "a b:c", "-b", "0:$PORT"]);
        assert_eq!(argv[2], ["echo", "$(nproc) (x)"]);
        assert_eq!(found[1].assignments[1].1.text, "x y");
        assert!(found[1].words[2].dynamic && !found[1].words[3].dynamic);
    }

    #[test]
    fn lists_of_words() {
        let text = "args=(-w \"$N\" # workers\n  app:app)\nargs+=(--x=')') ; x=1 (y)";
        let mut told = Vec::new();
        for token in tokens(&Inner::verbatim(text, 0..text.len())) {
            match token {
                Token::List { name, append, words } => {
                    let words: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
                    told.push(format!("{name} {append} {}", words.join(" ")));
                }
                Token::Word(word) => told.push(word.text),
                _ => {}
            }
        }
        assert_eq!(told, ["args false -w $N app:app", "args true --x=)", "x=1", "y"]);
        let argv: Vec<_> = read(text).into_iter().filter(|argv| !argv.is_empty()).collect();
        assert_eq!(argv, [["y"]]);
    }

    #[test]
    fn where_output_goes() {
        let text = "a > /x 2>/dev/null 2>&1; b 1>> '/y z' >&2\ncat <<-E <<F >| /q &> /r\n\tone\n\tE\ntwo\nF\nc < /in";
        let mut told = Vec::new();
        for token in tokens(&Inner::verbatim(text, 0..text.len())) {
            match token {
                Token::To { file, append } => told.push(format!("{append} {}", file.text)),
                Token::Document(range) => told.push(text[range].into()),
                _ => {}
            }
        }
        let expected = ["false /x", "true /y z", "false /q", "false /r", "\tone\n", "two\n"];
        assert_eq!(told, expected);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[ a-z'\"$(){}`\\\\;&|<>\n#=ü0-9]{0,60}") {
            for statement in statements(&Inner::verbatim(&text, 0..text.len())) {
                for word in statement.words {
                    prop_assert!(text.get(word.range).is_some());
                }
            }
        }

        #[test]
        fn what_is_quoted_is_read_back(words in proptest::collection::vec("[ -~ü]{1,8}", 1..5)) {
            let text: Vec<String> = words.iter().map(|w| super::super::word::quote(w)).collect();
            let text = format!("prog {}", text.join(" "));
            prop_assert_eq!(&read(&text)[0][1..], &words[..]);
        }
    }
}
