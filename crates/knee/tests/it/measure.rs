//! `knee measure` against a real server.

use crate::cli::{knee, run};
use crate::process::Process;
use crate::report;
use crate::schema;
use serde_json::Value;
use std::path::Path;

/// A rate that any machine carries, and short.
const LIGHT: [&str; 4] = ["--rate", "20,40", "--seconds", "1s"];
/// A goal that a stall of the machine does not miss.
const EASY: [&str; 2] = ["--goal", "p99<5s"];

fn url(process: &Process, path: &str) -> String {
    format!("http://127.0.0.1:{}{path}", process.port())
}

#[test]
fn the_curve_is_printed_and_the_goal_judged() {
    let backend = Process::backend(0);
    let url = url(&backend, "/api/orders?limit=1&wait=1");
    let (code, out, err) = run(knee().args(["measure", &url]).args(EASY).args(LIGHT));
    assert_eq!(code, 0, "{err}");
    let mut lines = out.lines();
    assert!(lines.next().unwrap().trim_start().starts_with("offered/s  answered/s"), "{out}");
    let rates: Vec<&str> =
        lines.by_ref().take(2).map(|l| l.split_whitespace().next().unwrap()).collect();
    assert_eq!(rates, ["20.0", "40.0"]);
    assert!(out.contains("<- capacity") && out.contains("at least 40.0 requests/s"), "{out}");
    assert!(out.contains("gave out: nothing; no rate that was offered missed"), "{out}");
}

#[test]
fn a_goal_that_not_even_one_request_meets_is_missed() {
    let backend = Process::backend(0);
    let slow = url(&backend, "/api/orders?limit=1&wait=2500");
    let (code, out, _) = run(knee().args(["measure", &slow, "--goal", "p50<1s"]).args(LIGHT));
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("no rate that was offered held p50 < 1.00 s"), "{out}");
    assert!(out.contains("at 20.0 requests/s p50 was 2.5"), "{out}");
}

#[test]
fn json_is_as_its_schema_says() {
    let backend = Process::backend(0);
    let url = url(&backend, "/api/orders?limit=1&wait=1");
    let (code, out, err) = run(knee().args(["measure", &url, "--json"]).args(EASY).args(LIGHT));
    assert_eq!(code, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    schema::check("measure-1", &document);
    assert_eq!(document["curve"][1]["offered"], 40.0);
    assert_eq!(document["capacity"], 40.0);
    // It listens on this machine: it was watched.
    assert!(document["curve"][1]["usage"]["processes"].as_u64() >= Some(1), "{out}");
}

#[test]
fn the_curve_is_a_page_too() {
    let backend = Process::backend(0);
    let url = url(&backend, "/api/orders?limit=1&wait=1");
    let page = Path::new(env!("CARGO_TARGET_TMPDIR")).join("measure.html");
    let goal = ["--goal", "p99<5s", "--html"];
    let (_, _, err) = run(knee().args(["measure", &url]).args(LIGHT).args(goal).arg(&page));
    assert!(err.contains("measure.html"), "{err}");
    let html = std::fs::read_to_string(&page).unwrap();
    let text = report::text(&report::parsed(&html));
    for part in [&url, "requests/s within p99 < 5.00 s", "goal 5 s", "What each word means"] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
    report::browser::quiet(&page);
    let nowhere = ["measure", &url, "--html", "/nowhere/x.html"];
    let (code, out, err) = run(knee().args(nowhere).args(LIGHT));
    assert!(code == 2 && err.contains("/nowhere/x.html"), "{code}: {err}");
    assert!(out.contains("offered/s"), "{out}");
}

#[test]
fn each_pace_sends_what_it_says() {
    let backend = Process::backend(0);
    let url = url(&backend, "/api/orders?limit=1&wait=1");
    for (pace, mean) in [("steps:20@500ms,60@500ms", 40.0), ("ramp:10-50@1s", 30.0)] {
        let (code, out, err) =
            run(knee().args(["measure", &url, "--json", "--pace", pace]).args(EASY));
        assert_eq!(code, 0, "{pace}: {err}");
        let document: Value = serde_json::from_str(&out).unwrap();
        let curve = document["curve"].as_array().unwrap();
        assert_eq!((curve.len(), &curve[0]["offered"]), (1, &mean.into()), "{pace}");
        assert_eq!(curve[0]["due"], mean as u64, "{pace}");
    }
}

#[test]
fn what_does_not_answer_is_not_measured() {
    let backend = Process::backend(0);
    let (code, out, err) = run(knee().args(["measure", &url(&backend, "/nothing")]));
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("answers 404"), "{err}");
    let gone = url(&backend, "/");
    drop(backend);
    let (code, _, err) = run(knee().args(["measure", &gone]));
    assert_eq!(code, 3);
    assert!(err.contains("refused") && err.contains("start the service"), "{err}");
}

