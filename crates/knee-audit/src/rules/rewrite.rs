//! Edits that fixes are made of: a value in place of another, a word left out, words added, a line
//! below another. Where the notation is not a plain one no edit is made, and the finding stands
//! without a fix.

use crate::Subject;
use crate::finding::{Finding, Safety};
use crate::picture::{Datum, Found, Place};

/// A setting's value where it is written; None where it is computed or comes of a variable.
pub fn value(subject: &Subject, setting: &Found<Datum>) -> Option<Place> {
    if setting.unless.is_some() || matches!(setting.get()?, Datum::Cpus(_)) {
        return None;
    }
    let place = setting.place()?;
    let text = subject.picture.files.text(place);
    // `--workers=4`, `KEY=4` and `key: 4` end with the value.
    let start = text.rfind(['=', ':']).map_or(0, |at| at + 1);
    // Of several options at one place the last one need not be this one.
    if text.split_whitespace().filter(|word| word.contains('=')).count() > 1 {
        return None;
    }
    let quoted = text[start..].trim_start();
    let inner = quoted.trim_start_matches(['"', '\'']);
    let value = inner.trim_end().trim_end_matches(['"', '\'']);
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if value.is_empty() || !value.chars().all(plain) {
        return None;
    }
    // Of several values at one place (`NODE_OPTIONS`) it has to be this one.
    let same = |n: f64, said: f64| [1.0, 1024.0, 1_048_576.0].iter().any(|unit| said * unit == n);
    match (setting.get()?, value.parse::<f64>()) {
        (Datum::Number(n), Ok(said)) if !same(*n, said) => return None,
        _ => {}
    }
    let from = place.span.start + text.len() - inner.len();
    Some(Place::new(place.file, from..from + value.len()))
}

impl Finding {
    /// A fix that gives a setting another value where it stands.
    pub fn set(
        self,
        subject: &Subject,
        setting: Option<&Found<Datum>>,
        to: impl Into<String>,
        safety: Safety,
    ) -> Finding {
        match setting.and_then(|setting| value(subject, setting)) {
            Some(place) => self.fix(&place, to, safety),
            None => self,
        }
    }

    /// A fix that leaves an option out of a command, or turns a setting of a file off.
    pub fn leave_out(self, subject: &Subject, setting: &Found<Datum>) -> Finding {
        let Some(place) = setting.place().filter(|_| setting.unless.is_none()) else { return self };
        match subject.picture.files.text(place).trim_matches('"') {
            word if word.starts_with("--") => match word_with_gap(subject, place) {
                Some(place) => self.fix(&place, "", Safety::Safe),
                None => self,
            },
            "True" => self.fix(place, "False", Safety::Safe),
            _ => self,
        }
    }

    /// A fix that states another setting beside one that is written: `flag` behind the words of a
    /// command, or `key` on a line below in a file of Python's.
    pub fn state_beside(
        self,
        subject: &Subject,
        setting: &Found<Datum>,
        (flag, key): (&str, &str),
        to: &str,
        safety: Safety,
    ) -> Finding {
        let Some(place) = setting.place().filter(|_| value(subject, setting).is_some()) else {
            return self;
        };
        let file = subject.picture.files.get(place.file);
        let (before, line) = line_of(&file.text, place);
        if file.path.ends_with(".py") {
            // A statement of its own: the name stands at the line's beginning, nothing goes on.
            let name = line.split(['=', ' ']).next().unwrap_or_default();
            let alone = !line.starts_with([' ', '\t']) && !line.contains(['(', '\\', ';']);
            let Some((prefix, _)) = line.split_once('=').filter(|_| alone && !name.is_empty())
            else {
                return self;
            };
            let prefix = prefix.trim_end().rsplit_once('.').map_or("", |(object, _)| object);
            let dot = if prefix.is_empty() { "" } else { "." };
            let end = before + line.len();
            let at = Place::new(place.file, end..end);
            return self.fix(&at, format!("\n{prefix}{dot}{key} = {to}"), safety);
        }
        let ends = |name: &str| file.path.rsplit('/').next().is_some_and(|own| own.contains(name));
        if flag.is_empty() || !(ends("Dockerfile") || ends(".sh") || ends(".json")) {
            return self;
        }
        match quoted(&file.text, place) {
            Some(place) => {
                let at = Place::new(place.file, place.span.end..place.span.end);
                self.fix(&at, format!(", \"{flag}\", \"{to}\""), safety)
            }
            None if line.contains('"') => self,
            None => {
                let at = Place::new(place.file, place.span.end..place.span.end);
                self.fix(&at, format!(" {flag} {to}"), safety)
            }
        }
    }
}

