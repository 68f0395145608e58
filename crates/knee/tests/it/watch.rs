//! `knee watch` on real services under knee's own load.

use crate::cli::{knee, run};
use crate::process::{Process, command};
use crate::schema;
use serde_json::Value;
use std::process::{Child, Command, Stdio};

/// Load that goes on until it is dropped.
struct Load(Child);

impl Load {
    fn on(port: u16, rate: u32, query: &str) -> Load {
        let url = format!("http://127.0.0.1:{port}/api/orders{query}");
        let mut knee = Command::new(assert_cmd::cargo::cargo_bin("knee"));
        knee.args(["measure", &url, "--rate", &rate.to_string(), "--seconds", "100s"]);
        Load(knee.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One interval of a service, and how knee ended.
fn once(words: &[&str]) -> (i32, Value) {
    let mut command = knee();
    let (code, out, err) =
        run(command.args(["watch", "--once", "--json", "--interval", "500ms"]).args(words));
    let document: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"));
    schema::check("watch-1", &document);
    (code, document)
}

/// Watches again until it holds: a machine of continuous integration may stall the load.
pub fn until(words: &[&str], holds: impl Fn(&Value) -> bool) -> (i32, Value) {
    let mut last = once(words);
    for _ in 0..40 {
        if holds(&last.1) {
            return last;
        }
        last = once(words);
    }
    panic!("never: {}", last.1);
}

fn service<'a>(document: &'a Value, name: &str) -> &'a Value {
    let services = document["services"].as_array().unwrap();
    let found = services.iter().find(|s| s["name"].as_str().is_some_and(|n| n.starts_with(name)));
    found.unwrap_or_else(|| panic!("no {name} in {document}"))
}

#[test]
fn workers_that_all_wait_for_a_backend_are_a_pool_that_is_full() {
    let backend = Process::backend(0);
    let gunicorn = Process::example("gunicorn", backend.port());
    let port = gunicorn.port().to_string();
    let words = ["--port", port.as_str(), "--task", "2,1GB"];
    // It answers before the last of its workers has been forked.
    let booted = |d: &Value| service(d, "gunicorn")["model"] == "5 processes, a request each";
    let (code, idle) = until(&words, booted);
    let seen = service(&idle, "gunicorn");
    assert_eq!((code, &idle["limited_by"]), (0, &Value::Null), "{idle}");
    assert_eq!((&seen["workers"], &seen["slots"]), (&Value::from(5), &Value::from(5)));
    assert_eq!(seen["cpu_limit"]["origin"]["name"], "--task");
    assert!(seen["usage"]["pss"].as_u64() > Some(10 << 20), "{seen}");
    // 30 requests/s that wait for 1 s each, on 5 workers.
    let _load = Load::on(gunicorn.port(), 30, "?limit=1&wait=1000");
    let (code, full) = until(&words, |d| d["limited_by"]["resource"] == "worker_pool");
    assert_eq!(code, 1);
    let evidence = full["limited_by"]["evidence"].as_str().unwrap();
    assert!(evidence.contains(" of 5 workers busy"), "{evidence}");
    let (_, text, _) = run(knee().args(["watch", "--once"]).args(words));
    assert!(text.starts_with("limited by worker pool: "), "{text}");
    assert!(text.contains(" of 5 busy"), "{text}");
}

#[test]
fn fpm_behind_nginx_are_two_services() {
    let backend = Process::backend(0);
    let web = Process::example("php-fpm", backend.port());
    let pid = web.pid().to_string();
    let words = ["--pid", pid.as_str()];
    let _load = Load::on(web.port(), 20, "?limit=1&wait=200");
    let busy = |d: &Value| service(d, "php-fpm")["busy"]["mean"].as_f64() > Some(0.5);
    let (_, document) = until(&words, busy);
    let (fpm, nginx) = (service(&document, "php-fpm"), service(&document, "nginx"));
    assert!(fpm["model"].as_str().unwrap().ends_with("processes, a request each"), "{fpm}");
    assert!(fpm["listens"][0].as_str().unwrap().ends_with("/orders.sock"), "{fpm}");
    assert_eq!((&nginx["front"], &fpm["front"]), (&Value::Bool(true), &Value::Bool(false)));
    assert!(nginx["model"].as_str().unwrap().contains("event loop"), "{nginx}");
    let unseen = fpm["unseen"].to_string();
    assert!(unseen.contains("pm.status_path"), "what would show it: {unseen}");
}

#[test]
fn a_node_cluster_and_a_go_program_show_what_is_in_service() {
    let backend = Process::backend(0);
    let node = Process::example_with("node", backend.port(), &[("WEB_CONCURRENCY", "2")]);
    let go = Process::example_with("go", backend.port(), &[("GOMAXPROCS", "2")]);
    let (one, two) = (node.port().to_string(), go.port().to_string());
    let words = ["--port", one.as_str(), "--port", two.as_str()];
    let loads = [node.port(), go.port()].map(|port| Load::on(port, 20, "?limit=1&wait=300"));
    let busy = |d: &Value, name| service(d, name)["busy"]["mean"].as_f64() > Some(1.0);
    let (_, document) = until(&words, |d| busy(d, "node") && busy(d, "go "));
    assert_eq!(service(&document, "node")["model"], "2 event loops");
    assert_eq!(service(&document, "go ")["model"], "goroutines on 2 threads");
    let unseen = service(&document, "node")["unseen"].to_string();
    assert!(unseen.contains("event-loop delay"), "{unseen}");
    drop(loads);
}

/// What knee says and its errors when it runs as somebody else: from a copy that nobody may execute as well.
/// None where nobody can become somebody else, without root.
pub fn as_nobody(words: &[&str]) -> Option<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("knee");
    std::fs::copy(assert_cmd::cargo::cargo_bin("knee"), &program).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let mut as_nobody = command("setpriv");
    as_nobody.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    let output = as_nobody.args(words).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    (!error.contains("setpriv: ")).then_some((text, error))
}

#[test]
fn another_users_process_needs_a_privilege_that_is_named() {
    let backend = Process::backend(0);
    let pid = backend.pid().to_string();
    let Some((text, error)) = as_nobody(&["watch", "--once", "--pid", &pid]) else { return };
    assert!(
        text.contains("belong to another user") && text.contains("SYS_PTRACE"),
        "{text}{error}"
    );
}

#[test]
fn what_is_not_there_ends_with_3_and_a_wrong_interval_with_2() {
    let (code, out, err) = run(knee().args(["watch", "--once", "--pid", "2000000000"]));
    assert_eq!((code, out.as_str()), (3, ""));
    assert!(err.contains("no process 2000000000 runs here"), "{err}");
    let (code, _, err) = run(knee().args(["watch", "--interval", "1ms"]));
    assert!(code == 2 && err.contains("100 ms is the least"), "{err}");
}
