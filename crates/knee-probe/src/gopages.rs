//! Where a Go process tells of itself over HTTP: by net/http/pprof
//! (<https://pkg.go.dev/net/http/pprof>) or by expvar (<https://pkg.go.dev/expvar>).

use crate::http;
use crate::process::Process;
use crate::sockets::{self, Listener};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Below the address of who serves them.
pub const PPROF: &str = "/debug/pprof/";
/// The same of expvar.
pub const EXPVAR: &str = "/debug/vars";

/// Where it could serve them, `http://HOST:PORT` each: where its environment says, then its own ports.
pub fn places(process: &Process, named: Option<&str>) -> Vec<String> {
    let held: HashSet<u64> = process.sockets().into_iter().collect();
    let own = sockets::listening().into_iter().filter(|l| held.contains(&l.inode));
    let own = own.filter_map(|l: Listener| Some(format!("http://{}", l.reached()?)));
    let named = named.map(|base| base.trim_end_matches('/').to_string());
    named.into_iter().chain(own).collect()
}

/// Whether this process serves pprof there: it is asked for its command, which tells it from everybody
/// else.
pub fn is_pprof(process: &Process, base: &str, patience: Duration) -> bool {
    let argv = process.argv();
    let said = http::get(&format!("{base}{PPROF}cmdline"), Instant::now() + patience);
    // Its words with a zero between them.
    !argv.is_empty() && said.is_ok_and(|said| said == argv.join("\0").as_bytes())
}

/// Whether expvar is served there.
pub fn is_expvar(base: &str, patience: Duration) -> bool {
    let said = http::get(&format!("{base}{EXPVAR}"), Instant::now() + patience);
    let said = said.map(|said| String::from_utf8_lossy(&said).into_owned());
    said.is_ok_and(|said| ["\"cmdline\":", "\"memstats\":"].iter().all(|key| said.contains(key)))
}
