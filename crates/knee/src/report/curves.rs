//! Latency and throughput over offered rate, with the capacity, the knee and the goal.

use super::svg::{Drawing, Scale, Side, tame};
use super::words as say;
use crate::render::words;
use knee_core::Goal;
use knee_core::observe::{Capacity, Outcome, Step};
use knee_measure::curve::knee;

/// One curve of a chart.
pub struct Series<'a> {
    /// What it is called in the chart.
    pub name: &'a str,
    /// Its colour: `today` or `best`.
    pub class: &'static str,
    /// Its steps, in any order.
    pub steps: Vec<&'a Step>,
    /// Highest rate that held the goal, requests/s; None where the search did not end.
    pub capacity: Option<f64>,
    /// Rate from which throughput stays behind, requests/s.
    pub knee: Option<f64>,
}

impl<'a> Series<'a> {
    /// The curve that a capacity search left.
    pub fn of(name: &'a str, class: &'static str, capacity: &'a Capacity) -> Series<'a> {
        Series {
            name,
            class,
            steps: capacity.curve.iter().collect(),
            capacity: Some(capacity.rate),
            knee: knee(&capacity.curve),
        }
    }
}

/// The two charts, one above the other.
pub struct Charts {
    /// Latency at the goal's quantile.
    pub latency: String,
    /// Good answers per second.
    pub throughput: String,
    /// The steps that lie beyond the right end.
    pub beyond: usize,
}

/// Height of the plots, pixels.
const LATENCY: f64 = 260.0;
const THROUGHPUT: f64 = 180.0;
/// Room above a plot for labels, a line of text each.
const LINE: f64 = 18.0;
/// Room below a plot for the axis.
const AXIS: f64 = 42.0;
/// How far beyond the highest capacity the charts reach; what is offered beyond says no more.
const REACH: f64 = 2.0;
/// Steps nearer than this share of the width are one point of the curve.
const NEAR: f64 = 0.004;
/// Share of the width that the goal's name takes on a narrow screen.
const GOAL_NAME: f64 = 0.28;
/// The same of a knee's name.
const KNEE_NAME: f64 = 0.25;

/// Draws the charts; None where no step was measured.
pub fn charts(series: &[Series<'_>], goal: &Goal) -> Option<Charts> {
    let steps = || series.iter().flat_map(|s| s.steps.iter().copied());
    let offered = |step: &Step| tame(step.offered);
    let most = steps().map(offered).reduce(f64::max)?;
    let known = series.iter().flat_map(|s| [s.capacity, s.knee]).flatten().map(tame);
    let reach = known.reduce(f64::max).filter(|most| *most > 0.0).map_or(most, |r| r * REACH);
    let x = Scale::linear(0.0, most.min(reach) * 1.02);
    let beyond = steps().filter(|step| !x.contains(offered(step))).count();
    let canvas = Canvas { series, goal, x };
    Some(Charts { latency: canvas.latency(), throughput: canvas.throughput(), beyond })
}

/// What both charts share.
struct Canvas<'a> {
    series: &'a [Series<'a>],
    goal: &'a Goal,
    x: Scale,
}

/// Where a plot lies in its drawing.
struct Frame<'a> {
    y: Scale,
    top: f64,
    height: f64,
    value: &'a dyn Fn(&Step) -> f64,
}

impl Frame<'_> {
    fn at(&self, value: f64) -> f64 {
        self.top + self.height * (1.0 - self.y.share(value))
    }

    fn bottom(&self) -> f64 {
        self.top + self.height
    }
}

