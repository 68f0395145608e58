//! nginx's official image writes its configuration from templates at each start, with the variables
//! of its environment in place: the same is done here, into files that stand in for those. What is
//! turned in one is written into its template.
//!
//! Source: `20-envsubst-on-templates.sh` in <https://github.com/nginx/docker-nginx>.

use crate::formats::expand::variable;
use knee_core::launch::{Bind, Environment};
use std::path::{Path, PathBuf};

/// Where the templates are and their ending, and where what is made of them goes, unless the
/// environment says otherwise.
const FROM: (&str, &str) = ("NGINX_ENVSUBST_TEMPLATE_DIR", "/etc/nginx/templates");
const ENDING: (&str, &str) = ("NGINX_ENVSUBST_TEMPLATE_SUFFIX", ".template");
const TO: (&str, &str) = ("NGINX_ENVSUBST_OUTPUT_DIR", "/etc/nginx/conf.d");

/// A file that is made of a template.
pub(crate) struct Made {
    /// Where the service sees it.
    pub at: PathBuf,
    pub text: String,
    /// On the host.
    pub template: PathBuf,
}

/// The files that an image with those binds makes of its templates.
pub(crate) fn rendered(binds: &[Bind], env: &Environment) -> Vec<Made> {
    let set = |(name, missing): (&str, &str)| env.get(name).unwrap_or(missing).to_string();
    let (from, ending, to) = (set(FROM), set(ENDING), set(TO));
    let mut made: Vec<Made> = Vec::new();
    for (path, host) in files(binds) {
        let Ok(below) = path.strip_prefix(&from) else { continue };
        let Some(name) = below.to_str().and_then(|name| name.strip_suffix(&ending)) else {
            continue;
        };
        let Some(text) = crate::view::read_text(&host, &host).ok().flatten() else { continue };
        let at = Path::new(&to).join(name);
        // What is copied later lies above.
        made.retain(|known| known.at != at);
        made.push(Made { at, text: substituted(&text, env), template: host });
    }
    made
}

/// The files that binds show, by their paths, with those on the host; of folders those directly in
/// them and one below.
fn files(binds: &[Bind]) -> Vec<(PathBuf, PathBuf)> {
    let inside = |(at, host): (PathBuf, PathBuf)| {
        let entries = std::fs::read_dir(&host).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries.map(|e| (at.join(e.file_name()), e.path())).collect();
        found.sort();
        if found.is_empty() { vec![(at, host)] } else { found }
    };
    let shown = binds.iter().map(|bind| (bind.container.clone(), bind.host.clone()));
    shown.flat_map(inside).flat_map(inside).collect()
}

/// A text with the variables that are set; nginx's own stay.
fn substituted(text: &str, env: &Environment) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        made.push_str(&rest[..at]);
        rest = &rest[at..];
        let value = variable(rest).filter(|(_, default, _)| default.is_none());
        let value = value.and_then(|(name, _, length)| Some((env.get(name)?, length)));
        let (value, length) = value.unwrap_or(("$", 1));
        made.push_str(value);
        rest = &rest[length..];
    }
    made + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_set_is_put_in_place() {
        let mut env = Environment::default();
        env.set("PORT", "8081");
        env.set("HOST", "");
        let text = "listen ${PORT};\nserver_name $HOST;\nproxy_set_header Host $host;\n$PORT$ ${UNSET} ${PORT:-1}";
        let made =
            "listen 8081;\nserver_name ;\nproxy_set_header Host $host;\n8081$ ${UNSET} ${PORT:-1}";
        assert_eq!(substituted(text, &env), made);
    }
}
