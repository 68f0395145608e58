//! The files of a repository: which there are, and the texts of those that may say something.

use super::Note;
use super::files::{File, Files};
use std::io;
use std::path::Path;

/// Larger files are not read.
const LARGEST: u64 = 512 << 10;

/// More bytes than these are not kept in all.
const MOST: u64 = 256 << 20;

/// A line as long as this is written by a machine.
const LONGEST_LINE: usize = 5_000;

/// Folders of code that is somebody else's, or made.
const FOREIGN: [&str; 14] = [
    "node_modules",
    "vendor",
    ".git",
    "bower_components",
    "__pycache__",
    ".venv",
    "venv",
    "site-packages",
    "third_party",
    ".terraform",
    ".yarn",
    ".next",
    "dist-packages",
    "Pods",
];

/// What is no text, by the end of its name.
const BINARY: [&str; 26] = [
    "png", "jpg", "jpeg", "gif", "ico", "svg", "webp", "woff", "woff2", "ttf", "eot", "otf", "pdf",
    "zip", "gz", "tgz", "jar", "class", "so", "o", "a", "mp4", "mp3", "lock", "sum", "map",
];

/// Reads a folder, or one file.
pub(super) fn read(root: &Path) -> io::Result<(Files, Vec<Note>)> {
    let (mut files, mut notes) = (Files::default(), Vec::new());
    if root.metadata()?.is_file() {
        let name = root.file_name().unwrap_or_default().to_string_lossy().into_owned();
        take(root, name, &mut files, &mut notes, &mut 0);
        return Ok((files, notes));
    }
    std::fs::read_dir(root)?;
    let walk = ignore::WalkBuilder::new(root)
        .hidden(false)
        .require_git(false)
        .git_global(false)
        .parents(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_name(std::ffi::OsStr::cmp)
        .build();
    let mut kept = 0;
    for entry in walk.flatten() {
        if !entry.file_type().is_some_and(|kind| kind.is_file()) {
            continue;
        }
        let Ok(relative) = entry.path().strip_prefix(root) else { continue };
        let path = relative.to_string_lossy().replace('\\', "/");
        take(entry.path(), path, &mut files, &mut notes, &mut kept);
    }
    files.all.sort();
    Ok((files, notes))
}

fn take(at: &Path, path: String, files: &mut Files, notes: &mut Vec<Note>, kept: &mut u64) {
    files.all.push(path.clone());
    let name = path.rsplit('/').next().unwrap_or(&path);
    let end = name.rsplit_once('.').map_or("", |(_, end)| end).to_ascii_lowercase();
    let foreign = path.split('/').any(|part| FOREIGN.contains(&part));
    // What OPcache has to hold is vendored code, too.
    if end == "php" {
        files.php.insert(path.clone(), at.metadata().map_or(0, |meta| meta.len()));
    }
    // knee's own lock is read, those of package managers are not.
    let binary = BINARY.contains(&end.as_str()) && name != "knee.lock";
    if foreign || binary || name.contains(".min.") {
        return;
    }
    let size = at.metadata().map_or(0, |meta| meta.len());
    let mut note =
        |text: &str| notes.push(Note { path: path.clone(), at: None, text: text.into() });
    if size > LARGEST || *kept + size > MOST {
        if !matches!(end.as_str(), "json" | "csv" | "sql" | "txt" | "md" | "html") {
            note("is too large; it is not read");
        }
        return;
    }
    let bytes = match std::fs::read(at) {
        Ok(bytes) => bytes,
        Err(error) => return note(&format!("cannot be read: {error}")),
    };
    if bytes.contains(&0) {
        return;
    }
    let Ok(text) = String::from_utf8(bytes) else { return };
    let source = matches!(end.as_str(), "js" | "mjs" | "cjs" | "ts" | "css" | "php" | "py" | "go");
    if source && text.lines().any(|line| line.len() > LONGEST_LINE) {
        return;
    }
    *kept += size;
    files.read.push(File { path, text: text.into() });
}

/// What is there for development, tests and builds alone, by its path.
pub(crate) fn is_development(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let words = |text: &str, wanted: &[&str]| {
        text.split(['.', '-', '_', ' ']).any(|word| wanted.contains(&word))
    };
    let folders = [
        "testhelpers",
        "testutil",
        "testutils",
        "testdata",
        "test",
        "tests",
        "testing",
        "__tests__",
        "e2e",
        ".devcontainer",
        ".github",
        ".ci",
        "fixtures",
        "mocks",
    ];
    words(
        name,
        &[
            "dev",
            "development",
            "local",
            "test",
            "tests",
            "testing",
            "override",
            "ci",
            "debug",
            "e2e",
            "seed",
            // Kubernetes is no ECS: a cluster for development beside it.
            "k8s",
            "minikube",
            "skaffold",
        ],
    ) || lower.split('/').any(|part| {
        folders.contains(&part)
            || words(part, &DOUBLES)
            || (part != name && part.split(['-', '_']).any(|word| TESTS.contains(&word)))
            || TOOLS.contains(&part.split('.').next().unwrap_or(part))
    })
}

/// What stands in for something else, by a word of its name.
const DOUBLES: [&str; 7] = ["mock", "mocks", "stub", "stubs", "fake", "fakes", "localstack"];

/// Words of a folder with a longer name: `test-runner`, `load_tests`.
const TESTS: [&str; 3] = ["test", "tests", "e2e"];

/// Tools of tests, by a folder's or a file's whole name: others are named after them.
const TOOLS: [&str; 2] = ["cypress", "playwright"];

#[cfg(test)]
mod tests {
    use super::is_development;

    #[test]
    fn files_for_developers_by_a_word_of_their_name() {
        let developers = ["Dockerfile.client_k8s", "Dockerfile.db_seed", "a/Dockerfile-dev"];
        assert!(developers.iter().all(|path| is_development(path)));
        let services = ["Dockerfile.client", "k8s/Dockerfile", "seeds/Dockerfile"];
        assert!(!services.iter().any(|path| is_development(path)));
    }
}
