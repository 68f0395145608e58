//! Metrics for an OpenTelemetry collector: a real one takes them, OpenTelemetry's own schema accepts
//! them, and one that is absent, slow or refuses costs the service nothing.

use crate::size;
use crate::support::{Ended, Talk, command, free_port, kill, knee_run, packages, until};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Something that listens, as most services do.
const SERVICE: &str = "import socket, time\n\
    s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(); time.sleep(1000)";

/// The program beside such a service, with a sample every 100 ms.
fn watched(flags: &[&str]) -> Command {
    let every = ["--watch-every", "100ms", "--serve-for", "0s"];
    knee_run(&[&every, flags, &["--", "python3", "-c", SERVICE]].concat())
}

/// A collector that answers each request with these bytes, after the length of which it closes; and
/// the documents that came.
fn collector(answer: &'static str) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (at, came) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(vec![])));
    let kept = came.clone();
    std::thread::spawn(move || {
        let mut silent = vec![];
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !is_whole(&request) {
                match stream.read(&mut buffer) {
                    Ok(length @ 1..) => request.extend(&buffer[..length]),
                    _ => break,
                }
            }
            kept.lock().unwrap().push(String::from_utf8(request).unwrap());
            match answer {
                "" => silent.push(stream),
                _ => drop(stream.write_all(answer.as_bytes())),
            }
        }
    });
    (at, came)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    length.is_some_and(|length| body.len() >= length.parse::<usize>().unwrap())
}

/// Reads a document by the schema, strictly, and prints what it says of each metric.
const SCHEMA: &str = "\
import sys
from google.protobuf import json_format
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
export = json_format.Parse(sys.stdin.read(), ExportMetricsServiceRequest())
for resource in export.resource_metrics:
    print('resource', *sorted(f'{a.key}={a.value.string_value}' for a in resource.resource.attributes))
    for scope in resource.scope_metrics:
        for metric in scope.metrics:
            data = getattr(metric, metric.WhichOneof('data'))
            for point in data.data_points:
                assert point.time_unix_nano > 1.7e18 and point.WhichOneof('value'), metric
                value = getattr(point, point.WhichOneof('value'))
                print(metric.name, metric.WhichOneof('data'), metric.unit, getattr(data, 'is_monotonic', ''),
                      getattr(data, 'aggregation_temporality', ''), value)
";

#[test]
fn opentelemetrys_own_schema_accepts_what_is_sent() {
    let (at, came) = collector("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let mut command = watched(&[]);
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{at}")),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%20secret".into()),
        ("OTEL_RESOURCE_ATTRIBUTES", "team=shop".into()),
        ("OTEL_SERVICE_NAME", "orders".into()),
    ];
    command.envs(variables).stderr(Stdio::piped());
    let mut talk = Talk::with(command);
    until("three documents have come", || came.lock().unwrap().len() > 2);
    talk.signal(libc::SIGTERM);
    let mut said = String::new();
    talk.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("secret") && !said.contains("collector"), "{said}");
    let request = came.lock().unwrap()[2].clone();
    let (head, document) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /v1/metrics HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\napi-key: a secret"), "{head}");
    assert!(head.contains("\r\nContent-Type: application/json"), "{head}");
    let mut python = Command::new(packages().join("bin/python"));
    python.args(["-c", SCHEMA]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut reader = python.spawn().unwrap();
    reader.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
    let read = reader.wait_with_output().unwrap();
    let read = String::from_utf8(read.stdout).unwrap();
    for line in [
        "resource service.name=orders team=shop\n",
        "\nknee.workers sum {worker} False 2 1.0\n",
        "\nknee.process.cpu.usage gauge {cpu}   ",
        "\nknee.samples sum 1 True 2 ",
        "\nprocess.thread.count sum {thread} False 2 1.0\n",
    ] {
        assert!(read.contains(line), "{line}: {read} of {document}");
    }
}

