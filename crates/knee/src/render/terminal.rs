//! A run on a terminal: sections, and a table of trials that grows in place.

use crate::render::figures;
use crate::render::table::{Column, Table};
use crate::render::text::{cut, wide, wrap};
use crate::render::words;
use crate::run::Run;
use anstyle::{AnsiColor, Style};
use knee_core::Settings;
use knee_core::event::{Conclusion, Event, Fact, KnobFact, PatchFact, Started, Verdict};
use knee_core::observe::{Bound, Calibration, Validity};
use std::fmt::Write;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GOOD: Style = AnsiColor::Green.on_default();
const CARE: Style = AnsiColor::Yellow.on_default();
const BAD: Style = AnsiColor::Red.on_default();

/// What changes on the screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Update {
    /// Lines above the cursor that go away.
    pub erase: usize,
    /// What is written then.
    pub text: String,
}

/// The renderer with what stands on the screen.
#[derive(Debug)]
pub struct Terminal {
    width: usize,
    run: Run,
    /// Lines of the table that are the last on the screen.
    table: Vec<String>,
}

impl Terminal {
    /// For a terminal of that many columns.
    pub fn new(width: usize) -> Terminal {
        Terminal { width: width.max(20), run: Run::default(), table: vec![] }
    }

    /// The terminal has that many columns and rows now. Lines that were wrapped anew, or have left the
    /// screen, cannot be drawn over.
    pub fn resize(&mut self, width: usize, height: usize) {
        let width = width.max(20);
        if width != self.width || self.table.len() >= height {
            self.table.clear();
        }
        self.width = width;
    }

    /// What an event adds to the screen; nothing for what only the progress line shows.
    pub fn on(&mut self, event: &Event) -> Update {
        self.run.take(event);
        match event {
            Event::Started(started) => self.below(self.start(started)),
            Event::Calibrated { calibration, bound } => {
                self.below(calibrated(calibration, bound, self.width))
            }
            Event::Tried(_) => self.grow(),
            Event::Paired { number, of, baseline, best, .. } => {
                let gap = if *number == 1 { "\n" } else { "" };
                let (today, best) = (words::rate(*baseline), words::rate(*best));
                self.below(format!(
                    "{gap}  pair {number} of at most {of}: today {today}/s, winner {best}/s\n"
                ))
            }
            Event::Ended(verdict) => self.below(self.end(verdict)),
            Event::Trying { .. } | Event::Stepped { .. } => Update::default(),
        }
    }

    /// What a run that happened earlier leaves on the screen: its table is drawn once.
    pub fn replay(&mut self, events: &[Event]) -> String {
        let last = events.iter().rposition(|event| matches!(event, Event::Tried(_)));
        let mut text = String::new();
        for (index, event) in events.iter().enumerate() {
            match event {
                Event::Tried(_) if last != Some(index) => self.run.take(event),
                event => text += &self.on(event).text,
            }
        }
        text
    }

    /// Anything else leaves the table where it is: it is not drawn over any more.
    fn below(&mut self, text: String) -> Update {
        self.table.clear();
        Update { erase: 0, text }
    }

    /// Adds the new row, or draws the whole table again where its columns changed.
    fn grow(&mut self) -> Update {
        let now = self.trials();
        let kept = if now.starts_with(&self.table) { self.table.len() } else { 0 };
        let mut update = Update { erase: self.table.len() - kept, text: String::new() };
        if self.table.is_empty() {
            update.text.push('\n');
        }
        now[kept..].iter().for_each(|line| update.text += &format!("{line}\n"));
        self.table = now;
        update
    }

    /// The table, line by line: a column per knob that was turned; where those leave no room for
    /// all figures, the settings stand below them.
    fn trials(&self) -> Vec<String> {
        let room = self.width - 2;
        let wide = figures::trials(&self.run, true);
        let fits = wide.fits(room);
        let table = if fits { wide } else { figures::trials(&self.run, false) };
        let mut lines = Vec::new();
        for (index, line) in table.lines(room).iter().enumerate() {
            let trial = index.checked_sub(1).and_then(|row| self.run.trials.get(row));
            // Titles and rejected trials stay in the background.
            let seen = trial.is_some_and(|trial| trial.rejected.is_none());
            let style = if seen { Style::new() } else { DIM };
            lines.push(format!("  {style}{line}{style:#}"));
            if let Some(trial) = trial.filter(|_| !fits) {
                let settings = words::changes(&trial.settings, self.today());
                let below = wrap(&settings, 9, self.width);
                lines.extend(below.lines().map(|line| format!("{DIM}{line}{DIM:#}")));
            }
        }
        lines
    }

