//! The generator against nginx and Node.js as they come.

use knee_core::Goal;
use knee_core::observe::{Counts, Outcome};
use knee_core::workload::{Body, Request};
use knee_measure::{Generator, GeneratorOptions, Pace, Target};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A real server that ends with the test.
struct Real {
    child: Child,
    addr: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Real {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const NGINX: &str = r#"
daemon off;
master_process off;
pid FOLDER/pid;
error_log stderr emerg;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path FOLDER;
    proxy_temp_path FOLDER;
    fastcgi_temp_path FOLDER;
    uwsgi_temp_path FOLDER;
    scgi_temp_path FOLDER;
    gzip_types text/plain;
    server {
        listen ADDR;
        root FOLDER;
        location = /gzip.txt { gzip on; gzip_min_length 1; }
        location = /few.txt { keepalive_requests 3; try_files /small.txt =500; }
        location = /close.txt { keepalive_timeout 0; try_files /small.txt =500; }
        location = /cut { return 444; }
        location = /busy { return 503; }
        location = /limited { client_max_body_size 1k; proxy_pass http://127.0.0.1:1; }
    }
}
"#;

fn nginx() -> Real {
    let folder = tempfile::tempdir().unwrap();
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("small.txt"), "x".repeat(600)).unwrap();
    std::fs::write(path("gzip.txt"), "all work and no play ".repeat(5000)).unwrap();
    std::fs::write(path("big.bin"), vec![7u8; 16 << 20]).unwrap();
    let text = NGINX.replace("FOLDER", &folder.path().display().to_string());
    let config = path("nginx.conf");
    std::fs::write(&config, text.replace("ADDR", &addr.to_string())).unwrap();
    let child = nginx_command(&config).spawn().expect("nginx runs: scripts/setup brings it");
    let real = Real { child, addr, _folder: folder };
    wait_until_it_listens(addr);
    real
}

fn nginx_command(config: &Path) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("nginx");
    command.env("PATH", path + ":/usr/local/sbin:/usr/sbin:/sbin").arg("-c").arg(config);
    command.arg("-e").arg("stderr").stderr(Stdio::null());
    command
}

fn wait_until_it_listens(addr: SocketAddr) {
    let began = Instant::now();
    while TcpStream::connect(addr).is_err() {
        assert!(began.elapsed() < Duration::from_secs(20), "nothing listens on {addr}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs `server`, which says its port in a line.
fn node(server: &str) -> Real {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("server.js");
    std::fs::write(&script, server).unwrap();
    let mut command = Command::new("node");
    let mut child = command.arg(script).stdout(Stdio::piped()).spawn().expect("node runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let addr = SocketAddr::from(([127, 0, 0, 1], line.trim().parse().unwrap()));
    Real { child, addr, _folder: folder }
}

/// Half a second of 100 requests/s.
fn counts(real: &Real, request: Request) -> Counts {
    let options = GeneratorOptions { timeout: 5.0, ..GeneratorOptions::default() };
    let target = Target { addr: real.addr, host: "test".into() };
    let mut generator = Generator::new(target, vec![request], options).unwrap();
    let goal: Goal = "p50<2s".parse().unwrap();
    let stop = AtomicBool::new(false);
    let step = generator.step(&Pace::Poisson { rate: 100.0 }, 0.5, 0.0, &goal, &stop).unwrap();
    assert_eq!(step.counts.due(), 50, "{step:?}");
    step.counts
}

fn all_ok(real: &Real, request: Request) {
    let text = format!("{} {}", request.method, request.path);
    let counts = counts(real, request);
    assert_eq!((counts.ok, counts.failed()), (50, 0), "{text}: {counts:?}");
}

fn with(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Request {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    Request {
        method: method.into(),
        headers: headers.collect(),
        body: if body.is_empty() { Body::Empty } else { Body::Inline(body.to_vec()) },
        ..Request::get(path)
    }
}

#[test]
fn nginx_answers_in_all_its_ways() {
    let nginx = nginx();
    for path in ["/small.txt", "/few.txt", "/close.txt"] {
        all_ok(&nginx, Request::get(path));
    }
    // Chunked, because nginx does not know the length before.
    all_ok(&nginx, with("GET", "/gzip.txt", &[("Accept-Encoding", "gzip")], b""));
    all_ok(&nginx, with("HEAD", "/big.bin", &[], b""));
    all_ok(&nginx, with("GET", "/big.bin", &[("Range", "bytes=0-99")], b""));
    let modified = "Fri, 01 Jan 2100 00:00:00 GMT";
    all_ok(&nginx, with("GET", "/small.txt", &[("If-Modified-Since", modified)], b""));
}

#[test]
fn nginx_fails_in_all_its_ways() {
    let nginx = nginx();
    assert_eq!(counts(&nginx, Request::get("/cut")).reset, 50);
    assert_eq!(counts(&nginx, Request::get("/busy")).server_error, 50);
    assert_eq!(counts(&nginx, Request::get("/nowhere")).client_error, 50);
    let large = with("POST", "/limited", &[], &vec![b'x'; 64 << 10]);
    assert_eq!(counts(&nginx, large).client_error, 50, "413 before the body is read");
}

#[test]
fn sixteen_megabytes_from_nginx_arrive_whole() {
    let nginx = nginx();
    let target = Target { addr: nginx.addr, host: "test".into() };
    let options = GeneratorOptions::default();
    let mut generator = Generator::new(target, vec![Request::get("/big.bin")], options).unwrap();
    let goal: Goal = "p50<4s".parse().unwrap();
    let stop = AtomicBool::new(false);
    let step = generator.step(&Pace::Constant { rate: 10.0 }, 1.0, 0.0, &goal, &stop).unwrap();
    assert_eq!((step.outcome, step.counts.ok), (Outcome::Held, 10), "{step:?}");
}

/// Interim answers, chunks, and a keep-alive so short that connections close between requests.
const NODE: &str = r#"
const http = require('http');
const server = http.createServer((request, response) => {
  if (request.url === '/early') response.writeEarlyHints({ link: '</x>; rel=preload' });
  if (request.url === '/processing') response.writeProcessing();
  request.resume().on('end', () => {
    if (request.url !== '/chunks') return response.end('ok');
    for (let i = 0; i < 20; i++) response.write('x'.repeat(i * 500 + 1));
    response.addTrailers({ 'x-sum': '1' });
    response.end();
  });
});
server.keepAliveTimeout = 15;
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
"#;

#[test]
fn node_answers_in_all_its_ways() {
    let node = node(NODE);
    for path in ["/", "/early", "/processing"] {
        all_ok(&node, Request::get(path));
    }
    all_ok(&node, with("GET", "/chunks", &[("TE", "trailers")], b""));
    all_ok(&node, with("PUT", "/", &[], &vec![b'x'; 200_000]));
}
