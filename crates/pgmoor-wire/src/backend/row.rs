//! Rows that pgmoor itself asked for; those of clients are forwarded unread.

use crate::read::{DecodeError, Reader};

/// One row.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DataRow<'a> {
    values: Reader<'a>,
    columns: usize,
}

impl<'a> DataRow<'a> {
    /// Reads the body of a [`crate::tag::DATA_ROW`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the values are not as many or as long as it says.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut values = Reader::new("DataRow", body);
        let columns = usize::from(u16::from_be_bytes(values.array()?));
        let mut walk = values;
        for _ in 0..columns {
            value(&mut walk)?;
        }
        walk.end()?;
        Ok(Self { values, columns })
    }

    /// How many values it has.
    pub fn columns(self) -> usize {
        self.columns
    }

    /// Its values in order; `None` is NULL.
    pub fn values(self) -> impl Iterator<Item = Option<&'a [u8]>> {
        let mut reader = self.values;
        (0..self.columns).map_while(move |_| value(&mut reader).ok())
    }

    /// The value of one column, from 0; `None` if it is NULL or there is no such column.
    pub fn get(self, column: usize) -> Option<&'a [u8]> {
        self.values().nth(column).flatten()
    }

    /// The value of one column as text; `None` also if it is not UTF-8.
    pub fn get_str(self, column: usize) -> Option<&'a str> {
        self.get(column)
            .and_then(|value| std::str::from_utf8(value).ok())
    }
}

fn value<'a>(reader: &mut Reader<'a>) -> Result<Option<&'a [u8]>, DecodeError> {
    match reader.i32()? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) => reader.bytes(length).map(Some),
            Err(_) => Err(reader.error("a length is negative")),
        },
    }
}

impl std::fmt::Debug for DataRow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Values may be anything, verifiers among them.
        write!(f, "DataRow({} values)", self.columns)
    }
}
