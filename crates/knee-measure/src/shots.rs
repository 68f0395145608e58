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
    /// Whether it is already known to miss the goal's latency.
    pub late: bool,
    serial: u32,
    live: bool,
}

/// All live shots.
#[derive(Default)]
pub(crate) struct Shots {
    slab: Vec<Shot>,
    free: Vec<u32>,
    /// By due time; ended ones are dropped when they reach the front.
    order: VecDeque<ShotId>,
    /// Those not yet late, likewise.
    young: VecDeque<ShotId>,
    live: u64,
    counted: u64,
}

impl Shots {
    /// A request is due.
    pub fn add(&mut self, due: u64, message: u32, counted: bool) -> ShotId {
        let index = self.free.pop().unwrap_or(self.slab.len() as u32);
        let serial = self.slab.get(index as usize).map_or(0, |s| s.serial.wrapping_add(1));
        let connection = NOWHERE;
        let shot = Shot { due, message, connection, counted, late: false, serial, live: true };
        match self.slab.get_mut(index as usize) {
            Some(slot) => *slot = shot,
            None => self.slab.push(shot),
        }
        let id = ShotId { index, serial };
        self.order.push_back(id);
        self.young.push_back(id);
        self.live += 1;
        self.counted += u64::from(counted);
        id
    }

    /// The shot, unless it has ended.
    pub fn get(&self, id: ShotId) -> Option<&Shot> {
        self.slab.get(id.index as usize).filter(|s| s.live && s.serial == id.serial)
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
        while self.order.front().is_some_and(|id| self.get(*id).is_none()) {
            self.order.pop_front();
        }
        while self.young.front().is_some_and(|id| self.get(*id).is_none()) {
            self.young.pop_front();
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

    /// Marks as late what was due before `before`; returns how many of them are counted.
    pub fn mark_late(&mut self, before: u64) -> u64 {
        let mut late = 0;
        while let Some(id) = self.young.front().copied() {
            match self.get(id) {
                Some(shot) if shot.due >= before => break,
                Some(shot) => {
                    late += u64::from(shot.counted);
                    self.slab[id.index as usize].late = true;
                }
                None => {}
            }
            self.young.pop_front();
        }
        late
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
    fn each_is_late_once_and_only_counted_ones_count() {
        let mut shots = Shots::default();
        let first = shots.add(1, 0, false);
        shots.add(2, 0, true);
        shots.add(30, 0, true);
        assert_eq!(shots.mark_late(10), 1);
        assert_eq!(shots.mark_late(10), 0);
        assert!(shots.get(first).unwrap().late);
        assert_eq!(shots.mark_late(31), 1);
    }
}
