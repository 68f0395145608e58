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