impl Canvas<'_> {
    fn latency(&self) -> String {
        let goal = self.goal.latency.0;
        let values = || self.visible().map(|s| tame(s.latency.goal)).filter(|v| *v > 0.0);
        let (low, high) = values().fold((goal, goal), |(l, h), v| (l.min(v), h.max(v)));
        let frame = Frame {
            y: Scale::logarithmic(low, high),
            top: LINE * self.series.len() as f64 + 6.0,
            height: LATENCY,
            value: &|step| step.latency.goal,
        };
        let mut d = Drawing::new(frame.bottom() + AXIS);
        self.zones(&mut d, &frame);
        self.axes(&mut d, &frame, 10, &say::round_time);
        self.capacities(&mut d, &frame, true);
        let curves = self.draw(&mut d, &frame);
        self.goal(&mut d, &frame, &curves);
        let name = self.goal.quantile_name();
        d.finish(
            "latency",
            &format!("{name} latency over offered rate"),
            &format!("Logarithmic axis. {}", self.described()),
        )
    }

    fn throughput(&self) -> String {
        let most = self.visible().map(|s| tame(s.throughput)).fold(0.0, f64::max);
        let frame = Frame {
            y: Scale::linear(0.0, most * 1.12),
            top: 8.0,
            height: THROUGHPUT,
            value: &|step| step.throughput,
        };
        let mut d = Drawing::new(frame.bottom() + AXIS);
        self.zones(&mut d, &frame);
        self.axes(&mut d, &frame, 5, &say::round);
        self.ideal(&mut d, &frame);
        self.capacities(&mut d, &frame, false);
        let curves = self.draw(&mut d, &frame);
        self.knees(&mut d, &curves);
        d.finish("throughput", "Good answers per second over offered rate", &self.described())
    }

    fn described(&self) -> String {
        let held = |s: &Series<'_>| {
            let capacity = match s.capacity {
                Some(rate) if rate > 0.0 => {
                    format!("holds the goal up to {}", say::per_second(rate))
                }
                Some(_) => "holds the goal at no rate".into(),
                None => "was not measured to the end".into(),
            };
            let knee =
                s.knee.map_or(String::new(), |k| format!(", its knee is at {}", say::rate(k)));
            format!("{} {capacity}{knee}.", s.name)
        };
        self.series.iter().map(held).collect::<Vec<_>>().join(" ")
    }

    fn visible(&self) -> impl Iterator<Item = &Step> {
        let steps = self.series.iter().flat_map(|s| s.steps.iter().copied());
        steps.filter(|s| self.x.contains(tame(s.offered)))
    }

    /// The load that was gained, and what was seen to be too much for all.
    fn zones(&self, d: &mut Drawing, frame: &Frame<'_>) {
        let capacities: Vec<f64> =
            self.series.iter().filter_map(|s| s.capacity).map(tame).filter(|c| *c > 0.0).collect();
        let least = capacities.iter().copied().fold(f64::INFINITY, f64::min);
        let most = capacities.iter().copied().fold(0.0, f64::max);
        if capacities.len() == self.series.len() && least < most {
            d.band(self.x.share(least), self.x.share(most), frame.top, frame.height, "gained");
        }
        if too_much(self.series) {
            let from = self.x.share(most);
            d.band(from, 1.0, frame.top, frame.height, "overload");
            if from < 0.75 {
                d.text((1.0, frame.bottom() - 8.0), Side::Left, "zone", "overload");
            }
        }
    }

    fn axes(&self, d: &mut Drawing, frame: &Frame<'_>, rows: usize, label: &dyn Fn(f64) -> String) {
        for tick in frame.y.ticks(rows) {
            let y = frame.at(tick);
            d.line((0.0, y), (1.0, y), "grid");
            d.text((0.0, y + 4.0), Side::Left, "tick", &label(tick));
        }
        let bottom = frame.bottom();
        d.line((0.0, bottom), (1.0, bottom), "axis");
        for (i, tick) in self.x.ticks(8).into_iter().enumerate() {
            let x = self.x.share(tick);
            d.line((x, bottom), (x, bottom + 4.0), "axis");
            // Every other one gives way on a narrow screen.
            let class = if i % 2 == 0 { "tick" } else { "tick odd" };
            d.text((x, bottom + 18.0), Side::Middle, class, &say::round(tick));
        }
        d.text((1.0, bottom + 36.0), Side::Left, "title", "offered requests/s");
    }

    /// What throughput would be if all that is offered were answered.
    fn ideal(&self, d: &mut Drawing, frame: &Frame<'_>) {
        let most = self.visible().map(|s| tame(s.throughput)).fold(0.0, f64::max);
        let end = (most * 1.06).min(self.x.end());
        d.line((0.0, frame.bottom()), (self.x.share(end), frame.at(end)), "ideal");
    }

    /// The goal's line, named at the end where the curves are further away.
    fn goal(&self, d: &mut Drawing, frame: &Frame<'_>, curves: &[Vec<(f64, f64)>]) {
        let y = frame.at(self.goal.latency.0);
        d.line((0.0, y), (1.0, y), "goal");
        let distance = |from: f64| {
            let at = (0..=10).map(|i| from + GOAL_NAME * f64::from(i) / 10.0);
            let heights = at.flat_map(|x| curves.iter().filter_map(move |c| along(c, x)));
            heights.map(|height| (height - (y - 10.0)).abs()).fold(f64::INFINITY, f64::min)
        };
        let right = distance(1.0 - GOAL_NAME) > distance(0.0);
        let (x, side) = if right { (1.0, Side::Left) } else { (0.0, Side::Right) };
        d.text(
            (x, y - 6.0),
            side,
            "goal",
            &format!("goal {}", say::round_time(self.goal.latency.0)),
        );
    }

    fn capacities(&self, d: &mut Drawing, frame: &Frame<'_>, named: bool) {
        let rows = self.series.len();
        for (i, series) in self.series.iter().enumerate() {
            let Some(rate) = series.capacity.map(tame) else { continue };
            let x = self.x.share(rate);
            // The last one has the lowest row: today's label lies below the winner's.
            let y = if named { LINE * (rows - i) as f64 - 4.0 } else { frame.top };
            if rate > 0.0 {
                d.line((x, y), (x, frame.bottom()), &format!("capacity {}", series.class));
            }
            let text = if rate > 0.0 {
                format!("{} {}/s", series.name, say::rate(rate))
            } else {
                format!("{}: no rate holds the goal", series.name)
            };
            if named {
                d.text((x, y), Side::roomy(x), &format!("name {}", series.class), &text);
            }
        }
    }

    /// Each curve with its marks and its knee; returns the curves' points.
    fn draw(&self, d: &mut Drawing, frame: &Frame<'_>) -> Vec<Vec<(f64, f64)>> {
        let one = |series: &Series<'_>| {
            let steps = series.steps.iter().copied();
            let steps: Vec<&Step> = steps.filter(|s| self.x.contains(tame(s.offered))).collect();
            let curve = self.curve(d, frame, series, &steps);
            for step in &steps {
                let at = (self.x.share(tame(step.offered)), frame.at((frame.value)(step)));
                d.mark(at, symbol(step), series.class, &self.says(series, step));
            }
            if let Some(at) = self.knee(series, &curve) {
                let knee = series.knee.map_or(String::new(), say::per_second);
                d.mark(at, "knee", series.class, &format!("{}: knee at {knee}", series.name));
            }
            curve
        };
        self.series.iter().map(one).collect()
    }

    /// Where the knee lies on its curve, if it is in the picture.
    fn knee(&self, series: &Series<'_>, curve: &[(f64, f64)]) -> Option<(f64, f64)> {
        let x = self.x.share(tame(series.knee?));
        Some((x, along(curve, x)?))
    }

    /// The knees by name: below the curve on its right; above it on its left where that would
    /// leave the chart or meet another name.
    fn knees(&self, d: &mut Drawing, curves: &[Vec<(f64, f64)>]) {
        let mut named: Option<(f64, f64)> = None;
        for (series, curve) in self.series.iter().zip(curves) {
            let Some((x, y)) = self.knee(series, curve) else { continue };
            let near = |(a, b): (f64, f64)| (a - x).abs() < KNEE_NAME && (b - y).abs() < LINE;
            let above = x > 1.0 - KNEE_NAME || named.is_some_and(near);
            let (y, side) = if above { (y - 10.0, Side::Left) } else { (y + 20.0, Side::Right) };
            let class = format!("name {}", series.class);
            let knee = series.knee.map_or(String::new(), say::rate);
            d.text((x, y), side, &class, &format!("knee {knee}"));
            named = Some((x, y));
        }
    }

    /// The line through what was measured, dashed where steps were abandoned.
    fn curve(
        &self,
        d: &mut Drawing,
        frame: &Frame<'_>,
        series: &Series<'_>,
        steps: &[&Step],
    ) -> Vec<(f64, f64)> {
        let points = |abandoned: bool| {
            let ours = steps
                .iter()
                .filter(|s| s.validity.is_valid() && (s.outcome == Outcome::Hopeless) == abandoned);
            merged(
                ours.map(|s| (self.x.share(tame(s.offered)), frame.at((frame.value)(s)))).collect(),
            )
        };
        let (measured, abandoned) = (points(false), points(true));
        let from = abandoned.first().and_then(|first| measured.iter().rfind(|p| p.0 <= first.0));
        let dashed: Vec<_> = from.into_iter().chain(&abandoned).copied().collect();
        d.curve(&dashed, &format!("curve dashed {}", series.class));
        d.curve(&measured, &format!("curve {}", series.class));
        let mut all = [measured, abandoned].concat();
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        all
    }

    fn says(&self, series: &Series<'_>, step: &Step) -> String {
        let outcome = match step.outcome {
            _ if !step.validity.is_valid() => "says nothing about the service",
            outcome => words::outcome(outcome),
        };
        format!(
            "{}: {} offered, {} answered, {} {}, {outcome}",
            series.name,
            say::rate(step.offered),
            say::rate(step.throughput),
            self.goal.quantile_name(),
            say::time(step.latency.goal),
        )
    }
}

