//! `knee audit` as a user runs it.

use crate::process::command;
use crate::schema;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A program behind a shell that swallows the stop signal.
const DOCKERFILE: &str =
    "FROM node:22-slim\nWORKDIR /app\nCOPY . .\nEXPOSE 3000\nCMD node server.js\n";
const SERVER: &str = "const http = require('http');\nconst server = http.createServer((q, a) => a.end('ok'));\nserver.listen(3000);\nprocess.on('SIGTERM', () => server.close(() => process.exit(0)));\n";

/// The program in a folder.
fn knee(folder: &Path) -> Command {
    let mut knee = command(env!("CARGO_BIN_EXE_knee"));
    knee.current_dir(folder);
    knee
}

#[test]
fn a_finding_is_shown_allowed_and_fixed() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("Dockerfile"), DOCKERFILE).unwrap();
    fs::write(at("server.js"), SERVER).unwrap();
    let audit = |words: &[&str]| {
        let mut command = knee(folder.path());
        let output = command.arg("audit").args(words).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, out, _) = audit(&[]);
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("signal-swallowed-by-shell") && out.contains("Dockerfile:5:"), "{out}");

    let (code, out, _) = audit(&["--format", "json"]);
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, told["findings"][0]["place"]["line"].as_u64()), (Some(1), Some(5)), "{out}");
    schema::check("audit-1", &told);
    let (_, out, _) = audit(&["--facts", "--format", "json"]);
    schema::check("facts-1", &serde_json::from_str(&out).unwrap());
    let (_, out, _) = audit(&["--format", "sarif"]);
    let sarif: serde_json::Value = serde_json::from_str(&out).unwrap();
    schema::check_sarif(&sarif);
    let change = &sarif["runs"][0]["results"][0]["fixes"][0]["artifactChanges"][0];
    let inserted = &change["replacements"][0]["insertedContent"]["text"];
    assert!(inserted.as_str().is_some_and(|text| text.starts_with("CMD [")), "{out}");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "signal-swallowed-by-shell");
    let region = &result["locations"][0]["physicalLocation"]["region"];
    assert_eq!(region["startLine"].as_u64(), Some(5), "{out}");

    let allow = |text: &str| fs::write(at("knee.toml"), format!("[[allow]]\n{text}")).unwrap();
    allow("rule = \"signal-swallowed-by-shell\"\nbecause = \"it is a batch\"\n");
    assert_eq!(audit(&[]).0, Some(0));
    allow("rule = \"signal-swallowed-by-shell\"\npath = \"other\"\nbecause = \"it is a batch\"\n");
    assert_eq!(audit(&[]).0, Some(1), "that is another folder");
    allow("rule = \"signal-swallowed\"\nbecause = \"it is a batch\"\n");
    let (code, _, err) = audit(&[]);
    assert!(code == Some(2) && err.contains("knee.toml:1: no rule is called"), "{err}");
    allow("rule = \"signal-swallowed-by-shell\"\n");
    let (code, _, err) = audit(&[]);
    assert!(code == Some(2) && err.contains("needs a rule, and a reason"), "{err}");
    fs::remove_file(at("knee.toml")).unwrap();

    let (_, out, _) = audit(&["--fix", "--diff"]);
    assert!(out.contains("-CMD node server.js"), "{out}");
    assert_eq!(fs::read_to_string(at("Dockerfile")).unwrap(), DOCKERFILE, "only shown");
    assert_eq!(audit(&["--fix"]).0, Some(0));
    let fixed = fs::read_to_string(at("Dockerfile")).unwrap();
    let last = fixed.lines().last().unwrap();
    assert!(last.starts_with("CMD [\"node\"") && fixed.lines().count() == 5, "{fixed}");
    assert_eq!(audit(&["--fix"]).0, Some(0));
    assert_eq!(
        fs::read_to_string(at("Dockerfile")).unwrap(),
        fixed,
        "a second run changes nothing"
    );
}

#[test]
fn a_baseline_reports_only_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("Dockerfile"), DOCKERFILE).unwrap();
    fs::write(at("server.js"), SERVER).unwrap();
    let code = |words: &[&str]| {
        knee(folder.path()).arg("audit").args(words).output().unwrap().status.code()
    };
    assert_eq!(code(&["--write-baseline"]), Some(0));
    assert_eq!(code(&[]), Some(0), "all is known");
    fs::write(at("Dockerfile"), format!("# moved\n{DOCKERFILE}")).unwrap();
    assert_eq!(code(&[]), Some(0), "lines may shift");
    fs::create_dir(at("b")).unwrap();
    fs::write(at("b/Dockerfile"), DOCKERFILE).unwrap();
    fs::write(at("b/server.js"), SERVER).unwrap();
    assert_eq!(code(&[]), Some(1), "another service has it, too");
    fs::write(at("knee-audit.baseline.json"), "{").unwrap();
    assert_eq!(code(&[]), Some(2), "a broken baseline is no baseline");
    fs::remove_file(at("knee-audit.baseline.json")).unwrap();
    assert_eq!(code(&["--baseline", "other.json"]), Some(2), "one that is named has to be there");
    assert_eq!(code(&["b", "--write-baseline", "--baseline", "other.json"]), Some(0));
    assert!(at("other.json").exists(), "where it was named, not beside what is read");
    assert_eq!(code(&["b", "--baseline", "other.json"]), Some(0));
    let later =
        fs::read_to_string(at("other.json")).unwrap().replace("\"version\": 1", "\"version\": 9");
    fs::write(at("other.json"), later).unwrap();
    assert_eq!(code(&["b", "--baseline", "other.json"]), Some(2), "of another version");
    assert_eq!(code(&["b", ".", "--write-baseline", "--baseline", "other.json"]), Some(2));
}

