//! `knee plan`: from a run, from what is stated, and what it says when it cannot.

use super::cli::{knee, run};
use super::schema;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// A service's folder with the run that knee ships as a sample.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let runs = folder.path().join(".knee/runs/1");
    std::fs::create_dir_all(&runs).unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/run/events.jsonl");
    std::fs::copy(sample, runs.join("events.jsonl")).unwrap();
    folder
}

fn plan(folder: &Path, flags: &[&str]) -> (i32, String, String) {
    run(knee().arg("-C").arg(folder).arg("plan").args(flags))
}

const STATED: [&str; 4] = ["--assume", "cpu=8ms,wait=40ms,memory=45MiB", "--runtime", "gunicorn"];

#[test]
fn a_run_is_planned_from_for_every_size() {
    let folder = folder();
    let (code, out, err) = plan(folder.path(), &["--rate", "2000", "--goal", "p99<250ms"]);
    assert_eq!(code, 0, "{err}");
    for part in ["tasks of", "0.25 vCPU", "16 vCPU", "target tracking at", "us-east-1, 2026"] {
        assert!(out.contains(part), "no `{part}` in:\n{out}");
    }
    assert!(out.contains("forecast against measured in run 1"), "{out}");
    assert!(out.contains("extrapolated beyond what was measured"), "{out}");
    // Without a rate: as much as one task carried.
    let (code, out, _) = plan(folder.path(), &[]);
    assert_eq!(code, 0);
    assert!(out.contains("rate: as much as one task carried in run 1"), "{out}");
}

#[test]
fn the_document_is_as_its_schema_says() {
    let folder = folder();
    let flags = ["--rate", "500", "--json", "--instance", "m7g.large=2,8GiB,0.0816"];
    let (code, out, err) = plan(folder.path(), &flags);
    assert_eq!(code, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    schema::check("plan-1", &document);
    let choices = document["choices"].as_array().unwrap();
    assert!(choices.len() > 40, "{}", choices.len());
    let month = |c: &Value| c["month"]["x86"].as_f64().unwrap();
    assert!(choices.windows(2).all(|w| month(&w[0]) <= month(&w[1])));
    assert_eq!(document["instances"].as_array().unwrap().len(), 1);
    // Impossible: its members are others.
    let (code, out, _) = plan(folder.path(), &["--rate", "500", "--goal", "p99<1ms", "--json"]);
    assert_eq!(code, 1);
    let document: Value = serde_json::from_str(&out).unwrap();
    schema::check("plan-1", &document);
    assert!(document["impossible"]["change"].is_string());
}

#[test]
fn what_if_is_answered_for_one_size_and_one_setting() {
    let folder = folder();
    let ask = |flags: &[&str]| {
        let (code, out, err) = plan(folder.path(), flags);
        assert_eq!(code, 0, "{err}");
        let document: Value = serde_json::from_str(&out).unwrap();
        let choice = document["choices"][0].clone();
        let carries = choice["carries"]["rate"]["value"].as_f64().unwrap();
        (choice["settings"]["workers"].as_i64().unwrap(), carries)
    };
    let one = ["--task", "1,2GB", "--rate", "50", "--json", "--set", "threads=1"];
    let at = |workers: &'static str| {
        let mut flags = one.to_vec();
        flags.extend(["--set", workers]);
        ask(&flags)
    };
    let (few, carried_by_few) = at("workers=1");
    let (more, carried_by_more) = at("workers=4");
    assert_eq!((few, more), (1, 4));
    assert!(carried_by_more > 2.0 * carried_by_few, "{carried_by_few} {carried_by_more}");
}

#[test]
fn a_value_that_only_its_runtime_can_read_is_set() {
    let folder = TempDir::new().unwrap();
    let ask = |set: &str| {
        let stated = ["--assume", "cpu=2ms,wait=10ms,memory=45MiB", "--runtime", "go"];
        let flags = ["--rate", "50", "--task", "1,2GB", "--json", "--set", set];
        plan(folder.path(), &[&stated[..], &flags].concat())
    };
    for (set, knob, value) in [
        ("GOMEMLIMIT=off", "GOMEMLIMIT", Value::from("off")),
        ("GOMEMLIMIT=512MiB", "GOMEMLIMIT", Value::from(512)),
        ("GOGC=off", "GOGC", Value::from("off")),
    ] {
        let (code, out, err) = ask(set);
        assert_eq!(code, 0, "{set}: {err}");
        let document: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(document["choices"][0]["settings"][knob], value, "{set}");
    }
    let (code, _, err) = ask("GOMEMLIMIT=much");
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("GOMEMLIMIT=much: outside of what it can be"), "{err}");
}

