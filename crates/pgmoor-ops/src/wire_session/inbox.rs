//! What has arrived and was not yet looked at: one buffer, that grows only for a message that is wanted as a whole.

use pgmoor_wire::frame::{self, FrameError, HEADER, Header};

/// Bytes of a buffer that holds no larger message.
pub(super) const ROOM: usize = 256 * 1024;

/// Bytes that have arrived, in `bytes[start..end]`.
pub(super) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Inbox {
    /// With what came behind the login.
    pub(super) fn new(leftover: &[u8]) -> Self {
        let mut bytes = vec![0; ROOM.max(leftover.len())];
        bytes[..leftover.len()].copy_from_slice(leftover);
        let end = leftover.len();
        Self {
            bytes,
            start: 0,
            end,
        }
    }

    pub(super) fn arrived(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Where the next bytes go; never empty, `wanted` bytes fit behind the first that has arrived.
    pub(super) fn room(&mut self, wanted: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() > ROOM && wanted <= ROOM {
                self.bytes = vec![0; ROOM];
            }
        }
        // Little is left of what arrived, and little room behind it.
        let is_worth_moving =
            self.start > self.end - self.start && self.bytes.len() - self.end < ROOM / 2;
        let is_full = self.end == self.bytes.len();
        if is_full || is_worth_moving || self.start + wanted > self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            let is_full = self.end == self.bytes.len();
            let least = if is_full { self.end + ROOM } else { 0 };
            if wanted.max(least) > self.bytes.len() {
                self.bytes.resize(wanted.max(least), 0);
            }
        }
        &mut self.bytes[self.end..]
    }

    /// So many bytes were put into the room.
    pub(super) fn put(&mut self, count: usize) {
        self.end += count;
    }

    /// The first so many bytes are done with.
    pub(super) fn take(&mut self, count: usize) {
        self.start += count;
        debug_assert!(self.start <= self.end);
    }

    /// The header of the message that comes next, if so much of it is there.
    pub(super) fn header(&self) -> Result<Option<Header>, FrameError> {
        frame::header(self.arrived())
    }

    /// The body of the message of `len` bytes, header included, that was taken last.
    pub(super) fn taken(&self, len: usize) -> &[u8] {
        &self.bytes[self.start - len + HEADER..self.start]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(inbox: &mut Inbox, bytes: &[u8], wanted: usize) {
        inbox.room(wanted)[..bytes.len()].copy_from_slice(bytes);
        inbox.put(bytes.len());
    }

    #[test]
    fn bytes_stay_in_order_when_the_buffer_is_compacted_and_grows() {
        let mut inbox = Inbox::new(b"ab");
        put(&mut inbox, b"cd", 0);
        inbox.take(1);
        assert_eq!(inbox.arrived(), b"bcd");

        put(&mut inbox, b"e", ROOM);
        assert_eq!(inbox.arrived(), b"bcde");
        put(&mut inbox, b"f", 2 * ROOM);
        assert_eq!(inbox.arrived(), b"bcdef");
        assert!(inbox.room(2 * ROOM).len() >= 2 * ROOM - 5);
    }

    #[test]
    fn a_large_buffer_is_given_back_when_it_is_empty() {
        let mut inbox = Inbox::new(&[]);
        put(&mut inbox, b"x", 3 * ROOM);
        inbox.take(1);

        assert_eq!(inbox.room(0).len(), ROOM);
    }

    #[test]
    fn a_full_buffer_still_has_room() {
        let mut inbox = Inbox::new(&[]);
        let full = vec![7; ROOM];
        put(&mut inbox, &full, 0);

        assert!(!inbox.room(0).is_empty());
        assert_eq!(inbox.arrived(), full);
    }
}
