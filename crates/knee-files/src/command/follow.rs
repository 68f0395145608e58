//! Commands followed to the programs that they end in: through texts for a shell, start scripts,
//! `npm start` and supervisord.

use super::script::Script;
use super::{Command, Home, Homed, homed};
use crate::error::FilesError;
use crate::formats::argv;
use crate::formats::ini::Ini;
use crate::formats::word::{Dress, Inner, Word};
use crate::formats::{package_json, shell, shell_text};
use crate::program::{self, base};
use crate::view::{Seen, View};
use std::path::Path;

/// Scripts that start scripts are followed no deeper than this.
const DEEPEST: usize = 5;

/// Follows commands to the programs that they end in.
pub(crate) struct Follower<'a> {
    pub view: View<'a>,
    /// Working folder as the service sees it.
    pub workdir: &'a Path,
    /// The text that a home's words stand in.
    pub text: &'a dyn Fn(&Home) -> Option<String>,
    /// The variables that are set before anything runs.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl Follower<'_> {
    /// The commands in the order in which they run. One that starts a script stands before the
    /// script's own.
    pub fn follow(&self, commands: Vec<Command>) -> Result<Vec<Command>, FilesError> {
        let mut found = Vec::new();
        for command in commands {
            self.follow_one(command, 0, &mut found)?;
        }
        Ok(found)
    }

    fn follow_one(
        &self,
        command: Command,
        depth: usize,
        found: &mut Vec<Command>,
    ) -> Result<(), FilesError> {
        let mut below = Vec::new();
        if depth < DEEPEST && !command.words.is_empty() {
            below = self.started_by(&command)?;
        }
        if below.is_empty() {
            below = command.arguments.clone();
        }
        let end = found.len();
        for next in below {
            self.follow_one(next, depth + 1, found)?;
        }
        // What comes last serves: `npm start` itself only where its script is unknown.
        found.insert(end, command);
        Ok(())
    }

    /// What a command starts by way of a text or a script.
    fn started_by(&self, command: &Command) -> Result<Vec<Command>, FilesError> {
        let argv = command.argv();
        let start = program::program(&argv);
        if let Some(at) = shell_text(&argv[start..]) {
            let Homed { word, home } = &command.words[start + at];
            return Ok(self
                .inner(word, home)
                .map_or(Vec::new(), |(inner, home)| self.commands(&inner, &home)));
        }
        if let Some(name) = package_script(&argv[start..]) {
            let Some(file) = self.view.read(&self.workdir.join("package.json"))? else {
                return Ok(Vec::new());
            };
            let script =
                package_json::script(&file.text, name).map_err(FilesError::format(file.shown()))?;
            let home = seen_home(&file);
            return Ok(script.map_or(Vec::new(), |script| self.commands(&script, &home)));
        }
        if base(&argv[start]) == "supervisord" {
            return self.supervised(&argv[start..]);
        }
        let Some((at, file)) = self.script(&argv, start)? else { return Ok(Vec::new()) };
        let inner = Inner::verbatim(&file.text, 0..file.text.len());
        let home = seen_home(&file);
        let script = Script::new(&inner, &home, self.env);
        Ok(script.given(&command.words[at + 1..], &command.arguments).commands())
    }

    /// The commands of a text for the shell.
    fn commands(&self, inner: &Inner, home: &Home) -> Vec<Command> {
        Script::new(inner, home, self.env).commands()
    }

    /// The programs of a supervisord: sections `[program:NAME]` of its file and of those that it
    /// includes. Source: <http://supervisord.org/configuration.html>.
    fn supervised(&self, argv: &[String]) -> Result<Vec<Command>, FilesError> {
        let named = argv::find(argv, "--configuration", Some("-c")).map(|found| found.value);
        let usual =
            ["supervisord.conf", "/etc/supervisord.conf", "/etc/supervisor/supervisord.conf"];
        let paths = named.map_or_else(|| usual.map(String::from).to_vec(), |path| vec![path]);
        let mut todo = Vec::new();
        for path in paths {
            todo.extend(self.view.read(&self.workdir.join(path))?);
        }
        todo.truncate(1);
        let mut found = Vec::new();
        let mut depth = 0;
        while let Some(file) = todo.pop().filter(|_| depth < DEEPEST * DEEPEST) {
            depth += 1;
            let ini = Ini::parse(&file.text).map_err(FilesError::format(file.shown()))?;
            for (name, section) in ini.sections() {
                if name == "include" {
                    let folder = file.at.parent().unwrap_or(Path::new("/"));
                    let patterns = section.find("files").map_or("", |entry| entry.value.as_str());
                    for pattern in patterns.split_whitespace() {
                        todo.extend(self.view.glob(&folder.join(pattern))?);
                    }
                }
                let command = section.find("command").filter(|_| name.starts_with("program:"));
                if let Some(entry) = command {
                    let inner = Inner::verbatim(&file.text, entry.word.range.clone());
                    found.extend(homed(shell::statements(&inner), &seen_home(&file)));
                }
            }
        }
        Ok(found)
    }

    /// A word as a text of its own.
    fn inner(&self, word: &Word, home: &Home) -> Option<(Inner, Home)> {
        match (home, word.dress) {
            (Home::Argument(index), _) => {
                let inner = Inner::verbatim(&word.text, 0..word.text.len());
                Some((inner, Home::Text(*index)))
            }
            (Home::File(_) | Home::Seen { .. }, Dress::Item(coat)) => {
                let text = (self.text)(home)?;
                Some((Inner::aligned(&text, word.range.clone(), &word.text, coat), home.clone()))
            }
            _ => None,
        }
    }

    /// The user's own script that the words start, with the index of its word. What has the name of a
    /// starter (`docker-entrypoint.sh`) may be one, too.
    fn script(&self, argv: &[String], start: usize) -> Result<Option<(usize, Seen)>, FilesError> {
        let shell = matches!(base(&argv[start]), "sh" | "bash" | "dash" | "ash" | "." | "source");
        let options = argv[start + 1..].iter().take_while(|w| w.starts_with('-')).count();
        let last = if shell { start + 1 + options } else { start };
        for at in (0..start).chain([last]) {
            let Some(word) = argv.get(at).filter(|w| !w.is_empty()) else { return Ok(None) };
            let given = shell && at == last;
            let mut places = vec![self.workdir.join(word)];
            if !given && !word.contains('/') {
                let folders = ["/usr/local/bin", "/usr/local/sbin", "/usr/bin", "/bin", "/"];
                places = folders.iter().map(|folder| Path::new(folder).join(word)).collect();
            }
            for place in places {
                let seen = self.view.read(&place)?.filter(|seen| seen.own.is_some());
                if let Some(seen) = seen.filter(|seen| given || is_shell_script(&seen.text)) {
                    return Ok(Some((at, seen)));
                }
            }
        }
        Ok(None)
    }
}