#[test]
fn what_is_stated_needs_no_run() {
    let folder = TempDir::new().unwrap();
    let (code, out, err) = plan(folder.path(), &[&STATED[..], &["--rate", "200"]].concat());
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("stated: 8.00 ms of CPU and 40.0 ms of waiting"), "{out}");
    assert!(out.contains("assumed: CPU of a request: stated with --assume"), "{out}");
    assert!(out.contains("every figure rests on what was assumed"), "{out}");
    let (code, _, err) = plan(folder.path(), &[]);
    assert_eq!(code, 3);
    assert!(err.contains("no run of knee") && err.contains("--assume cpu=8ms"), "{err}");
    // Without a rate: as much as one task would carry.
    let (code, out, err) = plan(folder.path(), &STATED);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("rate: as much as one task of 1 vCPU, 2 GiB is forecast"), "{out}");
    let hopeless =
        ["--assume", "cpu=300ms,memory=45MiB", "--runtime", "gunicorn", "--goal", "p99<250ms"];
    let (_, out, err) = plan(folder.path(), &hopeless);
    assert!(
        out.contains("rate: one a second, as a task of 1 vCPU, 2 GiB is forecast to carry none"),
        "{out}{err}"
    );
}

#[test]
fn kinds_of_request_and_clients_that_try_again_are_stated() {
    let folder = TempDir::new().unwrap();
    let ask = |flags: &[&str]| {
        let stated = ["--runtime", "node", "--rate", "100", "--task", "1,2GB"];
        plan(folder.path(), &[&stated[..], flags].concat())
    };
    let page = "name=page,weight=9,cpu=4ms,wait=20ms/80ms,memory=85MiB";
    let kinds = ["--assume", page, "--assume", "name=report,weight=1,cpu=40ms,wait=20ms"];
    let (code, out, err) = ask(&kinds);
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("page: 4.00 ms of CPU") && out.contains("CPU of report: stated"), "{out}");
    let clients = ["--clients", "timeout=1s,retries=3", "--arrivals", "constant", "--json"];
    let (code, out, err) = ask(&[&kinds[..], &clients].concat());
    assert_eq!(code, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    schema::check("plan-1", &document);
    let points = document["curve"]["points"].as_array().unwrap();
    let of = |point: &Value, what: &str| point[what].as_f64().unwrap();
    let last = points.last().unwrap();
    assert!(of(last, "attempts") > 2.0 && of(last, "answered") < of(&points[2], "answered"));
    assert!(document["traffic"].as_str().unwrap().contains("evenly spaced; clients that give up"));
    let (_, out, _) = ask(&[&kinds[..], &["--clients", "timeout=1s,retries=3"]].concat());
    assert!(out.contains("answered in time") && out.contains("attempts each"), "{out}");
}

#[test]
fn octane_pays_once_what_fpm_pays_for_each_request() {
    let folder = TempDir::new().unwrap();
    let carries = |runtime: &str, set: &[&str]| {
        let stated = ["--assume", "cpu=5ms,wait=10ms,bootstrap=20ms,memory=60MiB", "--runtime"];
        let flags = [&stated[..], &[runtime, "--rate", "50", "--task", "1,2GB", "--json"], set];
        let (code, out, err) = plan(folder.path(), &flags.concat());
        assert_eq!(code, 0, "{err}");
        let document: Value = serde_json::from_str(&out).unwrap();
        document["choices"][0]["carries"]["rate"]["value"].as_f64().unwrap()
    };
    let fpm = carries("php-fpm", &["--set", "pm.max_children=8"]);
    let octane = carries("octane", &["--set", "workers=8"]);
    let recycled = carries("octane", &["--set", "workers=8", "--set", "max-requests=10"]);
    assert!(octane > 3.0 * fpm && recycled < 0.85 * octane, "{fpm} {octane} {recycled}");
}

#[test]
fn an_impossible_goal_names_what_makes_it_so() {
    let folder = TempDir::new().unwrap();
    let ask = |flags: &[&str]| plan(folder.path(), &[&STATED[..], flags].concat());
    let (code, out, _) = ask(&["--rate", "200", "--goal", "p99<30ms"]);
    assert_eq!(code, 1);
    assert!(out.contains("no setting can, by its backend"), "{out}");
    assert!(out.contains("what would have to change: the waiting of a request"), "{out}");
    let (code, out, _) = ask(&["--rate", "1000", "--connections", "20"]);
    assert_eq!(code, 1);
    assert!(out.contains("20 connections") && out.contains("at least 50 connections"), "{out}");
}

