//! What is to happen, earliest first: a heap of four children per node, which touches half
//! the cache lines of a binary one.
//!
//! An event that is taken leaves a hole at the top; as what follows from it is mostly one
//! event more, that fills the hole and the heap is put in order once instead of twice.

/// Something that happens at a point of (real or virtual) time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Entry {
    /// Seconds.
    pub at: f64,
    /// What it concerns; the agenda does not look at it.
    pub what: u64,
}

/// Entries by time. Equal times come in an order that depends on nothing but the operations before.
#[derive(Clone, Debug, Default)]
pub(super) struct Agenda {
    heap: Vec<Entry>,
    hole: bool,
}

impl Agenda {
    /// The earliest entry.
    #[inline]
    pub fn first(&mut self) -> Option<Entry> {
        if self.hole {
            self.close();
        }
        self.heap.first().copied()
    }

    /// Takes the entry that [`Agenda::first`] showed.
    #[inline]
    pub fn take(&mut self) {
        debug_assert!(!self.hole && !self.heap.is_empty());
        self.hole = true;
    }

    #[inline]
    pub fn add(&mut self, at: f64, what: u64) {
        let entry = Entry { at, what };
        if self.hole {
            self.hole = false;
            self.down(entry);
        } else {
            self.heap.push(entry);
            self.up(entry);
        }
    }

    #[inline]
    fn close(&mut self) {
        self.hole = false;
        if let Some(last) = self.heap.pop()
            && !self.heap.is_empty()
        {
            self.down(last);
        }
    }

    /// Finds the place of `entry` from the last one upwards.
    #[inline]
    fn up(&mut self, entry: Entry) {
        let mut place = self.heap.len() - 1;
        while place > 0 {
            let parent = (place - 1) / 4;
            if self.heap[parent].at <= entry.at {
                break;
            }
            self.heap[place] = self.heap[parent];
            place = parent;
        }
        self.heap[place] = entry;
    }

    /// Finds the place of `entry` from the top downwards.
    #[inline]
    fn down(&mut self, entry: Entry) {
        let heap = &mut self.heap[..];
        let mut place = 0;
        loop {
            let from = 4 * place + 1;
            let Some(children) = heap.get(from..(from + 4).min(heap.len())) else { break };
            let Some(mut at) = children.first().map(|c| c.at) else { break };
            let mut least = 0;
            for (i, child) in children.iter().enumerate().skip(1) {
                // Without a branch: which child is least cannot be foretold.
                let less = child.at < at;
                least = if less { i } else { least };
                at = if less { child.at } else { at };
            }
            if entry.at <= at {
                break;
            }
            heap[place] = heap[from + least];
            place = from + least;
        }
        heap[place] = entry;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_gives_back_in_order(steps in prop::collection::vec((0.0f64..100.0, 0u8..3), 1..200)) {
            let (mut agenda, mut sorted) = (Agenda::default(), Vec::<f64>::new());
            for (at, takes) in steps {
                for _ in 0..takes {
                    let first = agenda.first();
                    prop_assert_eq!(first.map(|e| e.at), sorted.first().copied());
                    if first.is_some() {
                        agenda.take();
                        sorted.remove(0);
                    }
                }
                agenda.add(at, 0);
                let place = sorted.partition_point(|s| *s <= at);
                sorted.insert(place, at);
            }
        }
    }
}
