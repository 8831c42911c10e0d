//! What a server wants as proof of who logs in. It does not answer: see [`crate::scram`].

use crate::read::{DecodeError, Reader};

const OK: i32 = 0;
const CLEARTEXT: i32 = 3;
const MD5: i32 = 5;
const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// An authentication request, or that it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'a> {
    /// Logged in.
    Ok,
    /// The password as it is.
    Cleartext,
    /// The password under MD5 with this salt.
    Md5([u8; 4]),
    /// One of these SASL mechanisms.
    Sasl(Mechanisms<'a>),
    /// The mechanism goes on with this.
    SaslContinue(&'a [u8]),
    /// The mechanism's last word.
    SaslFinal(&'a [u8]),
    /// Something that pgmoor cannot do: Kerberos (2), GSSAPI (7, 8), SSPI (9) or newer.
    Other(i32),
}

impl<'a> Authentication<'a> {
    /// Reads the body of a [`crate::tag::AUTHENTICATION`] message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] if the body is not what its kind says.
    pub fn decode(body: &'a [u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new("Authentication", body);
        let request = match reader.i32()? {
            OK => Self::Ok,
            CLEARTEXT => Self::Cleartext,
            MD5 => Self::Md5(reader.array()?),
            SASL => return Mechanisms::decode(reader).map(Self::Sasl),
            SASL_CONTINUE => return Ok(Self::SaslContinue(reader.remaining())),
            SASL_FINAL => return Ok(Self::SaslFinal(reader.remaining())),
            other => return Ok(Self::Other(other)),
        };
        reader.end()?;
        Ok(request)
    }

    pub(super) fn code(self) -> i32 {
        match self {
            Self::Ok => OK,
            Self::Cleartext => CLEARTEXT,
            Self::Md5(_) => MD5,
            Self::Sasl(_) => SASL,
            Self::SaslContinue(_) => SASL_CONTINUE,
            Self::SaslFinal(_) => SASL_FINAL,
            Self::Other(other) => other,
        }
    }
}

/// The SASL mechanisms that a server offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mechanisms<'a>(pub(super) &'a [u8]);

impl<'a> Mechanisms<'a> {
    fn decode(reader: Reader<'a>) -> Result<Self, DecodeError> {
        let mut walk = reader;
        while !walk.str()?.is_empty() {}
        walk.end()?;
        Ok(Self(reader.remaining()))
    }

    /// Their names, in the server's order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new("Authentication", self.0);
        std::iter::from_fn(move || reader.str().ok().filter(|name| !name.is_empty()))
    }

    /// Whether this one is among them.
    pub fn contains(self, name: &str) -> bool {
        self.iter().any(|offered| offered == name)
    }
}
