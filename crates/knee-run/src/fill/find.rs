//! Which runtimes a command starts, behind entrypoint scripts and shells, and the words of each.

use knee_core::runtimes::Runtime;
use knee_probe::elf;
use knee_watch::recognise;
use memchr::memmem;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A script or program text longer than that is none that starts a service.
const MOST_TEXT: u64 = 1 << 20;

/// Of a program that much is looked through at once.
const PART: usize = 64 << 10;

/// A runtime that the command starts.
#[derive(Clone)]
pub struct Found {
    /// Which.
    pub runtime: &'static Runtime,
    /// Its words, from the program on.
    pub words: Vec<String>,
    /// Where these stand in the command, if they are words of its own: only then can an option be
    /// added.
    pub at: Option<Range<usize>>,
}

/// All of them, each once: in the command's own words, else in a shell's text, else in the lines of
/// a script that the command names.
pub fn find(command: &[String]) -> Vec<Found> {
    if let Some((at, found)) = anywhere(command) {
        return vec![Found { at: Some(at..command.len()), ..found }];
    }
    let mut all = Vec::new();
    for word in command {
        // A shell's text has blanks in it; the name of a script has none.
        let text = if word.contains(char::is_whitespace) {
            Some(word.clone())
        } else {
            script(Path::new(word))
        };
        let Some(text) = text else { continue };
        for found in commands(&text).iter().filter_map(|words| Some(anywhere(words)?.1)) {
            if !all.iter().any(|known: &Found| known.runtime.id == found.runtime.id) {
                all.push(found);
            }
        }
    }
    all
}

/// The first program that is known, and where it stands. What Go's tools start (gosu, dockerize)
/// comes before these themselves.
fn anywhere(words: &[String]) -> Option<(usize, Found)> {
    let starts = |of: fn(&[String]) -> Option<&'static Runtime>| {
        (0..words.len()).find_map(|at| {
            let words = words.get(at..)?;
            Some((at, Found { runtime: of(words)?, words: words.to_vec(), at: None }))
        })
    };
    starts(|words| recognise::by(words, &|_| None)).or_else(|| starts(go))
}

/// A program that carries the description of its module in itself.
fn go(words: &[String]) -> Option<&'static Runtime> {
    let path = located(words.first()?)?;
    let module = |name: &str| {
        (name == "go.mod" && elf::has_section(&path, ".go.buildinfo")).then(String::new)
    };
    recognise::by(words, &module)
}

/// The file of a program, as execvp(3) finds it. Only a plain file: to open a pipe waits for who writes into it, and
/// to open a device may do something.
fn located(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|file| file.is_file());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Whether a program has that word in it, such as a key that only its newer versions know.
pub fn knows(program: &str, word: &str) -> bool {
    located(program).is_some_and(|path| carries(&path, word))
}

/// The same of a file.
pub fn carries(path: &Path, word: &str) -> bool {
    File::open(path).is_ok_and(|file| holds(file, word.as_bytes()))
}

/// Part by part: programs are large, and this one is to stay small.
fn holds(mut file: impl Read, word: &[u8]) -> bool {
    let mut part = vec![0; PART];
    let mut kept = 0;
    while let Some(free) = part.get_mut(kept..)
        && let Ok(length @ 1..) = file.read(free)
    {
        let end = kept.saturating_add(length);
        if memmem::find(part.get(..end).unwrap_or_default(), word).is_some() {
            return true;
        }
        // The word may stand across two parts.
        kept = end.min(word.len());
        part.copy_within(end.saturating_sub(kept)..end, 0);
    }
    false
}

/// The text of a small file.
pub fn text(path: &Path) -> Option<String> {
    small(path).ok()?
}

/// The same with the reason why it cannot be read; None where it is no small file.
///
/// # Errors
/// As [`fs::read`].
pub fn small(path: &Path) -> io::Result<Option<String>> {
    let file = fs::metadata(path)?;
    if !file.is_file() || file.len() > MOST_TEXT {
        return Ok(None);
    }
    Ok(String::from_utf8(fs::read(path)?).ok())
}

/// The text of a shell's script: by its name, or by its first line.
fn script(path: &Path) -> Option<String> {
    let text = text(path)?;
    let first = text.lines().next().unwrap_or_default();
    let shell = first.starts_with("#!") && first.contains("sh");
    (shell || path.extension().is_some_and(|e| e == "sh")).then_some(text)
}

/// The commands of a shell's text as words: enough to see programs and options. What a shell would
/// put in place of a variable is not known here, and stays as it is written.
fn commands(text: &str) -> Vec<Vec<String>> {
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().filter(|line| !line.trim_start().starts_with('#'));
    let commands = lines.flat_map(|line| line.split([';', '&', '|']));
    let words = |command: &str| -> Vec<String> {
        let words = command.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
        words.map(Into::into).collect()
    };
    commands.map(words).filter(|words: &Vec<String>| !words.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(command: &[&str]) -> Vec<(&'static str, String, Option<Range<usize>>)> {
        let command: Vec<String> = command.iter().map(|word| word.to_string()).collect();
        let all = find(&command).into_iter();
        all.map(|found| (found.runtime.id, found.words.join(" "), found.at)).collect()
    }

    #[test]
    fn words_of_its_own_can_be_added_to() {
        let nginx = found(&["/docker-entrypoint.sh", "nginx", "-g", "daemon off;"]);
        assert_eq!(nginx, [("nginx", "nginx -g daemon off;".to_string(), Some(1..4))]);
        let gunicorn = found(&["sh", "-c", "exec gunicorn -w 2 app:app"]);
        assert_eq!(gunicorn, [("gunicorn", "exec gunicorn -w 2 app:app".to_string(), None)]);
    }

    #[test]
    fn a_script_may_start_several() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("start");
        let text = "#!/bin/sh\n# gunicorn is not used\nphp-fpm8.2 --nodaemonize \\\n  -y /x.conf &\nexec nginx -g 'daemon off;'\n";
        fs::write(&path, text).unwrap();
        let all = found(&["sh", path.to_str().unwrap()]);
        let words: Vec<&str> = all.iter().map(|(_, words, _)| words.as_str()).collect();
        assert_eq!(words, ["php-fpm8.2 --nodaemonize -y /x.conf", "nginx -g daemon off"]);
        assert_eq!(found(&["sleep", "1"]), []);
    }

    #[test]
    fn a_word_is_found_wherever_it_stands() {
        for at in [0, 1, PART - 3, PART, 2 * PART - 6, 3 * PART] {
            let text = [vec![b'.'; at], b"word".to_vec(), vec![b'.'; 9]].concat();
            assert!(holds(&text[..], b"word"), "{at}");
            assert!(!holds(&text[..], b"words"), "{at}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,80}") {
            commands(&text);
            let _ = find(&[text]);
        }
    }
}
