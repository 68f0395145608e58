//! Figures of a runtime's own status, and how the answers of an interval and of several
//! processes become one reading each. Pure: when an answer came is the observer's affair.

use crate::observe::Reading;

/// One figure of one answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Dotted, runtime first: `fpm.active`.
    pub name: &'static str,
    /// Its unit; empty for a share.
    pub unit: &'static str,
    /// What the answer says.
    pub value: f64,
    /// How the answers of an interval become one.
    pub over: Over,
    /// How the processes' become one.
    pub among: Among,
}

/// How a process's answers of an interval become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Over {
    /// The highest.
    Most,
    /// The lowest.
    Least,
    /// The mean.
    Mean,
    /// The last.
    Last,
    /// A counter: what it grew by; from 0 again where it fell, as its process began anew.
    Growth,
    /// A counter: its growth over the growth of this one, which holds it. Nothing where
    /// neither grew.
    Share(f64),
    /// What happened since the answer before: the sum, per second of the interval.
    PerSecond,
}

/// How the readings of several processes become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among {
    /// The highest: the process that is worst off.
    Most,
    /// The lowest.
    Least,
    /// Together.
    Sum,
}

/// One answer of one process.
#[derive(Clone, Debug)]
pub struct Said<'a> {
    /// Which process: any number that is its own.
    pub process: u64,
    /// Whether it came before the interval: what counters grow from, and nothing else.
    pub before: bool,
    /// Its figures.
    pub figures: &'a [Figure],
}

/// Folds the answers of an interval of `seconds` seconds, in order of time, into one reading for each name.
pub fn fold(answers: &[Said], seconds: f64) -> Vec<Reading> {
    let mut threads: Vec<Thread> = Vec::new();
    for answer in answers {
        for figure in answer.figures {
            let known = |t: &&mut Thread| t.process == answer.process && t.name() == figure.name;
            match threads.iter_mut().find(known) {
                Some(thread) => thread.add(figure, answer.before),
                None => threads.push(Thread::new(answer.process, figure, answer.before)),
            }
        }
    }
    let mut readings: Vec<(Among, Reading)> = Vec::new();
    for thread in &threads {
        let Some(value) = thread.value(seconds) else { continue };
        match readings.iter_mut().find(|(_, r)| r.name == thread.name()) {
            Some((among, reading)) => reading.value = among.of(reading.value, value),
            None => readings.push((thread.last.among, thread.reading(value))),
        }
    }
    readings.into_iter().map(|(_, reading)| reading).collect()
}

impl Among {
    fn of(self, a: f64, b: f64) -> f64 {
        match self {
            Among::Most => a.max(b),
            Among::Least => a.min(b),
            Among::Sum => a + b,
        }
    }
}

/// One figure of one process through an interval.
struct Thread {
    process: u64,
    last: Figure,
    /// Answers within the interval.
    count: f64,
    sum: f64,
    most: f64,
    least: f64,
    /// Growth of the value and of what holds it.
    grown: (f64, f64),
}

impl Thread {
    fn new(process: u64, figure: &Figure, before: bool) -> Thread {
        let mut thread = Thread {
            process,
            last: figure.clone(),
            count: 0.0,
            sum: 0.0,
            most: f64::NEG_INFINITY,
            least: f64::INFINITY,
            grown: (0.0, 0.0),
        };
        thread.take(figure, before);
        thread
    }

