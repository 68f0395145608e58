//! What `knee plan` answers, as a page: task sizes by price and latency, the main knob turned.

use super::figures::Figure;
use super::svg::{Drawing, Scale, Side, tame};
use super::verdict::Headline;
use super::words as say;
use crate::plan::{Answer, dollars, headline, notes, row};
use crate::render::words::rate;
use askama::Template;
use knee_core::Goal;
use knee_core::observe::Validity;
use knee_plan::plan::{Choice, Curve, Loaded, Sweep};

/// The page of an answer.
#[derive(Template)]
#[template(path = "plan.html")]
pub struct PlanPage<'a> {
    subject: &'a str,
    told: String,
    version: Option<&'static str>,
    headline: Headline,
    validity: Validity,
    figures: Vec<Figure>,
    costs: Option<String>,
    sweep: Option<Turned<'a>>,
    overload: Option<Overload>,
    rows: Vec<Vec<String>>,
    unfit: Vec<(String, &'a str)>,
    conditions: Vec<(&'static str, String)>,
}

/// The pictures of a task under more and more load.
struct Overload {
    task: String,
    clients: String,
    answered: String,
    latency: String,
}

/// The pictures of a knob that is turned.
struct Turned<'a> {
    knob: &'a str,
    task: String,
    rate: String,
    carries: String,
    latency: String,
}

