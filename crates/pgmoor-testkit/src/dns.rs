//! A DNS server that knows what a test tells it: texts, addresses and aliases, over UDP; and fails when told to.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// The kinds of records that it knows, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Kind {
    /// An IPv4 address.
    A = 1,
    /// An alias.
    Cname = 5,
    /// A text.
    Txt = 16,
    /// An IPv6 address.
    Aaaa = 28,
}

/// A name, and the number of a kind of records.
type Question = (String, u16);

/// What it knows, and what it was asked.
#[derive(Debug, Default)]
struct Known {
    /// Data of records.
    records: HashMap<Question, Vec<Vec<u8>>>,
    /// What is answered with SERVFAIL.
    failing: HashSet<Question>,
    asked: HashMap<Question, u64>,
}

/// A DNS server, until it is dropped.
pub struct Dns {
    known: Arc<Mutex<Known>>,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Dns {
    /// Starts one that knows nothing yet.
    pub async fn start() -> Dns {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("bind");
        let address = socket.local_addr().expect("it is bound");
        let known: Arc<Mutex<Known>> = Arc::default();
        let answering = Arc::clone(&known);
        let task = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, asker)) = socket.recv_from(&mut question).await {
                let answer = answer(&question[..length], &mut lock(&answering));
                if let Some(answer) = answer {
                    let _ = socket.send_to(&answer, asker).await;
                }
            }
        });
        Dns {
            known,
            address,
            task,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The TXT records of a name, instead of those before.
    pub fn text(&self, name: &str, texts: &[&str]) {
        let data = texts.iter().map(|text| {
            let length = u8::try_from(text.len()).expect("it is short");
            [&[length], text.as_bytes()].concat()
        });
        self.set(name, Kind::Txt, data.collect());
    }

    /// The address of a name.
    pub fn address_of(&self, name: &str, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.set(name, Kind::A, vec![address.octets().to_vec()]),
            IpAddr::V6(address) => self.set(name, Kind::Aaaa, vec![address.octets().to_vec()]),
        }
    }

    /// Takes a name's addresses away.
    pub fn no_address(&self, name: &str) {
        self.set(name, Kind::A, Vec::new());
        self.set(name, Kind::Aaaa, Vec::new());
    }

    /// What a name is an alias of.
    pub fn alias(&self, name: &str, target: &str) {
        self.set(name, Kind::Cname, vec![wire_name(target)]);
    }

    /// Answers questions for these records with SERVFAIL, or no more.
    pub fn fail(&self, name: &str, kind: Kind, fails: bool) {
        let question = (name.to_owned(), kind as u16);
        let mut known = lock(&self.known);
        match fails {
            true => known.failing.insert(question),
            false => known.failing.remove(&question),
        };
    }

    /// How often it was asked for these records.
    pub fn asked(&self, name: &str, kind: Kind) -> u64 {
        let asked = lock(&self.known)
            .asked
            .get(&(name.to_owned(), kind as u16))
            .copied();
        asked.unwrap_or_default()
    }

    fn set(&self, name: &str, kind: Kind, data: Vec<Vec<u8>>) {
        let question = (name.to_owned(), kind as u16);
        lock(&self.known).records.insert(question, data);
    }
}

fn lock(known: &Mutex<Known>) -> MutexGuard<'_, Known> {
    known.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wire_name(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.trim_end_matches('.').split('.') {
        bytes.push(u8::try_from(label.len()).expect("a label is short"));
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes
}

/// Answers a question: a header of 12 bytes, a name, a kind and a class.
fn answer(question: &[u8], known: &mut Known) -> Option<Vec<u8>> {
    let mut labels = Vec::new();
    let mut at = 12;
    loop {
        let length = usize::from(*question.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(question.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes(question.get(at..at + 2)?.try_into().ok()?);
    let asked = question.get(12..at + 4)?;
    let question_of = (labels.join("."), kind);
    let (none, fails) = (Vec::new(), known.failing.contains(&question_of));
    let data = known.records.get(&question_of).filter(|_| !fails);
    let data = data.unwrap_or(&none);
    *known.asked.entry(question_of).or_default() += 1;
    let mut answer = question.get(..2)?.to_vec();
    // An answer, recursion done, no error or SERVFAIL; one question.
    answer.extend([0x81, if fails { 0x82 } else { 0x80 }, 0, 1]);
    answer.extend(u16::try_from(data.len()).ok()?.to_be_bytes());
    answer.extend([0, 0, 0, 0]);
    answer.extend(asked);
    for record in data {
        // The name is that of the question; the class is the internet's; good for no time at all.
        answer.extend([0xc0, 12]);
        answer.extend(kind.to_be_bytes());
        answer.extend([0, 1, 0, 0, 0, 0]);
        answer.extend(u16::try_from(record.len()).ok()?.to_be_bytes());
        answer.extend(record);
    }
    Some(answer)
}
