//! A small writer of charts as SVG that stretch in width with the page: horizontal positions
//! are shares of the plot, vertical ones are pixels, text keeps its size on every screen.
//!
//! What lives here: scales, ticks, marks and text. What never does: what a chart means.

use std::fmt::Write;

/// Values are kept within this, so that no arithmetic on them overflows.
const HUGE: f64 = 1e15;
/// The least value on a logarithmic axis.
const TINY: f64 = 1e-9;

/// A value as a chart can show it: finite, and neither negative nor beyond measure.
pub fn tame(value: f64) -> f64 {
    if value.is_nan() { 0.0 } else { value.clamp(0.0, HUGE) }
}

/// Maps values to shares of an axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    from: f64,
    to: f64,
    logarithmic: bool,
}

impl Scale {
    /// Evenly divided; an empty range is widened to one that can be drawn.
    pub fn linear(from: f64, to: f64) -> Scale {
        let limit = |v: f64| if v.is_nan() { 0.0 } else { v.clamp(-HUGE, HUGE) };
        let (from, to) = (limit(from), limit(to));
        let to = if to - from > TINY + 1e-9 * from.abs() {
            to
        } else {
            from + (0.1 * from.abs()).max(1.0)
        };
        Scale { from, to, logarithmic: false }
    }

    /// Evenly divided in the logarithm, rounded outwards to 1, 2 or 5 times a power of ten.
    pub fn logarithmic(from: f64, to: f64) -> Scale {
        let from = tame(from).max(TINY);
        let to = tame(to).max(from);
        let (from, to) = (nice_below(from), nice_above(to));
        Scale { from, to: if to > from { to } else { 10.0 * from }, logarithmic: true }
    }

    /// Where a value lies, as a share in [0, 1]; values outside lie at the ends.
    pub fn share(&self, value: f64) -> f64 {
        let share = if self.logarithmic {
            (tame(value).max(TINY) / self.from).ln() / (self.to / self.from).ln()
        } else {
            (value - self.from) / (self.to - self.from)
        };
        if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) }
    }

    /// The value at the far end.
    pub fn end(&self) -> f64 {
        self.to
    }

    /// Whether the axis reaches as far as the value.
    pub fn contains(&self, value: f64) -> bool {
        (self.from..=self.to).contains(&value)
    }

    /// Round values along the axis, about as many as asked for.
    pub fn ticks(&self, about: usize) -> Vec<f64> {
        if self.logarithmic { self.decades(about) } else { self.steps(about) }
    }

    fn steps(&self, about: usize) -> Vec<f64> {
        let step = nice_above((self.to - self.from) / about.max(1) as f64);
        let first = (self.from / step - 1e-6).ceil();
        let last = (self.to / step + 1e-6).floor();
        (0..=(last - first).clamp(0.0, 50.0) as u32)
            .map(|i| (first + f64::from(i)) * step)
            .collect()
    }

    /// 1, 2 and 5 of each power of ten where there is room, else the powers alone.
    fn decades(&self, about: usize) -> Vec<f64> {
        let (low, high) = (self.from.log10().floor() as i32, self.to.log10().ceil() as i32);
        let within = |factors: &[f64]| -> Vec<f64> {
            let all = (low..=high).flat_map(|e| factors.iter().map(move |f| f * power(e)));
            all.filter(|t| (self.from * 0.999..=self.to * 1.001).contains(t)).collect()
        };
        let fine = within(&[1.0, 2.0, 5.0]);
        if fine.len() <= about.max(2) { fine } else { within(&[1.0]) }
    }
}

fn power(exponent: i32) -> f64 {
    10f64.powi(exponent)
}

/// The least of 1, 2 and 5 times a power of ten that is not below the value.
fn nice_above(value: f64) -> f64 {
    nice(value, |nice, value| nice >= value * 0.999)
}

/// The greatest of 1, 2 and 5 times a power of ten that is not above the value.
fn nice_below(value: f64) -> f64 {
    let value = value.max(TINY);
    let exponent = value.log10().floor() as i32;
    [5.0, 2.0, 1.0]
        .map(|f| f * power(exponent))
        .into_iter()
        .find(|n| *n <= value * 1.001)
        .unwrap_or(value)
}

fn nice(value: f64, suits: impl Fn(f64, f64) -> bool) -> f64 {
    let value = value.max(TINY);
    let exponent = value.log10().floor() as i32;
    let steps = [1.0, 2.0, 5.0, 10.0].map(|f| f * power(exponent));
    steps.into_iter().find(|n| suits(*n, value)).unwrap_or(value)
}

/// On which side of its position a text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// To the left of it.
    Left,
    /// Centred on it.
    Middle,
    /// To the right of it.
    Right,
}

impl Side {
    /// The side with more room at a share of the width.
    pub fn roomy(share: f64) -> Side {
        if share > 0.5 { Side::Left } else { Side::Right }
    }
}

/// A drawing of fixed height and any width. Vertical positions are pixels from the top;
/// what is drawn later lies above.
pub struct Drawing {
    height: f64,
    body: String,
}

impl Drawing {
    /// An empty one.
    pub fn new(height: f64) -> Drawing {
        Drawing { height, body: String::new() }
    }

