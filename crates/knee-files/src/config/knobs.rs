//! `[knobs]`: what may move, and knobs of a user's own.

use super::field::{Field, nearest};
use super::keys::{About, Key, read as read_table};
use super::{Config, Mistakes};
use crate::formats::FormatError;
use knee_core::runtimes;
use knee_core::settings::{Effect, Knob, Range, Site, Value};

/// What knee.toml says of a knob.
#[derive(Clone, Debug, PartialEq)]
pub enum KnobRule {
    /// It moves within this range only.
    Within(Range),
    /// It has this value in every trial.
    Fixed(Value),
    /// It stays as it is today.
    Kept,
    /// A knob of the user's own.
    Own(OwnKnob),
}

/// A knob of the user's own, with what it is today where nothing says so.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnKnob {
    /// The knob; only trials tell how it acts.
    pub knob: Knob,
    /// Its value where it is set nowhere.
    pub default: Option<Value>,
}

/// A knob of the user's own while its keys are read.
#[derive(Default)]
pub(super) struct Draft {
    site: Option<Site>,
    range: Option<Range>,
    default: Option<Value>,
    unit: String,
    doc: String,
}

pub(super) static OWN: [Key<Draft>; 6] = [
    Key {
        about: About {
            name: "env",
            form: "the name of an environment variable in quotes",
            example: r#""POOL_SIZE""#,
            doc: "The environment variable that holds the value. This or `flag` is needed.",
        },
        read: |draft, field| {
            let name = field.text()?;
            if name.contains(['=', '\0']) {
                return Err(field.wrong());
            }
            site(draft, field, Site::Environment { name: name.to_string().into() })
        },
    },
    Key {
        about: About {
            name: "flag",
            form: "an option that starts with -, in quotes",
            example: r#""--pool-size""#,
            doc: "The option of the command line that holds the value; `--setting pool` where the value stands behind two words, `-Dpool=` where a sign joins it.",
        },
        read: |draft, field| {
            let long = field.text()?;
            let (option, key) = long.split_once(' ').unwrap_or((long, "key"));
            let option = option.strip_suffix('=').filter(|_| option == long).unwrap_or(option);
            let plain = |text: &str| !text.is_empty() && !text.contains([' ', '=', '\0']);
            if !option.starts_with('-') || !plain(option) || !plain(key) {
                return Err(field.wrong());
            }
            site(draft, field, Site::Flag { long: long.to_string().into(), short: None })
        },
    },
    Key {
        about: About {
            name: "range",
            form: "a range or choices in quotes",
            example: r#""1..64""#,
            doc: "The values to try: from..to, both included, or choices, `\"a|b|c\"`. Needed.",
        },
        read: |draft, field| {
            draft.range = Some(range(field)?.ok_or_else(|| field.wrong())?);
            Ok(())
        },
    },
    Key {
        about: About {
            name: "default",
            form: "a whole number, or one of the choices in quotes",
            example: "8",
            doc: "What it is today where nothing sets it. Without it: unknown, and today's settings leave it unset.",
        },
        read: |draft, field| {
            draft.default = Some(value(field).ok_or_else(|| field.wrong())?);
            Ok(())
        },
    },
    Key {
        about: About {
            name: "unit",
            form: "a text in quotes",
            example: r#""connections""#,
            doc: "Unit of the number, for reports.",
        },
        read: |draft, field| {
            draft.unit = field.text()?.into();
            Ok(())
        },
    },
    Key {
        about: About {
            name: "doc",
            form: "a text in quotes",
            example: r#""connections to the database""#,
            doc: "What it does, for reports.",
        },
        read: |draft, field| {
            draft.doc = field.text()?.into();
            Ok(())
        },
    },
];

fn site(draft: &mut Draft, field: &Field<'_>, site: Site) -> Result<(), FormatError> {
    if draft.site.is_some() {
        return Err(field.key_error("a knob stands in one place; write env or flag".into()));
    }
    draft.site = Some(site);
    Ok(())
}

/// A value that a knob can be set to.
fn value(field: &Field<'_>) -> Option<Value> {
    let value = field.value()?;
    value.as_integer().map(Value::Int).or_else(|| Some(Value::Text(field.text().ok()?.into())))
}