    fn today(&self) -> Option<&Settings> {
        self.run.baseline().map(|trial| &trial.settings)
    }

    fn start(&self, started: &Started) -> String {
        let mut text = format!("{BOLD}{}{BOLD:#}\n", started.service);
        text += &facts(&started.facts, self.width);
        text += &heading("knobs");
        for line in knobs(&started.knobs).lines(self.width - 2) {
            let _ = writeln!(text, "  {line}");
        }
        text += &heading("laboratory");
        let machine = &started.machine;
        let memory = knee_core::Bytes(machine.memory);
        let _ = writeln!(text, "{}", wrap(&started.confinement, 2, self.width));
        let _ = writeln!(
            text,
            "  {DIM}{}, {} CPUs, {memory}, Linux {}{DIM:#}",
            machine.cpu, machine.cpus, machine.kernel
        );
        text + &self.validity(&started.validity)
    }

    /// Reasons for care, each in the colour of its weight.
    fn validity(&self, validity: &Validity) -> String {
        let line = |reason: &String| {
            let style = if reason.starts_with("invalid") { BAD } else { CARE };
            format!("{style}{}{style:#}\n", wrap(reason, 2, self.width))
        };
        words::reasons(validity).iter().map(line).collect()
    }

    fn end(&self, verdict: &Verdict) -> String {
        let style = match verdict.conclusion {
            Conclusion::Improved | Conclusion::Satisfied => GOOD.bold(),
            Conclusion::NoGain => BOLD,
            Conclusion::GoalMissed | Conclusion::Inconclusive => BAD.bold(),
        };
        let sentences = words::verdict(&self.run);
        let mut text = String::from("\n");
        for (index, sentence) in sentences.iter().enumerate() {
            let (style, indent) = if index == 0 { (style, 0) } else { (Style::new(), 2) };
            let _ = writeln!(text, "{style}{}{style:#}", wrap(sentence, indent, self.width));
        }
        text += &self.validity(&verdict.validity);
        verdict.patches.iter().for_each(|patch| text += &diff(patch));
        text
    }
}

fn heading(title: &str) -> String {
    format!("\n{BOLD}{title}{BOLD:#}\n")
}

/// What was read: a line each, the value cut where it would hide its origin.
pub fn facts(facts: &[Fact], width: usize) -> String {
    let widest =
        |text: fn(&Fact) -> String| facts.iter().map(|f| wide(&text(f))).max().unwrap_or(0);
    let (name, origin) = (widest(|f| f.what.clone()), widest(|f| f.value.origin.to_string()));
    let room =
        width.saturating_sub(name + origin + 6).max(16).min(widest(|f| f.value.value.clone()));
    let line = |fact: &Fact| {
        let value = cut(&fact.value.value, room);
        format!("  {:name$}  {value:room$}  {DIM}{}{DIM:#}\n", fact.what, fact.value.origin)
    };
    facts.iter().map(line).collect()
}

fn knobs(knobs: &[KnobFact]) -> Table {
    let columns = vec![
        Column::words("name", 0),
        Column::number("today", 0),
        Column::words("unit", 3),
        Column::words("from", 2),
        // Last, as it may be cut: the names of many classes are no reason to hide an origin.
        Column::words("range", 1),
    ];
    let row = |knob: &KnobFact| {
        let today = knob.current.value.to_string();
        let origin = knob.current.origin.to_string();
        vec![knob.name.clone(), today, knob.unit.clone(), origin, knob.range.clone()]
    };
    Table { columns, rows: knobs.iter().map(row).collect() }
}

fn calibrated(calibration: &Calibration, bound: &Bound, width: usize) -> String {
    let mut text = heading("one request");
    let _ = writeln!(
        text,
        "  {} of CPU, {} of waiting; {} per worker, {} shared",
        calibration.cpu, calibration.wait, calibration.per_worker, calibration.shared,
    );
    let rate = words::rate(calibration.rate);
    let _ = writeln!(text, "  {DIM}measured at {rate} requests/s, with today's settings{DIM:#}");
    let most = words::rate(bound.rate);
    let bound = format!(
        "bound: {most} requests/s under any settings that take as much CPU, more where load makes it less: {}",
        bound.resource
    );
    let _ = writeln!(text, "{}", wrap(&bound, 2, width));
    text
}

