//! Shell scripts with their structure: which commands stand in which branch, function or loop.
//! Runs nothing.

use super::shell::{Statement, Token, take, tokens};
use super::tree::DEEPEST;
use super::word::{Inner, Word};

/// A part of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    Command(Statement),
    /// Conditions with what is done, in order; what is done otherwise.
    If(Vec<(Vec<Part>, Vec<Part>)>, Vec<Part>),
    /// What is compared, and the patterns with what is done.
    Case(Option<Word>, Vec<(Vec<String>, Vec<Part>)>),
    /// The condition, and what is done as long as it holds.
    Loop(Vec<Part>, Vec<Part>),
    /// A list of bash's with its words, and whether they are added to what it holds.
    List(String, bool, Vec<Word>),
    Function(String, Vec<Part>),
    /// In the background: `a &`.
    Background(Box<Part>),
}

/// The parts of a script, in order. What is no proper shell is read as far as it makes sense.
pub fn parse(inner: &Inner) -> Vec<Part> {
    let commands = tokens(inner)
        .filter(|token| matches!(token, Token::Word(_) | Token::End(_) | Token::List { .. }));
    let mut reader = Reader { tokens: commands.collect(), at: 0 };
    let mut parts = Vec::new();
    while reader.at < reader.tokens.len() {
        let before = reader.at;
        parts.extend(reader.list(&[], 0));
        // A word that closes nothing.
        if reader.at == before || reader.at < reader.tokens.len() {
            reader.at += 1;
        }
    }
    parts
}

/// Whether a condition holds, as far as its words are known: `value` is what one says, its variables
/// replaced. None where that decides nothing.
pub fn holds(condition: &[Part], value: &dyn Fn(&str) -> Option<String>) -> Option<bool> {
    let [Part::Command(statement)] = condition else {
        return condition.is_empty().then_some(true);
    };
    let argv = statement.argv();
    let words: Vec<&str> = argv.iter().map(String::as_str).collect();
    let (first, rest) = words.split_first()?;
    let test = match *first {
        "[" | "[[" => rest.strip_suffix(&["]"]).or_else(|| rest.strip_suffix(&["]]"]))?,
        "test" => rest,
        _ => return None,
    };
    match test {
        [a, "=" | "==", b] => Some(value(a)? == value(b)?),
        [a, "!=", b] => Some(value(a)? != value(b)?),
        ["-z", a] => Some(value(a)?.is_empty()),
        ["-n", a] => Some(!value(a)?.is_empty()),
        [a, sign, b] => {
            let number = |text| value(text)?.trim().parse::<i64>().ok();
            let (a, b) = (number(a)?, number(b)?);
            match *sign {
                "-eq" => Some(a == b),
                "-ne" => Some(a != b),
                "-gt" => Some(a > b),
                "-ge" => Some(a >= b),
                "-lt" => Some(a < b),
                "-le" => Some(a <= b),
                _ => None,
            }
        }
        _ => None,
    }
}

/// What a word says that is about a script's own arguments: `$1`, `${1:-}`, `${1#-}`, `$#`.
pub fn of_arguments(text: &str, arguments: &[&str]) -> Option<String> {
    let text = text.strip_prefix('$')?;
    let braced = text.strip_prefix('{').and_then(|t| t.strip_suffix('}'));
    let text = braced.unwrap_or(text);
    if text == "#" {
        return Some(arguments.len().to_string());
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let index: usize = text[..digits].parse().ok().filter(|index| *index > 0)?;
    let given = arguments.get(index - 1).copied().unwrap_or_default();
    let rest = &text[digits..];
    if rest.is_empty() {
        return Some(given.into());
    }
    // `$1-x` is the argument with more behind it.
    braced?;
    if rest == ":0:1" {
        return Some(given.chars().take(1).collect());
    }
    if let Some(default) = rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-')) {
        return Some(if given.is_empty() { default.into() } else { given.into() });
    }
    let beginning = rest.strip_prefix('#').filter(|start| !start.contains(['#', '*', '?', '[']));
    beginning.map(|start| given.strip_prefix(start).unwrap_or(given).into())
}