/// `1..32` or `a|b`; None for anything else that can be a value.
fn range(field: &Field<'_>) -> Result<Option<Range>, FormatError> {
    let Ok(text) = field.text() else { return Ok(None) };
    if let Some((from, to)) = text.split_once("..") {
        let number = |text: &str| text.trim().parse::<i64>();
        return match (number(from), number(to)) {
            (Ok(min), Ok(max)) if min <= max => Ok(Some(Range::Integers { min, max })),
            _ => Err(field.error(format!(
                "`{text}` is no range; write the smallest and the largest whole number: \"1..32\""
            ))),
        };
    }
    if !text.contains('|') {
        return Ok(None);
    }
    let choices: Vec<&str> = text.split('|').map(str::trim).collect();
    if choices.iter().any(|choice| choice.is_empty()) {
        return Err(field.error(format!("`{text}` has an empty choice; write \"a|b\"")));
    }
    Ok(Some(Range::Choices(choices.into_iter().map(|c| c.to_string().into()).collect())))
}

/// Reads `[knobs]`.
pub(super) fn read_all(config: &mut Config, table: &Field<'_>) -> Result<(), Mistakes> {
    let known: Vec<Knob> = runtimes::all().iter().flat_map(|runtime| (runtime.knobs)()).collect();
    let fields = table.fields()?.into_iter().flat_map(|field| {
        // `pm.max_children = 5` is a table in a table to TOML; `POOL_SIZE.env = "N"` is meant so.
        let of_own = |f: &Field<'_>| {
            f.name
                .rsplit('.')
                .next()
                .is_some_and(|last| OWN.iter().any(|key| key.about.name == last))
        };
        let meant = field.dotted().filter(|fields| !fields.iter().all(of_own));
        meant.unwrap_or_else(|| vec![field])
    });
    Mistakes::none(fields.map(|field| {
        let rule = match field.is_table() {
            true => KnobRule::Own(own(&field)?),
            false => rule(&field, &known)?,
        };
        config.knobs.push((field.name.clone(), field.stated(rule)));
        Ok(())
    }))
}

fn rule(field: &Field<'_>, known: &[Knob]) -> Result<KnobRule, FormatError> {
    let named = || known.iter().filter(|knob| knob.name == field.name.as_str());
    if named().next().is_none() {
        return Err(unknown(field, known));
    }
    if field.value().and_then(|v| v.as_bool()) == Some(false) {
        return Ok(KnobRule::Kept);
    }
    let wrong = |example: &str| {
        let form = "a range, a value, or false to leave it as it is today";
        field.error(format!("`{}` takes {form}; write {} = {example}", field.path, field.name))
    };
    let example = match named().next().map(|knob| &knob.range) {
        Some(choices @ Range::Choices(_)) => format!("\"{choices}\""),
        _ => "\"1..32\"".into(),
    };
    let rule = match range(field)? {
        Some(range) => KnobRule::Within(range),
        None => KnobRule::Fixed(value(field).ok_or_else(|| wrong(&example))?),
    };
    let fits = named().any(|knob| is_number(&rule) == matches!(knob.range, Range::Integers { .. }));
    if fits { Ok(rule) } else { Err(wrong(&example)) }
}

fn is_number(rule: &KnobRule) -> bool {
    matches!(rule, KnobRule::Within(Range::Integers { .. }) | KnobRule::Fixed(Value::Int(_)))
}

fn unknown(field: &Field<'_>, known: &[Knob]) -> FormatError {
    let advice = match nearest(&field.name, known.iter().map(|knob| knob.name.as_ref())) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "to add a knob of your own, say where it is written".into(),
    };
    let own =
        format!("[knobs.{}] env = \"NAME\" or flag = \"--name\", range = \"1..64\"", field.name);
    field.key_error(format!("`{}` is no knob that knee knows; {advice} ({own})", field.path))
}

fn own(field: &Field<'_>) -> Result<OwnKnob, Mistakes> {
    let mut draft = Draft::default();
    read_table(&OWN, &mut draft, field)?;
    let needs = |what: &str| field.key_error(format!("`{}` needs {what}", field.path));
    let site = draft.site.ok_or_else(|| needs("env = \"NAME\" or flag = \"--name\""))?;
    let range = draft.range.ok_or_else(|| needs("range = \"1..64\""))?;
    if let Some(default) = draft.default.as_ref().filter(|value| !range.contains(value)) {
        let problem =
            format!("`{}`: the default {default} is not in the range {range}", field.path);
        return Err(field.key_error(problem).into());
    }
    let knob = Knob {
        name: field.name.clone().into(),
        doc: draft.doc.into(),
        unit: draft.unit.into(),
        range,
        sites: vec![site],
        effect: Effect::Unknown,
    };
    Ok(OwnKnob { knob, default: draft.default })
}