pub(crate) fn seen_home(file: &Seen) -> Home {
    Home::Seen { at: file.at.clone(), own: file.own.clone() }
}

fn is_shell_script(text: &str) -> bool {
    let first = text.lines().next().unwrap_or_default();
    first.strip_prefix("#!").is_some_and(|interpreter| {
        let name = interpreter.split_whitespace().find(|w| base(w) != "env").map(base);
        matches!(name, Some("sh" | "bash" | "dash" | "ash"))
    })
}

/// The name of the script of package.json that a runner starts.
fn package_script(argv: &[String]) -> Option<&str> {
    let runner = base(&argv[0]);
    if !matches!(runner, "npm" | "yarn" | "pnpm") {
        return None;
    }
    let mut words = argv[1..].iter().filter(|w| !w.starts_with('-')).map(String::as_str);
    match words.next()? {
        "run" | "run-script" => words.next(),
        "start" => Some("start"),
        other => (runner != "npm").then_some(other),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::follow;
    use super::super::{Home, recognised};
    use std::fs;
    use std::path::Path;

    fn programs(root: &Path, argv: &[&str]) -> Vec<String> {
        let commands = follow(root, argv);
        let found = recognised(&commands, &|_| None);
        found.iter().map(|(index, _)| commands[*index].argv().join(" ")).collect()
    }

    #[test]
    fn a_start_script_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let write = |name: &str, text: &str| fs::write(root.join(name), text).unwrap();
        write("start.sh", "#!/bin/sh\nset -e\nphp-fpm8.2 -F &\nexec nginx -g 'daemon off;'\n");
        assert_eq!(
            programs(&root, &["sh", "start.sh"]),
            ["php-fpm8.2 -F", "exec nginx -g daemon off;"]
        );
        assert_eq!(programs(&root, &["sh", "-c", "cd /x && ./start.sh"]).len(), 2);
        write("entry", "#!/usr/bin/env bash\npython manage.py migrate\nexec \"$@\"\n");
        let entry = ["./entry", "gunicorn", "-w", "4", "app:app"];
        assert_eq!(programs(&root, &entry), ["exec gunicorn -w 4 app:app"]);
        let found = follow(&root, &entry);
        let words = &found.last().unwrap().words;
        assert!(matches!(words[0].home, Home::Seen { .. }));
        assert_eq!(words[3].home, Home::Argument(3));
        let entry = "#!/bin/bash\nset -e\n: \"${N:=3}\"\nargs=(--bind 0:80 --workers \"$N\")\n\
                     if [ -n \"${CLASS:-}\" ]; then args+=(-k \"$CLASS\"); fi\nserve() { exec gunicorn \"${args[@]}\" \"$@\"; }\n\
                     case \"$1\" in\n  web) shift; ./migrate; serve ;;\n  worker) exec node worker.js ;;\nesac\nexec \"$@\"\n";
        write("docker-entrypoint.sh", entry);
        let of = |words: &[&str]| programs(&root, &[&["./docker-entrypoint.sh"], words].concat());
        assert_eq!(of(&["web", "app:app"]), ["exec gunicorn --bind 0:80 --workers $N app:app"]);
        assert_eq!(of(&["worker"]), ["exec node worker.js"]);
        assert_eq!(of(&["uvicorn", "x:y"]), ["exec uvicorn x:y"]);
        write(
            "opts",
            "#!/bin/sh\nOPTS=\"-w 2\"\nOPTS=\"$OPTS --threads 4\"\n[ x = \"$X\" ] && exec node x.js\nexec gunicorn $OPTS app:app\n",
        );
        assert_eq!(
            programs(&root, &["./opts"]),
            ["exec node x.js", "exec gunicorn -w 2 --threads 4 app:app"]
        );
        write(
            "set",
            "#!/bin/sh\nif [ \"${1#-}\" != \"$1\" ]; then\n  set -- gunicorn \"$@\"\nfi\nexec \"$@\"\n",
        );
        assert_eq!(programs(&root, &["./set", "-w", "4", "a:b"]), ["exec gunicorn -w 4 a:b"]);
        write(
            "maybe",
            "#!/bin/sh\nother() { exec node x.js; }\n[ x = \"$X\" ] && other\nexec gunicorn app:app\n",
        );
        assert_eq!(programs(&root, &["./maybe"]), ["exec node x.js", "exec gunicorn app:app"]);
        write("loop.sh", "#!/bin/sh\nsh loop.sh\n");
        assert!(programs(&root, &["sh", "loop.sh"]).is_empty());
    }

    #[test]
    fn scripts_that_multiply_end() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let many = |call: &str| format!("{call}\n").repeat(100);
        let mut functions = "f7() {\nshift\n}\n".to_string();
        for at in (0..7).rev() {
            functions += &format!("f{at}() {{\n{}}}\n", many(&format!("f{}", at + 1)));
        }
        let list = format!("a=(x x)\n{}", many("a+=(\"${a[@]}\")"));
        let given = format!("set -- x x\n{}", many("set -- \"$@\" \"$@\""));
        let text = format!("X=\"x x\"\n{}", many("X=\"$X $X\""));
        for script in [format!("{functions}f0\n"), list, given, text] {
            let script = format!("#!/bin/bash\n{script}");
            std::fs::write(root.join("many"), script).unwrap();
            programs(&root, &["bash", "many"]);
        }
    }

    #[test]
    fn npm_is_followed_into_its_script() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let package = r#"{"scripts": {"start": "next start", "serve": "A=1 node --max-http-header-size=1 x.js"}}"#;
        fs::write(root.join("package.json"), package).unwrap();
        assert_eq!(programs(&root, &["npm", "start"]), ["npm start"]);
        let found = programs(&root, &["npm", "run", "--silent", "serve"]);
        assert_eq!(found, ["node --max-http-header-size=1 x.js"]);
        assert_eq!(programs(&root, &["yarn", "serve"]), found);
    }

    #[test]
    fn supervisord_is_followed_into_its_programs() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let conf = "[supervisord]\nnodaemon=true\n[program:web]\ncommand=gunicorn -w 4 app:app ; four\n\
                    autostart=true\n[include]\nfiles = more/*.conf\n";
        fs::create_dir(root.join("more")).unwrap();
        fs::write(root.join("s.conf"), conf).unwrap();
        fs::write(root.join("more/n.conf"), "[program:n]\ncommand = nginx -g 'daemon off;'\n")
            .unwrap();
        let found = programs(&root, &["supervisord", "-n", "-c", "s.conf"]);
        assert_eq!(found, ["gunicorn -w 4 app:app", "nginx -g daemon off;"]);
    }
}
