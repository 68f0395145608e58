//! One request and its answer on one connection: sending, reading, what it means when the
//! other side closes. When to send is decided elsewhere.

use super::{Course, Engine};
use crate::answer::{AtClose, Progress};
use crate::pool::Phase;
use crate::record::Class;
use crate::shots::{NOWHERE, ShotId};
use crate::transport::Link;
use rustix::event::epoll::EventFlags as Flags;
use rustix::io::Errno;

/// Pieces of an answer that are read before others have their turn: 1 MiB.
const PIECES: usize = 16;

impl Engine<'_> {
    /// Sends a request on an idle connection.
    pub(super) fn start(&mut self, index: u32, id: ShotId) {
        let Some(shot) = self.shots.get(id) else { return };
        let head = self.messages.get(shot.message).head;
        self.shots.place(id, index);
        let connection = self.pool.get(index);
        connection.phase = Phase::Busy(id);
        connection.written = 0;
        connection.answer.expect(head);
        self.write(index, id);
    }

    fn write(&mut self, index: u32, id: ShotId) {
        let Some(shot) = self.shots.get(id) else { return };
        let bytes = &self.messages.get(shot.message).bytes;
        let connection = self.pool.get(index);
        while connection.written < bytes.len() {
            let Some(link) = connection.link() else { return };
            match link.write(&bytes[connection.written..]) {
                Ok(sent) => connection.written += sent,
                Err(Errno::AGAIN) => return,
                // What the server said before it closed is still to be read.
                Err(_) => return self.read(index, id, true),
            }
        }
    }

    pub(super) fn event(&mut self, token: u64, flags: Flags) {
        let Some(index) = self.pool.find(token) else { return };
        let closing = flags.intersects(Flags::HUP | Flags::ERR | Flags::RDHUP);
        let readable = closing || flags.contains(Flags::IN);
        match self.pool.get(index).phase {
            Phase::Connecting if closing || flags.contains(Flags::OUT) => self.connected(index),
            Phase::Connecting => {}
            // The server closes it, or speaks without being asked.
            Phase::Idle if readable => self.pool.close(index),
            Phase::Idle => {}
            Phase::Busy(id) => {
                if flags.contains(Flags::OUT) {
                    self.write(index, id);
                }
                // Writing may have found the connection broken, and ended the request.
                if readable && self.pool.find(token).is_some() {
                    self.read(index, id, closing);
                }
            }
        }
        self.pump();
    }

    fn connected(&mut self, index: u32) {
        let result = self.pool.get(index).link().map_or(Ok(()), Link::connected);
        match result {
            Ok(()) => {
                self.pool.rest(index);
                self.pump();
                // It may now be idle for long, as if it had been kept alive.
                let connection = self.pool.get(index);
                connection.kept |= connection.phase == Phase::Idle;
            }
            Err(error) => {
                self.pool.close(index);
                self.fail_first(match error {
                    Errno::TIMEDOUT => Class::TimedOut,
                    Errno::CONNRESET | Errno::PIPE => Class::Reset,
                    _ => Class::Refused,
                });
            }
        }
    }

    /// Reads what has come for a request. `closing` when the other side is known to close.
    fn read(&mut self, index: u32, id: ShotId, closing: bool) {
        for _ in 0..PIECES {
            let connection = self.pool.get(index);
            let Some(link) = connection.link() else { return };
            match link.read(&mut self.buffer) {
                Ok(0) => return self.closed(index, id, false),
                Ok(n) => match connection.answer.feed(&self.buffer[..n]) {
                    Ok(Progress::Done { reusable }) => {
                        return self.answered(index, id, reusable && !closing);
                    }
                    Ok(Progress::More) if n < self.buffer.len() && !closing => return,
                    Ok(Progress::More) => {}
                    Err(_) => return self.end(index, id, Class::Malformed),
                },
                Err(Errno::AGAIN) => return,
                Err(_) => return self.closed(index, id, true),
            }
        }
        // The kernel reports once what has come: a long answer is taken up again later.
        self.unread.push_back(self.pool.token(index));
    }

    fn answered(&mut self, index: u32, id: ShotId, reusable: bool) {
        let length = self.shots.get(id).map(|shot| self.messages.get(shot.message).bytes.len());
        let connection = self.pool.get(index);
        connection.kept = true;
        let class = self.course.class_of(connection.answer.status);
        if reusable && length == Some(connection.written) {
            self.pool.rest(index);
            self.finish(id, class);
        } else {
            self.end(index, id, class);
        }
    }

    /// The other side closed, or reset, a connection that carries a request.
    fn closed(&mut self, index: u32, id: ShotId, reset: bool) {
        let connection = self.pool.get(index);
        let (kept, at_close) = (connection.kept, connection.answer.at_close());
        match at_close {
            AtClose::Complete if !reset => self.answered(index, id, false),
            AtClose::Short if !reset => self.end(index, id, Class::ShortBody),
            AtClose::Nothing if kept && self.retry(index, id) => {}
            _ => self.end(index, id, Class::Reset),
        }
    }

    /// A kept-alive connection was closed or reset under the request before its answer began:
    /// most likely the server had closed it as idle already. A client sends such a request
    /// again where that does no harm (RFC 9112, 9.3.1: GET, HEAD, PUT, …, never POST or
    /// PATCH, which count as reset). It still counts from when it was due.
    fn retry(&mut self, index: u32, id: ShotId) -> bool {
        let again =
            self.shots.get(id).is_some_and(|shot| self.messages.get(shot.message).idempotent);
        if again {
            self.pool.close(index);
            self.shots.place(id, NOWHERE);
            self.waiting.push_front(id);
        }
        again
    }

    /// Closes the connection and ends its request.
    pub(super) fn end(&mut self, index: u32, id: ShotId, class: Class) {
        self.pool.close(index);
        self.finish(id, class);
    }

    pub(super) fn finish(&mut self, id: ShotId, class: Class) {
        let now = self.now();
        let Some(shot) = self.shots.remove(id) else { return };
        if class == Class::Ok && (self.window.0..self.window.1).contains(&now) {
            self.record.answered += 1;
        }
        if shot.counted {
            let latency = now.saturating_sub(shot.due);
            if let Some(rule) = &self.course.rule {
                self.record.exceeded(class, latency, rule.limits, shot.beyond);
            }
            self.record.ended(class, latency);
        }
    }
}

impl Course<'_> {
    fn class_of(&self, status: u16) -> Class {
        match status {
            500.. => Class::ServerError,
            400.. if !self.client_errors_ok => Class::ClientError,
            _ => Class::Ok,
        }
    }
}
