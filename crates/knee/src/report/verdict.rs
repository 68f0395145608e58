//! What a run came to, in a sentence.

use super::changes::{between, words};
use super::story::{Attempt, Story};
use super::words as say;
use crate::render::figures::cause;
use knee_core::Goal;
use knee_core::event::{Conclusion, Confirmation, Verdict};
use knee_core::observe::Resource;

/// The first thing to read.
#[derive(Clone, Debug, PartialEq)]
pub struct Headline {
    /// What it came to, in two or three words.
    pub badge: &'static str,
    /// Its colour: a class of the page's style.
    pub class: &'static str,
    /// The verdict.
    pub claim: String,
    /// How sure it is, where it was confirmed.
    pub interval: Option<String>,
    /// What else belongs to it, a sentence each.
    pub details: Vec<String>,
}

impl Headline {
    /// Whether the verdict is too long for large letters.
    pub fn is_long(&self) -> bool {
        self.claim.chars().count() > 60
    }
}

/// The conclusion in two or three words, and its class.
fn badge(verdict: Option<&Verdict>) -> (&'static str, &'static str) {
    let Some(verdict) = verdict else { return ("Unfinished", "doubtful") };
    match verdict.conclusion {
        Conclusion::Improved if verdict.confirmation.is_some() => ("Gain confirmed", "good"),
        Conclusion::Improved => ("Goal reached", "good"),
        Conclusion::Satisfied => ("Goal met today", "good"),
        Conclusion::NoGain => ("Nothing to win", "neutral"),
        Conclusion::GoalMissed => ("Goal missed", "bad"),
        Conclusion::Inconclusive => ("Inconclusive", "doubtful"),
    }
}

/// The headline of a run.
pub fn of(story: &Story<'_>) -> Headline {
    let claim = match story.verdict() {
        Some(verdict) => finished(story, verdict),
        None => unfinished(story),
    };
    let (badge, class) = badge(story.verdict());
    let details = [numbers(story), unfit(story), refused(story), most(story), stopped(story)];
    Headline {
        badge,
        class,
        claim: say::joined(&claim),
        interval: story.verdict().and_then(|v| v.confirmation.as_ref()).map(interval),
        details: details.into_iter().flatten().map(|text| say::joined(&text)).collect(),
    }
}

fn finished(story: &Story<'_>, verdict: &Verdict) -> String {
    let service = service(story);
    match verdict.conclusion {
        Conclusion::Improved => improved(story, verdict),
        Conclusion::Satisfied => {
            let rate =
                story.started().and_then(|s| s.goal.value.rate).map_or(String::new(), say::round);
            format!("{service} carries the {rate} requests/s asked for with today's settings")
        }
        Conclusion::NoGain => format!("Nothing to win here, because {}", no_gain(story, verdict)),
        Conclusion::GoalMissed => {
            let goal = story.started().map(|s| s.goal.value.to_string());
            format!("No setting that was tried holds {}", goal.as_deref().unwrap_or("the goal"))
        }
        Conclusion::Inconclusive => {
            let reason = verdict.validity.invalid.first().map(String::as_str);
            format!(
                "Inconclusive, because {}",
                reason.unwrap_or("the measurements do not allow to say")
            )
        }
    }
}

fn service<'a>(story: &Story<'a>) -> &'a str {
    story.started().map_or("the service", |s| &s.service)
}

fn improved(story: &Story<'_>, verdict: &Verdict) -> String {
    let changes = match (story.baseline(), story.best()) {
        (Some(today), Some(best)) => words(&between(today.settings, best.settings)),
        _ => "other settings".into(),
    };
    let service = service(story);
    match &verdict.confirmation {
        Some(confirmation) => {
            format!("{service} carries {} with {changes}", more(confirmation.gain))
        }
        None => {
            let rate = story.best().and_then(Attempt::rate).unwrap_or(0.0);
            format!(
                "{service} carries {} with {changes}, where today's settings miss the goal",
                say::per_second(rate)
            )
        }
    }
}

/// A gain as one says it: `18 % more load`, `2.4 times the load`.
fn more(gain: f64) -> String {
    if gain >= 1.0 && gain.is_finite() {
        format!("{:.1} times the load", gain + 1.0)
    } else {
        format!("{} more load", say::percent(gain))
    }
}

fn interval(confirmation: &Confirmation) -> String {
    let (low, high) = confirmation.interval;
    format!(
        "{}, 95 % interval {} to {}",
        say::change(confirmation.gain),
        say::change(low),
        say::change(high)
    )
    .replace("95 %", "95\u{a0}%")
}

