//! What is sent: of flags, else of knee.toml, whose header fields may name variables of knee's own
//! environment or of the service's.

use super::{Missing, Overrides};
use crate::formats::shell::is_name;
use crate::sources::{CONFIG, Sources};
use knee_core::launch::Environment;
use knee_core::sourced::Origin;
use knee_core::workload::{Body, Request};

/// What is sent, with its origin, and the values that are missing of it. Files of bodies are found
/// from the folder. `env` is what the service itself is given.
pub(super) fn requests(
    sources: &Sources,
    overrides: &Overrides,
    env: &Environment,
) -> (Vec<Request>, Option<Origin>, Vec<Missing>) {
    if !overrides.requests.is_empty() {
        let origin = Origin::Flag { name: "--request".into() };
        return (overrides.requests.clone(), Some(origin), Vec::new());
    }
    let config = sources.config.as_ref().map(|source| source.parsed.requests.as_slice());
    let stated = config.unwrap_or_default();
    let (mut requests, mut missing) = (Vec::new(), Vec::new());
    for stated in stated {
        let mut request = stated.value.clone();
        if let Body::Files(paths) = &mut request.body {
            paths.iter_mut().for_each(|path| *path = sources.root.join(&path));
        }
        for (name, value) in &mut request.headers {
            let given = |variable: &str| env.get(variable).map(String::from);
            let variable =
                |variable: &str| std::env::var(variable).ok().or_else(|| given(variable));
            match filled(value, &variable) {
                Ok(text) => *value = text,
                Err(variable) => {
                    let why = format!("which the header field {name} of {} uses", request.path);
                    let at = Origin::File { path: CONFIG.into(), line: stated.line };
                    missing.push(Missing::value(&variable, &why, &at));
                }
            }
        }
        requests.push(request);
    }
    let first = stated.first();
    let origin = first.map(|stated| Origin::File { path: CONFIG.into(), line: stated.line });
    (requests, origin, missing)
}

/// A value with `${NAME}` replaced by what the variable says; the first one without a value.
fn filled(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("${") {
        filled += before;
        match behind.split_once('}').filter(|(name, _)| is_name(name)) {
            Some((name, after)) => {
                filled += &variable(name).ok_or(name)?;
                rest = after;
            }
            None => {
                filled += "${";
                rest = behind;
            }
        }
    }
    Ok(filled + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_stands_for_a_secret() {
        let variable = |name: &str| (name == "API_TOKEN").then(|| "hunter2".to_string());
        for (text, said) in [
            ("Bearer ${API_TOKEN}", Ok("Bearer hunter2")),
            ("${API_TOKEN}${API_TOKEN}.", Ok("hunter2hunter2.")),
            ("$API_TOKEN ${a-b} ${", Ok("$API_TOKEN ${a-b} ${")),
            ("a ${OTHER} ${API_TOKEN}", Err("OTHER")),
        ] {
            let said = said.map(String::from).map_err(String::from);
            assert_eq!(filled(text, &variable), said, "{text}");
        }
    }
}