#[test]
fn load_stays_on_this_machine() {
    // TEST-NET-1 (RFC 5737): nobody is there, and nothing is sent.
    let (code, _, err) = run(knee().args(["measure", "http://192.0.2.1/"]));
    assert_eq!(code, 2);
    assert!(err.contains("--allow-host 192.0.2.1"), "{err}");
    // A name is not asked for: that would fail here in another way.
    let (code, _, err) = run(knee().args(["measure", "http://orders.invalid/"]));
    assert_eq!(code, 2);
    assert!(err.contains("--allow-host orders.invalid"), "{err}");
    let other = ["measure", "http://192.0.2.1/", "--allow-host", "192.0.2.2"];
    assert_eq!(run(knee().args(other)).0, 2, "another host was allowed");
    let (code, _, err) = run(knee().args(["measure", "https://127.0.0.1/"]));
    assert_eq!(code, 2);
    assert!(err.contains("TLS is not measured yet"), "{err}");
}

#[test]
fn a_secret_in_a_header_is_not_repeated() {
    let backend = Process::backend(0);
    let secret = "Authorization: Bearer s3cret";
    let url = url(&backend, "/api/orders?limit=1&wait=1");
    let flags = ["measure", &url, "--json", "--header", secret];
    let (code, out, err) = run(knee().args(flags).args(EASY).args(LIGHT));
    assert_eq!(code, 0, "{err}");
    assert!(!out.contains("s3cret") && !err.contains("s3cret"));
}

#[test]
fn ctrl_c_ends_it_with_130() {
    let backend = Process::backend(0);
    let knee = assert_cmd::cargo::cargo_bin("knee");
    let url = url(&backend, "/api/orders?limit=1&wait=1");
    let child = std::process::Command::new(knee)
        .args(["measure", &url, "--rate", "20", "--seconds", "60s"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It listens to signals before it does anything else; the first answer shows that it is there.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status()
            .unwrap()
            .success()
    );
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was changed"));
}

#[test]
fn what_was_measured_is_planned_from() {
    let backend = Process::backend(0);
    let service = Process::example("gunicorn", backend.port());
    let asked = url(&service, "/api/orders?limit=5&wait=5");
    let measure = |folder: &Path, asked: &str| {
        run(knee().arg("-C").arg(folder).args(["measure", asked, "--lock"]).args(EASY).args(LIGHT))
    };
    let (code, _, err) = measure(service.folder(), &asked);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("knee.lock"), "{err}");
    let text = std::fs::read_to_string(service.folder().join("knee.lock")).unwrap();
    let profile: knee_core::profile::Profile = serde_json::from_str(&text).unwrap();
    assert_eq!((&*profile.runtime, profile.classes.len()), ("gunicorn", 1));
    let class = &profile.classes[0];
    assert!(class.cpu.mean.value > 1e-4 && class.wait.mean.value > 0.003, "{class:?}");
    let measured = profile.measured.unwrap();
    assert_eq!(measured.settings.int("workers"), Some(5));
    // A goal that holds however busy this machine was while it measured.
    let plan = ["plan", "--rate", "500", "--task", "1,2GB", "--goal", "p99<60s"];
    let (code, out, err) = run(knee().arg("-C").arg(service.folder()).args(plan));
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("knee.lock") && out.contains("tasks of 1 vCPU"), "{out}");
    // Somebody else's port: its figures are not this service's.
    let (code, _, err) = measure(service.folder(), &url(&backend, "/api/orders?limit=1&wait=1"));
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("serves port") && err.contains("the files here start gunicorn"), "{err}");
    // A profile is not taken for one of a folder that holds no service.
    let empty = tempfile::tempdir().unwrap();
    let (code, _, err) = measure(empty.path(), &asked);
    assert!(code == 2 || code == 3, "{code}: {err}");
}