/// Whether a pattern of a `case` fits a word.
pub fn fits(pattern: &str, word: &str) -> bool {
    crate::view::matches(pattern, word)
}

/// The list whose words a word stands for: `${name[@]}`.
pub fn list(text: &str) -> Option<&str> {
    let name = text.strip_prefix("${")?.strip_suffix('}')?;
    let plain = name.strip_suffix("[@]").or_else(|| name.strip_suffix("[*]"));
    // `${name[@]+"${name[@]}"}` is the same where an empty one must not be named.
    let guarded = || name.split_once("[@]+").map(|(name, _)| name);
    plain.or_else(guarded).filter(|name| super::shell::is_name(name))
}

/// Whether a script has a trap for a signal that stops it. One for the end of the shell counts: bash
/// runs it on a signal, too.
pub fn traps_stop(text: &str) -> bool {
    let signals =
        ["TERM", "INT", "QUIT", "EXIT", "SIGTERM", "SIGINT", "SIGQUIT", "15", "2", "3", "0"];
    let starts = text.match_indices("trap ").filter(|(at, _)| {
        let line = text[..*at].rsplit('\n').next().unwrap_or_default();
        let comment = line.trim_start().starts_with('#') || line.contains(" #");
        !comment
            && line.chars().next_back().is_none_or(|c| c.is_whitespace() || ";&|{(".contains(c))
    });
    starts.into_iter().any(|(at, word)| {
        let given = text[at + word.len()..].trim_start();
        let handler = match given.chars().next() {
            Some(quote @ ('\'' | '"')) => given[1..].find(quote).map_or(given.len(), |end| end + 2),
            _ => given.find(char::is_whitespace).unwrap_or(given.len()),
        };
        let line = given.get(handler..).unwrap_or_default().lines().next().unwrap_or_default();
        line.split([' ', '\t', ';', '&']).any(|word| signals.contains(&word))
    })
}

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn word(&self) -> Option<&Word> {
        match self.tokens.get(self.at)? {
            Token::Word(word) => Some(word),
            _ => None,
        }
    }

    fn is(&self, text: &str) -> bool {
        self.word().is_some_and(|word| word.text == text)
    }

    fn end(&self) -> Option<char> {
        match self.tokens.get(self.at)? {
            Token::End(c) => Some(*c),
            _ => None,
        }
    }

    fn skip_ends(&mut self) {
        while self.end().is_some_and(|c| c != ')') {
            self.at += 1;
        }
    }

    /// Parts up to one of these words, which is left.
    fn list(&mut self, closing: &[&str], depth: usize) -> Vec<Part> {
        let mut parts = Vec::new();
        // `;;` ends a branch of a case, also on a line of its own.
        let branch_ends = |reader: &Reader| {
            closing.contains(&";;") && reader.end() == Some(';') && reader.doubled(';')
        };
        loop {
            while self.end().is_some_and(|c| c != ')') && !branch_ends(self) {
                self.at += 1;
            }
            if branch_ends(self) {
                return parts;
            }
            if self.at >= self.tokens.len() || closing.iter().any(|word| self.is(word)) {
                return parts;
            }
            // `)` ends a subshell.
            if self.end() == Some(')') {
                return parts;
            }
            let before = self.at;
            if let Some(part) = self.part(depth) {
                parts.push(part);
            }
            if self.at == before {
                self.at += 1;
            }
            if self.end() == Some('&') && !self.doubled('&') {
                if let Some(last) = parts.pop() {
                    parts.push(Part::Background(Box::new(last)));
                }
                self.at += 1;
            }
        }
    }

    fn doubled(&self, c: char) -> bool {
        matches!(self.tokens.get(self.at + 1), Some(Token::End(next)) if *next == c)
    }

    fn part(&mut self, depth: usize) -> Option<Part> {
        if depth > DEEPEST {
            self.at = self.tokens.len();
            return None;
        }
        if let Some(Token::List { name, append, words }) = self.tokens.get(self.at) {
            let list = Part::List(name.clone(), *append, words.clone());
            self.at += 1;
            return Some(list);
        }
        let word = self.word()?.text.clone();
        match word.as_str() {
            "if" => Some(self.choice(depth)),
            "case" => Some(self.case(depth)),
            "while" | "until" | "for" | "select" => {
                self.at += 1;
                let condition = self.list(&["do"], depth + 1);
                self.at += 1;
                let body = self.list(&["done"], depth + 1);
                self.at += 1;
                Some(Part::Loop(condition, body))
            }
            "{" => {
                self.at += 1;
                let body = self.list(&["}"], depth + 1);
                self.at += 1;
                Some(Part::If(vec![(Vec::new(), body)], Vec::new()))
            }
            "function" => {
                self.at += 1;
                let name = self.word().map(|w| w.text.clone()).unwrap_or_default();
                self.at += 1;
                self.function(name, depth)
            }
            _ => {
                let named = matches!(
                    (self.tokens.get(self.at + 1), self.tokens.get(self.at + 2)),
                    (Some(Token::End('(')), Some(Token::End(')')))
                );
                if named {
                    self.at += 1;
                    return self.function(word, depth);
                }
                self.command()
            }
        }
    }

    fn function(&mut self, name: String, depth: usize) -> Option<Part> {
        while self.end().is_some() {
            self.at += 1;
        }
        if !self.is("{") {
            return None;
        }
        self.at += 1;
        let body = self.list(&["}"], depth + 1);
        self.at += 1;
        Some(Part::Function(name, body))
    }

    fn choice(&mut self, depth: usize) -> Part {
        let mut branches = Vec::new();
        let mut otherwise = Vec::new();
        loop {
            self.at += 1;
            let condition = self.list(&["then"], depth + 1);
            self.at += 1;
            let body = self.list(&["elif", "else", "fi"], depth + 1);
            branches.push((condition, body));
            if self.is("elif") {
                continue;
            }
            if self.is("else") {
                self.at += 1;
                otherwise = self.list(&["fi"], depth + 1);
            }
            self.at += 1;
            return Part::If(branches, otherwise);
        }
    }

    fn case(&mut self, depth: usize) -> Part {
        self.at += 1;
        let subject = self.word().cloned();
        self.at += 1;
        self.skip_ends();
        if self.is("in") {
            self.at += 1;
        }
        let mut branches = Vec::new();
        loop {
            while self.end().is_some() {
                self.at += 1;
            }
            if self.at >= self.tokens.len() || self.is("esac") {
                self.at += 1;
                return Part::Case(subject, branches);
            }
            let mut patterns = Vec::new();
            while let Some(word) = self.word() {
                patterns.push(word.text.clone());
                self.at += 1;
                if self.end() == Some('|') {
                    self.at += 1;
                }
            }
            if self.end() == Some(')') {
                self.at += 1;
            }
            let body = self.list(&[";;", "esac"], depth + 1);
            branches.push((patterns, body));
        }
    }

    fn command(&mut self) -> Option<Part> {
        let mut statement = Statement::default();
        while let Some(Token::Word(word)) = self.tokens.get(self.at) {
            take(&mut statement, word.clone());
            self.at += 1;
        }
        let empty = statement.words.is_empty() && statement.assignments.is_empty();
        (!empty).then_some(Part::Command(statement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn traps_for_signals_that_stop() {
        for (text, traps) in [
            ("trap stop TERM INT\n", true),
            ("a &\ntrap 'kill $pid\nwait' SIGTERM\nwait", true),
            ("trap \"exit 0\" 15", true),
            ("trap finish EXIT", true),
            ("trap stop CHLD\nwait", false),
            ("echo mousetrap TERM", false),
            ("# we set no trap for TERM here\nwait # nor trap x TERM", false),
            ("trap", false),
        ] {
            assert_eq!(traps_stop(text), traps, "{text}");
        }
    }

    fn read(text: &str) -> Vec<Part> {
        parse(&Inner::verbatim(text, 0..text.len()))
    }

    fn said(part: &Part) -> String {
        let all = |parts: &[Part]| parts.iter().map(said).collect::<Vec<_>>().join("; ");
        match part {
            Part::Command(s) => {
                let set = s.assignments.iter().map(|(n, w)| format!("{n}={}", w.text));
                set.chain(s.argv()).collect::<Vec<_>>().join(" ")
            }
            Part::If(branches, other) => {
                let each = branches.iter().map(|(c, b)| format!("[{}] {{{}}}", all(c), all(b)));
                format!("if {} else {{{}}}", each.collect::<Vec<_>>().join(" "), all(other))
            }
            Part::Case(word, branches) => {
                let each = branches.iter().map(|(p, b)| format!("{} {{{}}}", p.join("|"), all(b)));
                let word = word.as_ref().map_or("", |w| &w.text);
                format!("case {word} {}", each.collect::<Vec<_>>().join(" "))
            }
            Part::List(name, _, words) => {
                format!("{name}=({})", words.iter().map(|w| &*w.text).collect::<Vec<_>>().join(" "))
            }
            Part::Loop(_, body) => format!("loop {{{}}}", all(body)),
            Part::Function(name, body) => format!("{name}() {{{}}}", all(body)),
            Part::Background(part) => format!("{} &", said(part)),
        }
    }

    #[test]
    fn branches_functions_and_cases() {
        let text = "#!/bin/sh\nset -e\nserver() {\n  MAX=${MAX:-10}\n  exec gunicorn -w4 app\n}\nif [ \"$1\" = web ]; then\n  server\nelif test x; then\n  a; b\nelse\n  exec \"$@\"\nfi\n\
                    case \"$1\" in\n  worker|w)\n    shift\n    worker\n    ;;\n  *) exec \"$@\"\nesac\nnginx &\nfor i in 1 2; do echo $i; done\na=(x \"$y\")\nwait\n";
        let found: Vec<String> = read(text).iter().map(said).collect();
        assert_eq!(
            found,
            [
                "set -e",
                "server() {MAX=${MAX:-10}; exec gunicorn -w4 app}",
                "if [[ $1 = web ]] {server} [test x] {a; b} else {exec $@}",
                "case $1 worker|w {shift; worker} * {exec $@}",
                "nginx &",
                "loop {echo $i}",
                "a=(x $y)",
                "wait",
            ]
        );
    }

    #[test]
    fn what_decides_a_branch() {
        let value = |text: &str| match text.contains('$') {
            true => of_arguments(text, &["-web", "x"]),
            false => Some(text.into()),
        };
        for (text, expected) in [
            ("[ \"$1\" = -web ]", Some(true)),
            ("[[ $2 == y ]]", Some(false)),
            ("test \"${3:-z}\" != z", Some(false)),
            ("[ -z \"$3\" ]", Some(true)),
            ("[ -n \"${1}\" ]", Some(true)),
            ("[ \"${1#-}\" != \"$1\" ]", Some(true)),
            ("[ \"${2:0:1}\" = '-' ]", Some(false)),
            ("[ \"$2-y\" = x ]", None),
            ("[ $# -gt 1 ]", Some(true)),
            ("[ \"$#\" -eq 0 ]", Some(false)),
            ("[ \"$NAME\" = x ]", None),
            ("[ -f /etc/x ]", None),
            ("[ a = ]", None),
            ("grep -q x y", None),
        ] {
            let inner = Inner::verbatim(text, 0..text.len());
            assert_eq!(holds(&parse(&inner), &value), expected, "{text}");
        }
        assert_eq!(holds(&[], &value), Some(true));
        assert!(fits("gunicorn*", "gunicorn") && !fits("web", "worker"));
        for (text, name) in [
            ("${args[@]}", Some("args")),
            ("${a[*]}", Some("a")),
            ("${a[@]+\"${a[@]}\"}", Some("a")),
            ("$a", None),
            ("${a[0]}", None),
        ] {
            assert_eq!(list(text), name, "{text}");
        }
    }

    #[test]
    fn what_is_nested_without_end_is_left() {
        read(&"if ".repeat(50_000));
        read(&"case x in y) ".repeat(50_000));
        read(&"f() { ".repeat(50_000));
    }

    proptest! {
        #[test]
        fn any_text_is_read(words in proptest::collection::vec(prop::sample::select(vec![
            "if", "then", "else", "elif", "fi", "case", "in", "esac", ";;", ")", "(", "{", "}", "f()", "do", "done", "while", "for", "&", "&&", "|", "\n", "x", "a=1", "\"", "function",
        ]), 0..40)) {
            read(&words.join(" "));
        }
    }
}
