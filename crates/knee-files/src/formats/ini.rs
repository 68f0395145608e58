//! INI as PHP reads it: pools of php-fpm and php.ini. Sections, `key = value`, `;` comments,
//! values in quotes, which may run over several lines. Nothing is included or interpolated.
//!
//! Source: <https://www.php.net/manual/en/function.parse-ini-file.php>; the scanner is
//! `Zend/zend_ini_scanner.l` of php-src.

use super::word::{Coat, Dress, Word};
use super::{Entry, FormatError};
use crate::text::{Edit, Position, newline};

/// A file that was understood.
#[derive(Clone, Debug)]
pub struct Ini<'a> {
    text: &'a str,
    sections: Vec<Section>,
}

/// One section; the first is what stands before any header.
#[derive(Clone, Debug)]
pub struct Section {
    pub name: Option<String>,
    /// In order; a later key wins over an earlier one.
    pub keys: Vec<(String, Entry)>,
    /// Behind the header's or the last key's line end.
    end: usize,
}

impl Section {
    /// The key's entry, the last one where it stands twice.
    pub fn find(&self, key: &str) -> Option<&Entry> {
        self.keys.iter().rev().find(|(k, _)| k == key).map(|(_, entry)| entry)
    }
}

impl<'a> Ini<'a> {
    /// Reads the text.
    pub fn parse(text: &'a str) -> Result<Self, FormatError> {
        Reader { text, at: 0 }.read()
    }

    /// Every section with a header, in order. A name may stand twice.
    pub fn sections(&self) -> impl Iterator<Item = (&str, &Section)> {
        self.sections.iter().filter_map(|s| Some((s.name.as_deref()?, s)))
    }

    /// Every key of every section, in order.
    pub fn keys(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.sections.iter().flat_map(|s| &s.keys).map(|(key, entry)| (key.as_str(), entry))
    }

    /// The key in the section of that name; in any, or in none, where `section` is None.
    pub fn find(&self, section: Option<&str>, key: &str) -> Option<&Entry> {
        self.sections.iter().rev().filter(|s| s.is(section)).find_map(|s| s.find(key))
    }

    /// Patterns of the files that are read in addition, as written.
    pub fn includes(&self) -> impl Iterator<Item = &Entry> {
        let keys = self.sections.iter().flat_map(|s| &s.keys);
        keys.filter(|(key, _)| key == "include").map(|(_, entry)| entry)
    }

    /// The edit that gives the key a value: in place, else on a line of its own behind its kin
    /// (`pm.…`), else at the end of the section, which is added where it is missing.
    pub fn set(&self, section: Option<&str>, key: &str, value: &str) -> Edit {
        if let Some(entry) = self.find(section, key) {
            return entry.set(self.text, value);
        }
        let end = newline(self.text);
        let line = format!("{key} = {}{end}", literal(value));
        let at = self.sections.iter().rev().find(|s| s.is(section));
        let at = at.map(|s| kin(s, key).map_or(s.end, |e| line_end(self.text, e.word.range.end)));
        let offset = at.unwrap_or(self.text.len());
        let gap = if offset == 0 || self.text[..offset].ends_with('\n') { "" } else { end };
        let header = match (at, section) {
            (None, Some(name)) => format!("[{name}]{end}"),
            _ => String::new(),
        };
        Edit::insert(offset, format!("{gap}{header}{line}"))
    }
}

impl Section {
    fn is(&self, section: Option<&str>) -> bool {
        section.is_none() || self.name.as_deref() == section
    }
}

/// The last key of the same family: `pm.max_children` for `pm.start_servers`, and `pm` for both.
fn kin<'s>(section: &'s Section, key: &str) -> Option<&'s Entry> {
    let family = |key: &str| key.split(['.', '[']).next().map(String::from);
    section.keys.iter().rev().find(|(k, _)| family(k) == family(key)).map(|(_, entry)| entry)
}

/// Behind the line end that follows `offset`.
fn line_end(text: &str, offset: usize) -> usize {
    text[offset..].find('\n').map_or(text.len(), |n| offset + n + 1)
}

