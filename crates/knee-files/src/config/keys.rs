//! The tables of knee.toml and what a key is. The parser, its messages, `knee init` and
//! docs/knee.toml.md all follow from these lists, so that none can know a key that another does not.

use super::field::Field;
use super::{Config, Mistakes, Stated, allows, knobs, requests, tables};
use crate::formats::FormatError;

/// A key, read into a `T`.
pub(super) struct Key<T: 'static> {
    pub about: About,
    pub read: fn(&mut T, &Field<'_>) -> Result<(), FormatError>,
}

/// What is said of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About {
    pub name: &'static str,
    /// What it takes, to be read behind "takes".
    pub form: &'static str,
    /// A value as TOML.
    pub example: &'static str,
    /// What it means, and what holds without it.
    pub doc: &'static str,
}

/// A table, or an array of tables.
pub(crate) struct Table {
    pub name: &'static str,
    /// The header as it is written.
    pub header: &'static str,
    /// What it is for.
    pub doc: &'static str,
    /// What may stand in it.
    pub keys: fn() -> Vec<About>,
    pub(super) read: fn(&mut Config, &Field<'_>) -> Result<(), Mistakes>,
}

/// Every table, in the order in which one writes them.
pub(crate) static TABLES: [Table; 7] = [
    Table {
        name: "service",
        header: "[service]",
        doc: "What starts the service and where it answers.",
        keys: || abouts(&tables::SERVICE),
        read: |config, field| read(&tables::SERVICE, config, field),
    },
    Table {
        name: "task",
        header: "[task]",
        doc: "The ECS task that it runs in. Its limits hold for all containers together.",
        keys: || abouts(&tables::TASK),
        read: |config, field| read(&tables::TASK, config, field),
    },
    Table {
        name: "request",
        header: "[[request]]",
        doc: "What is sent: a table for each kind of request. One suffices.",
        keys: || abouts(&requests::REQUEST),
        read: requests::read_all,
    },
    Table {
        name: "goal",
        header: "[goal]",
        doc: "What has to be held. Without it: p99 below 250 ms, one failure in a thousand.",
        keys: || abouts(&tables::GOAL),
        read: tables::goal,
    },
    Table {
        name: "knobs",
        header: "[knobs]",
        doc: "What may move. A range (`workers = \"1..32\"`) or choices (`worker-class = \
              \"sync|gthread\"`) narrow or widen what the runtime offers, a value (`threads = 4`) \
              holds; both in every trial but that of today's settings, and `false` leaves a knob as it is today. A table of its own, \
              such as `[knobs.POOL_SIZE]`, adds a knob that knee does not know, with these keys.",
        keys: || abouts(&knobs::OWN),
        read: knobs::read_all,
    },
    Table {
        name: "tune",
        header: "[tune]",
        doc: "How far the search goes.",
        keys: || abouts(&tables::TUNE),
        read: |config, field| read(&tables::TUNE, config, field),
    },
    Table {
        name: "allow",
        header: "[[allow]]",
        doc: "What `knee audit` does not report: a table for each rule, with a reason. A comment beside \
              the place does the same.",
        keys: || abouts(&allows::ALLOW),
        read: allows::read_all,
    },
];

fn abouts<T>(keys: &[Key<T>]) -> Vec<About> {
    keys.iter().map(|key| key.about).collect()
}

/// Reads every key of a table.
pub(super) fn read<T>(keys: &[Key<T>], into: &mut T, table: &Field<'_>) -> Result<(), Mistakes> {
    let fields = table.fields()?;
    Mistakes::none(fields.iter().map(|field| Ok(read_key(keys, &field.name, into, field)?)))
}

/// Reads a field as the key of that name.
pub(super) fn read_key<T>(
    keys: &[Key<T>],
    name: &str,
    into: &mut T,
    field: &Field<'_>,
) -> Result<(), FormatError> {
    let key = keys.iter().find(|key| key.about.name == name);
    let key = key.ok_or_else(|| field.unknown(keys.iter().map(|key| key.about.name)))?;
    (key.read)(into, &field.taking(key.about.form, key.about.example))
}

/// Puts a value where it belongs.
pub(super) fn put<T>(
    slot: &mut Option<Stated<T>>,
    field: &Field<'_>,
    value: T,
) -> Result<(), FormatError> {
    *slot = Some(field.stated(value));
    Ok(())
}
