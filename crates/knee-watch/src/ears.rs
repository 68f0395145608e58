//! What the runtimes say of themselves, answer by answer.

use crate::{Place, Source};
use knee_core::observe::{Reading, Stall};
use knee_core::runtimes::figure::{Figure, Said, fold};
use knee_core::runtimes::{DecodeError, by_id};
use knee_probe::folder::Folder;
use knee_probe::lines::Lines;
use knee_probe::{ProbeError, fastcgi, http};
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How long an answer may take: a task whose quota is used up answers late.
const PATIENCE: Duration = Duration::from_millis(300);

/// Asks a service's runtimes, and keeps what they answered.
pub struct Ears {
    sources: Vec<Heard>,
    answers: VecDeque<Answer>,
    /// Answers that are kept.
    kept: usize,
    /// Number of the answer that is kept longest.
    first: u64,
    /// A number for each process that answered, by source and name.
    processes: HashMap<(usize, String), u64>,
    /// Whose files of a folder count; None: all.
    family: Option<HashSet<String>>,
}

/// A source, and how it went so far.
struct Heard {
    source: Source,
    reader: Reader,
    answered: bool,
    /// Why it did not answer last time.
    problem: Option<String>,
}

/// What is kept between two times of asking.
enum Reader {
    FastCgi { listen: String, page: String, seldom: bool },
    Http(String),
    Folder(Folder),
    Lines(Lines),
}

impl Reader {
    /// Whether it is asked at the ends of an interval alone.
    fn is_seldom(&self) -> bool {
        matches!(self, Reader::FastCgi { seldom: true, .. } | Reader::Http(_))
    }
}

struct Answer {
    process: u64,
    said: Status,
}

/// What an answer says.
struct Status {
    figures: Vec<Figure>,
    stall: Option<Stall>,
}

impl Ears {
    /// For these sources; as many answers are kept.
    pub fn new(sources: Vec<Source>, kept: usize) -> Ears {
        let heard = |source: Source| {
            let reader = match source.place.clone() {
                Place::FastCgi { listen, page } => Reader::FastCgi { listen, page, seldom: false },
                Place::Script { listen, script } => {
                    Reader::FastCgi { listen, page: script, seldom: true }
                }
                Place::Page(url) => Reader::Http(url),
                Place::Folder(path) => Reader::Folder(Folder::new(path)),
                Place::Lines(path) => Reader::Lines(Lines::new(path)),
            };
            Heard { source, reader, answered: false, problem: None }
        };
        Ears {
            sources: sources.into_iter().map(heard).collect(),
            answers: VecDeque::new(),
            kept,
            first: 0,
            processes: HashMap::new(),
            family: None,
        }
    }

    /// In a folder listens from now on to processes of these names only: another service of the
    /// same runtime may write there, too.
    pub fn only(&mut self, names: HashSet<String>) {
        self.family = Some(names);
    }

    /// Whether there is nobody to ask.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Asks once, at an end of an interval also those that are asked seldom; returns how many
    /// answers were heard so far.
    pub fn hear(&mut self, at_an_end: bool) -> u64 {
        for index in 0..self.sources.len() {
            let heard = &mut self.sources[index];
            let seldom = heard.reader.is_seldom();
            if !at_an_end && seldom {
                continue;
            }
            match heard.ask(self.family.as_ref()) {
                Ok(answers) => {
                    heard.answered |= !answers.is_empty();
                    heard.problem = None;
                    answers.into_iter().for_each(|(name, said)| self.keep(index, name, said));
                }
                Err(problem) => heard.problem = Some(problem),
            }
        }
        self.first + self.answers.len() as u64
    }

    fn keep(&mut self, source: usize, name: String, said: Status) {
        let next = self.processes.len() as u64;
        let process = *self.processes.entry((source, name)).or_insert(next);
        self.answers.push_back(Answer { process, said });
        if self.answers.len() > self.kept {
            self.answers.pop_front();
            self.first += 1;
        }
    }

    /// What was said after so many answers, in an interval of that length.
    pub fn since(&self, heard: u64, seconds: f64) -> Vec<Reading> {
        let before = self.before(heard);
        let answers = self.answers.iter().enumerate();
        let all: Vec<Said> = answers
            .map(|(at, Answer { process, said })| Said {
                process: *process,
                before: at < before,
                figures: &said.figures,
            })
            .collect();
        fold(&all, seconds)
    }

    /// The longest stall that was told of after so many answers.
    pub fn stall_since(&self, heard: u64) -> Option<Stall> {
        let all =
            self.answers.iter().skip(self.before(heard)).filter_map(|a| a.said.stall.as_ref());
        all.max_by(|a, b| a.ms.total_cmp(&b.ms)).cloned()
    }

    /// How many of the answers that are kept came before.
    fn before(&self, heard: u64) -> usize {
        usize::try_from(heard.saturating_sub(self.first)).unwrap_or(usize::MAX)
    }

    /// Sources that never answered and why.
    pub fn unheard(&self) -> Vec<String> {
        let silent = self.sources.iter().filter(|heard| !heard.answered);
        let problem = |heard: &Heard| {
            Some(format!(
                "{} does not tell of itself: {}",
                heard.source.runtime,
                heard.problem.as_ref()?
            ))
        };
        silent.filter_map(problem).collect()
    }
}

