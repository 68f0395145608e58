//! nginx's configuration: directives and the blocks that they open. Variables are not expanded
//! and includes not followed: the caller reads those files and says where they are included.
//!
//! Source: `ngx_conf_read_token` in `src/core/ngx_conf_file.c` of nginx; Lua blocks as in
//! <https://github.com/openresty/lua-nginx-module>.

mod edit;
mod lua;

use super::word::{Coat, Dress, Word};
use super::{Entry, FormatError};
use crate::text::Position;
use std::ops::Range;

/// Deeper blocks than this are refused; a real configuration has no more than a handful.
const DEEPEST: usize = 64;

/// A file that was understood.
#[derive(Clone, Debug)]
pub struct Nginx<'a> {
    text: &'a str,
    /// In the order of the file; a block stands before what it holds.
    directives: Vec<Directive>,
    /// What the file's own top level is: `main`, or the block that includes it.
    top: String,
}

/// One directive, perhaps with a block.
#[derive(Clone, Debug)]
pub struct Directive {
    pub name: String,
    pub args: Vec<Word>,
    /// 1-based line.
    pub line: u32,
    /// The block that it stands in, as an index; None at top level.
    within: Option<usize>,
    /// From the name to behind `;`, or behind the block's `}`.
    range: Range<usize>,
    /// Between the block's braces.
    block: Option<Range<usize>>,
}

impl<'a> Nginx<'a> {
    /// Reads the text of a file whose top level is `top`: `main` for nginx.conf itself.
    pub fn parse(text: &'a str, top: &str) -> Result<Self, FormatError> {
        let directives = Reader { text, at: 0, directives: Vec::new(), open: Vec::new() }.read()?;
        Ok(Nginx { text, directives, top: top.into() })
    }

    /// The directives of that name that stand directly in a block of the name `context`.
    pub fn all<'s>(
        &'s self,
        context: &'s str,
        name: &'s str,
    ) -> impl Iterator<Item = &'s Directive> {
        self.anywhere(name).filter(move |d| self.context(d) == context)
    }

    /// The directives of that name, wherever they stand.
    pub fn anywhere<'s>(&'s self, name: &'s str) -> impl Iterator<Item = &'s Directive> {
        self.directives.iter().filter(move |d| d.name == name)
    }

    /// The name of the block that the directive stands in.
    pub fn context(&self, directive: &Directive) -> &str {
        directive.within.map_or(&self.top, |block| &self.directives[block].name)
    }

    /// The first argument of the first such directive.
    pub fn find(&self, context: &str, name: &str) -> Option<Entry> {
        let first = self.all(context, name).find_map(|d| d.args.first())?;
        Some(Entry::of(self.text, first.clone()))
    }

    /// Patterns of the files that are included, each with the block that includes them.
    pub fn includes(&self) -> impl Iterator<Item = (&str, &Word)> {
        self.anywhere("include").filter_map(|d| Some((self.context(d), d.args.first()?)))
    }
}

/// Length of the byte-order mark.
fn mark(text: &str) -> usize {
    if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 }
}

