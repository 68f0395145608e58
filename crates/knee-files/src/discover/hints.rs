//! What an unknown program may have to turn, by its own words: an example to ask with, and no guess
//! that anything is done by.

use crate::blueprint::Variable;
use crate::formats::shell::is_name;
use crate::formats::word::quoted;

/// What names of sizes have in them.
const SIZES: [&str; 8] =
    ["worker", "thread", "process", "pool", "concurren", "children", "connections", "conns"];
/// What names have in them that are none all the same.
const OTHERS: [&str; 3] = ["timeout", "lifetime", "class"];
/// The range that an example asks for reaches so far at least.
const MOST: u64 = 64;

/// A line of `[knobs]` for an option of the command or a variable that looks like a size; else one
/// for a variable that nobody has.
pub(super) fn knob(argv: &[String], variables: &[Variable]) -> String {
    let option = (0..argv.len()).find_map(|at| option(&argv[at..]));
    let variable = || variables.iter().find_map(variable);
    option.or_else(variable).unwrap_or_else(|| line("POOL_SIZE", "env = \"POOL_SIZE\"", MOST))
}

/// Variables that look like sizes and are none of these, each with a line of `[knobs]`.
pub(super) fn sizes<'v>(variables: &'v [Variable], known: &[&str]) -> Vec<(&'v Variable, String)> {
    let mut seen: Vec<&str> = known.to_vec();
    let new_size = |found: &'v Variable| {
        let new = !seen.contains(&found.name.as_str());
        seen.push(&found.name);
        Some((found, variable(found).filter(|_| new)?))
    };
    variables.iter().filter_map(new_size).collect()
}

/// An option with its value: `--threads=4`, `--threads 4`, `--setting threads 4`, `-Dthreads=4`.
fn option(words: &[String]) -> Option<String> {
    let (first, rest) = words.split_first()?;
    let (name, joined) =
        first.split_once('=').map_or((first.as_str(), None), |(n, v)| (n, Some(v)));
    if let (Some(property), Some(value)) = (name.strip_prefix("-D"), joined) {
        let flag = format!("flag = {}", quoted(&format!("{name}=")));
        return Some(line(property, &flag, size(property, value)?));
    }
    let bare = name.strip_prefix("--")?;
    let value = joined.or_else(|| rest.first().map(String::as_str))?;
    if let Some(most) = size(bare, value) {
        return Some(line(bare, &format!("flag = {}", quoted(name)), most));
    }
    let (key, value) = (rest.first().filter(|_| joined.is_none())?, rest.get(1)?);
    let most = size(key, value).filter(|_| !key.starts_with('-'))?;
    Some(line(key, &format!("flag = {}", quoted(&format!("{name} {key}"))), most))
}

fn variable(variable: &Variable) -> Option<String> {
    let most = size(&variable.name, &variable.value).filter(|_| is_name(&variable.name))?;
    Some(line(&variable.name, &format!("env = \"{}\"", variable.name), most))
}

fn line(name: &str, place: &str, most: u64) -> String {
    // TOML would make tables of a name with dots.
    let is_bare = name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let key = if is_bare { name.to_string() } else { quoted(name) };
    format!("{key} = {{ {place}, range = \"1..{most}\" }}")
}

/// How far a range for it would reach; None where the name does not look like that of a size.
fn size(name: &str, value: &str) -> Option<u64> {
    let name = name.to_ascii_lowercase();
    let value = value.parse::<u64>().ok().filter(|n| *n > 0)?;
    let is = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
    (is(&SIZES) && !is(&OTHERS)).then(|| value.saturating_mul(4).max(MOST))
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
                "java -Dserver.threads.max=20 -jar app.jar",
                &[][..],
                "\"server.threads.max\" = { flag = \"-Dserver.threads.max=\", range = \"1..80\" }",
            ),
            (
                "datasette serve --setting num_sql_threads 3",
                &[][..],
                "num_sql_threads = { flag = \"--setting num_sql_threads\", range = \"1..64\" }",
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

    #[test]
    fn sizes_among_variables() {
        let variable = |name: &str, value: &str| Variable {
            name: name.into(),
            value: value.into(),
            path: "Dockerfile".into(),
            line: 1,
        };
        let all = [
            variable("DB_POOL_SIZE", "5"),
            variable("DB_POOL_SIZE", "9"),
            variable("DB_POOL_TIMEOUT", "30"),
            variable("WEB_CONCURRENCY", "2"),
            variable("MAX_OPEN_CONNS", "20"),
            variable("WORKER_CLASS", "4"),
        ];
        let told: Vec<String> =
            sizes(&all, &["WEB_CONCURRENCY"]).into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            told,
            [
                "DB_POOL_SIZE = { env = \"DB_POOL_SIZE\", range = \"1..64\" }",
                "MAX_OPEN_CONNS = { env = \"MAX_OPEN_CONNS\", range = \"1..80\" }"
            ]
        );
    }
}
