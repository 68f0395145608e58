//! Randomness: streams of one seed that do not disturb each other, and draws from distributions.
//!
//! Everything is a function of the seed and of IEEE arithmetic, so that a seed gives the same
//! answer on any machine.

use knee_core::profile::Shape;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::sync::LazyLock;

/// One stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    generator: Xoshiro256PlusPlus,
    ziggurat: &'static Ziggurat,
}

impl Source {
    /// `N` streams of one seed, 2^128 numbers apart.
    pub fn streams<const N: usize>(seed: u64) -> [Source; N] {
        let mut base = Xoshiro256PlusPlus::seed_from_u64(seed);
        std::array::from_fn(|_| {
            let stream = Source { generator: base.clone(), ziggurat: &ZIGGURAT };
            base.jump();
            stream
        })
    }

    /// Uniform in [0, 1).
    #[inline]
    pub fn uniform(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 * EPSILON
    }

    /// A whole number below `n`, which is not 0. Its bias, below n / 2^64, is of no account.
    #[inline]
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.generator.next_u64()) * n as u128) >> 64) as usize
    }

    /// Exponential with mean 1, by the ziggurat of Marsaglia and Tsang, "The ziggurat method for
    /// generating random variables", Journal of Statistical Software 5(8), 2000.
    #[inline]
    pub fn exponential(&mut self) -> f64 {
        let table = self.ziggurat;
        loop {
            let bits = self.generator.next_u64();
            let layer = (bits & 255) as usize;
            let x = (bits >> 11) as f64 * EPSILON * table.x[layer];
            if x < table.x[layer + 1] {
                return x;
            }
            if let Some(x) = self.edge(layer, x) {
                return x;
            }
        }
    }

    /// The few draws that fall outside a layer's inner part.
    #[cold]
    fn edge(&mut self, layer: usize, x: f64) -> Option<f64> {
        let table = self.ziggurat;
        if layer == 0 {
            return Some(TAIL - libm::log(1.0 - self.uniform()));
        }
        let (low, high) = (table.f[layer], table.f[layer + 1]);
        (low + (high - low) * self.uniform() < libm::exp(-x)).then_some(x)
    }
}

/// 2^-53.
const EPSILON: f64 = 1.0 / (1u64 << 53) as f64;
/// Where the lowest of 256 layers of equal area ends and the tail begins.
const TAIL: f64 = 7.697_117_470_131_05;
/// Area of a layer.
const AREA: f64 = 3.949_659_822_581_557e-3;

/// Right ends of the layers, from the lowest to the top, and the density there.
#[derive(Debug)]
struct Ziggurat {
    x: [f64; 257],
    f: [f64; 257],
}

static ZIGGURAT: LazyLock<Ziggurat> = LazyLock::new(|| {
    let mut x = [0.0; 257];
    // The lowest layer holds the tail too: as wide as if it were a box.
    x[0] = AREA / libm::exp(-TAIL);
    x[1] = TAIL;
    for i in 2..256 {
        x[i] = -libm::log(AREA / x[i - 1] + libm::exp(-x[i - 1]));
    }
    let f = x.map(|x| libm::exp(-x));
    Ziggurat { x, f }
});

/// A time that is drawn anew for each request.
#[derive(Clone, Debug)]
pub(super) enum Draw {
    Constant(f64),
    Exponential(f64),
    /// Equally likely pieces, each with its lower and upper end; a straight line between.
    Pieces(Box<[f64]>),
}

/// Equally likely pieces of a measured distribution.
const PIECES: usize = 2000;

impl Draw {
    pub fn new(mean: f64, shape: &Shape) -> Draw {
        match shape {
            _ if mean <= 0.0 => Draw::Constant(0.0),
            Shape::Constant => Draw::Constant(mean),
            Shape::Exponential => Draw::Exponential(mean),
            Shape::Quantiles(_) => {
                let at = |i| quantile(shape, i as f64 / PIECES as f64);
                Draw::Pieces((0..=PIECES).map(|i| mean * at(i)).collect())
            }
        }
    }

    #[inline(always)]
    pub fn next(&self, source: &mut Source) -> f64 {
        match self {
            Draw::Constant(x) => *x,
            Draw::Exponential(mean) => mean * source.exponential(),
            Draw::Pieces(ends) => {
                let place = source.uniform() * PIECES as f64;
                let piece = place as usize;
                let (low, high) = (ends[piece], ends[piece + 1]);
                low + (high - low) * (place - piece as f64)
            }
        }
    }
}

/// The multiple of the mean that a request does not exceed with probability `p`.
pub fn quantile(shape: &Shape, p: f64) -> f64 {
    match shape {
        Shape::Constant => 1.0,
        Shape::Exponential => -libm::log1p(-p.clamp(0.0, 1.0 - 1e-12)),
        Shape::Quantiles(knots) => between(knots, p),
    }
}

/// The height at `p` of the polygon through `knots`.
fn between(knots: &[(f64, f64)], p: f64) -> f64 {
    let above = knots.partition_point(|(q, _)| *q < p);
    match (knots.get(above.wrapping_sub(1)), knots.get(above)) {
        (Some((p0, x0)), Some((p1, x1))) => x0 + (x1 - x0) * (p - p0) / (p1 - p0),
        (Some((_, x)), None) | (None, Some((_, x))) => *x,
        (None, None) => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_one() {
        let [mut source] = Source::streams(3);
        let n = 2_000_000;
        let mut draws: Vec<f64> = (0..n).map(|_| source.exponential()).collect();
        let mean = draws.iter().sum::<f64>() / f64::from(n);
        assert!((mean - 1.0).abs() < 4.0 / f64::from(n).sqrt(), "{mean}");
        draws.sort_by(f64::total_cmp);
        // Five standard errors of the share below each exact quantile, far in the tail too.
        for tail in [0.9, 0.5, 0.1, 1e-2, 4.6e-4, 1e-4] {
            let below = draws.partition_point(|x| *x <= -libm::log(tail));
            let error = (f64::from(n) * tail * (1.0 - tail)).sqrt();
            let expected = f64::from(n) * (1.0 - tail);
            assert!((below as f64 - expected).abs() < 5.0 * error, "{tail}: {below}");
        }
    }

    #[test]
    fn the_layers_of_the_ziggurat_close_at_the_top() {
        let top = ZIGGURAT.x[255];
        assert!((top * (1.0 - libm::exp(-top)) - AREA).abs() < 1e-12, "{top}");
    }

    #[test]
    fn a_measured_distribution_is_drawn_as_it_is() {
        let shape = Shape::through(&[(0.0, 1.0), (0.5, 2.0), (0.9, 4.0), (0.99, 9.0), (1.0, 20.0)]);
        let draw = Draw::new(0.010, &shape);
        let [mut source] = Source::streams(1);
        let mut draws: Vec<f64> = (0..200_000).map(|_| draw.next(&mut source)).collect();
        draws.sort_by(f64::total_cmp);
        for p in [0.1, 0.5, 0.9, 0.99] {
            let (seen, right) = (draws[(2e5 * p) as usize], 0.010 * quantile(&shape, p));
            assert!((seen / right - 1.0).abs() < 0.02, "{p}: {seen} {right}");
        }
    }

    #[test]
    fn a_seed_is_the_same_everywhere() {
        let [mut first, mut second] = Source::streams(42);
        // Written down once; another machine has to say the same.
        let said = [first.uniform(), first.exponential(), second.uniform()].map(f64::to_bits);
        assert_eq!(said, [4605509828241559245, 4602089237934256364, 4604955764271163235]);
        assert!((0..1000).all(|_| second.below(7) < 7));
    }
}
