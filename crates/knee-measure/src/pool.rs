//! The connections of a step: opened on demand, the one used last is used next.

use crate::answer::Answer;
use crate::shots::ShotId;
use crate::transport::Link;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Connecting,
    Idle,
    /// Carries this request.
    Busy(ShotId),
}

pub(crate) struct Connection {
    link: Option<Link>,
    generation: u32,
    pub phase: Phase,
    /// Bytes of the request that the kernel has taken.
    pub written: usize,
    /// Whether it was kept alive, or idle: the server may have closed it meanwhile.
    pub kept: bool,
    pub answer: Answer,
}

impl Connection {
    /// The stream; an open connection has one.
    pub fn link(&self) -> Option<&Link> {
        self.link.as_ref()
    }
}

#[derive(Default)]
pub(crate) struct Pool {
    slots: Vec<Connection>,
    free: Vec<u32>,
    /// Tokens, the one used last on top; stale ones are skipped.
    idle: Vec<u64>,
    pub open: usize,
    pub connecting: usize,
    /// Most open at once.
    pub peak: usize,
}

impl Pool {
    /// Reserves a slot and its token, which is given to `open` to make the link.
    pub fn open<E>(&mut self, open: impl FnOnce(u64) -> Result<Link, E>) -> Result<(), E> {
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.slots.push(Connection {
                    link: None,
                    generation: 0,
                    phase: Phase::Idle,
                    written: 0,
                    kept: false,
                    answer: Answer::new(),
                });
                self.slots.len() as u32 - 1
            }
        };
        let slot = &mut self.slots[index as usize];
        match open(u64::from(slot.generation) << 32 | u64::from(index)) {
            Ok(link) => slot.link = Some(link),
            Err(error) => {
                self.free.push(index);
                return Err(error);
            }
        }
        slot.phase = Phase::Connecting;
        slot.kept = false;
        self.open += 1;
        self.connecting += 1;
        self.peak = self.peak.max(self.open);
        Ok(())
    }

    /// The index of an open connection by its token; None when it was closed meanwhile.
    pub fn find(&self, token: u64) -> Option<u32> {
        let index = token as u32;
        let slot = self.slots.get(index as usize)?;
        (slot.link.is_some() && u64::from(slot.generation) == token >> 32).then_some(index)
    }

    /// What names an open connection.
    pub fn token(&self, index: u32) -> u64 {
        u64::from(self.slots[index as usize].generation) << 32 | u64::from(index)
    }

    pub fn get(&mut self, index: u32) -> &mut Connection {
        &mut self.slots[index as usize]
    }

    /// Closes a connection; its token is stale from now on.
    pub fn close(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        if slot.link.take().is_some() {
            self.open -= 1;
            self.connecting -= usize::from(slot.phase == Phase::Connecting);
            slot.phase = Phase::Idle;
            slot.generation = slot.generation.wrapping_add(1);
            self.free.push(index);
        }
    }

    /// Closes one of those that are still being opened.
    pub fn close_connecting(&mut self) {
        let connecting = |c: &Connection| c.link.is_some() && c.phase == Phase::Connecting;
        if let Some(index) = self.slots.iter().position(connecting) {
            self.close(index as u32);
        }
    }

    /// A connection has nothing to do.
    pub fn rest(&mut self, index: u32) {
        let slot = &mut self.slots[index as usize];
        self.connecting -= usize::from(slot.phase == Phase::Connecting);
        slot.phase = Phase::Idle;
        let token = self.token(index);
        self.idle.push(token);
    }

    /// The idle connection used last.
    pub fn wake(&mut self) -> Option<u32> {
        while let Some(token) = self.idle.pop() {
            if let Some(index) = self.find(token) {
                return Some(index);
            }
        }
        None
    }
}
