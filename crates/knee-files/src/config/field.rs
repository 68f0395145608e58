//! A key of knee.toml with its value and its place, and the typed ways to read it.

use super::Stated;
use crate::formats::FormatError;
use crate::text::{Position, line};
use std::ops::RangeInclusive;
use std::str::FromStr;
use toml_edit::{ArrayOfTables, Item, TableLike, Value};

/// A key that stands in knee.toml.
#[derive(Clone)]
pub(super) struct Field<'a> {
    text: &'a str,
    held: Held<'a>,
    /// First byte of the key.
    start: usize,
    /// Its name with those of the tables around it: `service.port`.
    pub path: String,
    pub name: String,
    /// What it takes and how that is written: to be said when it is something else.
    takes: (&'static str, &'static str),
}

#[derive(Clone, Copy)]
enum Held<'a> {
    Table(&'a dyn TableLike),
    Tables(&'a ArrayOfTables),
    Value(&'a Value),
    Nothing,
}

impl<'a> Held<'a> {
    fn of(item: &'a Item) -> Held<'a> {
        match item {
            Item::None => Held::Nothing,
            Item::Table(table) => Held::Table(table),
            Item::ArrayOfTables(tables) => Held::Tables(tables),
            Item::Value(Value::InlineTable(table)) => Held::Table(table),
            Item::Value(value) => Held::Value(value),
        }
    }
}

impl<'a> Field<'a> {
    /// The same, read as a key that takes `form`, for example `example`.
    pub fn taking(&self, form: &'static str, example: &'static str) -> Field<'a> {
        Field { takes: (form, example), ..self.clone() }
    }

    /// The whole document.
    pub fn root(text: &'a str, table: &'a dyn TableLike) -> Field<'a> {
        let (path, name) = (String::new(), String::new());
        Field { text, held: Held::Table(table), start: 0, path, name, takes: ("", "") }
    }

    /// The keys of a table.
    pub fn fields(&self) -> Result<Vec<Field<'a>>, FormatError> {
        let Held::Table(table) = self.held else {
            return Err(self.key_error(format!("`{0}` is a table; write [{0}]", self.path)));
        };
        Ok(table.iter().map(|(name, item)| self.child(table, name, item)).collect())
    }

    fn child(&self, table: &dyn TableLike, name: &str, item: &'a Item) -> Field<'a> {
        let key = table.key(name).and_then(|key| key.span());
        let dot = if self.path.is_empty() { "" } else { "." };
        Field {
            text: self.text,
            held: Held::of(item),
            start: key.map_or(self.start, |span| span.start),
            path: format!("{}{dot}{name}", self.path),
            name: name.into(),
            takes: self.takes,
        }
    }

    /// Where TOML takes names with a dot (`pm.max_children`, `p99.9`) for a table in a table: the
    /// keys that were meant.
    pub fn dotted(&self) -> Option<Vec<Field<'a>>> {
        let Held::Table(table) = self.held else { return None };
        let meant =
            |field: Field<'a>| Field { name: format!("{}.{}", self.name, field.name), ..field };
        table
            .is_dotted()
            .then(|| self.fields().unwrap_or_default().into_iter().map(meant).collect())
    }

    /// The tables of an array of tables, each with the array's name.
    pub fn tables(&self) -> Result<Vec<Field<'a>>, FormatError> {
        let element = |table: &'a dyn TableLike, span: Option<std::ops::Range<usize>>| {
            let start = span.map_or(self.start, |span| span.start);
            Field { held: Held::Table(table), start, ..self.clone() }
        };
        let tables = match self.held {
            Held::Tables(tables) => Some(tables.iter().map(|t| element(t, t.span())).collect()),
            Held::Value(Value::Array(list)) => {
                let inline = |v: &'a Value| v.as_inline_table().map(|t| element(t, t.span()));
                list.iter().map(inline).collect()
            }
            _ => None,
        };
        let problem = || format!("`{0}` may stand several times; write [[{0}]]", self.path);
        tables.ok_or_else(|| self.key_error(problem()))
    }

    pub fn is_table(&self) -> bool {
        matches!(self.held, Held::Table(_))
    }

    /// The value as TOML has it, where it is no table.
    pub fn value(&self) -> Option<&'a Value> {
        match self.held {
            Held::Value(value) => Some(value),
            _ => None,
        }
    }

    /// A text that is not empty.
    pub fn text(&self) -> Result<&'a str, FormatError> {
        let text = self.value().and_then(Value::as_str).filter(|text| !text.trim().is_empty());
        text.ok_or_else(|| self.wrong())
    }

    /// A text that says a quantity.
    pub fn quantity<T: FromStr>(&self) -> Result<T, FormatError> {
        self.text()?.parse().map_err(|_| self.wrong())
    }

    /// A whole number.
    pub fn whole(&self, range: RangeInclusive<i64>) -> Result<i64, FormatError> {
        let number = self.value().and_then(Value::as_integer).filter(|n| range.contains(n));
        number.ok_or_else(|| self.wrong())
    }

    /// A number with or without a fraction; never NaN nor infinite.
    pub fn number(&self) -> Result<f64, FormatError> {
        let value = self.value();
        let whole = value.and_then(Value::as_integer).map(|n| n as f64);
        let number = whole.or(value.and_then(Value::as_float)).filter(|n| n.is_finite());
        number.ok_or_else(|| self.wrong())
    }

    /// A share in [0, 1), also written as `"10%"`.
    pub fn share(&self) -> Result<f64, FormatError> {
        let percent = self.value().and_then(Value::as_str).and_then(|text| text.strip_suffix('%'));
        let share = match percent {
            Some(percent) => percent.trim().parse::<f64>().map_err(|_| self.wrong())? / 100.0,
            None => self.number()?,
        };
        (0.0..1.0).contains(&share).then_some(share).ok_or_else(|| self.wrong())
    }

    /// A list, each element read like a key of its own.
    pub fn list(&self) -> Result<Vec<Field<'a>>, FormatError> {
        let list = self.value().and_then(Value::as_array).ok_or_else(|| self.wrong())?;
        Ok(list.iter().map(|value| Field { held: Held::Value(value), ..self.clone() }).collect())
    }

    /// The value together with its line.
    pub fn stated<T>(&self, value: T) -> Stated<T> {
        Stated { value, line: line(self.text, self.start) }
    }

    /// The value is not what the key takes.
    pub fn wrong(&self) -> FormatError {
        let (form, example) = self.takes;
        self.error(format!("`{}` takes {form}; write {} = {example}", self.path, self.name))
    }

    /// Something is wrong with the value.
    pub fn error(&self, problem: String) -> FormatError {
        let start = self.value().and_then(Value::span).map_or(self.start, |span| span.start);
        FormatError { at: Position::of(self.text, start), problem }
    }

    /// Something is wrong with the key.
    pub fn key_error(&self, problem: String) -> FormatError {
        FormatError { at: Position::of(self.text, self.start), problem }
    }

    /// No such key; names the nearest of those that exist, or all of them.
    pub fn unknown<'k>(&self, known: impl Iterator<Item = &'k str> + Clone) -> FormatError {
        let advice = match nearest(&self.name, known.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", known.collect::<Vec<_>>().join(", ")),
        };
        self.key_error(format!("`{}` is unknown; {advice}", self.path))
    }
}

/// The known name that was probably meant.
pub(super) fn nearest<'k>(name: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let given = name.to_lowercase();
    let distance = |known: &str| {
        let known = known.to_lowercase();
        let begins = given.len().min(known.len()) >= 3
            && (known.starts_with(&given) || given.starts_with(&known));
        if begins { 1 } else { strsim::damerau_levenshtein(&given, &known) }
    };
    let near = known.map(|k| (distance(k), k)).min_by_key(|(distance, _)| *distance);
    near.filter(|(distance, _)| *distance <= (name.chars().count() / 3).max(1)).map(|(_, k)| k)
}
