//! What an unknown program may have to turn, by its own words: an example to ask with, and no guess
//! that anything is done by.

use crate::blueprint::Variable;
use crate::formats::shell::is_name;
use crate::formats::word::quoted;

/// What names of sizes have in them.
const SIZES: [&str; 7] =
    ["worker", "thread", "process", "pool", "concurren", "children", "connections"];
/// The range that an example asks for reaches so far at least.
const MOST: u64 = 64;

/// A line of `[knobs]` for an option of the command or a variable that looks like a size; else one
/// for a variable that nobody has.
pub(super) fn knob(argv: &[String], variables: &[Variable]) -> String {
    let option = argv.iter().enumerate().find_map(|(at, word)| {
        let (name, joined) =
            word.split_once('=').map_or((word.as_str(), None), |(n, v)| (n, Some(v)));
        let value = joined.or_else(|| argv.get(at + 1).map(String::as_str))?;
        let bare = name.strip_prefix("--")?;
        Some((bare, format!("flag = {}", quoted(name)), size(bare, value)?))
    });
    let variable = || {
        variables.iter().find_map(|variable| {
            let most = size(&variable.name, &variable.value)?;
            is_name(&variable.name)
                .then(|| (variable.name.as_str(), format!("env = \"{}\"", variable.name), most))
        })
    };
    let none = || ("POOL_SIZE", "env = \"POOL_SIZE\"".to_string(), MOST);
    let (name, place, most) = option.or_else(variable).unwrap_or_else(none);
    // TOML would make tables of a name with dots.
    let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let key = if is_bare { name.to_string() } else { quoted(name) };
    format!("{key} = {{ {place}, range = \"1..{most}\" }}")
}

/// How far a range for it would reach; None where the name does not look like that of a size.
fn size(name: &str, value: &str) -> Option<u64> {
    let name = name.to_ascii_lowercase();
    let value = value.parse::<u64>().ok().filter(|n| *n > 0)?;
    SIZES.iter().any(|size| name.contains(size)).then(|| value.saturating_mul(4).max(MOST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_of_what_the_program_has() {
        let variable = |name: &str, value: &str| Variable {
            name: name.into(),
            value: value.into(),
            path: "Dockerfile".into(),
            line: 1,
        };
        let set = [variable("PORT", "8000"), variable("PHP_CLI_SERVER_WORKERS", "4")];
        for (line, variables, example) in [
            (
                "waitress-serve --port=8080 --threads=4 app:app",
                &[][..],
                "threads = { flag = \"--threads\", range = \"1..64\" }",
            ),
            (
                "hypercorn app:app --workers 50",
                &set[..],
                "workers = { flag = \"--workers\", range = \"1..200\" }",
            ),
            (
                "java -jar app.jar --server.tomcat.threads.max=20",
                &[][..],
                "\"server.tomcat.threads.max\" = { flag = \"--server.tomcat.threads.max\", range = \"1..80\" }",
            ),
            (
                "php -S 0.0.0.0:8000",
                &set[..],
                "PHP_CLI_SERVER_WORKERS = { env = \"PHP_CLI_SERVER_WORKERS\", range = \"1..64\" }",
            ),
            (
                "prog --workers auto",
                &[][..],
                "POOL_SIZE = { env = \"POOL_SIZE\", range = \"1..64\" }",
            ),
        ] {
            let argv: Vec<String> = line.split(' ').map(String::from).collect();
            let told = knob(&argv, variables);
            assert_eq!(told, example, "{line}");
            assert!(crate::config::Config::parse(&format!("[knobs]\n{told}\n")).is_ok(), "{told}");
        }
    }
}