/// A value as the scanner reads it back: bare where no character has a meaning.
pub(super) fn literal(value: &str) -> String {
    let harmless = |c: char| c.is_alphanumeric() || "-_./:*%,@+".contains(c);
    if !value.is_empty() && value.chars().all(harmless) {
        return value.into();
    }
    if !value.contains('\'') {
        return format!("'{value}'");
    }
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Ini<'a>, FormatError> {
        if self.text.starts_with('\u{feff}') {
            self.at = '\u{feff}'.len_utf8();
        }
        let mut sections = vec![Section { name: None, keys: Vec::new(), end: self.at }];
        while self.at < self.text.len() {
            let line = self.line();
            let body = line.trim_start();
            let start = self.at + line.len() - body.len();
            if body.is_empty() || body.starts_with([';', '#']) {
                self.at = line_end(self.text, self.at);
            } else if let Some(header) = body.strip_prefix('[') {
                let name = self.header(start, header)?;
                self.at = line_end(self.text, self.at);
                sections.push(Section { name: Some(name), keys: Vec::new(), end: self.at });
            } else {
                let key = self.key(start)?;
                self.at = line_end(self.text, self.at);
                let section = sections.last_mut().expect("never empty");
                section.keys.extend(key);
                section.end = self.at;
            }
        }
        Ok(Ini { text: self.text, sections })
    }

    /// What is left of the line, its end excluded.
    fn line(&self) -> &'a str {
        self.text[self.at..].split('\n').next().unwrap_or_default().trim_end_matches('\r')
    }

    fn header(&self, start: usize, rest: &str) -> Result<String, FormatError> {
        match rest.split_once(']') {
            Some((name, _)) => Ok(name.trim().into()),
            None => Err(self.error(start, "this section has no end; write `[name]`")),
        }
    }

    /// `key = value`; None where a key stands alone.
    fn key(&mut self, start: usize) -> Result<Option<(String, Entry)>, FormatError> {
        let line = self.line();
        let Some(equals) = line.find('=') else { return Ok(None) };
        let name = self.text[start..self.at + equals].trim_end().to_string();
        self.at += equals + 1;
        let word = self.value()?;
        Ok((!name.is_empty()).then(|| (name, Entry::of(self.text, word))))
    }

    /// The value at the cursor, which is left behind it.
    fn value(&mut self) -> Result<Word, FormatError> {
        let rest = self.line();
        self.at += rest.len() - rest.trim_start().len();
        let start = self.at;
        let mut value = Value::default();
        while let Some(c) = self.text[self.at..].chars().next() {
            match c {
                '\n' | ';' => break,
                '\'' | '"' => self.quoted(c, &mut value)?,
                c => {
                    value.bare(c);
                    self.at += c.len_utf8();
                }
            }
        }
        let raw = &self.text[start..self.at];
        Ok(Word {
            text: value.finish(),
            range: start..start + raw.trim_end().len(),
            dynamic: false,
            dress: Dress::Item(Coat::Ini),
        })
    }

    /// Steps over a part in quotes. In double ones a backslash protects `"`, `$` and itself.
    fn quoted(&mut self, quote: char, value: &mut Value) -> Result<(), FormatError> {
        let start = self.at;
        self.at += 1;
        while let Some(c) = self.text[self.at..].chars().next() {
            self.at += c.len_utf8();
            let next = self.text[self.at..].chars().next();
            match (c, next) {
                ('\\', Some(protected @ ('"' | '\\' | '$'))) if quote == '"' => {
                    value.quoted(protected);
                    self.at += 1;
                }
                (c, _) if c == quote => return Ok(()),
                (c, _) => value.quoted(c),
            }
        }
        Err(self.error(start, "this quote is never closed"))
    }

    fn error(&self, offset: usize, problem: &str) -> FormatError {
        FormatError { at: Position::of(self.text, offset), problem: problem.into() }
    }
}

/// A value while it is read: white space at the end belongs to it only inside quotes.
#[derive(Default)]
struct Value {
    text: String,
    kept: usize,
}

impl Value {
    fn bare(&mut self, c: char) {
        self.text.push(c);
        if !c.is_whitespace() {
            self.kept = self.text.len();
        }
    }

    fn quoted(&mut self, c: char) {
        self.text.push(c);
        self.kept = self.text.len();
    }

