//! What the kernel shows of a service, look by look. How much of what was seen is kept, the caller says.

use crate::Source;
use crate::usage::{Processes, usage};
use knee_core::Bytes;
use knee_core::observe::Usage;
use knee_probe::cgroup::{Cpu, TaskGroup};
use knee_probe::process::Process;
use knee_probe::sockets::{self, Listener, Sockets};
use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Of more descriptors it would cost too much to find out which are connections to others.
const MOST_DESCRIPTORS: u64 = 4096;
/// How often processes are looked at, unless it is asked for otherwise.
const PROCESSES: Duration = Duration::from_secs(1);

/// One look. What could not be read is None: the service may have ended.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub at: Instant,
    pub cpu: Option<Cpu>,
    /// The cgroup's working set.
    pub memory: Option<Bytes>,
    /// The fullest accept queue.
    pub queue: Option<Queue>,
    /// Kills for memory; looked at at the ends of an interval.
    pub kills: Option<u64>,
    /// The processes, when it was time to look at them.
    pub processes: Option<Vec<Seen>>,
    /// Their connections to others, at the same time.
    pub outgoing: Vec<Outgoing>,
}

/// A listening socket's queue.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Queue {
    pub waiting: u32,
    pub backlog: Option<u32>,
    pub at: String,
}

/// Connections to one server outside.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outgoing {
    pub at: SocketAddr,
    pub open: u32,
    /// On which something was sent and no answer has come.
    pub waiting: u32,
}

/// A process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seen {
    /// Its number and start: a number is used again.
    pub id: (i32, u64),
    /// CPU since its start, seconds.
    pub cpu: f64,
    pub threads: u32,
    pub descriptors: u64,
    /// Soft limit of open files.
    pub nofile: Option<u64>,
}

/// Looks at the processes of one service, its sockets and its cgroup.
pub struct Eyes {
    group: Option<TaskGroup>,
    pids: Box<dyn Fn() -> Vec<i32> + Send>,
    sockets: Sockets,
    /// Whether a listening socket, by number, is the service's and of interest.
    owned: HashMap<u64, bool>,
    /// Whom knee itself asks, over sockets that are not counted.
    sources: Vec<Source>,
    /// Soft limits of open files, as they do not change once a program runs.
    nofile: HashMap<(i32, u64), Option<u64>>,
    looks: VecDeque<Look>,
    /// Looks that are kept.
    kept: usize,
    /// Number of the look that is kept longest.
    first: u64,
    /// The processes that were looked at last.
    seen: Vec<i32>,
    processes_at: Option<Instant>,
    processes_every: Duration,
    /// The last that could be read.
    pss: Bytes,
}

impl Eyes {
    /// On these processes; what counts as their cgroup's is counted where one is given. `sources`
    /// are asked over sockets that are then not counted as the service's own.
    pub fn new(
        group: Option<TaskGroup>,
        pids: Box<dyn Fn() -> Vec<i32> + Send>,
        sources: &[Source],
        kept: usize,
    ) -> Eyes {
        Eyes {
            group,
            pids,
            sockets: Sockets::open(),
            owned: HashMap::new(),
            sources: sources.to_vec(),
            nofile: HashMap::new(),
            looks: VecDeque::new(),
            kept,
            first: 0,
            seen: vec![],
            processes_at: None,
            processes_every: PROCESSES,
            pss: Bytes(0),
        }
    }

    /// Looks at processes at the ends of intervals only: each costs some reads of `/proc`.
    pub fn seldom(mut self) -> Eyes {
        self.processes_every = Duration::MAX;
        self
    }

    /// Looks once, at an end of an interval at everything that is counted; returns the look's
    /// number.
    pub fn look(&mut self, at_an_end: bool) -> u64 {
        let due = self.processes_at.is_none_or(|at| at.elapsed() >= self.processes_every);
        let queue = self.fullest_queue();
        let processes = (at_an_end || due).then(|| self.processes());
        let outgoing = processes.as_ref().map_or(Vec::new(), |seen| self.outgoing(seen));
        let group = self.group.as_ref();
        let kills = group.filter(|_| at_an_end).and_then(|g| g.oom_kills().ok());
        let memory = group.and_then(|g| g.memory().ok()).map(|m| m.working_set());
        // Last, next to the clock: rates come from this.
        let cpu = group.and_then(|g| g.cpu().ok());
        self.looks.push_back(Look {
            at: Instant::now(),
            cpu,
            memory,
            queue,
            kills,
            processes,
            outgoing,
        });
        if self.looks.len() > self.kept {
            self.looks.pop_front();
            self.first += 1;
        }
        self.first + self.looks.len() as u64 - 1
    }

