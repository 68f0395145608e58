//! Requests that are due and not yet answered, in the order they were due.

use std::collections::VecDeque;

/// No connection.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// Names a shot; stale once the shot has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShotId {
    index: u32,
    serial: u32,
}

/// One due request. Times are in ns since the step began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shot {
    pub due: u64,
    pub message: u32,
    /// Where it was sent, or [`NOWHERE`].
    pub connection: u32,
    /// Whether it was due in the measured window.
    pub counted: bool,
    /// Whether it is already known to take longer than each of the two limits.
    pub beyond: [bool; 2],
    serial: u32,
    live: bool,
}

impl Shot {
    fn is(&self, id: ShotId) -> bool {
        self.live && self.serial == id.serial
    }
}

/// All live shots.
#[derive(Default)]
pub(crate) struct Shots {
    slab: Vec<Shot>,
    free: Vec<u32>,
    /// By due time; ended ones are dropped when they reach the front.
    order: VecDeque<ShotId>,
    /// Those not yet beyond each of two limits, likewise.
    young: [VecDeque<ShotId>; 2],
    live: u64,
    counted: u64,
}

impl Shots {
    /// A request is due.
    pub fn add(&mut self, due: u64, message: u32, counted: bool) -> ShotId {
        let index = self.free.pop().unwrap_or(self.slab.len() as u32);
        let serial = self.slab.get(index as usize).map_or(0, |s| s.serial.wrapping_add(1));
        let connection = NOWHERE;
        let beyond = [false; 2];
        let shot = Shot { due, message, connection, counted, beyond, serial, live: true };
        match self.slab.get_mut(index as usize) {
            Some(slot) => *slot = shot,
            None => self.slab.push(shot),
        }
        let id = ShotId { index, serial };
        self.order.push_back(id);
        self.young.iter_mut().for_each(|queue| queue.push_back(id));
        self.live += 1;
        self.counted += u64::from(counted);
        id
    }

    /// The shot, unless it has ended.
    pub fn get(&self, id: ShotId) -> Option<&Shot> {
        self.slab.get(id.index as usize).filter(|s| s.is(id))
    }

    /// Notes where a shot was sent.
    pub fn place(&mut self, id: ShotId, connection: u32) {
        self.slab[id.index as usize].connection = connection;
    }

    /// Ends a shot.
    pub fn remove(&mut self, id: ShotId) -> Option<Shot> {
        let shot = *self.get(id)?;
        self.slab[id.index as usize].live = false;
        self.free.push(id.index);
        self.live -= 1;
        self.counted -= u64::from(shot.counted);
        let [slow, late] = &mut self.young;
        for queue in [&mut self.order, slow, late] {
            while queue.front().is_some_and(|id| !self.slab[id.index as usize].is(*id)) {
                queue.pop_front();
            }
        }
        Some(shot)
    }

    /// How many are outstanding.
    pub fn live(&self) -> u64 {
        self.live
    }

    /// How many of them were due in the measured window.
    pub fn counted(&self) -> u64 {
        self.counted
    }

    /// The oldest one with its due time.
    pub fn oldest(&self) -> Option<(ShotId, u64)> {
        let id = *self.order.front()?;
        self.get(id).map(|shot| (id, shot.due))
    }

    /// Marks what is beyond each limit, in seconds, at `now`, and adds the counted ones.
    pub fn mark(&mut self, now: u64, limits: [f64; 2], counts: &mut [u64; 2]) {
        for (i, limit) in limits.into_iter().enumerate() {
            let before = now.saturating_sub((limit * 1e9) as u64);
            counts[i] += self.mark_before(i, before);
        }
    }

    fn mark_before(&mut self, limit: usize, before: u64) -> u64 {
        let mut marked = 0;
        while let Some(id) = self.young[limit].front().copied() {
            match self.get(id) {
                Some(shot) if shot.due >= before => break,
                Some(shot) => {
                    marked += u64::from(shot.counted);
                    self.slab[id.index as usize].beyond[limit] = true;
                }
                None => {}
            }
            self.young[limit].pop_front();
        }
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_found_whatever_ended_before_it() {
        let mut shots = Shots::default();
        let ids: Vec<_> = (0..4).map(|due| shots.add(due, 0, due > 1)).collect();
        shots.remove(ids[1]);
        assert_eq!(shots.oldest(), Some((ids[0], 0)));
        shots.remove(ids[0]);
        assert_eq!(shots.oldest(), Some((ids[2], 2)));
        assert_eq!((shots.live(), shots.counted()), (2, 2));
        let again = shots.add(9, 0, true);
        assert_ne!(again, ids[0]);
        assert!(shots.remove(ids[0]).is_none(), "a stale name ends nothing");
    }

    #[test]
    fn each_is_marked_once_and_only_counted_ones_count() {
        let mut shots = Shots::default();
        const MS: u64 = 1_000_000;
        let first = shots.add(MS, 0, false);
        shots.add(2 * MS, 0, true);
        shots.add(30 * MS, 0, true);
        let mut counts = [0; 2];
        for _ in 0..2 {
            shots.mark(10 * MS, [1e-9, 0.007], &mut counts);
            assert_eq!(counts, [1, 1]);
        }
        assert_eq!(shots.get(first).unwrap().beyond, [true, true]);
        shots.mark(31 * MS, [1e-9, 0.007], &mut counts);
        assert_eq!(counts, [2, 1]);
    }
}