/// Words of a name that begins with a capital: `StopTimeout` for `stopTimeout`.
fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |c| c.to_ascii_uppercase().to_string() + chars.as_str())
}

/// `stop_timeout` for `stopTimeout`.
fn snake(name: &str) -> String {
    let small = |c: char| match c.is_ascii_uppercase() {
        true => format!("_{}", c.to_ascii_lowercase()),
        false => c.to_string(),
    };
    name.chars().map(small).collect()
}

/// Whether keys of an object of Terraform's have `_` between their words.
fn is_snake(object: &str) -> bool {
    let key = |at: usize| {
        let before = object[..at].trim_end();
        before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).next().unwrap_or_default()
    };
    object.match_indices('=').any(|(at, _)| key(at).contains('_'))
}

impl Finding {
    /// A fix that puts a line of its own below the one that a place begins in, in a file of that kind.
    pub fn below(
        self,
        subject: &Subject,
        place: &Place,
        ends: &[&str],
        line: &str,
        safety: Safety,
    ) -> Finding {
        let file = subject.picture.files.get(place.file);
        let (start, own) = line_of(&file.text, place);
        let whole = ends.iter().any(|end| file.path.ends_with(end)) && !own.ends_with('\\');
        if !whole {
            return self;
        }
        let indent: String = own.chars().take_while(|c| matches!(c, ' ' | '\t')).collect();
        let end = start + own.len();
        self.fix(&Place::new(place.file, end..end), format!("\n{indent}{line}"), safety)
    }

    /// A fix that gives a container's definition another key, before its first one and as that is written: JSON,
    /// an object of Terraform's, or a map of YAML's.
    pub fn member(
        self,
        subject: &Subject,
        object: &Place,
        name: &str,
        value: &str,
        safety: Safety,
    ) -> Finding {
        let file = subject.picture.files.get(object.file);
        let text = subject.picture.files.text(object);
        let yaml = [".yml", ".yaml", ".template"].iter().any(|end| file.path.ends_with(end));
        let (opening, inner) = match text.strip_prefix('{') {
            Some(inner) => (1, inner),
            None if yaml => (0, text),
            None => return self,
        };
        let first = inner.trim_start();
        let gap = &inner[..inner.len() - first.len()];
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let key: String = first.trim_start_matches('"').chars().take_while(|c| plain(*c)).collect();
        let behind =
            first.trim_start_matches('"')[key.len()..].trim_start_matches('"').trim_start();
        if key.is_empty() || gap.contains('#') || !behind.starts_with([':', '=']) {
            return self;
        }
        let name = if key.starts_with(|c: char| c.is_ascii_uppercase()) {
            capital(name)
        } else if behind.starts_with('=') && is_snake(inner) {
            snake(name)
        } else {
            name.to_string()
        };
        let at = object.span.start + opening + gap.len();
        let lines = gap.contains('\n');
        let member = match (opening, first.starts_with('"')) {
            // A map that is indented, its first key wherever the line begins.
            (0, _) => {
                let (start, _) = line_of(&file.text, &Place::new(object.file, at..at));
                let column = file.text[start..at].chars().count();
                format!("{name}: {value}\n{}", " ".repeat(column))
            }
            (_, true) => format!("\"{name}\": {value},{}", if lines { gap } else { " " }),
            (_, false) if behind.starts_with('=') && lines => format!("{name} = {value}{gap}"),
            (_, false) if behind.starts_with('=') => format!("{name} = {value}, "),
            (_, false) => format!("{name}: {value},{}", if lines { gap } else { " " }),
        };
        self.fix(&Place::new(object.file, at..at), member, safety)
    }
}