fn no_gain(story: &Story<'_>, verdict: &Verdict) -> String {
    if verdict.confirmation.is_some() {
        let contender =
            contender(story).map(|a| story.changes(a)).unwrap_or("the best candidate".into());
        return format!("{contender} gains no more than the noise");
    }
    if faster_rejected(story).is_some() {
        return "every setting that carries more had to be rejected".into();
    }
    let rate = story.baseline().and_then(Attempt::rate);
    let most = rate.map_or(String::new(), |r| format!(" {}", say::per_second(r)));
    let limit = story.baseline().and_then(Attempt::limit);
    match limit.filter(|l| l.resource != Resource::Unknown) {
        Some(limit) => {
            format!("no setting beats today's{most}: the {} gives out", limit.resource)
        }
        None => format!("no setting beats today's{most}"),
    }
}

/// The best of the others that could be taken.
fn contender<'r, 'a>(story: &'r Story<'a>) -> Option<&'r Attempt<'a>> {
    let baseline = story.baseline().map(|a| a.number);
    let others = story.attempts.iter().filter(|a| Some(a.number) != baseline);
    let usable = others.filter(|a| a.rejected().is_none() && a.rate().is_some());
    usable.max_by(|a, b| a.rate().unwrap_or(0.0).total_cmp(&b.rate().unwrap_or(0.0)))
}

fn unfinished(story: &Story<'_>) -> String {
    let measured = story.attempts.iter().filter(|a| a.trial.is_some()).count();
    let (Some(best), Some(rate)) = (story.best(), story.best().and_then(Attempt::rate)) else {
        return "Unfinished: nothing was measured to the end".into();
    };
    let so_far = match story.baseline().and_then(Attempt::rate) {
        Some(today) if story.winner().is_some() => format!(
            "{} carries most so far, {} against today's {}, not yet confirmed",
            story.changes(best),
            say::per_second(rate),
            say::rate(today)
        ),
        _ => format!("{} carry most so far, {}", story.changes(best), say::per_second(rate)),
    };
    format!("Unfinished, after {}: {so_far}", say::count(measured, "trial"))
}

/// Capacity before and after, where there is one to speak of.
fn numbers(story: &Story<'_>) -> Option<String> {
    let goal = Goal { rate: None, ..story.started()?.goal.value };
    let today = story.baseline()?.rate()?;
    let best = story.best()?.rate()?;
    let sure = !matches!(
        story.verdict().map(|v| v.conclusion),
        Some(Conclusion::Inconclusive | Conclusion::Satisfied)
    );
    let carried = match (story.in_pairs(), story.winner()) {
        (Some((today, best)), _) => {
            format!("In the pairs {} instead of {}", say::per_second(best), say::rate(today))
        }
        (None, Some(_)) => format!("{} instead of {}", say::per_second(best), say::rate(today)),
        (None, None) => say::per_second(today),
    };
    (sure && best > 0.0).then(|| format!("{carried} within {goal}."))
}

/// A faster setting that cannot be taken is worth knowing of.
fn refused(story: &Story<'_>) -> Option<String> {
    let most = faster_rejected(story)?;
    Some(format!(
        "With {} it carried {}, but {}.",
        story.changes(most),
        say::per_second(most.rate()?),
        cause(most.rejected()?)
    ))
}

/// Why today's settings could not be taken, where that was found before what they carry.
fn unfit(story: &Story<'_>) -> Option<String> {
    let today = story.baseline().filter(|today| today.rate().is_none())?;
    Some(format!("Today's settings were rejected: {}.", cause(today.rejected()?)))
}

/// The fastest of those that were rejected although they carried more than the best.
fn faster_rejected<'r, 'a>(story: &'r Story<'a>) -> Option<&'r Attempt<'a>> {
    let best = story.best().and_then(Attempt::rate).unwrap_or(0.0);
    let rejected = story.attempts.iter().filter(|a| a.rejected().is_some());
    let faster = rejected.filter(|a| a.rate().is_some_and(|r| r > best));
    faster.max_by(|a, b| a.rate().unwrap_or(0.0).total_cmp(&b.rate().unwrap_or(0.0)))
}

/// How far the best is from what cannot be exceeded: that says whether settings are still worth a thought.
fn most(story: &Story<'_>) -> Option<String> {
    let verdict = story.verdict().filter(|v| v.conclusion != Conclusion::Inconclusive)?;
    let bound = verdict.bound.as_ref().filter(|bound| bound.rate.is_finite())?;
    story.best()?.rate().filter(|rate| *rate > 0.0)?;
    Some(format!(
        "At the least CPU that a request was seen to take, the {} allows {} under any settings.",
        bound.resource,
        say::per_second(bound.rate)
    ))
}

fn stopped(story: &Story<'_>) -> Option<String> {
    let verdict = story.verdict()?;
    let trials = say::count(story.attempts.len(), "trial");
    let took = say::duration(story.seconds());
    Some(format!("The search stopped after {trials} in {took}: {}.", verdict.stopped_because))
}