    /// A filled rectangle from share to share.
    pub fn band(&mut self, from: f64, to: f64, top: f64, height: f64, class: &str) {
        let (x, width) = (percent(from), percent((to - from).max(0.0)));
        let (y, height) = (pixel(top), pixel(height));
        self.add(format_args!(
            r#"<rect class="{class}" x="{x}" y="{y}" width="{width}" height="{height}"/>"#
        ));
    }

    /// A curve through points of (share, pixel); nothing below two points. Its thousandths of
    /// the width are stretched, its stroke is not.
    pub fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        if points.len() < 2 {
            return;
        }
        let at = |(x, y): &(f64, f64)| format!("{},{}", pixel(x * 1000.0), pixel(*y));
        let points = points.iter().map(at).collect::<Vec<_>>().join(" ");
        let height = pixel(self.height);
        self.add(format_args!(
            r#"<svg width="100%" height="{height}" viewBox="0 0 1000 {height}" preserveAspectRatio="none"><polyline class="{class}" points="{points}"/></svg>"#
        ));
    }

    /// A straight line between two points of (share, pixel).
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let (x1, y1, x2, y2) = (percent(from.0), pixel(from.1), percent(to.0), pixel(to.1));
        self.add(format_args!(
            r#"<line class="{class}" x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"/>"#
        ));
    }

    /// One of the page's symbols, with what is read out when it is pointed at.
    pub fn mark(&mut self, at: (f64, f64), symbol: &str, class: &str, says: &str) {
        let (x, y, says) = (percent(at.0), pixel(at.1), escape(says));
        self.add(format_args!(
            r##"<use class="{class}" href="#{symbol}" x="{x}" y="{y}"><title>{says}</title></use>"##
        ));
    }

    /// A text whose baseline is at the pixel, a gap beside the share of the width.
    pub fn text(&mut self, at: (f64, f64), side: Side, class: &str, text: &str) {
        let (x, y, text) = (percent(at.0), pixel(at.1), escape(text));
        let (gap, anchor) = match side {
            Side::Left => (-7, "end"),
            Side::Middle => (0, "middle"),
            Side::Right => (7, "start"),
        };
        self.add(format_args!(
                r#"<text class="{class}" x="{x}" y="{y}" dx="{gap}" text-anchor="{anchor}">{text}</text>"#
            ),
        );
    }

    /// The SVG element. `id` is unique in the page; title and description are for people who
    /// do not see it.
    pub fn finish(self, id: &str, title: &str, description: &str) -> String {
        let height = pixel(self.height);
        let (title, description) = (escape(title), escape(description));
        format!(
            r#"<svg class="chart" width="100%" height="{height}" role="img" aria-labelledby="{id}-t {id}-d"><title id="{id}-t">{title}</title><desc id="{id}-d">{description}</desc>{}</svg>"#,
            self.body
        )
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.body.write_fmt(element).expect("writing to a string does not fail");
    }
}

/// A share as a percentage with two digits, without needless zeros.
fn percent(share: f64) -> String {
    let share = if share.is_nan() { 0.0 } else { share.clamp(0.0, 1.0) };
    format!("{}%", (share * 1e4).round() / 1e2)
}

fn pixel(at: f64) -> f64 {
    let at = if at.is_nan() { 0.0 } else { at.clamp(-1e4, 1e4) };
    (at * 10.0).round() / 10.0
}

/// Text as the content of an element.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(Scale::linear(0.0, 183.0).ticks(8), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(Scale::linear(-0.03, 0.07).ticks(5), [-0.02, 0.0, 0.02, 0.04, 0.06]);
        let log = Scale::logarithmic(0.03, 0.9);
        assert_eq!(log.ticks(10), [0.02, 0.05, 0.1, 0.2, 0.5, 1.0]);
        assert_eq!(Scale::logarithmic(1e-4, 10.0).ticks(8).len(), 6);
    }

    #[test]
    fn a_logarithmic_axis_reaches_to_round_ends() {
        let log = Scale::logarithmic(0.03, 0.9);
        assert_eq!((log.share(0.02), log.share(1.0)), (0.0, 1.0));
        assert!((log.share(0.141_421_356) - 0.5).abs() < 1e-6);
        assert_eq!((log.share(0.0), log.share(f64::NAN), log.share(1e9)), (0.0, 0.0, 1.0));
    }

    #[test]
    fn a_point_is_an_axis_too() {
        for value in [0.0, 5.0, 1e9] {
            assert!(Scale::linear(value, value).contains(value));
            assert!(Scale::logarithmic(value, value).share(value) >= 0.0);
        }
    }

    #[test]
    fn text_is_escaped() {
        let mut d = Drawing::new(10.0);
        d.text((0.5, 5.0), Side::Middle, "tick", "<b> & more");
        let svg = d.finish("id", "a < b", "");
        assert!(svg.contains(">&lt;b&gt; &amp; more</text>") && svg.contains("a &lt; b"), "{svg}");
    }

    proptest! {
        #[test]
        fn any_range_has_shares_and_ticks(a in any::<f64>(), b in any::<f64>(), v in any::<f64>()) {
            for scale in [Scale::linear(a, b), Scale::logarithmic(a, b)] {
                prop_assert!((0.0..=1.0).contains(&scale.share(v)));
                let ticks = scale.ticks(8);
                prop_assert!(ticks.len() <= 60 && ticks.iter().all(|t| t.is_finite()), "{ticks:?}");
            }
        }
    }
}