/// Where the line of a place begins, and its text without the end of the line.
fn line_of<'t>(text: &'t str, place: &Place) -> (usize, &'t str) {
    let start = text[..place.span.start].rfind('\n').map_or(0, |at| at + 1);
    let line = text[start..].split(['\n', '\r']).next().unwrap_or_default();
    (start, line)
}

/// A word of a list in double quotes, the quotes included.
fn quoted(text: &str, place: &Place) -> Option<Place> {
    let span = &place.span;
    if text[span.clone()].starts_with('"') && text[span.clone()].ends_with('"') {
        return Some(place.clone());
    }
    let around = text[..span.start].ends_with('"') && text[span.end..].starts_with('"');
    around.then(|| Place::new(place.file, span.start - 1..span.end + 1))
}

/// A word with what separates it from its neighbours.
fn word_with_gap(subject: &Subject, place: &Place) -> Option<Place> {
    let text = &*subject.picture.files.get(place.file).text;
    let (_, line) = line_of(text, place);
    let blank = |c: char| c == ' ' || c == '\t';
    if let Some(place) = quoted(text, place) {
        let before = text[..place.span.start].trim_end_matches(blank);
        let before = before.strip_suffix(',')?;
        return Some(Place::new(place.file, before.len()..place.span.end));
    }
    let before = text[..place.span.start].trim_end_matches(blank);
    let gap = before.len()..place.span.end;
    let item = line.trim_start().starts_with("- ");
    (gap.start < place.span.start && !before.ends_with('\n') && !item && !line.contains('"'))
        .then(|| Place::new(place.file, gap))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{File, FileId, Files, Picture};

    fn subject(path: &str, text: &str) -> Subject {
        let files =
            Files { read: vec![File { path: path.into(), text: text.into() }], ..Files::default() };
        Subject { picture: Picture { files, ..Picture::default() }, ..Subject::default() }
    }

    fn found(text: &str, word: &str) -> Found<Datum> {
        let at = text.find(word).unwrap();
        Found::at(Datum::Number(1000.0), Place::new(FileId(0), at..at + word.len()))
    }

    fn mended(path: &str, text: &str, make: impl Fn(&Subject, Finding) -> Finding) -> String {
        let subject = subject(path, text);
        let place = Place::new(FileId(0), 0..0);
        let finding = make(&subject, Finding::new("a-b", "web", &place, "m"));
        let fixed = crate::fix::fixes(&subject, &[finding], true);
        fixed.first().map_or(text.to_string(), |fixed| fixed.after.clone())
    }

    #[test]
    fn a_value_in_any_plain_notation() {
        for (text, word, becomes) in [
            ("CMD [\"a\", \"--keep=5\"]", "--keep=5", "CMD [\"a\", \"--keep=75\"]"),
            ("keep = '5' # x", "'5'", "keep = '75' # x"),
            ("{\"value\": \"5\"}", "\"5\"", "{\"value\": \"75\"}"),
            ("keep = ${N:-5}", "${N:-5}", "keep = ${N:-5}"),
            (
                "OPTIONS=\"--keep=5 --other=5\"",
                "\"--keep=5 --other=5\"",
                "OPTIONS=\"--keep=5 --other=5\"",
            ),
            ("OPTIONS=\"--keep 3\"", "\"--keep 3\"", "OPTIONS=\"--keep 3\""),
            ("OPTIONS=\"--other=3\"", "\"--other=3\"", "OPTIONS=\"--other=3\""),
        ] {
            let set =
                Found { value: crate::picture::Known::Is(Datum::Number(5.0)), ..found(text, word) };
            let after = mended("a", text, |s, f| f.set(s, Some(&set), "75", Safety::Safe));
            assert_eq!(after, becomes);
        }
    }

    #[test]
    fn a_word_is_left_out_of_a_list_and_of_a_line() {
        for (text, becomes) in [
            ("CMD [\"a\", \"--reload\", \"b\"]", "CMD [\"a\", \"b\"]"),
            ("CMD a --reload b", "CMD a b"),
            ("args:\n  - --reload\n", "args:\n  - --reload\n"),
        ] {
            let set = found(text, "--reload");
            assert_eq!(mended("Dockerfile", text, |s, f| f.leave_out(s, &set)), becomes);
        }
    }

    #[test]
    fn a_line_below_another() {
        let text = "[program:web]\ncommand=a\n";
        let place = Place::new(FileId(0), 0..13);
        let below = |path: &str| {
            mended(path, text, |s, f| {
                f.below(s, &place, &[".conf"], "stopsignal=QUIT", Safety::Safe)
            })
        };
        assert_eq!(below("s.conf"), "[program:web]\nstopsignal=QUIT\ncommand=a\n");
        assert_eq!(below("Dockerfile"), text);
    }

    #[test]
    fn another_key_of_an_object() {
        for (path, text, becomes) in [
            ("t.json", "{ \"name\": 1 }", "{ \"stopTimeout\": 120, \"name\": 1 }"),
            ("t.json", "{\n  \"name\": 1\n}", "{\n  \"stopTimeout\": 120,\n  \"name\": 1\n}"),
            ("a.tf", "{\n  name = 1\n}", "{\n  stopTimeout = 120\n  name = 1\n}"),
            ("a.tf", "{ name = 1 }", "{ stopTimeout = 120, name = 1 }"),
            (
                "a.tf",
                "{\n  name = 1\n  port_mappings = []\n}",
                "{\n  stop_timeout = 120\n  name = 1\n  port_mappings = []\n}",
            ),
            (
                "a.yml",
                "  - Name: 1\n    Image: 2\n",
                "  - StopTimeout: 120\n    Name: 1\n    Image: 2\n",
            ),
            ("a.tf", "module \"x\" {}", "module \"x\" {}"),
        ] {
            let start = text.find(['{', 'N']).filter(|_| !text.starts_with('m')).unwrap_or(0);
            let place = Place::new(FileId(0), start..text.len());
            let after =
                mended(path, text, |s, f| f.member(s, &place, "stopTimeout", "120", Safety::Safe));
            assert_eq!(after, becomes);
        }
    }

    #[test]
    fn a_setting_beside_another() {
        for (path, text, becomes) in [
            ("Dockerfile", "CMD a --max 1000", "CMD a --max 1000 --jitter 9"),
            (
                "Dockerfile",
                "CMD [\"a\", \"--max=1000\"]",
                "CMD [\"a\", \"--max=1000\", \"--jitter\", \"9\"]",
            ),
            ("g.py", "max = 1000  # a\nb = 1\n", "max = 1000  # a\njitter = 9\nb = 1\n"),
            ("t.py", "app.conf.max = 1000\n", "app.conf.max = 1000\napp.conf.jitter = 9\n"),
            ("t.py", "f(max=1000)\n", "f(max=1000)\n"),
            ("compose.yml", "command: a --max 1000", "command: a --max 1000"),
        ] {
            let word = if text.contains("--max=") { "--max=1000" } else { "1000" };
            let set = found(text, word);
            let names = ("--jitter", "jitter");
            let after =
                mended(path, text, |s, f| f.state_beside(s, &set, names, "9", Safety::Safe));
            assert_eq!(after, becomes, "{path}");
        }
    }
}
