//! nginx with one worker and one small file.

use crate::{Failure, TARGET};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub struct Nginx {
    pub addr: SocketAddr,
    process: Child,
    _folder: TempDir,
}

impl Nginx {
    pub fn start() -> Result<Nginx, Failure> {
        // Free a moment ago; nginx says so should it be taken meanwhile.
        let addr = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = tempfile::tempdir()?;
        let at = folder.path().display();
        std::fs::write(folder.path().join("index.html"), "hello world")?;
        let config = folder.path().join("nginx.conf");
        std::fs::write(
            &config,
            format!(
                "daemon off; worker_processes 1; user root; pid {at}/pid; error_log stderr warn;
                 events {{ worker_connections 4096; }}
                 http {{
                     access_log off; keepalive_requests 1000000000; open_file_cache max=10;
                     client_body_temp_path {at}/1; proxy_temp_path {at}/2;
                     fastcgi_temp_path {at}/3; uwsgi_temp_path {at}/4; scgi_temp_path {at}/5;
                     server {{ listen {addr} backlog=4096; root {at}; }}
                 }}"
            ),
        )?;
        let process = Command::new("taskset")
            .args(["--cpu-list", &TARGET.to_string(), "nginx", "-c"])
            .arg(&config)
            .stdout(Stdio::null())
            .spawn()?;
        let mut nginx = Nginx { addr, process, _folder: folder };
        let began = Instant::now();
        while TcpStream::connect(addr).is_err() {
            if began.elapsed() > Duration::from_secs(5) || nginx.process.try_wait()?.is_some() {
                return Err("nginx does not start".into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(nginx)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its worker when it is asked to end, not when it is killed.
        let pid = rustix::process::Pid::from_child(&self.process);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.process.wait();
    }
}