    /// The processes that lived when they were looked at last.
    pub fn processes_seen(&self) -> &[i32] {
        &self.seen
    }

    /// What was used from a look until the last one; PSS as it was weighed last.
    pub fn usage_since(&self, look: u64) -> Usage {
        usage(&self.since(look), self.pss)
    }

    /// CPU of the processes alone between these looks, cores: less than the cgroup's where others
    /// live in it, too.
    pub fn own_cpu_since(&self, look: u64) -> f64 {
        Processes::between(&self.since(look)).sum()
    }

    fn since(&self, look: u64) -> Vec<&Look> {
        let from = usize::try_from(look.saturating_sub(self.first)).unwrap_or(usize::MAX);
        self.looks.iter().skip(from).collect()
    }

    /// Reads the PSS of all processes that let it be read; what was known of them when they have
    /// all ended. The kernel walks their memory for it.
    pub fn weigh(&mut self) -> Bytes {
        let read = |pid: i32| Process::new(pid).pss().ok();
        let sum: u64 = (self.pids)().into_iter().filter_map(read).map(|pss| pss.0).sum();
        if sum > 0 {
            self.pss = Bytes(sum);
        }
        self.pss
    }

    fn processes(&mut self) -> Vec<Seen> {
        self.processes_at = Some(Instant::now());
        let before = std::mem::take(&mut self.nofile);
        let mut all = Vec::new();
        self.seen.clear();
        for pid in (self.pids)() {
            let process = Process::new(pid);
            let Some(stat) = process.stat().ok().filter(|s| !s.is_dead()) else { continue };
            let id = (pid, stat.started);
            let nofile = before.get(&id).copied().or_else(|| process.nofile().ok()).flatten();
            self.nofile.insert(id, nofile);
            // Refused where it belongs to somebody else.
            let descriptors = process.descriptors().unwrap_or(0);
            self.seen.push(pid);
            all.push(Seen { id, cpu: stat.cpu, threads: stat.threads, descriptors, nofile });
        }
        all
    }

    /// The connections that the processes have opened to others, by these.
    fn outgoing(&mut self, processes: &[Seen]) -> Vec<Outgoing> {
        let open: u64 = processes.iter().map(|process| process.descriptors).sum();
        if open > MOST_DESCRIPTORS {
            return Vec::new();
        }
        let all = self.sockets.listening();
        let served: HashSet<u16> = all.iter().filter_map(Listener::port).collect();
        // nginx asks a PHP-FPM of the same service: that is nobody outside.
        let own = |l: &&Listener| self.owned.get(&l.inode) == Some(&true);
        let own: HashSet<u16> = all.iter().filter(own).filter_map(Listener::port).collect();
        let mine = sockets::inodes(&self.seen);
        let mut all: Vec<Outgoing> = Vec::new();
        let outgoing = self.sockets.outgoing(&mine, &served).unwrap_or_default().into_iter();
        for connection in outgoing.filter(|c| !own.contains(&c.remote.port())) {
            let waiting = u32::from(connection.awaits());
            match all.iter_mut().find(|outgoing| outgoing.at == connection.remote) {
                Some(known) => {
                    known.open += 1;
                    known.waiting += waiting;
                }
                None => all.push(Outgoing { at: connection.remote, open: 1, waiting }),
            }
        }
        all
    }

    fn fullest_queue(&mut self) -> Option<Queue> {
        let all = self.sockets.listening();
        self.sort_out(&all);
        let mine = all.into_iter().filter(|l| self.owned.get(&l.inode) == Some(&true));
        let queue =
            |l: Listener| Queue { waiting: l.waiting, backlog: l.backlog, at: l.at.to_string() };
        mine.map(queue).reduce(|a, b| if b.is_fuller_than(&a) { b } else { a })
    }

