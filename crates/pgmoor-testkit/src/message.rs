//! Protocol messages as a test sees them. Written apart from the wire crate, so as to check it.

use std::collections::BTreeMap;
use std::fmt;

/// One message with its tag, and its body without the length.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The byte that says what it is.
    pub tag: u8,
    /// What stands behind the length.
    pub body: Vec<u8>,
}

impl Message {
    /// A message of any kind.
    pub fn new(tag: u8, body: impl Into<Vec<u8>>) -> Message {
        Message {
            tag,
            body: body.into(),
        }
    }

    /// The message as it travels.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.tag];
        let length = u32::try_from(self.body.len() + 4).expect("a test's message is short");
        bytes.extend(length.to_be_bytes());
        bytes.extend(&self.body);
        bytes
    }

    /// Takes the first whole message off `buffer`, if there is one.
    ///
    /// # Panics
    ///
    /// When the length is less than four, as then there is nothing to go on with.
    pub fn take(buffer: &mut Vec<u8>) -> Option<Message> {
        let length = u32::from_be_bytes(buffer.get(1..5)?.try_into().expect("four bytes"));
        assert!(length >= 4, "peer sent length {length}: {buffer:?}");
        let end = 1 + length as usize;
        if buffer.len() < end {
            return None;
        }
        let rest = buffer.split_off(end);
        let whole = std::mem::replace(buffer, rest);
        Some(Message::new(whole[0], &whole[5..]))
    }

    /// The fields of an ErrorResponse or NoticeResponse by their letters.
    pub fn fields(&self) -> BTreeMap<char, String> {
        self.body
            .split(|byte| *byte == 0)
            .filter_map(|field| {
                let (letter, value) = field.split_first()?;
                let value = String::from_utf8_lossy(value).into_owned();
                Some((char::from(*letter), value))
            })
            .collect()
    }

    /// The SQLSTATE of an error or a notice; empty if there is none.
    pub fn sqlstate(&self) -> String {
        self.fields().remove(&'C').unwrap_or_default()
    }

    /// The primary text of an error or a notice; empty if there is none.
    pub fn text(&self) -> String {
        self.fields().remove(&'M').unwrap_or_default()
    }

    /// The hint of an error or a notice; empty if there is none.
    pub fn hint(&self) -> String {
        self.fields().remove(&'H').unwrap_or_default()
    }

    /// The strings of a body that is made of strings with zeros behind them.
    pub fn strings(&self) -> Vec<String> {
        let body = self.body.strip_suffix(&[0]).unwrap_or(&self.body);
        body.split(|byte| *byte == 0)
            .map(|string| String::from_utf8_lossy(string).into_owned())
            .collect()
    }

    /// The number that starts a body.
    ///
    /// # Panics
    ///
    /// When the body is shorter.
    pub fn number(&self) -> i32 {
        let four = self.body[..4].try_into().expect("four bytes");
        i32::from_be_bytes(four)
    }

    /// The values of a DataRow, or the one of a FunctionCallResponse.
    ///
    /// # Panics
    ///
    /// When it is neither.
    pub fn values(&self) -> Vec<Option<String>> {
        let (count, mut rest) = match self.tag {
            b'D' => (
                u16::from_be_bytes([self.body[0], self.body[1]]),
                &self.body[2..],
            ),
            b'V' => (1, &self.body[..]),
            _ => panic!("{self:?} is neither DataRow nor FunctionCallResponse"),
        };
        (0..count)
            .map(|_| {
                let (length, behind) = rest.split_at(4);
                let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
                let (value, behind) = behind.split_at(length.max(0) as usize);
                rest = behind;
                (length >= 0).then(|| String::from_utf8_lossy(value).into_owned())
            })
            .collect()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = &self.body[..self.body.len().min(200)];
        write!(f, "{}({} ", char::from(self.tag), self.body.len())?;
        write!(f, "\"{}\")", shown.escape_ascii())
    }
}

/// The tags of several messages as one word, such as `12DCZ`.
pub fn tags(messages: &[Message]) -> String {
    messages.iter().map(|m| char::from(m.tag)).collect()
}

/// Appends a string and the zero behind it.
pub(crate) fn put_string(body: &mut Vec<u8>, string: &str) {
    body.extend(string.as_bytes());
    body.push(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_only_when_it_is_whole() {
        let sent = Message::new(b'Z', *b"I");
        let mut buffer = sent.bytes();
        buffer.extend([b'Z', 0, 0]);

        assert_eq!(Message::take(&mut buffer), Some(sent));
        assert_eq!(Message::take(&mut buffer), None);
        assert_eq!(buffer, [b'Z', 0, 0]);
    }

    #[test]
    fn an_error_tells_its_fields() {
        let error = Message::new(b'E', *b"SERROR\0C42601\0Msyntax error\0\0");

        assert_eq!(error.sqlstate(), "42601");
        assert_eq!(error.text(), "syntax error");
        assert_eq!(error.hint(), "");
    }
}