impl<'a> PlanPage<'a> {
    /// The page of an answer given `at` seconds after 1970-01-01 UTC.
    pub fn of(answer: &'a Answer, at: u64) -> PlanPage<'a> {
        let plan = &answer.plan;
        let possible = !plan.choices.is_empty();
        let (badge, class) = if possible { ("Planned", "good") } else { ("Impossible", "bad") };
        let details = plan.impossible.iter().map(|i| say::joined(&say::capital(&i.change)));
        let mut conditions: Vec<(&'static str, String)> = notes(answer)
            .into_iter()
            .filter(|(name, _)| *name != "with care")
            .flat_map(|(name, all)| all.into_iter().map(move |text| (name, say::joined(&text))))
            .collect();
        conditions.push(("version", format!("knee {}", env!("CARGO_PKG_VERSION"))));
        PlanPage {
            subject: &answer.basis.profile.service,
            told: format!("knee plan · {}", say::date(at)),
            version: Some(env!("CARGO_PKG_VERSION")),
            headline: Headline {
                badge,
                class,
                claim: say::joined(&headline(answer)),
                interval: None,
                details: details.collect(),
            },
            validity: Validity { invalid: vec![], caveats: answer.caveats.clone() },
            figures: plan.choices.first().map_or(vec![], figures),
            costs: costs(answer),
            sweep: answer.sweep.as_ref().and_then(|sweep| Turned::of(sweep, answer)),
            overload: plan.curve.as_ref().and_then(|curve| Overload::of(curve, answer)),
            rows: plan.choices.iter().map(|choice| row(answer, choice)).collect(),
            unfit: plan.unfit.iter().map(|u| (u.task.to_string(), u.because.as_str())).collect(),
            conditions,
        }
    }
}

fn figures(best: &Choice) -> Vec<Figure> {
    let carries = &best.carries.rate;
    vec![
        Figure::plain("Tasks", best.tasks.to_string(), &format!("of {}", best.task)),
        Figure::plain("A month", format!("${}", dollars(best.month.x86)), "On-Demand, x86"),
        Figure::plain("A task carries", say::rate(carries.value), "requests/s"),
        Figure::plain("p50 forecast", say::time(best.load.p50.value), ""),
        Figure::plain("p99 forecast", say::time(best.load.p99.value), ""),
        Figure {
            word: true,
            ..Figure::plain("Gives out first", say::resource(best.carries.binding), "")
        },
    ]
}

/// Room below a plot for the axis, and above it for a name.
const AXIS: f64 = 42.0;
const TOP: f64 = 20.0;
const HEIGHT: f64 = 220.0;

/// Price against latency, a mark for each task size; None without any.
fn costs(answer: &Answer) -> Option<String> {
    let choices = &answer.plan.choices;
    let (quantile, goal) = (answer.plan.goal.quantile_name(), answer.plan.goal.latency.0);
    let latency = |c: &Choice| tame(c.load.goal.value);
    let prices = || choices.iter().map(|c| tame(c.month.x86));
    let x = Scale::logarithmic(prices().reduce(f64::min)?, prices().reduce(f64::max)?);
    let most = choices.iter().map(latency).fold(goal, f64::max);
    let y = Scale::linear(0.0, most * 1.08);
    let at = |value: f64| TOP + HEIGHT * (1.0 - y.share(value));
    let mut d = Drawing::new(TOP + HEIGHT + AXIS);
    axes(&mut d, &x, &y, "$ a month, On-Demand on x86", &|v| format!("${}", dollars(v)));
    goal_line(&mut d, &y, goal);
    for (index, choice) in choices.iter().enumerate() {
        let class = if index == 0 { "best" } else { "today" };
        let says = format!(
            "{} tasks of {}, {}: ${} a month, {quantile} {}",
            choice.tasks,
            choice.task,
            answer.settings(&choice.settings),
            dollars(choice.month.x86),
            say::time(choice.load.goal.value)
        );
        d.mark((x.share(choice.month.x86), at(latency(choice))), "held", class, &says);
    }
    let described = format!("The cheapest costs ${} a month.", dollars(choices[0].month.x86));
    Some(d.finish("costs", &format!("{quantile} against the price of each task size"), &described))
}

impl<'a> Turned<'a> {
    fn of(sweep: &'a Sweep, answer: &Answer) -> Option<Turned<'a>> {
        let goal = &answer.plan.goal;
        let most = sweep.points.iter().map(|p| p.value).max()? as f64;
        let least = sweep.points.iter().map(|p| p.value).min()? as f64;
        let x = Scale::logarithmic(least.max(1.0), most.max(2.0));
        Some(Turned {
            knob: &sweep.knob,
            task: sweep.task.to_string(),
            rate: rate(sweep.rate),
            carries: carries(sweep, &x),
            latency: latency(sweep, &x, &goal.quantile_name(), goal.latency.0),
        })
    }
}

impl Overload {
    fn of(curve: &Curve, answer: &Answer) -> Option<Overload> {
        let most = curve.points.iter().map(|p| p.rate).reduce(f64::max)?;
        let x = Scale::linear(0.0, tame(most) * 1.02);
        let endless = curve.points.iter().find(|p| p.p99.is_infinite());
        let clients = match (answer.impatient, endless) {
            (true, _) => "Clients give up and try again as stated.".into(),
            (false, None) => "Clients wait for as long as it takes.".into(),
            (false, Some(point)) => format!(
                "Clients wait for as long as it takes: at {} and more the queue grows without end, and no p99 is drawn.",
                say::per_second(point.rate)
            ),
        };
        Some(Overload {
            task: curve.task.to_string(),
            clients,
            answered: answered(curve, &x),
            latency: loaded(curve, &x, &answer.plan.goal),
        })
    }
}

/// A point of a curve over the requests asked.
struct Mark {
    rate: f64,
    value: f64,
    held: bool,
    says: String,
}

/// What a task answers in time, of what it is asked.
fn answered(curve: &Curve, x: &Scale) -> String {
    let most = curve.points.iter().map(|p| tame(p.answered)).fold(0.0, f64::max);
    let y = Scale::linear(0.0, most * 1.08);
    let mark = |p: &Loaded| Mark {
        rate: p.rate,
        value: p.answered,
        held: p.errors < FAILING,
        says: format!(
            "{} asked: {} answered in time, {:.1} % failed, {:.2} attempts each, CPU {:.0} %",
            say::per_second(p.rate),
            say::per_second(p.answered),
            100.0 * p.errors,
            p.attempts,
            100.0 * p.cpu
        ),
    };
    let marks: Vec<Mark> = curve.points.iter().map(mark).collect();
    let d = marked(&marks, (x, &y), &say::round);
    let described = format!("At most {} are answered in time.", say::per_second(most));
    d.finish("answered", "Requests answered in time over those asked", &described)
}

/// The 99th percentile below and above what a task carries; against the goal where that is one of it.
fn loaded(curve: &Curve, x: &Scale, goal: &Goal) -> String {
    let goal = Some(goal.latency.0).filter(|_| goal.quantile_name() == "p99");
    let mark = |p: &Loaded| Mark {
        rate: p.rate,
        value: p.p99,
        held: goal.is_none_or(|goal| p.p99 <= goal),
        says: format!("{} asked: p99 {}", say::per_second(p.rate), say::time(p.p99)),
    };
    let finite = curve.points.iter().filter(|p| p.p99.is_finite() && p.p99 > 0.0);
    let marks: Vec<Mark> = finite.map(mark).collect();
    let values = || marks.iter().map(|mark| mark.value).chain(goal);
    let y =
        Scale::logarithmic(values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let mut d = marked(&marks, (x, &y), &say::round_time);
    if let Some(goal) = goal {
        goal_line(&mut d, &y, goal);
    }
    d.finish("loaded", "p99 over the requests asked", "Logarithmic axis.")
}

/// A curve with a mark at each of its points.
fn marked(marks: &[Mark], (x, y): (&Scale, &Scale), label: &dyn Fn(f64) -> String) -> Drawing {
    let place = |m: &Mark| (x.share(tame(m.rate)), TOP + HEIGHT * (1.0 - y.share(tame(m.value))));
    let mut d = Drawing::new(TOP + HEIGHT + AXIS);
    axes(&mut d, x, y, "requests/s asked of the task", label);
    d.curve(&marks.iter().map(place).collect::<Vec<_>>(), "best");
    for mark in marks {
        d.mark(place(mark), if mark.held { "held" } else { "missed" }, "best", &mark.says);
    }
    d
}

/// The latency that is asked for, across a plot.
fn goal_line(d: &mut Drawing, y: &Scale, goal: f64) {
    let at = TOP + HEIGHT * (1.0 - y.share(goal));
    d.line((0.0, at), (1.0, at), "goal");
    d.text((1.0, at - 6.0), Side::Left, "goal", "goal");
}

/// Share of failures from which a point is drawn as missed.
const FAILING: f64 = 0.01;

/// What a task carries, with its interval, for each value of the knob.
fn carries(sweep: &Sweep, x: &Scale) -> String {
    let most = sweep.points.iter().map(|p| tame(p.carries.high)).fold(0.0, f64::max);
    let y = Scale::linear(0.0, most * 1.08);
    let at = |value: f64| TOP + HEIGHT * (1.0 - y.share(tame(value)));
    let mut d = Drawing::new(TOP + HEIGHT + AXIS);
    axes(&mut d, x, &y, &sweep.knob, &say::round);
    let points: Vec<(f64, f64)> =
        sweep.points.iter().map(|p| (x.share(p.value as f64), at(p.carries.value))).collect();
    d.curve(&points, "best");
    for (point, (place, height)) in sweep.points.iter().zip(&points) {
        d.line((*place, at(point.carries.low)), (*place, at(point.carries.high)), "interval");
        let (symbol, memory) =
            if point.fits { ("held", "") } else { ("missed", ", no room in memory") };
        let says = format!(
            "{} {}: {} ({} to {}){memory}, by its {}",
            sweep.knob,
            point.value,
            say::per_second(point.carries.value),
            say::rate(point.carries.low),
            say::rate(point.carries.high),
            point.binding
        );
        d.mark((*place, *height), symbol, "best", &says);
    }
    let best = sweep.points.iter().max_by(|a, b| a.carries.value.total_cmp(&b.carries.value));
    let described = best.map_or(String::new(), |best| {
        format!("Most is carried with {}: {}.", best.value, say::per_second(best.carries.value))
    });
    d.finish(
        "carries",
        &format!("What a task carries for each number of {}", sweep.knob),
        &described,
    )
}

/// The latency at the planned rate for each value of the knob that carries it.
fn latency(sweep: &Sweep, x: &Scale, quantile: &str, goal: f64) -> String {
    let carried = || sweep.points.iter().filter(|p| p.latency.is_finite() && p.latency > 0.0);
    let (low, high) =
        carried().map(|p| p.latency).fold((goal, goal), |(l, h), v| (l.min(v), h.max(v)));
    let y = Scale::logarithmic(low, high.min(goal * 20.0));
    let at = |value: f64| TOP + HEIGHT * (1.0 - y.share(tame(value)));
    let mut d = Drawing::new(TOP + HEIGHT + AXIS);
    axes(&mut d, x, &y, &sweep.knob, &say::round_time);
    goal_line(&mut d, &y, goal);
    let points: Vec<(f64, f64)> =
        carried().map(|p| (x.share(p.value as f64), at(p.latency))).collect();
    d.curve(&points, "best");
    for (point, place) in carried().zip(&points) {
        let says =
            format!("{} {}: {quantile} {}", sweep.knob, point.value, say::time(point.latency));
        d.mark(*place, if point.latency <= goal { "held" } else { "missed" }, "best", &says);
    }
    d.finish(
        "turned",
        &format!("{quantile} at the planned rate for each number of {}", sweep.knob),
        "Logarithmic axis.",
    )
}

/// Both axes: values of x along the bottom, those of y at the left.
fn axes(d: &mut Drawing, x: &Scale, y: &Scale, title: &str, label: &dyn Fn(f64) -> String) {
    let bottom = TOP + HEIGHT;
    let logarithmic = title.starts_with('$');
    for tick in y.ticks(5) {
        let at = TOP + HEIGHT * (1.0 - y.share(tick));
        d.line((0.0, at), (1.0, at), "grid");
        let text = if logarithmic { say::round_time(tick) } else { label(tick) };
        d.text((0.0, at + 4.0), Side::Left, "tick", &text);
    }
    d.line((0.0, bottom), (1.0, bottom), "axis");
    for tick in x.ticks(8) {
        let at = x.share(tick);
        d.line((at, bottom), (at, bottom + 4.0), "axis");
        let text = if logarithmic { label(tick) } else { say::round(tick) };
        d.text((at, bottom + 18.0), Side::Middle, "tick", &text);
    }
    d.text((1.0, bottom + 36.0), Side::Left, "title", title);
}
