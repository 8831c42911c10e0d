//! From a name of the operator's own to an instance: TXT records, aliases, and an address.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use domain::base::iana::Rcode;
use domain::base::name::Name;
use domain::base::{Message, Rtype};
use domain::rdata::{A, Aaaa, Cname, Txt};
use domain::resolv::StubResolver;
use domain::resolv::stub::conf::{ResolvConf, ServerConf, Transport};

use super::name::{GoogName, InstanceName};
use crate::credential::{FailureCause, TokenError};

/// How long one question may take, all servers included.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many aliases are followed.
const MAX_ALIASES: usize = 10;

/// Asks DNS.
#[derive(Debug)]
pub(super) struct Dns {
    resolver: StubResolver,
}

/// What a name leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lead {
    Instance(InstanceName),
    Goog(GoogName),
}

impl Dns {
    /// Asks this server, or those of `/etc/resolv.conf`.
    pub(super) fn new(server: Option<SocketAddr>) -> Self {
        let resolver = match server {
            None => StubResolver::new(),
            Some(server) => {
                let mut conf = ResolvConf::new();
                conf.servers = vec![ServerConf::new(server, Transport::UdpTcp)];
                conf.options.timeout = PATIENCE / 3;
                conf.finalize();
                StubResolver::from_conf(conf)
            }
        };
        Self { resolver }
    }

    /// The instance that `name` leads to.
    pub(super) async fn lead(&self, name: &str) -> Result<Lead, TokenError> {
        let mut asked = name.to_owned();
        for _ in 0..=MAX_ALIASES {
            if let Some(goog) = GoogName::of(&asked) {
                return Ok(Lead::Goog(goog));
            }
            let texts = self.texts(name, &asked).await?;
            if let Some(instance) = first(texts) {
                return Ok(Lead::Instance(instance));
            }
            match self.alias(name, &asked).await? {
                Some(alias) => asked = alias,
                None => {
                    let error = TokenError::new(FailureCause::Configuration, act(name));
                    return Err(error
                        .why(format!("{asked} has no TXT record that names one"))
                        .hint("give it a TXT record with project:region:instance"));
                }
            }
        }
        let error = TokenError::new(FailureCause::Configuration, act(name));
        Err(error.why(format!("it goes through more than {MAX_ALIASES} aliases")))
    }

    /// The addresses that the operator gave the name, if any: they win over the instance's own.
    pub(super) async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, TokenError> {
        let mut found = Vec::new();
        let answer = self.ask(name, name, Rtype::A).await?;
        let records = answer.answer().map_err(|error| malformed(name, error))?;
        found.extend(
            records
                .limit_to_in::<A>()
                .flatten()
                .map(|one| IpAddr::V4(one.data().addr())),
        );
        let answer = self.ask(name, name, Rtype::AAAA).await?;
        let records = answer.answer().map_err(|error| malformed(name, error))?;
        found.extend(
            records
                .limit_to_in::<Aaaa>()
                .flatten()
                .map(|one| IpAddr::V6(one.data().addr())),
        );
        Ok(found)
    }

    async fn texts(&self, name: &str, asked: &str) -> Result<Vec<String>, TokenError> {
        let answer = self.ask(name, asked, Rtype::TXT).await?;
        let records = answer.answer().map_err(|error| malformed(name, error))?;
        let texts = records.limit_to_in::<Txt<_>>().flatten();
        Ok(texts
            .map(|text| String::from_utf8_lossy(&text.data().text::<Vec<u8>>()).into_owned())
            .collect())
    }

    async fn alias(&self, name: &str, asked: &str) -> Result<Option<String>, TokenError> {
        let answer = self.ask(name, asked, Rtype::CNAME).await?;
        let records = answer.answer().map_err(|error| malformed(name, error))?;
        let first = records.limit_to_in::<Cname<_>>().flatten().next();
        Ok(first.map(|alias| alias.data().cname().to_string().to_lowercase()))
    }

    async fn ask(
        &self,
        name: &str,
        asked: &str,
        kind: Rtype,
    ) -> Result<Message<bytes::Bytes>, TokenError> {
        let question: Name<Vec<u8>> = asked.parse().map_err(|_| {
            let error = TokenError::new(FailureCause::Configuration, act(name));
            error.why(format!("\"{asked}\" is no name in DNS"))
        })?;
        let asking = tokio::time::timeout(PATIENCE, self.resolver.query((question, kind)));
        match asking.await {
            Ok(Ok(answer)) => answered(name, answer.into_message()),
            Ok(Err(error)) => {
                let failed = TokenError::new(FailureCause::Network, act(name));
                Err(failed
                    .because(error)
                    .hint("check the DNS servers of this host"))
            }
            Err(_) => {
                let failed = TokenError::new(FailureCause::Timeout, act(name));
                Err(failed
                    .why(format!("DNS gave no answer within {PATIENCE:?}"))
                    .hint("check the DNS servers of this host"))
            }
        }
    }
}

/// An answer that says what there is, or that there is nothing. A server that says that it does not know
/// has said neither.
fn answered(
    name: &str,
    answer: Message<bytes::Bytes>,
) -> Result<Message<bytes::Bytes>, TokenError> {
    match answer.header().rcode() {
        Rcode::NOERROR | Rcode::NXDOMAIN => Ok(answer),
        other => {
            let failed = TokenError::new(FailureCause::Network, act(name));
            Err(failed
                .why(format!("the DNS server answered {other}"))
                .hint("check the DNS servers of this host"))
        }
    }
}

/// The first text, by the alphabet, that is the name of an instance.
fn first(mut texts: Vec<String>) -> Option<InstanceName> {
    texts.sort();
    texts.iter().find_map(|text| text.trim().parse().ok())
}

fn act(name: &str) -> String {
    format!("find the Cloud SQL instance of {name}")
}

fn malformed(name: &str, error: impl std::error::Error + Send + Sync + 'static) -> TokenError {
    TokenError::new(FailureCause::Malformed, act(name)).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_record_by_the_alphabet_that_names_an_instance_wins() {
        let texts = |list: &[&str]| first(list.iter().map(|text| (*text).to_owned()).collect());
        let found = texts(&["z:r:i", "v=spf1 -all", "a:r:i"]).expect("instance");
        assert_eq!(found.to_string(), "a:r:i");
        assert!(texts(&["v=spf1 -all"]).is_none());
    }
}