/// A unified diff with its additions and removals in colour.
pub fn diff(patch: &PatchFact) -> String {
    let mut text = heading(&patch.path);
    for line in patch.diff.lines() {
        let style = match line.as_bytes().first() {
            Some(b'+') => GOOD,
            Some(b'-') => BAD,
            _ => Style::new(),
        };
        let _ = writeln!(text, "  {style}{line}{style:#}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample;

    /// The screen after these events, as a terminal would show it.
    fn screen(events: &[Event], width: usize) -> String {
        let mut terminal = Terminal::new(width);
        let mut lines: Vec<String> = vec![];
        for event in events {
            let update = terminal.on(event);
            lines.truncate(lines.len() - update.erase);
            lines.extend(update.text.lines().map(bare));
        }
        lines.join("\n") + "\n"
    }

    fn bare(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn the_table_grows_in_place_and_ends_as_if_drawn_once() {
        for width in [40, 80, 120] {
            let events = sample::events();
            let once = bare(&Terminal::new(width).replay(&events));
            assert_eq!(screen(&events, width), once, "{width}");
        }
    }

    #[test]
    fn a_row_stays_where_its_columns_stay() {
        let events = sample::events();
        let mut terminal = Terminal::new(120);
        let tried = |event: &&Event| matches!(event, Event::Tried(_));
        let erased: Vec<usize> = events
            .iter()
            .map(|e| (e, terminal.on(e)))
            .filter(|(e, _)| tried(e))
            .map(|(_, u)| u.erase)
            .collect();
        // The first knobs that are turned bring their columns.
        assert_eq!(erased, [0, 2, 0, 0]);
    }

    #[test]
    fn what_cannot_be_reached_is_drawn_anew_and_not_over() {
        let events = sample::events();
        let mut terminal = Terminal::new(120);
        let (before, after): (Vec<&Event>, Vec<&Event>) =
            events.iter().partition(|e| !matches!(e, Event::Tried(t) if t.number > 2));
        before.iter().filter(|e| !matches!(e, Event::Ended(_))).for_each(|e| _ = terminal.on(e));
        for (event, size) in after.iter().zip([(60, 40), (60, 3)]) {
            terminal.resize(size.0, size.1);
            let update = terminal.on(event);
            assert_eq!(update.erase, 0, "{size:?}");
            let lines: Vec<String> = update.text.lines().map(bare).collect();
            assert!(lines.iter().any(|line| line.trim_start().starts_with("trial")), "{lines:?}");
            assert!(lines.iter().all(|line| wide(line) <= 60), "{lines:?}");
        }
    }

    #[test]
    fn an_origin_is_not_left_out_for_a_long_range() {
        let started = sample::events().into_iter().find_map(|event| match event {
            Event::Started(started) => Some(started),
            _ => None,
        });
        let mut knob = started.unwrap().knobs[0].clone();
        knob.range = "sync|gthread|gevent|eventlet|tornado|uvicorn_worker.UvicornWorker".into();
        let origin = knob.current.origin.to_string();
        let lines = knobs(&[knob]).lines(78);
        assert!(lines[1].contains(&origin) && lines[1].ends_with('…'), "{lines:?}");
    }

    #[test]
    fn only_turned_knobs_have_a_column() {
        let text = screen(&sample::events(), 120);
        let titles = text.lines().find(|line| line.trim_start().starts_with("trial")).unwrap();
        let titles: Vec<&str> = titles.split_whitespace().collect();
        assert_eq!(titles[..5], ["trial", "threads", "worker-class", "workers", "capacity"]);
        assert!(text.contains("2       12       gthread        2     104/s"), "{text}");
        assert!(text.contains("rejected: container `app`"), "{text}");
    }

    #[test]
    fn the_table_fits_the_terminal() {
        for width in [32, 60, 80] {
            let text = screen(&sample::events(), width);
            let table: Vec<&str> = text
                .lines()
                .skip_while(|line| !line.trim_start().starts_with("trial"))
                .take_while(|line| !line.is_empty())
                .collect();
            assert!(table.len() >= 5, "{text}");
            assert!(table[0].contains("capacity"), "{text}");
            let winner = ["12", "threads=12"].iter().any(|value| text.contains(value));
            assert!(winner, "{width}:\n{text}");
            assert!(table.iter().all(|line| wide(line) <= width), "{width}:\n{text}");
        }
    }
}