    /// Finds out whose a socket is when it is new. To look through all descriptors of all
    /// processes at each look would cost more than everything else.
    fn sort_out(&mut self, all: &[Listener]) {
        self.owned.retain(|inode, _| all.iter().any(|l| l.inode == *inode));
        if all.iter().all(|l| self.owned.contains_key(&l.inode)) {
            return;
        }
        let mine = sockets::inodes(&(self.pids)());
        for listener in all {
            let at = listener.at.to_string();
            let asked_over = self.sources.iter().any(|source| source.is_at(&at));
            self.owned
                .entry(listener.inode)
                .or_insert(!asked_over && mine.contains(&listener.inode));
        }
    }
}

impl Queue {
    /// Nearer to its overflow; of equals the one that holds less.
    pub fn is_fuller_than(&self, other: &Queue) -> bool {
        let share = |q: &Queue| f64::from(q.waiting) / (f64::from(q.backlog.unwrap_or(0)) + 1.0);
        let holds = |q: &Queue| q.backlog.unwrap_or(u32::MAX);
        (share(self), holds(other)) > (share(other), holds(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Place;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn this_process_is_seen_with_its_socket_but_not_that_which_knee_asks_over() {
        let me = std::process::id().cast_signed();
        let dir = tempfile::tempdir().unwrap();
        let asked = dir.path().join("status.sock");
        let _own = std::os::unix::net::UnixListener::bind(&asked).unwrap();
        let ask = |_| std::os::unix::net::UnixStream::connect(&asked).unwrap();
        let _asking: Vec<_> = (0..100).map(ask).collect();
        let listen = format!("/proc/{me}/root{}", asked.display());
        let place = Place::FastCgi { listen, page: "/".into() };
        let sources = [Source { runtime: "php-fpm", place }];
        let mut eyes = Eyes::new(None, Box::new(move || vec![me]), &sources, 100);
        let mark = eyes.look(true);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let _waiting: Vec<_> = (0..9).map(|_| TcpStream::connect(at).unwrap()).collect();
        eyes.look(false);
        drop(listener);
        let last = eyes.look(true);
        assert_eq!(last, mark + 2);
        eyes.weigh();
        let usage = eyes.usage_since(mark);
        // Other tests of this program listen too, and may have a fuller queue.
        let mine = usage.accept_at == at.to_string() && usage.accept_queue == 9;
        assert!(mine || usage.accept_queue * 129 > usage.backlog * 9, "{usage:?}");
        assert!(!usage.accept_at.contains("status.sock"), "{usage:?}");
        assert!(usage.processes == 1 && usage.threads > 0 && usage.descriptors > 3);
        assert!(usage.pss.0 > 100_000 && usage.nofile.is_some());
    }

    #[test]
    fn what_waits_for_a_server_outside_is_seen() {
        use std::io::{Read, Write};
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let mut own: Vec<_> = (0..3).map(|_| TcpStream::connect(at).unwrap()).collect();
        let mut other: Vec<_> = (0..3).map(|_| listener.accept().unwrap().0).collect();
        // The kernel's clock of sockets ticks in up to 10 ms.
        let tick = || std::thread::sleep(Duration::from_millis(30));
        tick();
        for (index, stream) in own.iter_mut().enumerate() {
            stream.write_all(b"?").unwrap();
            other[index].read_exact(&mut [0]).unwrap();
        }
        tick();
        other[0].write_all(b"!").unwrap();
        own[0].read_exact(&mut [0]).unwrap();
        // In a process of its own the server would not be this one's: its port is none that is served.
        drop(listener);
        let me = std::process::id().cast_signed();
        let mut eyes = Eyes::new(None, Box::new(move || vec![me]), &[], 100);
        let mark = eyes.look(true);
        eyes.look(true);
        let look = &eyes.since(mark)[0].outgoing;
        let found = look.iter().find(|outgoing| outgoing.at == at).unwrap();
        assert_eq!((found.open, found.waiting), (3, 2));
    }

    #[test]
    fn a_mark_that_is_long_gone_counts_from_what_is_left() {
        let mut eyes = Eyes::new(None, Box::new(Vec::new), &[], 3);
        let mark = eyes.look(true);
        let one = eyes.looks[0].clone();
        eyes.looks.extend(std::iter::repeat_n(one, 3));
        assert!(eyes.look(false) > mark);
        assert_eq!(eyes.first, 1);
        assert_eq!(eyes.usage_since(mark).cpu, 0.0);
    }
}
