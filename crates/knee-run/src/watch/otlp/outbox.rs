//! Documents on their way to a collector. As many wait as a minute brings; then the oldest goes.

use super::Collector;
use crate::log::say;
use knee_probe::http::{self, Answer};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Documents that are kept for a collector that does not take them now.
const MOST: usize = 12;
/// How long a collector may take, OpenTelemetry's own default.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long it is left alone after a first failure; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// And at most, whatever it asks for.
const LONGEST: Duration = Duration::from_secs(60);
/// A collector that fails again is not told of again before.
const QUIET: Duration = Duration::from_secs(600);

/// Documents that wait, shared between who makes and who sends them.
#[derive(Clone, Default)]
pub struct Outbox(Arc<(Mutex<Waiting>, Condvar)>);

#[derive(Default)]
struct Waiting {
    documents: VecDeque<Vec<u8>>,
    lost: u64,
}

impl Outbox {
    /// One more, in place of the oldest where too many wait. Never waits for a collector.
    pub fn put(&self, document: Vec<u8>) {
        let (waiting, come) = &*self.0;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.documents.len() >= MOST {
            waiting.documents.pop_front();
            waiting.lost = waiting.lost.saturating_add(1);
        }
        waiting.documents.push_back(document);
        come.notify_one();
    }

    /// The oldest; waits for one.
    fn take(&self) -> Vec<u8> {
        let (waiting, come) = &*self.0;
        let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(document) = waiting.documents.pop_front() {
                return document;
            }
            waiting = come.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// One that was not taken: it comes first again, where there is room.
    fn put_back(&self, document: Vec<u8>) {
        let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.documents.len() >= MOST {
            waiting.lost = waiting.lost.saturating_add(1);
        } else {
            waiting.documents.push_front(document);
        }
    }

    fn lose(&self) {
        let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.lost = waiting.lost.saturating_add(1);
    }

    /// How many were never delivered since it was asked last.
    fn lost(&self) -> u64 {
        let mut waiting = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut waiting.lost)
    }

    /// Sends one after the other, without end.
    pub fn deliver(&self, to: &Collector) {
        let mut failing = Failing::default();
        loop {
            let document = self.take();
            let asked = http::post(&to.url, &to.fields, &document, Instant::now() + PATIENCE);
            match outcome(asked) {
                Outcome::Taken => {
                    if failing.over() {
                        let lost = self.lost();
                        say(format_args!(
                            "the OpenTelemetry collector takes metrics again; {lost} samples were lost"
                        ));
                    }
                }
                Outcome::Refused(why) => {
                    self.lose();
                    std::thread::sleep(failing.with(&why, None));
                }
                Outcome::Later(why, after) => {
                    self.put_back(document);
                    std::thread::sleep(failing.with(&why, after));
                }
            }
        }
    }
}

/// What became of a document.
#[derive(Debug, PartialEq)]
enum Outcome {
    Taken,
    /// It will never be taken.
    Refused(String),
    /// It may be taken after that time.
    Later(String, Option<Duration>),
}

/// Which answers mean what: <https://opentelemetry.io/docs/specs/otlp/#failures-1>.
fn outcome(asked: Result<Answer, http::Wrong>) -> Outcome {
    match asked {
        Ok(Answer { status: 200..=299, .. }) => Outcome::Taken,
        Ok(Answer { status: status @ (429 | 502 | 503 | 504), retry_after, .. }) => Outcome::Later(
            format!("it answers with status {status}"),
            retry_after.map(Duration::from_secs),
        ),
        Ok(Answer { status, .. }) => Outcome::Refused(format!("it answers with status {status}")),
        Err(wrong) => Outcome::Later(wrong.to_string(), None),
    }
}

/// How long it has been going wrong.
#[derive(Default)]
struct Failing {
    /// The last pause; None while all is well.
    pause: Option<Duration>,
    /// When it was said last.
    said: Option<Instant>,
    /// Whether that goes on.
    told: bool,
}

impl Failing {
    /// Notes one more failure, says it once and seldom where it comes and goes, and returns how long to
    /// wait.
    fn with(&mut self, why: &str, after: Option<Duration>) -> Duration {
        let again = self.said.is_some_and(|said| said.elapsed() < QUIET);
        if !self.told && !again {
            say(format_args!(
                "the OpenTelemetry collector takes no metrics: {why}: the service goes on"
            ));
            (self.said, self.told) = (Some(Instant::now()), true);
        }
        let pause = self.pause.map_or(PAUSE, |pause| pause.saturating_mul(2)).min(LONGEST);
        self.pause = Some(pause);
        after.map_or(pause, |after| after.clamp(pause, LONGEST))
    }

    /// It went well; whether to say so: not where nobody was told of the failure.
    fn over(&mut self) -> bool {
        self.pause = None;
        std::mem::take(&mut self.told)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_wait_than_may_and_the_oldest_go() {
        let outbox = Outbox::default();
        (0..20).for_each(|n| outbox.put(vec![n]));
        assert_eq!((outbox.take(), outbox.lost(), outbox.lost()), (vec![8], 8, 0));
        outbox.put_back(vec![8]);
        outbox.put_back(vec![7]);
        assert_eq!((outbox.take(), outbox.lost()), (vec![8], 1), "no room for the older one");
    }

    #[test]
    fn what_is_refused_is_not_sent_again() {
        let answer =
            |status, retry_after| outcome(Ok(Answer { status, retry_after, body: vec![] }));
        assert_eq!(answer(200, None), Outcome::Taken);
        assert!(matches!(answer(400, Some(3)), Outcome::Refused(_)));
        assert!(matches!(answer(404, None), Outcome::Refused(_)));
        let later =
            Outcome::Later("it answers with status 429".into(), Some(Duration::from_secs(3)));
        assert_eq!(answer(429, Some(3)), later);
        assert!(matches!(outcome(Err(http::Wrong::Slow)), Outcome::Later(_, None)));
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut failing = Failing::default();
        let pauses: Vec<u64> = (0..8).map(|_| failing.with("x", None).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert!(failing.over() && !failing.over());
        assert_eq!(failing.with("x", Some(Duration::from_secs(5))).as_secs(), 5);
        assert!(!failing.over(), "it was not told again so soon");
        assert_eq!(failing.with("x", Some(Duration::from_secs(9000))), LONGEST);
    }
}