/// An argument as nginx reads it back.
pub(super) fn literal(value: &str) -> String {
    let harmless = |c: char| !c.is_whitespace() && !";{}\"'\\#".contains(c);
    if !value.is_empty() && value.chars().all(harmless) {
        return value.into();
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    directives: Vec<Directive>,
    /// The blocks that are open here, outermost first.
    open: Vec<usize>,
}

impl Reader<'_> {
    fn read(mut self) -> Result<Vec<Directive>, FormatError> {
        self.at = mark(self.text);
        let mut words: Vec<Word> = Vec::new();
        loop {
            self.skip();
            let Some(c) = self.peek() else { break };
            let start = self.at;
            match c {
                ';' | '{' if words.is_empty() => {
                    return Err(
                        self.error(start, format!("a directive's name is missing before `{c}`"))
                    );
                }
                ';' | '{' => {
                    self.at += 1;
                    self.directive(std::mem::take(&mut words), c == '{')?;
                }
                '}' if words.is_empty() => {
                    self.at += 1;
                    self.close(start)?;
                }
                '}' => return Err(self.unfinished(&words)),
                _ => words.push(self.word()?),
            }
        }
        match self.open.last() {
            _ if !words.is_empty() => Err(self.unfinished(&words)),
            Some(block) => {
                let open = &self.directives[*block];
                Err(self
                    .error(open.range.start, format!("the block `{}` is never closed", open.name)))
            }
            None => Ok(self.directives),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    /// Steps over white space and comments.
    fn skip(&mut self) {
        while let Some(c) = self.peek() {
            if c == '#' {
                self.at += self.text[self.at..].find('\n').unwrap_or(self.text.len() - self.at);
            } else if matches!(c, ' ' | '\t' | '\r' | '\n') {
                self.at += 1;
            } else {
                return;
            }
        }
    }

    fn directive(&mut self, mut words: Vec<Word>, opens: bool) -> Result<(), FormatError> {
        let name = words.remove(0);
        let mut directive = Directive {
            line: name.line(self.text),
            range: name.range.start..self.at,
            name: name.text,
            args: words,
            within: self.open.last().copied(),
            block: opens.then_some(self.at..self.at),
        };
        if opens && directive.name.ends_with("_by_lua_block") {
            let length = lua::block(&self.text[self.at..]);
            let length = length.ok_or_else(|| {
                self.error(
                    directive.range.start,
                    format!("the block `{}` is never closed", directive.name),
                )
            })?;
            directive.block = Some(self.at..self.at + length);
            self.at += length + 1;
            directive.range.end = self.at;
        } else if opens {
            if self.open.len() == DEEPEST {
                return Err(self.error(
                    directive.range.start,
                    format!("blocks stand more than {DEEPEST} deep"),
                ));
            }
            self.open.push(self.directives.len());
        }
        self.directives.push(directive);
        Ok(())
    }

    fn close(&mut self, brace: usize) -> Result<(), FormatError> {
        let Some(block) = self.open.pop() else {
            return Err(self.error(brace, "this `}` closes nothing".into()));
        };
        let block = &mut self.directives[block];
        block.range.end = self.at;
        block.block = block.block.take().map(|inside| inside.start..brace);
        Ok(())
    }

    fn word(&mut self) -> Result<Word, FormatError> {
        let start = self.at;
        let quote = self.peek().filter(|c| matches!(c, '"' | '\''));
        self.at += usize::from(quote.is_some());
        let mut text = String::new();
        let mut before = ' ';
        loop {
            let Some(c) = self.peek() else {
                match quote {
                    Some(_) => return Err(self.error(start, "this quote is never closed".into())),
                    None => break,
                }
            };
            match quote {
                Some(quote) if c == quote => {
                    self.at += 1;
                    break;
                }
                None if matches!(c, ' ' | '\t' | '\r' | '\n' | ';')
                    || (c == '{' && before != '$') =>
                {
                    break;
                }
                _ if c == '\\' => self.escaped(&mut text),
                _ => {
                    text.push(c);
                    self.at += c.len_utf8();
                }
            }
            before = c;
        }
        let behind = self.peek().is_none_or(|c| " \t\r\n;{)".contains(c));
        if quote.is_some() && !behind {
            return Err(
                self.error(self.at, "white space or `;` is missing behind this quote".into())
            );
        }
        Ok(Word { text, range: start..self.at, dynamic: false, dress: Dress::Item(Coat::Nginx) })
    }

    /// A backslash and what it protects; before any other character it stays.
    fn escaped(&mut self, text: &mut String) {
        self.at += 1;
        let Some(c) = self.peek() else { return text.push('\\') };
        self.at += c.len_utf8();
        match c {
            '"' | '\'' | '\\' => text.push(c),
            't' => text.push('\t'),
            'r' => text.push('\r'),
            'n' => text.push('\n'),
            c => text.extend(['\\', c]),
        }
    }

    fn unfinished(&self, words: &[Word]) -> FormatError {
        self.error(words[0].range.start, format!("`{}` does not end with `;`", words[0].text))
    }

    fn error(&self, offset: usize, problem: String) -> FormatError {
        FormatError { at: Position::of(self.text, offset), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::apply_all;
    use proptest::prelude::*;

    const CONF: &str = r#"user www-data; # who
worker_processes auto;
events { worker_connections 768; }
http {
    include mime.types;
    map $uri $new {
        "~^/a{2};$" /b;
        default    "${uri}\"x";
    }
    content_by_lua_block {
        local t = { "}", [[ } ]] } -- }
    }
    upstream app {
        server 127.0.0.1:9000; # one
    }
    server {
        listen 80;
        location ~ \.php$ { fastcgi_pass unix:/run/x.sock; }
        include ${CONF}/extra.conf;
    }
}
"#;

    #[test]
    fn directives_by_context() {
        let file = Nginx::parse(CONF, "main").unwrap();
        let value = |context, name| file.find(context, name).map(|e| (e.value, e.line));
        assert_eq!(value("main", "worker_processes"), Some(("auto".into(), 2)));
        assert_eq!(value("events", "worker_connections"), Some(("768".into(), 3)));
        assert_eq!(value("map", "~^/a{2};$"), Some(("/b".into(), 7)));
        assert_eq!(value("map", "default"), Some(("${uri}\"x".into(), 8)));
        assert_eq!(value("location", "fastcgi_pass"), Some(("unix:/run/x.sock".into(), 18)));
        assert_eq!(value("http", "listen"), None);
        let includes: Vec<_> = file.includes().map(|(c, w)| (c, w.text.as_str())).collect();
        assert_eq!(includes, [("http", "mime.types"), ("server", "${CONF}/extra.conf")]);
    }

    #[test]
    fn an_edit_keeps_the_rest() {
        let file = Nginx::parse(CONF, "main").unwrap();
        let edited = |context, name, value| apply_all(CONF, file.set(context, name, value));
        assert_eq!(edited("main", "worker_processes", "4"), CONF.replace("auto;", "4;"));
        assert_eq!(
            edited("upstream", "keepalive", "32"),
            CONF.replace("# one\n", "# one\n        keepalive 32;\n")
        );
        assert_eq!(
            edited("events", "multi_accept", "on"),
            CONF.replace("768; }", "768; multi_accept on; }")
        );
        assert_eq!(
            edited("main", "worker_rlimit_nofile", "9"),
            CONF.replace("auto;\n", "auto;\nworker_rlimit_nofile 9;\n")
        );
        assert_eq!(file.set("stream", "x", "1"), []);
        for (text, after) in [
            ("events {}", "events { a 1; }"),
            ("events {\r\n}\r\n", "events {\r\n    a 1;\r\n}\r\n"),
            ("\u{feff}events { b 1; }", "\u{feff}events { b 1; a 1; }"),
        ] {
            let file = Nginx::parse(text, "main").unwrap();
            assert_eq!(apply_all(text, file.set("events", "a", "1")), after);
        }
        let file = Nginx::parse("\u{feff}server {}", "http").unwrap();
        let edited = apply_all("\u{feff}server {}", file.set("http", "sendfile", "on"));
        assert_eq!(edited, "\u{feff}sendfile on;\nserver {}");
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, error) in [
            ("a {\n b 1;\n", "1:1: the block `a` is never closed"),
            ("a 1;\n}", "2:1: this `}` closes nothing"),
            ("a {\n b 1\n}", "2:2: `b` does not end with `;`"),
            ("a \"1", "1:3: this quote is never closed"),
            ("a \"1\"2;", "1:6: white space or `;` is missing behind this quote"),
            ("a 1;;", "1:5: a directive's name is missing before `;`"),
            ("a_by_lua_block { {} ", "1:1: the block `a_by_lua_block` is never closed"),
        ] {
            assert_eq!(Nginx::parse(text, "main").unwrap_err().to_string(), error, "{text}");
        }
        let deep = Nginx::parse(&"a {".repeat(100_000), "main").unwrap_err();
        assert_eq!(deep.problem, "blocks stand more than 64 deep");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(a|b_by_lua_block|[ \\r\\n;{}\"'\\\\#$ü\\[\\]=-]){0,40}") {
            let Ok(file) = Nginx::parse(&text, "main") else { return Ok(()) };
            for directive in &file.directives {
                prop_assert!(text.get(directive.range.clone()).is_some());
                prop_assert!(directive.args.iter().all(|w| text.get(w.range.clone()).is_some()));
            }
        }

        #[test]
        fn a_value_is_read_back_and_no_other_changes(
            text in "([ab] [x1\"']{1,3};[ \n]|# }[;a]?\n|http \\{ ?\r?\n?|\\} ?|c_by_lua_block \\{ '\\}' \\}){0,10}",
            context in "main|http", name in "[abc]", value in "[ -~ü]{0,9}",
        ) {
            let Ok(file) = Nginx::parse(&text, "main") else { return Ok(()) };
            let edits = file.set(&context, &name, &value);
            if edits.is_empty() { return Ok(()) }
            let edited = apply_all(&text, edits);
            let after = Nginx::parse(&edited, "main").unwrap();
            prop_assert_eq!(after.find(&context, &name).unwrap().value, value);
            let others = |file: &Nginx| -> Vec<_> {
                let own = |d: &&Directive| d.name == name && file.context(d) == context;
                let all = file.directives.iter().filter(|d| !own(d));
                all.map(|d| (d.name.clone(), d.args.iter().map(|w| w.text.clone()).collect::<Vec<_>>())).collect()
            };
            prop_assert_eq!(others(&file), others(&after));
        }
    }
}
