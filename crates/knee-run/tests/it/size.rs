//! The real size, from a metadata endpoint that speaks version 4 and from cgroups made as ECS
//! makes them.

use crate::group::Group;
use crate::support::knee_run;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

/// As Fargate answers; numbers and names of nobody.
pub const TASK: &str = r#"{"Cluster":"arn:aws:ecs:us-east-1:111122223333:cluster/default","TaskARN":"arn:aws:ecs:us-east-1:111122223333:task/default/158d1c8083dd49d6b527399fd6414f5c","Family":"orders","Revision":"26","DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":0.25,"Memory":512},"PullStartedAt":"2026-10-02T00:43:06.202617438Z","AvailabilityZone":"us-east-1d","LaunchType":"FARGATE","Containers":[{"DockerId":"ea32192c8553fbff06c9340478a2ff089b2bb5646fb718b4ee206641c9086d66","Name":"orders","DockerName":"ecs-orders-26","Image":"111122223333.dkr.ecr.us-east-1.amazonaws.com/orders:latest","DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":2},"Type":"NORMAL"}]}"#;
const CONTAINER: &str = r#"{"DockerId":"ea32192c8553fbff06c9340478a2ff089b2bb5646fb718b4ee206641c9086d66","Name":"orders","DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":2},"Type":"NORMAL","Networks":[{"NetworkMode":"awsvpc","IPv4Addresses":["10.0.2.106"]}]}"#;

pub fn answer(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

/// A server that answers each path by that function; None keeps the connection open, silent.
pub fn serve(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 1024];
            let length = stream.read(&mut request).unwrap();
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            match answer(request.split(' ').nth(1).unwrap()) {
                Some(answer) => stream.write_all(answer.as_bytes()).unwrap(),
                None => silent.push(stream),
            }
        }
    });
    at
}

/// What a dry run says with that endpoint.
fn said(endpoint: &str) -> String {
    let output = knee_run(&["--dry-run", "--", "true"])
        .env("ECS_CONTAINER_METADATA_URI_V4", endpoint)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_task_says_its_size() {
    let at = serve(|path| match path {
        "/v4/ea32/task" => Some(answer(TASK)),
        "/v4/ea32" => Some(answer(CONTAINER)),
        _ => None,
    });
    let said = said(&format!("http://{at}/v4/ea32"));
    assert!(said.contains("cpu 0.25 (observed: task metadata, the task)\n"), "{said}");
    assert!(said.contains("memory 512 MiB (observed: task metadata, the task)\n"), "{said}");
}

#[test]
fn an_endpoint_that_fails_is_survived_and_named() {
    let silent = serve(|_| None);
    let broken = serve(|_| Some(answer(r#"{"Limits":{"CPU":0.2"#)));
    let foreign = serve(|_| Some("SSH-2.0-OpenSSH_9.2\r\n\r\n".into()));
    let refusing = serve(|_| Some("HTTP/1.1 429 Too Many Requests\r\n\r\n".into()));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (at, problem) in [
        (silent, "task metadata/task: no answer in time"),
        (broken, "EOF while parsing an object"),
        (foreign, "what it answered is no HTTP/1.1"),
        (refusing, "it answered with status 429"),
        (closed, "Connection refused"),
    ] {
        let said = said(&format!("http://{at}/v4/secret-part"));
        assert!(said.contains(problem) && said.contains("cpu "), "{problem}: {said}");
        assert!(!said.contains("secret-part"), "{said}");
    }
    let said = said("https://169.254.170.2/v4");
    assert!(said.contains("not of the form http://HOST/PATH"), "{said}");
}

#[test]
fn a_server_that_drips_holds_nothing_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            // Without a deadline for the whole this would go on for ever.
            while stream.write_all(b"H").is_ok() {
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
        }
    });
    let said = said(&format!("http://{at}/v4"));
    assert!(said.contains("no answer in time"), "{said}");
}

#[test]
fn an_endpoint_without_limits_leaves_the_rest() {
    let none = TASK.replace(r#""Limits":{"CPU":0.25,"Memory":512},"#, "");
    let at =
        serve(move |path| Some(answer(if path.ends_with("/task") { &none } else { CONTAINER })));
    let said = said(&format!("http://{at}/v4"));
    assert!(said.contains("cpu ") && !said.contains("task metadata, the task"), "{said}");
}

#[test]
fn a_quota_on_the_parent_is_found() {
    let Some(group) = Group::new() else {
        eprintln!("not tested: this process may make no cgroup");
        return;
    };
    for (quarter, cores) in [(1, "0.25"), (2, "0.5"), (4, "1")] {
        group.quota(quarter);
        let mut command = knee_run(&["--dry-run", "--", "true"]);
        group.join(&mut command);
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let expected = format!("cpu {cores} ({}/cpu.", group.path().display());
        assert!(said.contains(&expected), "{expected}: {said}");
    }
}

#[test]
fn doctor_tells_what_it_sees_and_no_secret() {
    let at = serve(|path| Some(answer(if path.ends_with("/task") { TASK } else { CONTAINER })));
    let output = knee_run(&["doctor"])
        .env("ECS_CONTAINER_METADATA_URI_V4", format!("http://{at}/v4"))
        .env("WEB_CONCURRENCY", "a-secret")
        .env("DATABASE_URL", "another-secret")
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    for part in ["cpu: 0.25 (", "/proc/self/cgroup", "WEB_CONCURRENCY", "launch type FARGATE"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for part in ["secret", "111122223333", "10.0.2.106"] {
        assert!(!said.contains(part), "{part}: {said}");
    }
}
