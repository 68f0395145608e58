//! Caddyfile: directives with their words and the blocks behind them. Snippets, imports and
//! placeholders are left as they stand.
//!
//! Source: <https://caddyserver.com/docs/caddyfile/concepts>.

use std::ops::Range;

/// Blocks lie no deeper in each other than this.
const DEEPEST: usize = 32;

/// A directive: a line's words and the block that opens behind them. The global options are a
/// block without words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directive {
    pub words: Vec<Word>,
    pub block: Vec<Directive>,
}

/// A word, its quotes undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    pub text: String,
    /// Its bytes, quotes included.
    pub range: Range<usize>,
}

impl Directive {
    /// Its first word.
    pub fn name(&self) -> &str {
        self.words.first().map_or("", |word| &word.text)
    }

    /// Its word behind the name.
    pub fn argument(&self) -> Option<&Word> {
        self.words.get(1)
    }
}

/// The directives below `path`, each part of which is the name of a directive; an empty name is
/// the block of global options.
pub fn find<'d>(directives: &'d [Directive], path: &[&str]) -> Vec<&'d Directive> {
    let [name, rest @ ..] = path else { return Vec::new() };
    let here = directives.iter().filter(|directive| directive.name() == *name);
    if rest.is_empty() {
        return here.collect();
    }
    here.flat_map(|directive| find(&directive.block, rest)).collect()
}

/// The directives of a text. A brace too many ends nothing, one too few ends with the text.
pub fn parse(text: &str) -> Vec<Directive> {
    let mut open: Vec<Vec<Directive>> = vec![Vec::new()];
    let mut heads: Vec<Vec<Word>> = Vec::new();
    let mut line: Vec<Word> = Vec::new();
    let finish = |line: &mut Vec<Word>, open: &mut Vec<Vec<Directive>>| {
        if !line.is_empty() {
            let directive = Directive { words: std::mem::take(line), block: Vec::new() };
            open.last_mut().expect("the text itself is open").push(directive);
        }
    };
    for token in tokens(text) {
        match token {
            Token::Break => finish(&mut line, &mut open),
            Token::Word(word) if word.text == "{" && open.len() <= DEEPEST => {
                heads.push(std::mem::take(&mut line));
                open.push(Vec::new());
            }
            Token::Word(word) if word.text == "}" && !heads.is_empty() => {
                finish(&mut line, &mut open);
                close(&mut open, &mut heads);
            }
            Token::Word(word) => line.push(word),
        }
    }
    finish(&mut line, &mut open);
    while !heads.is_empty() {
        close(&mut open, &mut heads);
    }
    open.pop().unwrap_or_default()
}

fn close(open: &mut Vec<Vec<Directive>>, heads: &mut Vec<Vec<Word>>) {
    let (Some(block), Some(words)) = (open.pop(), heads.pop()) else { return };
    if let Some(around) = open.last_mut() {
        around.push(Directive { words, block });
    }
}

enum Token {
    Word(Word),
    Break,
}

fn tokens(text: &str) -> Vec<Token> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while at < bytes.len() {
        match bytes[at] {
            b'\n' => {
                found.push(Token::Break);
                at += 1;
            }
            // A line goes on behind a backslash at its end.
            b'\\' if bytes[at + 1..].starts_with(b"\n") => at += 2,
            b'#' => at = text[at..].find('\n').map_or(bytes.len(), |n| at + n),
            quote @ (b'"' | b'`') => {
                let end = string_end(bytes, at, quote);
                let closed = end > at + 1 && bytes[end - 1] == quote;
                let body = &text[at + 1..if closed { end - 1 } else { end }];
                let said = if quote == b'"' { body.replace("\\\"", "\"") } else { body.into() };
                found.push(Token::Word(Word { text: said, range: at..end }));
                at = end;
            }
            b if b.is_ascii_whitespace() => at += 1,
            _ => {
                // What separates words is ASCII's alone: a vertical tab is part of one.
                let blank = |b: &u8| b.is_ascii_whitespace();
                let end = bytes[at..].iter().position(blank).map_or(bytes.len(), |n| at + n);
                found.push(Token::Word(Word { text: text[at..end].into(), range: at..end }));
                at = end;
            }
        }
    }
    found
}

/// Behind the string that begins at `at`.
fn string_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut next = at + 1;
    while next < bytes.len() {
        match bytes[next] {
            b'\\' if quote == b'"' && bytes.get(next + 1) == Some(&b'"') => next += 1,
            b if b == quote => return next + 1,
            _ => {}
        }
        next += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &str = "\u{feff}{\n\tfrankenphp {\n\t\tnum_threads 8 # two for each\n\t\tworker {\n\t\t\tfile \"./public/in dex.php\"\n\t\t\tnum {$WORKERS:4}\n\t\t}\n\t}\n}\n\n:80 {\n\troot public/\n\tphp_server\n}\n";

    #[test]
    fn blocks_in_blocks() {
        let file = parse(FILE);
        assert_eq!(file.iter().map(Directive::name).collect::<Vec<_>>(), ["", ":80"]);
        let threads = find(&file, &["", "frankenphp", "num_threads"])[0].argument().unwrap();
        assert_eq!((&*threads.text, &FILE[threads.range.clone()]), ("8", "8"));
        let path = find(&file, &["", "frankenphp", "worker", "file"])[0].argument().unwrap();
        assert_eq!(path.text, "./public/in dex.php");
        let num = find(&file, &["", "frankenphp", "worker", "num"])[0].argument().unwrap();
        assert_eq!(num.text, "{$WORKERS:4}");
        assert_eq!(find(&file, &[":80", "root"]).len(), 1);
    }

    #[test]
    fn what_is_broken_is_read_as_far_as_it_goes() {
        assert_eq!(find(&parse("a {\n b 1\n"), &["a", "b"]).len(), 1);
        assert_eq!(parse("}\na 1").len(), 2);
        assert_eq!(parse("a \\\n b")[0].words.len(), 2);
        parse(&"a {\n".repeat(10_000));
        let odd = parse("a \u{b} \u{a0}b\u{2003}c");
        assert_eq!(odd[0].words.len(), 3, "{odd:?}");
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a-c{}\"`#\\\\ \n\u{b}\u{85}ü\u{a0}\u{feff}]{0,60}") {
            let mut todo = parse(&text);
            while let Some(directive) = todo.pop() {
                for word in &directive.words {
                    prop_assert!(text.get(word.range.clone()).is_some());
                }
                todo.extend(directive.block);
            }
        }
    }
}
