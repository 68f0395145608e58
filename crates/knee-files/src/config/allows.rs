//! `[[allow]]`.

use super::field::Field;
use super::keys::{About, Key, read};
use super::{Allowed, Config, Mistakes};

/// An entry while its keys are read.
#[derive(Default)]
pub(super) struct Draft {
    rule: Option<String>,
    path: Option<String>,
    because: Option<String>,
}

pub(super) static ALLOW: [Key<Draft>; 3] = [
    Key {
        about: About {
            name: "rule",
            form: "the name of a rule in quotes",
            example: r#""workers-from-host-cpus""#,
            doc: "The rule, as a finding names it. Needed.",
        },
        read: |draft, field| {
            draft.rule = Some(field.text()?.into());
            Ok(())
        },
    },
    Key {
        about: About {
            name: "path",
            form: "a path in quotes",
            example: r#""services/batch""#,
            doc: "A file, or a folder with everything below it, from knee.toml's folder. Without it: all.",
        },
        read: |draft, field| {
            draft.path = Some(field.text()?.trim_end_matches('/').into());
            Ok(())
        },
    },
    Key {
        about: About {
            name: "because",
            form: "a reason in quotes",
            example: r#""the host runs nothing else""#,
            doc: "Why. It stands in the report, and is needed.",
        },
        read: |draft, field| {
            draft.because = Some(field.text()?.into());
            Ok(())
        },
    },
];

/// Reads every `[[allow]]`.
pub(super) fn read_all(config: &mut Config, array: &Field<'_>) -> Result<(), Mistakes> {
    let tables = array.tables()?;
    Mistakes::none(tables.iter().map(|table| {
        let mut draft = Draft::default();
        read(&ALLOW, &mut draft, table)?;
        let missing =
            || table.key_error("what is allowed needs a rule, and a reason in `because`".into());
        config.allows.push(table.stated(Allowed {
            rule: draft.rule.ok_or_else(missing)?,
            path: draft.path,
            because: draft.because.ok_or_else(missing)?,
        }));
        Ok(())
    }))
}
