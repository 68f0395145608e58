//! A request on its way, and the numbers by which events know it.

use super::program::Times;

/// A request, or a piece of a collector's work, which moves like one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Request {
    /// When the client wanted it, at its first attempt.
    pub due: f64,
    /// When it got a slot.
    pub begun: f64,
    /// When it got its lane; while it waits for one under a GIL, the CPU's mark at which that began.
    pub since: f64,
    pub times: Times,
    /// CPU of its present step that is still to come.
    pub left: f64,
    pub class: u16,
    /// Its next step; the present one where it is waiting or computing.
    pub step: u16,
    pub process: u32,
    /// Changes when its place in the store is used anew.
    pub life: u32,
    /// Changes when its time on a lane is planned anew.
    pub plan: u32,
    /// Attempts of the client before this one.
    pub attempt: u8,
    /// Times that it was refused a place in the kernel's queue.
    pub refusals: u8,
    pub counted: bool,
    /// The client has given it up; the service goes on with it.
    pub abandoned: bool,
}

/// What an event concerns. It shares a number with 24 bits of a counter, which tell a request
/// from an earlier one, and with the place of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Its waiting for the backend is over.
    Waited,
    /// Its blocking is over.
    Blocked,
    /// The client connects, again or after a pause.
    Submit,
    /// The client gives up.
    GiveUp,
    /// It has got the CPU it needed on its lane, or its turn is over.
    Lane,
    /// It has got the CPU it needed on a helper.
    Helper,
    /// A process has started.
    Started,
    /// Processes that woke for a connection in vain sleep again.
    Herd,
    /// A thread has paid for its wake-ups.
    Woken,
}

impl Kind {
    pub const ALL: [Kind; 9] = [
        Kind::Waited,
        Kind::Blocked,
        Kind::Submit,
        Kind::GiveUp,
        Kind::Lane,
        Kind::Helper,
        Kind::Started,
        Kind::Herd,
        Kind::Woken,
    ];

    #[inline]
    pub fn of(self, counter: u32, place: u32) -> u64 {
        (self as u64) << 56 | u64::from(counter & COUNTER) << 32 | u64::from(place)
    }
}

const COUNTER: u32 = 0xff_ffff;

/// Whether an event still concerns the request at its place, whose counter this is.
#[inline]
pub(super) fn is_of(what: u64, counter: u32) -> bool {
    (what >> 32) as u32 & COUNTER == counter & COUNTER
}