    fn finish(mut self) -> String {
        self.text.truncate(self.kept);
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POOL: &str = "; pool\ninclude=/etc/php/*.conf\n[global]\nerror_log = /dev/stderr\n[www]\nuser = www-data\n\
                        pm = dynamic ; how\npm.max_children = 5\n;pm.start_servers = 9\n\
                        env[PATH] = \"/bin:$PATH;x\"\nphp_admin_value[memory_limit] = '128M'\n\n; end\n[api]\npm=static\n";

    #[test]
    fn a_pool_is_read_as_php_does() {
        let ini = Ini::parse(POOL).unwrap();
        let value = |section, key: &str| ini.find(section, key).map(|e| (e.value.as_str(), e.line));
        assert_eq!(value(Some("www"), "pm"), Some(("dynamic", 7)));
        assert_eq!(value(Some("api"), "pm"), Some(("static", 15)));
        assert_eq!(value(Some("www"), "env[PATH]"), Some(("/bin:$PATH;x", 10)));
        assert_eq!(value(None, "php_admin_value[memory_limit]"), Some(("128M", 11)));
        assert_eq!(value(Some("www"), "pm.start_servers"), None);
        assert_eq!(value(Some("www"), "error_log"), None);
        let names: Vec<_> = ini.sections().map(|(name, _)| name).collect();
        assert_eq!(names, ["global", "www", "api"]);
        assert_eq!(
            ini.includes().map(|e| e.value.as_str()).collect::<Vec<_>>(),
            ["/etc/php/*.conf"]
        );
    }

    #[test]
    fn quotes_as_php_8_2_reads_them() {
        for (raw, value) in [
            (r#""x\"y\\z\'q\n""#, r#"x"y\z\'q\n"#),
            (r#"b"c;d"e ; no"#, "bc;de"),
            ("'x;y' z", "x;y z"),
            ("'x\ny'", "x\ny"),
            ("'C:\\'", "C:\\"),
            (r#""\$x ""#, "$x "),
            ("a  b # c", "a  b # c"),
            ("", ""),
        ] {
            let text = format!("k = {raw}\r\n");
            let ini = Ini::parse(&text).unwrap();
            assert_eq!(ini.find(None, "k").unwrap().value, value, "{raw}");
        }
        for (text, error) in [
            ("a = 1\n [www\n", "2:2: this section has no end; write `[name]`"),
            ("a = \"1\n", "1:5: this quote is never closed"),
        ] {
            assert_eq!(Ini::parse(text).unwrap_err().to_string(), error);
        }
    }

    #[test]
    fn an_edit_keeps_the_rest() {
        let ini = Ini::parse(POOL).unwrap();
        let edited = |section, key: &str, value: &str| ini.set(section, key, value).apply(POOL);
        assert_eq!(
            edited(Some("www"), "pm", "static"),
            POOL.replace("pm = dynamic ; how", "pm = static ; how")
        );
        assert_eq!(
            edited(Some("www"), "pm.start_servers", "2"),
            POOL.replace("= 5\n", "= 5\npm.start_servers = 2\n")
        );
        assert_eq!(
            edited(Some("www"), "listen.backlog", "511"),
            POOL.replace("'128M'\n", "'128M'\nlisten.backlog = 511\n")
        );
        assert_eq!(edited(Some("new"), "pm", "static"), format!("{POOL}[new]\npm = static\n"));
        let crlf = "\u{feff}[www]\r\npm = 1";
        let edit = Ini::parse(crlf).unwrap().set(Some("www"), "pm.max_children", "2");
        assert_eq!(edit.apply(crlf), format!("{crlf}\r\npm.max_children = 2\r\n"));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c=;#\\[\\]'\"\\\\$ \r\nü\u{feff}]{0,60}") {
            let Ok(ini) = Ini::parse(&text) else { return Ok(()) };
            for (key, entry) in ini.sections.iter().flat_map(|s| &s.keys) {
                prop_assert!(text[..entry.word.range.start].contains(key.as_str()));
            }
        }

        #[test]
        fn a_value_is_read_back_and_no_other_changes(
            text in "([abc] ?= ?[x;'\" ]{0,3}\r?\n|\\[[ab]\\]\n|; .\n){0,8}", section in "[abc]", key in "[abcd]", value in "[ -~ü]{0,9}",
        ) {
            let Ok(ini) = Ini::parse(&text) else { return Ok(()) };
            let edited = ini.set(Some(&section), &key, &value).apply(&text);
            let mut after = Ini::parse(&edited).unwrap();
            prop_assert_eq!(&after.find(Some(&section), &key).unwrap().value, &value);
            let others = |ini: &mut Ini| -> Vec<_> {
                let own = |s: &Section, k: &str| s.name.as_ref() == Some(&section) && k == key;
                let all = ini.sections.iter().flat_map(|s| s.keys.iter().map(move |(k, e)| (s, k, e)));
                all.filter(|(s, k, _)| !own(s, k)).map(|(_, k, e)| (k.clone(), e.value.clone())).collect()
            };
            prop_assert_eq!(others(&mut ini.clone()), others(&mut after));
        }
    }
}