impl Heard {
    /// New answers with the name of the process that gave each, or the reason in words.
    fn ask(&mut self, family: Option<&HashSet<String>>) -> Result<Vec<(String, Status)>, String> {
        let read = |e: ProbeError| e.to_string();
        let said = match &mut self.reader {
            Reader::FastCgi { listen, page, .. } => {
                let body = fastcgi::get(listen, page, "json", PATIENCE).map_err(read)?;
                vec![(String::new(), body)]
            }
            Reader::Http(url) => {
                let body = http::get(url, Instant::now() + PATIENCE);
                vec![(String::new(), body.map_err(|wrong| format!("{url}: {wrong}"))?)]
            }
            Reader::Folder(folder) => {
                let mut all = folder.changed().map_err(read)?;
                all.retain(|(name, _)| family.is_none_or(|family| family.contains(name)));
                all
            }
            Reader::Lines(lines) => vec![(String::new(), lines.new_lines().map_err(read)?)],
        };
        let runtime = by_id(self.source.runtime)
            .ok_or_else(|| format!("no runtime `{}`", self.source.runtime))?;
        let decode = |(name, bytes): (String, Vec<u8>)| {
            let figures = (runtime.decode)(&bytes).map_err(|e: DecodeError| e.to_string())?;
            let stall = (runtime.stall)(&bytes);
            Ok((!figures.is_empty()).then_some((name, Status { figures, stall })))
        };
        said.into_iter().map(decode).filter_map(Result::transpose).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::{Path, PathBuf};

    fn ears(runtime: &'static str, place: Place) -> Ears {
        Ears::new(vec![Source { runtime, place }], 1000)
    }

    fn value(readings: &[Reading], name: &str) -> Option<f64> {
        readings.iter().find(|r| r.name == name).map(|r| r.value)
    }

    fn put(folder: &Path, pid: u32, utilization: f64, heap: u32) {
        let text = format!("{{\"utilization\":{utilization},\"heap_used\":{heap}}}");
        fs::write(folder.join("part"), text).unwrap();
        fs::rename(folder.join("part"), folder.join(format!("{pid}.json"))).unwrap();
    }

    #[test]
    fn processes_in_a_folder_are_put_together_without_those_that_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut ears = ears("node", Place::Folder(dir.path().into()));
        for pid in 1..4 {
            put(dir.path(), pid, 1.0, 100);
        }
        let mark = ears.hear(true);
        put(dir.path(), 1, 0.5, 10);
        put(dir.path(), 2, 0.2, 20);
        ears.hear(false);
        put(dir.path(), 1, 0.7, 5);
        ears.hear(true);
        let readings = ears.since(mark, 1.0);
        let utilization = value(&readings, "node.eventloop.utilization").unwrap();
        assert!((utilization - 0.6).abs() < 1e-9, "the busier one's mean: {readings:?}");
        assert_eq!(value(&readings, "node.heap.used"), Some(30.0));
        assert!(ears.unheard().is_empty());
    }

    #[test]
    fn the_longest_stall_of_all_processes_since_the_mark() {
        let dir = tempfile::tempdir().unwrap();
        let put = |pid: u32, ms: u32| {
            let text = format!("{{\"gc\":0,\"stall_ms\":{ms},\"stall_why\":\"of {pid}\"}}");
            fs::write(dir.path().join(format!("{pid}.json")), text).unwrap();
        };
        put(1, 9000);
        let mut ears = ears("node", Place::Folder(dir.path().into()));
        let mark = ears.hear(true);
        assert_eq!(ears.stall_since(mark), None);
        put(2, 700);
        put(3, 600);
        put(4, 800);
        ears.only(["2", "3"].map(String::from).into());
        ears.hear(true);
        assert_eq!(ears.stall_since(mark).unwrap().whereabouts(), ", where is not known: of 2");
    }

    #[test]
    fn lines_before_the_mark_do_not_count() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let line = |ms: u32| {
            format!(
                "gc 1 @0.1s 1%: 0+1+0 ms clock, 0+0/{ms}/0+0 ms cpu, 3->3->1 MB, 4 MB goal, 1 P\n"
            )
        };
        fs::write(&log, line(900)).unwrap();
        let mut ears = ears("go", Place::Lines(log.clone()));
        let mark = ears.hear(true);
        assert!(ears.since(mark, 1.0).is_empty(), "nothing collected since");
        fs::write(&log, line(900) + &line(300) + "GET /\n" + &line(100)).unwrap();
        ears.hear(true);
        assert_eq!(value(&ears.since(mark, 2.0), "go.gc.cpu"), Some(0.2));
    }

    #[test]
    fn who_never_answers_is_named_with_the_reason() {
        let listen = "/no/such.sock".to_string();
        let mut page = ears("php-fpm", Place::FastCgi { listen, page: "/s".into() });
        page.hear(true);
        let unheard = page.unheard();
        assert!(
            unheard[0].starts_with(
                "php-fpm does not tell of itself: /s at /no/such.sock over FastCGI: No such file"
            ),
            "{unheard:?}"
        );
        let mut unknown = ears("cobol", Place::Lines(PathBuf::from("/dev/null")));
        unknown.hear(true);
        assert!(unknown.unheard()[0].ends_with("no runtime `cobol`"));
    }
}
