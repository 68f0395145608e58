//! How often an interval holds what was measured.

use knee_core::profile::Estimate;
use knee_plan::forecast::Interval;
use knee_plan::statistics::mean;

/// A measured value beside its forecast.
pub struct Off {
    pub forecast: Interval,
    pub measured: f64,
}

impl Off {
    /// Logarithm of measured over forecast.
    fn by(&self) -> f64 {
        (self.measured / self.forecast.value).ln()
    }
}

/// How often measured values lie inside the interval of nine in ten, each cell's with the residuals of the
/// other cells alone; and what all of them say.
pub fn covered(what: &str, cells: &[&[Off]]) {
    let residual = |offs: &[f64]| {
        let middle = mean(offs);
        let square = offs.iter().map(|x| (x - middle).powi(2)).sum::<f64>() / offs.len() as f64;
        Estimate::assumed(middle, square.sqrt(), "the other cells")
    };
    let of = |left: Option<usize>| -> Vec<f64> {
        let others = cells.iter().enumerate().filter(|(i, _)| Some(*i) != left);
        others.flat_map(|(_, cell)| cell.iter().map(Off::by)).filter(|x| x.is_finite()).collect()
    };
    let (mut inside, mut all) = (0, 0);
    for (i, cell) in cells.iter().enumerate() {
        let others = of(Some(i));
        if others.is_empty() {
            continue;
        }
        let residual = residual(&others);
        for off in *cell {
            let Interval { low, high, .. } = off.forecast.beside(&residual);
            inside += usize::from((low..=high).contains(&off.measured));
            all += 1;
        }
    }
    let everything = of(None);
    if everything.is_empty() {
        return;
    }
    let Estimate { value, deviation, .. } = residual(&everything);
    println!(
        "{what} inside the interval of nine in ten, whose residuals come from the other cells: {inside} of {all}; ln(measured / forecast) over all cells {value:+.2}, give or take {deviation:.2}"
    );
}