#[test]
fn the_tasks_metadata_is_asked_once_and_describes_the_resource() {
    let (at, came) = collector("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let asked = Arc::new(Mutex::new(vec![]));
    let noted = asked.clone();
    let task = size::serve(move |path| {
        noted.lock().unwrap().push(path.to_string());
        Some(size::answer(size::TASK))
    });
    let mut command = watched(&["--otlp", &format!("http://{at}")]);
    command.env("ECS_CONTAINER_METADATA_URI_V4", format!("http://{task}/v4/ea32"));
    command.stderr(Stdio::null());
    let talk = Talk::with(command);
    until("two documents have come", || came.lock().unwrap().len() > 1);
    let document = came.lock().unwrap()[0].clone();
    assert!(
        document.contains(r#""key":"aws.ecs.task.family","value":{"stringValue":"orders"}"#),
        "{document}"
    );
    talk.signal(libc::SIGTERM);
    talk.end();
    assert_eq!(*asked.lock().unwrap(), ["/v4/ea32/task", "/v4/ea32"]);
}

#[test]
fn a_real_collector_takes_them() {
    let folder = tempfile::tempdir().unwrap();
    let (log, port) = (folder.path().join("log"), free_port());
    let (http, grpc) = (format!("127.0.0.1:{port}"), format!("127.0.0.1:{}", free_port()));
    let lib = packages().join("lib");
    let python = fs::read_dir(&lib).unwrap().next().unwrap().unwrap().path();
    let rotel = Command::new(python.join("site-packages/rotel/rotel-agent"))
        .args(["start", "--otlp-http-endpoint", &http, "--otlp-grpc-endpoint", &grpc])
        .args(["--exporter", "blackhole", "--debug-log", "metrics"])
        .args(["--debug-log-verbosity", "detailed"])
        .stdin(Stdio::null())
        .stdout(fs::File::create(&log).unwrap())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _rotel = Ended(rotel);
    let mut command = watched(&["--otlp", &format!("http://{http}")]);
    command.stderr(Stdio::null());
    let talk = Talk::with(command);
    let metric = "-> Name: process.unix.file_descriptor.count";
    until("it has read a metric", || fs::read_to_string(&log).unwrap().contains(metric));
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.contains("-> service.name: Str(unknown_service)"), "{text}");
    assert!(text.contains("-> Unit: {file_descriptor}"), "{text}");
    talk.signal(libc::SIGTERM);
    talk.end();
}

/// The program beside a service and with these files of its own in place of `/etc/hosts` and
/// `/etc/resolv.conf`, in a mount namespace.
fn named(url: &str, hosts: &str, resolver: &str) -> (tempfile::TempDir, Talk) {
    let dir = tempfile::tempdir().unwrap();
    let [own, servers] = [("hosts", hosts), ("resolv.conf", resolver)].map(|(name, text)| {
        fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name).display().to_string()
    });
    let program = env!("CARGO_BIN_EXE_knee-run");
    let text = format!(
        "mount --bind {own} /etc/hosts && mount --bind {servers} $(readlink -f /etc/resolv.conf) && \
         exec {program} --watch-every 100ms --serve-for 0s --otlp {url} -- sleep 1000"
    );
    let mut unshare = command("unshare");
    // SAFETY: a plain call.
    if unsafe { libc::geteuid() } != 0 {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--mount", "sh", "-c", &text]).env_remove("ECS_CONTAINER_METADATA_URI_V4");
    unshare.stdin(Stdio::null()).stderr(fs::File::create(dir.path().join("log")).unwrap());
    (dir, Talk::with(unshare))
}

#[test]
fn a_collector_is_found_by_the_name_that_etc_hosts_has_for_it() {
    let (at, came) = collector("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let url = format!("http://otel-collector:{}", at.port());
    let (_dir, talk) = named(&url, "127.0.0.1 localhost otel-collector\n", "");
    until("a document has come", || !came.lock().unwrap().is_empty());
    let head = came.lock().unwrap()[0].clone();
    assert!(head.contains(&format!("\r\nHost: otel-collector:{}\r\n", at.port())), "{head}");
    talk.signal(libc::SIGTERM);
    talk.end();
}

/// An address of this machine's own network that no name server has as a rule.
const NAME_SERVER: &str = "127.0.53.7:53";

#[test]
fn a_collector_is_found_by_the_name_that_a_name_server_knows() {
    let Ok(server) = UdpSocket::bind(NAME_SERVER) else {
        eprintln!("not tested: this process may not be {NAME_SERVER}");
        return;
    };
    std::thread::spawn(move || {
        let mut buffer = [0; 512];
        while let Ok((length, from)) = server.recv_from(&mut buffer) {
            let mut answer = buffer[..length].to_vec();
            // Only below the folder that is searched there is such a name: an address, 127.0.0.1.
            let found = answer.windows(5).any(|part| part == b"local");
            answer[2..4].copy_from_slice(&[0x81, if found { 0x80 } else { 0x83 }]);
            if found {
                answer[7] = 1;
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 9, 0, 4, 127, 0, 0, 1]);
            }
            server.send_to(&answer, from).unwrap();
        }
    });
    let (at, came) = collector("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let url = format!("http://otel-collector:{}", at.port());
    let resolver = "nameserver 127.0.53.7\nsearch eu-west-1.compute.internal orders.local\n";
    let (_dir, talk) = named(&url, "127.0.0.1 localhost\n", resolver);
    until("a document has come", || !came.lock().unwrap().is_empty());
    talk.signal(libc::SIGTERM);
    talk.end();
}

#[test]
fn a_name_that_nobody_knows_costs_one_line() {
    // Nobody is asked at that address: it refuses at once.
    let (dir, talk) =
        named("http://otel-collector:4318", "127.0.0.1 localhost\n", "nameserver 127.0.53.8\n");
    let said = || fs::read_to_string(dir.path().join("log")).unwrap();
    until("it is said", || {
        said().contains("its host's name cannot be looked up: Connection refused")
    });
    talk.signal(libc::SIGTERM);
    talk.end();
    assert_eq!(said().matches("takes no metrics").count(), 1, "{}", said());
}

/// What is said beside a service that ends by itself once that is enough.
fn beside(url: &str, enough: impl Fn(&str) -> bool) -> String {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let said = || fs::read_to_string(&log).unwrap();
    let service = "while [ ! -e end ]; do sleep 0.1; done; exit 7";
    let mut command =
        knee_run(&["--watch-every", "100ms", "--otlp", url, "--", "sh", "-c", service]);
    command.current_dir(dir.path()).stderr(fs::File::create(&log).unwrap());
    let talk = Talk::with(command);
    until("that is enough", || enough(&said()));
    fs::write(dir.path().join("end"), "").unwrap();
    assert_eq!(talk.end().0, Some(7));
    said()
}

#[test]
fn a_collector_that_fails_costs_one_line() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = beside(&format!("http://{closed}"), |said| said.contains("collector takes"));
    assert!(said.contains("takes no metrics: Connection refused"), "{said}");
    for (answer, why) in [
        ("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\n\r\n", "it answers with status 429"),
        ("HTTP/1.1 404 Not Found\r\n\r\n", "it answers with status 404"),
        ("HTTP/1.1 500 Internal Server Error\r\n\r\n", "it answers with status 500"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "what it answered is no HTTP/1.1"),
    ] {
        let (at, came) = collector(answer);
        let said = beside(&format!("http://{at}"), |_| came.lock().unwrap().len() > 2);
        let lines: Vec<&str> = said.lines().filter(|l| l.contains("collector takes")).collect();
        assert!(lines.len() == 1 && lines[0].contains(why), "{why}: {said}");
    }
    // One that is silent is waited for by nobody but the thread that asks it.
    let (silent, came) = collector("");
    let said = beside(&format!("http://{silent}"), |_| came.lock().unwrap().len() == 1);
    assert!(!said.contains("collector takes"), "{said}");
}

#[test]
fn a_collector_that_comes_late_gets_what_waits() {
    let port = free_port();
    let mut command = watched(&["--otlp", &format!("http://127.0.0.1:{port}")]);
    command.stderr(Stdio::piped());
    let mut talk = Talk::with(command);
    let mut said = std::io::BufReader::new(talk.child.stderr.take().unwrap());
    let mut line_with = |text: &str| loop {
        let mut line = String::new();
        std::io::BufRead::read_line(&mut said, &mut line).unwrap();
        assert!(!line.is_empty(), "never said: {text}");
        if line.contains(text) {
            return;
        }
    };
    line_with("takes no metrics: Connection refused");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1 << 16]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
        }
    });
    line_with("takes metrics again; ");
    kill(talk.pid(), libc::SIGTERM);
    talk.end();
}