/// What is read may be a folder or a file below where knee is started: GitHub, editors and people
/// open the places from there.
#[test]
fn places_are_named_from_where_knee_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("services/api");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("Dockerfile"), DOCKERFILE).unwrap();
    fs::write(own.join("server.js"), SERVER).unwrap();
    let absolute = own.to_str().unwrap();
    for path in ["services/api", "./services/api/", "services/api/Dockerfile", absolute] {
        let told = |words: &[&str]| {
            let output = knee(folder.path()).args(["audit", path]).args(words).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let at = "services/api/Dockerfile";
        assert!(told(&["--format", "github"]).contains(&format!("file={at},line=5")), "{path}");
        assert!(told(&["--format", "markdown"]).contains(&format!("`{at}:5`")), "{path}");
        assert!(told(&[]).contains(&format!("--> {at}:5:")), "{path}");
        assert!(told(&["--fix", "--diff"]).contains(&format!("--- a/{at}")), "{path}");
        let sarif: serde_json::Value = serde_json::from_str(&told(&["--format", "sarif"])).unwrap();
        let result = &sarif["runs"][0]["results"][0];
        let place = &result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"];
        assert_eq!(place, at, "{path}");
        assert_eq!(result["fixes"][0]["artifactChanges"][0]["artifactLocation"]["uri"], at);
    }
}

#[test]
fn a_folder_without_a_service_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let output = knee(folder.path()).arg("audit").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let two = knee(folder.path()).args(["audit", ".", ".", "--format", "sarif"]).output().unwrap();
    assert!(two.status.code() == Some(2) && two.stdout.is_empty(), "two documents are none");
    for words in
        [["--facts", "--format=sarif"], ["--diff", "--fail-on=low"], ["--fix", "--write-baseline"]]
    {
        let output = knee(folder.path()).arg("audit").args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?} is not silently something else");
    }
    let output = knee(folder.path()).args(["audit", "nowhere"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere"));
}

/// The commands of the GitHub Action and of the pre-commit hook, as they stand in their files.
#[test]
fn the_action_and_the_hook_run() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    let parsed = |name: &str| knee_files::formats::yaml::tree(&read(name), 0).unwrap().unwrap();
    let action = parsed("action.yml");
    let default = |name: &str| {
        let input = action.path(&["inputs", name, "default"]);
        input.and_then(|node| node.text()).unwrap_or_else(|| panic!("no default of {name}"))
    };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Dockerfile"), DOCKERFILE).unwrap();
    fs::write(folder.path().join("server.js"), SERVER).unwrap();
    let temporary = folder.path().join("tmp/knee/bin");
    fs::create_dir_all(&temporary).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_knee"), temporary.join("knee")).unwrap();
    let shell = |script: &str| {
        let path = format!("{}:/usr/bin:/bin", temporary.display());
        let mut shell = command("bash");
        shell.args(["-ec", script]).current_dir(folder.path()).env("PATH", path);
        shell.env("RUNNER_TEMP", folder.path().join("tmp"));
        for (variable, input) in [
            ("AUDITED", "path"),
            ("PERSONA", "persona"),
            ("FAIL_ON", "fail-on"),
            ("SARIF", "sarif"),
        ] {
            shell.env(variable, default(input));
        }
        shell.output().unwrap()
    };
    let steps = action.path(&["runs", "steps"]).unwrap().items();
    let scripts = steps.iter().filter_map(|step| step.get("run").and_then(|run| run.text()));
    let scripts: Vec<String> = scripts.filter(|text| text.contains("knee/bin/knee")).collect();
    let [report, told] = &scripts[..] else { panic!("{scripts:?}") };
    assert_eq!(shell(report).status.code(), Some(0), "a report fails no job");
    let sarif = fs::read_to_string(folder.path().join("knee.sarif")).unwrap();
    schema::check_sarif(&serde_json::from_str(&sarif).unwrap());
    let output = shell(told);
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "a finding fails it");
    assert!(out.starts_with("::error file=Dockerfile,line=5,"), "{out}");

    let hook = &parsed(".pre-commit-hooks.yaml").items()[0].clone();
    let entry = hook.get("entry").and_then(|node| node.text()).unwrap();
    assert_eq!(shell(&entry).status.code(), Some(1), "{entry}");
}
