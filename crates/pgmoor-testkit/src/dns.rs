//! A DNS server that knows what a test tells it: texts, addresses and aliases, over UDP.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

const A: u16 = 1;
const CNAME: u16 = 5;
const TXT: u16 = 16;
const AAAA: u16 = 28;

/// Data of records by name and kind.
type Records = HashMap<(String, u16), Vec<Vec<u8>>>;

/// A DNS server, until it is dropped.
pub struct Dns {
    records: Arc<Mutex<Records>>,
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
        let records: Arc<Mutex<Records>> = Arc::default();
        let known = Arc::clone(&records);
        let task = tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((length, asker)) = socket.recv_from(&mut question).await {
                let known = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                if let Some(answer) = answer(&question[..length], &known) {
                    let _ = socket.send_to(&answer, asker).await;
                }
            }
        });
        Dns {
            records,
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
        self.set(name, TXT, data.collect());
    }

    /// The address of a name.
    pub fn address_of(&self, name: &str, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.set(name, A, vec![address.octets().to_vec()]),
            IpAddr::V6(address) => self.set(name, AAAA, vec![address.octets().to_vec()]),
        }
    }

    /// What a name is an alias of.
    pub fn alias(&self, name: &str, target: &str) {
        self.set(name, CNAME, vec![wire_name(target)]);
    }

    fn set(&self, name: &str, kind: u16, data: Vec<Vec<u8>>) {
        let mut records = self.records.lock().unwrap_or_else(PoisonError::into_inner);
        records.insert((name.to_owned(), kind), data);
    }
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
fn answer(question: &[u8], known: &Records) -> Option<Vec<u8>> {
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
    let name = labels.join(".");
    let empty = Vec::new();
    let data = known.get(&(name, kind)).unwrap_or(&empty);
    let mut answer = question.get(..2)?.to_vec();
    // An answer, recursion done, no error; one question.
    answer.extend([0x81, 0x80, 0, 1]);
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
