//! What a stand-in does instead of its work, on command.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::Duration;

use super::web::Reply;

/// One of Google's services.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// The metadata server of a virtual machine.
    Metadata,
    /// The OAuth token endpoint.
    Token,
    /// The security token service, which takes tokens of others.
    TokenExchange,
    /// `generateAccessToken` of IAM.
    Impersonation,
    /// Where a subject token is got from by HTTP, or the metadata server of AWS.
    Subject,
    /// `connectSettings` of the SQL Admin API.
    ConnectSettings,
    /// `generateEphemeralCert` of the SQL Admin API.
    EphemeralCert,
    /// `resolveConnectSettings` of the SQL Admin API.
    ResolveSettings,
}

/// What a service does instead of its work.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It answers with this HTTP status.
    Status(u16),
    /// It answers 429 and asks to wait for so many seconds.
    TooMany(u64),
    /// It answers 200 with something that is no JSON.
    Garbage,
    /// It works, but takes so long first.
    Slow(Duration),
    /// It never answers.
    Silent,
}

impl Fault {
    pub(crate) fn reply(&self) -> Option<Reply> {
        match self {
            Fault::Status(status) => Some(Reply::refused(*status, "injected by the test")),
            Fault::TooMany(seconds) => {
                let reply = Reply::refused(429, "injected by the test");
                Some(reply.with("retry-after", &seconds.to_string()))
            }
            Fault::Garbage => Some(Reply::text(200, "<html>captive portal</html>")),
            Fault::Slow(_) | Fault::Silent => None,
        }
    }
}

/// The faults that are still to come, and how often each service was asked.
#[derive(Default)]
pub(crate) struct Faults {
    next: HashMap<Service, VecDeque<Fault>>,
    always: HashMap<Service, Fault>,
    calls: HashMap<Service, u64>,
}

impl Faults {
    pub(crate) fn push(&mut self, service: Service, fault: Fault, times: usize) {
        let queue = self.next.entry(service).or_default();
        queue.extend(std::iter::repeat_n(fault, times));
    }

    pub(crate) fn always(&mut self, service: Service, fault: Option<Fault>) {
        match fault {
            Some(fault) => self.always.insert(service, fault),
            None => self.always.remove(&service),
        };
    }

    /// Counts a call, and says what happens to it.
    pub(crate) fn called(&mut self, service: Service) -> Option<Fault> {
        *self.calls.entry(service).or_default() += 1;
        let next = self.next.get_mut(&service).and_then(VecDeque::pop_front);
        next.or_else(|| self.always.get(&service).cloned())
    }

    pub(crate) fn calls(&self, service: Service) -> u64 {
        self.calls.get(&service).copied().unwrap_or_default()
    }
}
