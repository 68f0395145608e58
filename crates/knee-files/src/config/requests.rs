//! `[[request]]`.

use super::field::Field;
use super::keys::{About, Key, read};
use super::{Config, Mistakes};
use crate::formats::FormatError;
use knee_core::workload::{Body, Request, RequestError};
use std::path::PathBuf;

/// A request while its keys are read.
#[derive(Default)]
pub(super) struct Draft {
    path: Option<String>,
    method: Option<String>,
    weight: Option<f64>,
    headers: Vec<(String, String)>,
    body: Body,
}

pub(super) static REQUEST: [Key<Draft>; 7] = [
    Key {
        about: About {
            name: "path",
            form: "a path that starts with / and holds no blank",
            example: r#""/api/orders?limit=20""#,
            doc: "Path with its query. The one key that is needed.",
        },
        read: |draft, field| {
            Request::get(field.text()?).check().map_err(|_| field.wrong())?;
            draft.path = Some(field.text()?.into());
            Ok(())
        },
    },
    Key {
        about: About {
            name: "method",
            form: "an HTTP method in quotes",
            example: r#""POST""#,
            doc: "HTTP method. Without it: POST where there is a body, else GET.",
        },
        read: |draft, field| {
            let method = field.text()?.to_string();
            Request { method: method.clone(), ..Request::get("/") }
                .check()
                .map_err(|_| field.wrong())?;
            draft.method = Some(method);
            Ok(())
        },
    },
    Key {
        about: About {
            name: "weight",
            form: "a number above 0",
            example: "3",
            doc: "Share of the traffic relative to the other requests' weights. Without it: 1.",
        },
        read: |draft, field| {
            let weight = Some(field.number()?).filter(|weight| *weight > 0.0);
            draft.weight = Some(weight.ok_or_else(|| field.wrong())?);
            Ok(())
        },
    },
    Key {
        about: About {
            name: "headers",
            form: "a table of texts",
            example: r#"{ Accept = "application/json" }"#,
            doc: "Header fields to add. Their values are never printed or stored; `${NAME}` in one is taken from knee's own environment, else from the service's.",
        },
        read: |draft, field| {
            if !field.is_table() {
                return Err(field.wrong());
            }
            draft.headers = field.fields()?.iter().map(header).collect::<Result<_, _>>()?;
            Ok(())
        },
    },
    Key {
        about: About {
            name: "body",
            form: "a text in quotes",
            example: r#"'{"sku": 7}'"#,
            doc: "What is sent behind the header.",
        },
        read: |draft, field| {
            let text = field.value().and_then(|v| v.as_str()).ok_or_else(|| field.wrong())?;
            body(draft, field, Body::Inline(text.into()))
        },
    },
    Key {
        about: About {
            name: "body_file",
            form: "the path of a file in quotes",
            example: r#""order.json""#,
            doc: "A file that is sent behind the header, seen from this file's folder.",
        },
        read: |draft, field| body(draft, field, Body::Files(vec![field.text()?.into()])),
    },
    Key {
        about: About {
            name: "body_files",
            form: "a list of paths of files",
            example: r#"["small.json", "large.json"]"#,
            doc: "Files of which one is drawn for each request.",
        },
        read: |draft, field| {
            let list = field.list()?;
            let paths: Vec<PathBuf> =
                list.iter().map(|f| Ok(f.text()?.into())).collect::<Result<_, _>>()?;
            if paths.is_empty() {
                return Err(field.wrong());
            }
            body(draft, field, Body::Files(paths))
        },
    },
];

fn body(draft: &mut Draft, field: &Field<'_>, body: Body) -> Result<(), FormatError> {
    if draft.body != Body::Empty {
        return Err(field.key_error("a request has one of body, body_file and body_files".into()));
    }
    draft.body = body;
    Ok(())
}

/// A header field. Its value is in no message.
fn header(field: &Field<'_>) -> Result<(String, String), FormatError> {
    let value = field.value().and_then(|v| v.as_str());
    let value =
        value.ok_or_else(|| field.error(format!("`{}` takes a text in quotes", field.path)))?;
    let mut probe = Request::get("/");
    probe.headers = vec![(field.name.clone(), value.into())];
    probe.check().map_err(|error: RequestError| field.key_error(error.to_string()))?;
    Ok((field.name.clone(), value.into()))
}

/// Reads every `[[request]]`.
pub(super) fn read_all(config: &mut Config, array: &Field<'_>) -> Result<(), Mistakes> {
    let tables = array.tables()?;
    Mistakes::none(tables.iter().map(|table| {
        let mut draft = Draft::default();
        read(&REQUEST, &mut draft, table)?;
        let missing = || table.key_error(r#"a request needs a path; write path = "/""#.into());
        let method = if draft.body == Body::Empty { "GET" } else { "POST" };
        config.requests.push(table.stated(Request {
            method: draft.method.unwrap_or_else(|| method.into()),
            path: draft.path.ok_or_else(missing)?,
            headers: draft.headers,
            body: draft.body,
            weight: draft.weight.unwrap_or(1.0),
        }));
        Ok(())
    }))
}
