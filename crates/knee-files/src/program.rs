//! Programs in command lines: steps over what only starts another program, and asks the runtimes
//! which of them it is. Reads no file by itself.

use knee_core::runtimes::{self, Evidence, Runtime};

/// A program of a command line that knee knows.
pub struct Recognised {
    /// Index of the program's word.
    pub at: usize,
    pub runtime: &'static Runtime,
    /// What it was recognised by, for people.
    pub reason: String,
}

/// Text of a file below the service's root.
pub type Files<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Starters that take the program's options for their own, or give them to a script.
pub const RUNNERS: [&str; 6] = ["npm", "npx", "yarn", "pnpm", "make", "pm2-runtime"];

const SHELLS: [&str; 5] = ["sh", "bash", "dash", "ash", "zsh"];

/// Commands of shells and small tools that prepare a service and are none.
const TOOLS: [&str; 47] = [
    "cd", "set", "export", "echo", "mkdir", "chown", "chmod", "cp", "rm", "sleep", "test", "[",
    "source", ".", "wait", "trap", "ulimit", "touch", "ln", "sed", "cat", "exit", "true", "false",
    "printf", "mv", "curl", "wget", "envsubst", "nc", "fi", "done", "esac", "case", "for",
    "function", "return", "local", "break", "continue", "shift", "read", "unset", "umask", "[[",
    "]]", ":",
];

/// Whether a word is a shell's own command or a small tool, which no runtime is.
pub fn is_builtin(name: &str) -> bool {
    TOOLS.contains(&base(name)) || matches!(name, "exec" | "command")
}

/// Whether a program is a shell.
pub fn is_shell(name: &str) -> bool {
    SHELLS.contains(&base(name))
}

/// Which runtime the command starts.
pub fn recognise(argv: &[String], file: Files) -> Option<Recognised> {
    let mut starts = vec![program(argv)];
    starts.extend(argv.iter().position(|w| w == "--").map(|at| at + 1));
    starts.into_iter().find_map(|at| {
        let argv = argv.get(at..).filter(|rest| !rest.is_empty())?;
        let program = base(&argv[0]);
        if is_builtin(program) || is_shell(program) {
            return None;
        }
        let evidence = Evidence { argv, program, file };
        let found = |r: &&'static Runtime| {
            Some(Recognised { at, runtime: r, reason: (r.recognise)(&evidence)? })
        };
        runtimes::all().iter().find_map(found)
    })
}

/// The file name of a path.
pub fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Index of the program itself, behind `exec`, `env A=1`, `tini --`, `poetry run`, `python -m`.
pub fn program(argv: &[String]) -> usize {
    let mut at = 0;
    while let Some(next) = step(&argv[at..]) {
        at += next;
    }
    at
}

/// Index of the word behind which the program's options belong: its own, or that of what it is told
/// to do.
pub fn options_behind(runtime: Option<&Runtime>, argv: &[String], at: usize) -> usize {
    let told = runtime.map_or(&[][..], |runtime| runtime.subcommands);
    at + usize::from(argv.get(at + 1).is_some_and(|word| told.contains(&word.as_str())))
}

/// The runtime that works off a queue which a command starts.
pub fn of_queue(argv: &[String]) -> Option<&'static Runtime> {
    let at = program(argv);
    let argv = argv.get(at..).filter(|rest| !rest.is_empty())?;
    let evidence = Evidence { argv, program: base(&argv[0]), file: &|_| None };
    runtimes::started().find(|runtime| runtime.queue && (runtime.recognise)(&evidence).is_some())
}

/// How many words to step over; None where the program stands. The last word is never left.
pub fn step(argv: &[String]) -> Option<usize> {
    let word = |n: usize| argv.get(n).map(String::as_str);
    let options = |from: usize| {
        let count = argv[from..].iter().take_while(|a| a.starts_with('-') && *a != "--").count();
        from + count + usize::from(word(from + count) == Some("--"))
    };
    let steps = match base(word(0)?) {
        "exec"
        | "command"
        | "nohup"
        | "setsid"
        | "ddtrace-run"
        | "opentelemetry-instrument"
        | "docker-php-entrypoint"
        | "docker-entrypoint.sh"
        | "tini"
        | "dumb-init"
        | "catatonit"
        | "docker-init"
        | "with-contenv"
        | "stdbuf"
        | "ionice" => options(1),
        "nice" | "timeout" => {
            let next = options(1);
            let number = word(next)?.starts_with(|c: char| c.is_ascii_digit());
            next + usize::from(number)
        }
        "env" => {
            let next = options(1);
            next + argv[next..].iter().take_while(|a| a.contains('=')).count()
        }
        "gosu" | "su-exec" | "s6-setuidgid" => 2,
        "poetry" | "pipenv" | "uv" | "rye" | "pdm" | "hatch" if word(1) == Some("run") => {
            options(2)
        }
        "bundle" if word(1) == Some("exec") => 2,
        "newrelic-admin" if word(1) == Some("run-program") => 2,
        python if python.starts_with("python") && word(1) == Some("-m") => 2,
        _ => return None,
    };
    (steps < argv.len()).then_some(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_starts_another_program_is_stepped_over() {
        for (line, expected) in [
            ("gunicorn app:app", "gunicorn"),
            ("exec gunicorn app:app", "gunicorn"),
            ("tini -g -- dumb-init gunicorn", "gunicorn"),
            ("env -i A=1 B=2 nice -n 5 node x.js", "node"),
            ("poetry run python -m gunicorn app:app", "gunicorn"),
            ("gosu www-data php-fpm", "php-fpm"),
            ("exec", "exec"),
        ] {
            let argv: Vec<String> = line.split(' ').map(String::from).collect();
            assert_eq!(argv[program(&argv)], expected, "{line}");
        }
    }

    #[test]
    fn a_program_is_recognised_behind_a_separator() {
        let argv: Vec<String> =
            "wait-for-it.sh db:5432 -- gunicorn app:app".split(' ').map(String::from).collect();
        let found = recognise(&argv, &|_| None).unwrap();
        assert_eq!((found.at, found.runtime.id), (3, "gunicorn"));
    }
}