/// Whether a rate above all capacities was seen to miss the goal.
pub fn too_much(series: &[Series<'_>]) -> bool {
    let most = series.iter().filter_map(|s| s.capacity).fold(0.0, f64::max);
    let above = series.iter().flat_map(|s| &s.steps).filter(|s| s.offered > most);
    most > 0.0 && above.into_iter().any(|s| s.outcome != Outcome::Held)
}

/// The page's symbol for how a step ended.
pub fn symbol(step: &Step) -> &'static str {
    match step.outcome {
        _ if !step.validity.is_valid() => "invalid",
        Outcome::Held => "held",
        Outcome::Missed => "missed",
        Outcome::Hopeless => "hopeless",
    }
}

/// Points from left to right, those too near to tell apart as one in their middle.
fn merged(mut points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
        .chunk_by(|a, b| b.0 - a.0 < NEAR)
        .map(|near| {
            let n = near.len() as f64;
            let sum = near.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
            (sum.0 / n, sum.1 / n)
        })
        .collect()
}

/// The height of a line through the points at a share of the width; None outside it.
fn along(points: &[(f64, f64)], x: f64) -> Option<f64> {
    let right = points.iter().position(|p| p.0 >= x)?;
    let (a, b) = (points[right.checked_sub(1).unwrap_or(right)], points[right]);
    if right == 0 && a.0 > x {
        return None;
    }
    Some(a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0).max(1e-9))
}
