//! An LDAP server that knows one request, the simple bind, and has a judge decide it. PostgreSQL built
//! with LDAP thereby checks tokens without knowing of it.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::judge::Judge;

const PREFIX: &str = "uid=";
const SUFFIX: &str = ",dc=test";
/// PostgreSQL sends no longer password.
const MAX_MESSAGE: usize = 128 * 1024;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const ENUMERATED: u8 = 0x0a;
const BIND_REQUEST: u8 = 0x60;
const BIND_RESPONSE: u8 = 0x61;
const SIMPLE: u8 = 0x80;
const SUCCESS: u8 = 0;
const INVALID_CREDENTIALS: u8 = 49;

/// The responder; it ends when it is dropped.
pub struct LdapResponder {
    port: u16,
    serving: JoinHandle<()>,
}

impl LdapResponder {
    /// Starts one that asks `judge`.
    ///
    /// # Panics
    /// When it cannot listen.
    pub async fn start(judge: &Judge) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("listen");
        let port = listener.local_addr().expect("address").port();
        let judge = judge.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let judge = judge.clone();
                tokio::spawn(async move {
                    // A server that hangs up is done.
                    let _ = serve(stream, &judge).await;
                });
            }
        });
        Self { port, serving }
    }

    /// The line for `pg_hba.conf` that has the responder decide about `user` inside TLS.
    pub fn hba(&self, user: &str) -> String {
        format!(
            "hostssl all \"{user}\" 127.0.0.1/32 ldap ldapserver=127.0.0.1 ldapport={} ldapprefix=\"{PREFIX}\" ldapsuffix=\"{SUFFIX}\"",
            self.port
        )
    }

    /// The same without TLS too, for what is to be seen in clear.
    pub fn hba_in_clear(&self, user: &str) -> String {
        self.hba(user).replacen("hostssl", "host", 1)
    }
}

impl Drop for LdapResponder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, judge: &Judge) -> io::Result<()> {
    loop {
        let (SEQUENCE, message) = element(&mut stream).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let Some(bind) = Bind::read(&message) else {
            // An unbind, or something that a simple bind does not need.
            return Ok(());
        };
        let user = bind.name.strip_prefix(PREFIX);
        let user = user
            .and_then(|name| name.strip_suffix(SUFFIX))
            .unwrap_or_default();
        let (code, why) = match judge.judge(user, &bind.password) {
            Ok(()) => (SUCCESS, String::new()),
            Err(why) => (INVALID_CREDENTIALS, why),
        };
        let response = [
            tlv(ENUMERATED, &[code]),
            tlv(OCTETS, b""),
            tlv(OCTETS, why.as_bytes()),
        ];
        let id = tlv(INTEGER, &bind.id);
        let message = [id, tlv(BIND_RESPONSE, &response.concat())].concat();
        stream.write_all(&tlv(SEQUENCE, &message)).await?;
    }
}

struct Bind {
    id: Vec<u8>,
    name: String,
    password: String,
}

impl Bind {
    fn read(mut message: &[u8]) -> Option<Self> {
        let id = part(&mut message, INTEGER)?.to_vec();
        let mut request = part(&mut message, BIND_REQUEST)?;
        part(&mut request, INTEGER)?;
        let name = part(&mut request, OCTETS)?;
        let password = part(&mut request, SIMPLE)?;
        Some(Self {
            id,
            name: String::from_utf8(name.to_vec()).ok()?,
            password: String::from_utf8(password.to_vec()).ok()?,
        })
    }
}

/// Takes one element with this tag off the front.
fn part<'a>(bytes: &mut &'a [u8], tag: u8) -> Option<&'a [u8]> {
    let (found, rest) = bytes.split_first()?;
    if *found != tag {
        return None;
    }
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
        let length = digits.iter().try_fold(0_usize, |length, digit| {
            length.checked_mul(256)?.checked_add(usize::from(*digit))
        })?;
        (length, rest)
    };
    let (value, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(value)
}

async fn element(stream: &mut TcpStream) -> io::Result<(u8, Vec<u8>)> {
    let tag = stream.read_u8().await?;
    let first = stream.read_u8().await?;
    let mut length = usize::from(first);
    if first >= 0x80 {
        length = 0;
        for _ in 0..(first & 0x7f).min(8) {
            length = length << 8 | usize::from(stream.read_u8().await?);
        }
    }
    if length > MAX_MESSAGE {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut value = vec![0; length];
    stream.read_exact(&mut value).await?;
    Ok((tag, value))
}

fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match u8::try_from(value.len()) {
        Ok(length) if length < 0x80 => out.push(length),
        _ => {
            let digits = u32::try_from(value.len())
                .expect("a short message")
                .to_be_bytes();
            out.push(0x84);
            out.extend(digits);
        }
    }
    out.extend(value);
    out
}
