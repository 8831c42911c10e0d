//! The values of one row.

use crate::read::{DecodeError, Reader};

/// The values of one row, in the order of its table's columns.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    values: Reader<'a>,
    count: usize,
}

/// One value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A large value that the change left as it was, and that is not sent.
    Unchanged,
    /// In text form.
    Text(&'a [u8]),
    /// In binary form.
    Binary(&'a [u8]),
}

impl<'a> Row<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let count = usize::from(reader.u16()?);
        let values = *reader;
        for _ in 0..count {
            value(reader)?;
        }
        Ok(Self { values, count })
    }

    /// How many values it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has none: a table may be without columns.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Its values.
    pub fn values(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let mut reader = self.values;
        (0..self.count).map_while(move |_| value(&mut reader).ok())
    }
}

fn value<'a>(reader: &mut Reader<'a>) -> Result<Value<'a>, DecodeError> {
    let kind = reader.u8()?;
    match kind {
        b'n' => Ok(Value::Null),
        b'u' => Ok(Value::Unchanged),
        b't' | b'b' => {
            let length = reader.i32()?;
            let length =
                usize::try_from(length).map_err(|_| reader.error("a length is negative"))?;
            let bytes = reader.bytes(length)?;
            Ok(match kind {
                b't' => Value::Text(bytes),
                _ => Value::Binary(bytes),
            })
        }
        _ => Err(reader.error("a value is of an unknown kind")),
    }
}

impl std::fmt::Debug for Row<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

impl std::fmt::Debug for Value<'_> {
    /// Without the value, which is the user's.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Unchanged => f.write_str("unchanged"),
            Self::Text(bytes) => write!(f, "text of {} bytes", bytes.len()),
            Self::Binary(bytes) => write!(f, "binary of {} bytes", bytes.len()),
        }
    }
}