    fn name(&self) -> &'static str {
        self.last.name
    }

    fn add(&mut self, figure: &Figure, before: bool) {
        // What came before the mark by more than one answer is no growth of the interval.
        if !before {
            self.grown.0 += growth(self.last.value, figure.value);
            if let (Over::Share(from), Over::Share(to)) = (self.last.over, figure.over) {
                self.grown.1 += growth(from, to);
            }
        }
        self.take(figure, before);
    }

    fn take(&mut self, figure: &Figure, before: bool) {
        if !before {
            self.count += 1.0;
            self.sum += figure.value;
            self.most = self.most.max(figure.value);
            self.least = self.least.min(figure.value);
        }
        self.last = figure.clone();
    }

    /// None where the interval says nothing of it.
    fn value(&self, seconds: f64) -> Option<f64> {
        if self.count == 0.0 {
            return None;
        }
        match self.last.over {
            Over::Most => Some(self.most),
            Over::Least => Some(self.least),
            Over::Mean => Some(self.sum / self.count),
            Over::Last => Some(self.last.value),
            Over::Growth => Some(self.grown.0),
            Over::Share(_) => (self.grown.1 > 0.0).then(|| self.grown.0 / self.grown.1),
            Over::PerSecond => (seconds > 0.0).then(|| self.sum / seconds),
        }
    }

    fn reading(&self, value: f64) -> Reading {
        Reading { name: self.last.name.into(), value, unit: self.last.unit.into() }
    }
}

/// What a counter grew by: it counts from 0 again when it is less than before.
fn growth(from: f64, to: f64) -> f64 {
    if to >= from { to - from } else { to }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn figure(value: f64, over: Over, among: Among) -> Vec<Figure> {
        vec![Figure { name: "x", unit: "", value, over, among }]
    }

    /// The reading of one process that answered so, the first time before the interval.
    fn over(values: &[(f64, Over)]) -> Option<f64> {
        let figures: Vec<_> = values.iter().map(|(v, o)| figure(*v, *o, Among::Most)).collect();
        let said = |(at, figures)| Said { process: 1, before: at == 0, figures };
        let answers: Vec<_> = figures.iter().map(Vec::as_slice).enumerate().map(said).collect();
        fold(&answers, 2.0).first().map(|r| r.value)
    }

    #[test]
    fn each_kind_is_folded_over_an_interval() {
        let same = |o| [9.0, 2.0, 4.0, 3.0].map(|v| (v, o));
        assert_eq!(over(&same(Over::Most)), Some(4.0));
        assert_eq!(over(&same(Over::Least)), Some(2.0));
        assert_eq!(over(&same(Over::Mean)), Some(3.0));
        assert_eq!(over(&same(Over::Last)), Some(3.0));
        assert_eq!(over(&same(Over::PerSecond)), Some(4.5));
        // Anew at 2 and at 3: 2 + 2 + 3.
        assert_eq!(over(&same(Over::Growth)), Some(7.0));
        let hits = [(90.0, 100.0), (180.0, 200.0), (186.0, 220.0)];
        assert_eq!(over(&hits.map(|(hit, all)| (hit, Over::Share(all)))), Some(0.8));
        assert_eq!(over(&[(5.0, Over::Share(9.0)); 2]), None, "no look-up, no rate");
        assert_eq!(over(&[(5.0, Over::Most)]), None, "nothing said in the interval");
    }

    #[test]
    fn processes_are_put_together_as_the_figure_says() {
        for (among, expected) in [(Among::Most, 5.0), (Among::Least, 1.0), (Among::Sum, 6.0)] {
            let (one, two) = (figure(1.0, Over::Last, among), figure(5.0, Over::Last, among));
            let said = |process, figures| Said { process, before: false, figures };
            let readings = fold(&[said(1, &one), said(2, &two)], 1.0);
            assert_eq!((readings.len(), readings[0].value), (1, expected));
        }
    }

    proptest! {
        #[test]
        fn growth_is_never_negative_and_splits(values in prop::collection::vec(0.0f64..1e9, 1..20), at in 0usize..20) {
            let counter: Vec<_> = values.iter().map(|v| (*v, Over::Growth)).collect();
            let whole = over(&counter).unwrap_or(0.0);
            let at = at.min(counter.len() - 1);
            let parts = over(&counter[..=at]).unwrap_or(0.0) + over(&counter[at..]).unwrap_or(0.0);
            prop_assert!(whole >= 0.0);
            prop_assert!((whole - parts).abs() <= 1e-6 * whole.max(1.0));
        }
    }
}
