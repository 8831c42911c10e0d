//! What is inside CopyData while a server sends its log (PostgreSQL documentation, "Streaming Replication
//! Protocol").

use crate::lsn::Lsn;
use crate::read::{DecodeError, Reader};

/// Microseconds since the beginning of the year 2000, as PostgreSQL counts.
pub type Microseconds = i64;

/// A message of the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ReplicationMessage<'a> {
    /// A piece of the log, or of what a plugin makes of it.
    XLogData {
        /// Where it begins; for what a plugin makes, the place of the change.
        start: Lsn,
        /// The end of the log at the server.
        end: Lsn,
        /// When it was sent, by the server's clock.
        sent_at: Microseconds,
        /// The piece.
        data: &'a [u8],
    },
    /// The server is alive.
    Keepalive {
        /// The end of the log at the server: nothing that is wanted is before it that was not sent.
        end: Lsn,
        /// When it was sent, by the server's clock.
        sent_at: Microseconds,
        /// Whether the server ends the connection unless it hears from us.
        wants_reply: bool,
    },
}

impl<'a> ReplicationMessage<'a> {
    /// Reads the body of a [`crate::tag::COPY_DATA`] message.
    ///
    /// # Errors
    /// [`DecodeError`] if it is none of these, or too short.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("CopyData (replication)", body);
        match reader.u8()? {
            b'w' => Ok(Self::XLogData {
                start: lsn(&mut reader)?,
                end: lsn(&mut reader)?,
                sent_at: reader.i64()?,
                data: reader.remaining(),
            }),
            b'k' => {
                let message = Self::Keepalive {
                    end: lsn(&mut reader)?,
                    sent_at: reader.i64()?,
                    wants_reply: reader.u8()? != 0,
                };
                reader.end()?;
                Ok(message)
            }
            _ => Err(reader.error("it is of an unknown kind")),
        }
    }
}

impl std::fmt::Debug for ReplicationMessage<'_> {
    /// Without the data, which is rows.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::XLogData {
                start, end, data, ..
            } => {
                write!(f, "XLogData({start} to {end}, {} bytes)", data.len())
            }
            Self::Keepalive {
                end, wants_reply, ..
            } => {
                write!(f, "Keepalive({end}, wants reply: {wants_reply})")
            }
        }
    }
}

/// How far a receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StandbyStatus {
    /// All up to here has arrived.
    pub written: Lsn,
    /// All up to here is safe: the server may forget it.
    pub flushed: Lsn,
    /// All up to here can be seen.
    pub applied: Lsn,
    /// When this is said, by our clock.
    pub at: Microseconds,
    /// Whether the server shall answer at once.
    pub wants_reply: bool,
}

impl StandbyStatus {
    /// Appends it as a CopyData message.
    pub fn write(&self, out: &mut Vec<u8>) {
        const BODY: u32 = 1 + 8 + 8 + 8 + 8 + 1;
        out.push(crate::tag::COPY_DATA);
        out.extend_from_slice(&(BODY + 4).to_be_bytes());
        out.push(b'r');
        for place in [self.written, self.flushed, self.applied] {
            out.extend_from_slice(&place.0.to_be_bytes());
        }
        out.extend_from_slice(&self.at.to_be_bytes());
        out.push(u8::from(self.wants_reply));
    }
}

pub(crate) fn lsn(reader: &mut Reader<'_>) -> Result<Lsn, DecodeError> {
    Ok(Lsn(u64::from_be_bytes(reader.array()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_keepalives_are_read() {
        let mut body = vec![b'w'];
        body.extend(0x10_u64.to_be_bytes());
        body.extend(0x20_u64.to_be_bytes());
        body.extend(7_i64.to_be_bytes());
        body.extend(b"rows");
        let message = ReplicationMessage::decode(&body).unwrap();
        assert_eq!(
            message,
            ReplicationMessage::XLogData {
                start: Lsn(0x10),
                end: Lsn(0x20),
                sent_at: 7,
                data: b"rows"
            }
        );
        assert_eq!(format!("{message:?}"), "XLogData(0/10 to 0/20, 4 bytes)");

        let mut body = vec![b'k'];
        body.extend(0x20_u64.to_be_bytes());
        body.extend(7_i64.to_be_bytes());
        body.push(1);
        let keepalive = ReplicationMessage::decode(&body).unwrap();
        assert!(matches!(
            keepalive,
            ReplicationMessage::Keepalive {
                wants_reply: true,
                ..
            }
        ));
    }

    #[test]
    fn what_is_cut_off_or_unknown_is_refused() {
        let mut body = vec![b'k'];
        body.extend([0; 17]);
        for cut in 0..body.len() {
            assert!(ReplicationMessage::decode(&body[..cut]).is_err(), "{cut}");
        }
        body.push(0);
        assert!(ReplicationMessage::decode(&body).is_err());
        assert!(ReplicationMessage::decode(b"x").is_err());
    }

    #[test]
    fn the_status_is_one_message_of_copy_data() {
        let status = StandbyStatus {
            written: Lsn(3),
            flushed: Lsn(2),
            applied: Lsn(1),
            at: 9,
            wants_reply: true,
        };
        let mut out = Vec::new();
        status.write(&mut out);

        let header = crate::frame::header(&out).unwrap().unwrap();
        assert_eq!((header.tag, header.len), (b'd', out.len()));
        assert_eq!(&out[5..7], [b'r', 0]);
        assert_eq!(out.last(), Some(&1));
    }
}
