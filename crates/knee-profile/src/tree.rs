//! Calls as a tree, with the time in each. Pure.

/// Calls of a stack that are kept, from the outermost: what recurses deeper is cut.
const DEEPEST: usize = 500;

/// Whose code a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The program's own.
    Own,
    /// A package's.
    Package,
    /// The runtime's library.
    Library,
    /// The engine itself: native code, the collector.
    Engine,
}

/// A function, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Its name.
    pub function: String,
    /// Its file; empty where there is none.
    pub file: String,
    /// 1-based line on which it begins; 0 where that is not known.
    pub line: u32,
    /// Whose it is.
    pub origin: Origin,
}

/// A function that was called by the one above it.
#[derive(Clone, Debug)]
pub struct Call {
    /// The function.
    pub frame: Frame,
    /// CPU time in it and all that it called, seconds.
    pub seconds: f64,
    /// CPU time in it alone.
    pub own: f64,
    /// What it called, by place in the tree.
    pub calls: Vec<usize>,
}

/// Calls, the outermost first.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    /// All calls; each stands before those that it made.
    pub calls: Vec<Call>,
    /// The outermost.
    pub roots: Vec<usize>,
}

impl Tree {
    /// Adds the time of a stack, its outermost call first. Time that is no number, or negative, is none.
    pub fn add(&mut self, stack: &[Frame], seconds: f64) {
        if !(seconds > 0.0 && seconds.is_finite()) {
            return;
        }
        let mut above: Option<usize> = None;
        for frame in stack.iter().take(DEEPEST) {
            let at = self.below(above, frame);
            self.calls[at].seconds += seconds;
            above = Some(at);
        }
        if let Some(last) = above {
            self.calls[last].own += seconds;
        }
    }

    fn below(&mut self, above: Option<usize>, frame: &Frame) -> usize {
        let siblings = above.map_or(&self.roots, |above| &self.calls[above].calls);
        if let Some(at) = siblings.iter().find(|at| self.calls[**at].frame == *frame) {
            return *at;
        }
        let at = self.calls.len();
        self.calls.push(Call { frame: frame.clone(), seconds: 0.0, own: 0.0, calls: vec![] });
        match above {
            Some(above) => self.calls[above].calls.push(at),
            None => self.roots.push(at),
        }
        at
    }

    /// CPU time of all, seconds.
    pub fn seconds(&self) -> f64 {
        self.roots.iter().fold(0.0, |sum, at| sum + self.calls[*at].seconds)
    }

    /// How many calls stand one below the other at most.
    pub fn depth(&self) -> usize {
        let mut depths = vec![1; self.calls.len()];
        // Whoever is called stands behind whoever calls.
        for (at, call) in self.calls.iter().enumerate() {
            for called in &call.calls {
                depths[*called] = depths[at] + 1;
            }
        }
        depths.into_iter().max().unwrap_or(0)
    }

    /// The functions in which most time was spent, without what they called; each from each of the
    /// program's own functions that it was called from, through whatever lies between.
    pub fn busiest(&self, most: usize) -> Vec<Busy<'_>> {
        // Whoever is called stands behind whoever calls.
        let mut owners: Vec<Option<&Frame>> = vec![None; self.calls.len()];
        for (at, call) in self.calls.iter().enumerate() {
            let owner = match call.frame.origin {
                Origin::Own => Some(&call.frame),
                _ => owners[at],
            };
            call.calls.iter().for_each(|called| owners[*called] = owner);
        }
        let mut all: Vec<Busy<'_>> = Vec::new();
        for (call, from) in self.calls.iter().zip(owners).filter(|(call, _)| call.own > 0.0) {
            let frame = &call.frame;
            let from = from.filter(|_| frame.origin != Origin::Own);
            match all.iter_mut().find(|busy| busy.frame == frame && busy.from == from) {
                Some(busy) => busy.seconds += call.own,
                None => all.push(Busy { frame, from, seconds: call.own }),
            }
        }
        all.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
        all.truncate(most);
        all
    }
}

/// A function in which time was spent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busy<'a> {
    /// The function.
    pub frame: &'a Frame,
    /// The program's own function that it was called from, where it is none itself.
    pub from: Option<&'a Frame>,
    /// CPU time in it alone.
    pub seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frames(names: &str) -> Vec<Frame> {
        let frame = |function: char| Frame {
            function: function.into(),
            file: "a.js".into(),
            line: 1,
            origin: Origin::Own,
        };
        names.chars().map(frame).collect()
    }

    #[test]
    fn the_same_way_down_is_one_and_another_way_to_the_same_function_is_another() {
        let mut tree = Tree::default();
        for (stack, seconds) in [("abc", 1.0), ("abc", 2.0), ("ab", 0.5), ("dc", 0.25), ("", 9.0)] {
            tree.add(&frames(stack), seconds);
        }
        let shown: Vec<(String, f64, f64)> =
            tree.calls.iter().map(|c| (c.frame.function.clone(), c.seconds, c.own)).collect();
        let expected = [
            ("a", 3.5, 0.0),
            ("b", 3.5, 0.5),
            ("c", 3.0, 3.0),
            ("d", 0.25, 0.0),
            ("c", 0.25, 0.25),
        ];
        assert_eq!(shown, expected.map(|(name, all, own)| (name.to_string(), all, own)));
        assert_eq!((tree.seconds(), tree.depth()), (3.75, 3));
        let busiest = |tree: &Tree| {
            let all = tree.busiest(2).into_iter();
            all.map(|b| (b.frame.function.clone(), b.from.map(|f| f.function.clone()), b.seconds))
                .collect::<Vec<_>>()
        };
        let own = |name: &str, seconds| (name.to_string(), None, seconds);
        assert_eq!(busiest(&tree), [own("c", 3.25), own("b", 0.5)]);
        let mut native = frames("aln");
        native[1].origin = Origin::Library;
        native[2].origin = Origin::Engine;
        tree.add(&native, 9.0);
        assert_eq!(busiest(&tree)[0], ("n".to_string(), Some("a".to_string()), 9.0));
        tree.add(&frames(&"x".repeat(9000)), 1.0);
        assert_eq!(tree.depth(), DEEPEST);
    }

    proptest! {
        #[test]
        fn time_is_neither_lost_nor_made(
            stacks in prop::collection::vec(("[a-d]{1,6}", prop::num::f64::ANY), 0..40),
        ) {
            let mut tree = Tree::default();
            let mut sum = 0.0;
            for (stack, seconds) in &stacks {
                let seconds = seconds.clamp(-1e6, 1e6);
                tree.add(&frames(stack), seconds);
                sum += if seconds > 0.0 { seconds } else { 0.0 };
            }
            let own: f64 = tree.calls.iter().map(|call| call.own).sum();
            prop_assert!((tree.seconds() - sum).abs() <= 1e-9 * sum.max(1.0));
            prop_assert!((own - sum).abs() <= 1e-9 * sum.max(1.0));
            for call in &tree.calls {
                let below: f64 = call.calls.iter().map(|at| tree.calls[*at].seconds).sum();
                prop_assert!((call.seconds - call.own - below).abs() <= 1e-9 * sum.max(1.0));
            }
        }
    }
}