#[test]
fn a_profile_is_kept_and_planned_from() {
    let folder = folder();
    let (code, _, err) = plan(folder.path(), &["--lock"]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("knee.lock"), "{err}");
    let (_, from_run, _) = plan(folder.path(), &["--rate", "300", "--json"]);
    std::fs::remove_dir_all(folder.path().join(".knee")).unwrap();
    let (code, from_lock, err) = plan(folder.path(), &["--rate", "300", "--json"]);
    assert_eq!(code, 0, "{err}");
    let choices = |text: &str| serde_json::from_str::<Value>(text).unwrap()["choices"].clone();
    assert_eq!(choices(&from_run), choices(&from_lock));
    let path = folder.path().join("knee.lock");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("\"version\": 1", "\"version\": 2", 1)).unwrap();
    let (code, _, err) = plan(folder.path(), &["--rate", "300"]);
    assert_eq!(code, 2);
    assert!(err.contains("knee.lock") && err.contains("version 2"), "{err}");
}

#[test]
fn a_mistake_is_named_with_what_would_be_right() {
    let folder = folder();
    for (flags, part) in [
        (vec!["--set", "wrokers=4"], "one of workers"),
        (vec!["--set", "workers=0"], "1..64"),
        (vec!["--set", "workers"], "write NAME=VALUE"),
        (vec!["--growth", "fast"], "write a share"),
        (vec!["--task", "1,1GB"], "the nearest are"),
        (vec!["--runtime", "gunicorn"], "--assume"),
        (vec!["--assume", "cpu=8ms", "--runtime", "gunicorn"], "write cpu=8ms"),
        (vec!["--clients", "retries=2"], "write timeout=1s"),
        (vec!["--arrivals", "none.log"], "write poisson, constant"),
        (vec!["--instance", "m7g.large"], "is no instance type"),
        (vec!["--prices", "none.toml"], "none.toml"),
        (vec!["7"], "no run 7"),
    ] {
        let (code, _, err) = plan(folder.path(), &flags);
        assert!(code == 2 || code == 3, "{flags:?}: {code}");
        assert!(err.contains(part), "{flags:?}: {err}");
    }
}

#[test]
fn prices_of_ones_own_count() {
    let folder = folder();
    let (_, shipped, _) = run(knee().args(["explain", "prices"]));
    let path = folder.path().join("prices.toml");
    std::fs::write(&path, shipped.replacen("0.04048", "0.08096", 1)).unwrap();
    let cheapest = |flags: &[&str]| {
        let (code, out, err) = plan(folder.path(), flags);
        assert_eq!(code, 0, "{err}");
        let document: Value = serde_json::from_str(&out).unwrap();
        document["choices"][0]["month"]["x86"].as_f64().unwrap()
    };
    let own = path.display().to_string();
    let dear = cheapest(&["--rate", "500", "--json", "--prices", &own]);
    assert!(dear > 1.5 * cheapest(&["--rate", "500", "--json"]));
    std::fs::write(&path, "date = 7\n").unwrap();
    let (code, _, err) = plan(folder.path(), &["--rate", "500", "--prices", &own]);
    assert_eq!(code, 2);
    assert!(err.contains("prices.toml") && err.contains("line 1"), "{err}");
}

#[test]
fn the_page_is_complete_in_itself() {
    let folder = folder();
    let path = folder.path().join("plan.html");
    let flags = ["--rate", "2000", "--html", path.to_str().unwrap()];
    assert_eq!(plan(folder.path(), &flags).0, 0);
    let page = std::fs::read_to_string(path).unwrap();
    let parsed = roxmltree::Document::parse_with_options(
        &page,
        roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() },
    )
    .unwrap();
    let charts = parsed.descendants().filter(|n| n.attribute("class") == Some("chart")).count();
    assert_eq!(charts, 5, "costs, what is carried, the latency, and both under more and more load");
    assert!(page.contains("and more the queue grows without end"), "at twice what it carries");
    let rows = parsed.descendants().filter(|n| n.has_tag_name("tr") || n.tag_name().name() == "tr");
    assert!(rows.count() > 40);
    assert!(!page.contains("http-equiv=\"refresh\"") && !page.contains("<link"));
}
