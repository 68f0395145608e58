//! haproxy in front of two targets, as an ALB is: idle connections to targets are used again,
//! nothing is tried twice, and a target gets requests until it is told to drain.

use crate::Failure;
use crate::service::{self, Ended};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub struct Balancer {
    pub port: u16,
    admin: PathBuf,
    _process: Ended,
}

impl Balancer {
    pub fn start(scratch: &Path, old: u16, new: u16) -> Result<Balancer, Failure> {
        let port = service::free_port()?;
        let admin = scratch.join("haproxy.sock");
        let config = scratch.join("haproxy.cfg");
        std::fs::write(&config, text(port, &admin, old, new))?;
        // Its standard error tells of each server that drains.
        let process = Command::new("haproxy")
            .arg("-db")
            .arg("-f")
            .arg(&config)
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("haproxy cannot be started: {error}"))?;
        let balancer = Balancer { port, admin, _process: Ended(process) };
        service::until_ready(port)?;
        balancer.say("set server targets/new weight 0")?;
        Ok(balancer)
    }

    /// Routes nothing new to the old target any more, all to the other one.
    pub fn drain_old(&self) -> Result<(), Failure> {
        self.say("set server targets/new weight 1")?;
        self.say("set server targets/old state drain")
    }

    /// A command to haproxy; it answers with an empty line when it is content.
    fn say(&self, words: &str) -> Result<(), Failure> {
        let mut stream = UnixStream::connect(&self.admin)?;
        writeln!(stream, "{words}")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.trim().is_empty() { Ok(()) } else { Err(answer.into()) }
    }
}

fn text(port: u16, admin: &Path, old: u16, new: u16) -> String {
    let mut text = String::new();
    let admin = admin.display();
    let _ = write!(
        text,
        "global\n  stats socket {admin} level admin\n\
         defaults\n  mode http\n  retries 0\n  http-reuse always\n\
         \x20 timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         frontend clients\n  bind 127.0.0.1:{port}\n  default_backend targets\n\
         backend targets\n  server old 127.0.0.1:{old} weight 1\n\
         \x20 server new 127.0.0.1:{new} weight 1\n"
    );
    text
}
