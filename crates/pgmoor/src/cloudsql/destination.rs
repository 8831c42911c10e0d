//! A name in DNS that leads to an instance: followed when it changes, with its connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::time::Instant;

use super::cache::{Cache, Refresh};
use super::dns::{Dns, Lead};
use super::name::{InstanceName, Reference};
use super::values::Issuer;
use crate::credential::CredentialError;
use crate::stream::Stream;

/// A name, what it leads to, and the connections that were made by it. A clone is the same.
#[derive(Clone)]
pub(super) struct Destination(Arc<Shared>);

struct Shared {
    reference: Reference,
    issuer: Arc<Issuer>,
    dns: Dns,
    refresh: Refresh,
    /// How often the name is looked up again; never when it is zero.
    check: Duration,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    known: Option<Known>,
    looked_up: Option<Instant>,
    is_watched: bool,
    connections: HashMap<u64, OwnedFd>,
    number: u64,
}

/// What a name leads to.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) cache: Cache,
    /// Where the operator's own records say that it is.
    pub(super) addresses: Vec<IpAddr>,
}

/// What is found in DNS, to see whether it changed.
type Found = (InstanceName, Vec<IpAddr>);

/// A connection that is known of, until this is dropped.
struct Registered {
    shared: Weak<Shared>,
    number: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            lock(&shared).connections.remove(&self.number);
        }
    }
}

fn lock(shared: &Shared) -> MutexGuard<'_, Inner> {
    shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Destination {
    pub(super) fn new(
        reference: Reference,
        issuer: Arc<Issuer>,
        dns: Dns,
        refresh: Refresh,
        check: Duration,
    ) -> Self {
        Self(Arc::new(Shared {
            reference,
            issuer,
            dns,
            refresh,
            check,
            inner: Mutex::default(),
        }))
    }

    pub(super) fn reference(&self) -> &Reference {
        &self.0.reference
    }

    pub(super) fn issuer(&self) -> &Issuer {
        &self.0.issuer
    }

    /// The values of the instance that the name led to last.
    pub(super) fn cache(&self) -> Option<Cache> {
        let inner = lock(&self.0);
        inner.known.as_ref().map(|known| known.cache.clone())
    }

    /// The operator's own name, which the certificate may carry.
    pub(super) fn own_name(&self) -> Option<&str> {
        match &self.0.reference {
            Reference::Domain(name) => Some(name),
            Reference::Name(_) | Reference::Goog(_) => None,
        }
    }

    /// What the name leads to: looked up once, and again when that is due.
    pub(super) async fn known(&self) -> Result<Known, CredentialError> {
        let (known, is_due) = {
            let inner = lock(&self.0);
            let age = inner.looked_up.map(|at| at.elapsed());
            let is_due = age.is_none_or(|age| !self.0.check.is_zero() && age >= self.0.check);
            (inner.known.clone(), is_due)
        };
        let is_fixed = matches!(self.0.reference, Reference::Name(_));
        match known {
            Some(known) if is_fixed || !is_due => Ok(known),
            known => match self.look_up().await {
                Ok(found) => Ok(self.learn(found)),
                // What was known stays good until the name is looked up again.
                Err(error) => {
                    lock(&self.0).looked_up = known.as_ref().map(|_| Instant::now());
                    known.ok_or(error)
                }
            },
        }
    }

    async fn look_up(&self) -> Result<Found, CredentialError> {
        match &self.0.reference {
            Reference::Name(name) => Ok((name.clone(), Vec::new())),
            Reference::Goog(goog) => Ok((self.0.issuer.resolve(goog).await?, Vec::new())),
            Reference::Domain(name) => {
                let instance = match self.0.dns.lead(name).await? {
                    Lead::Instance(instance) => instance,
                    Lead::Goog(goog) => self.0.issuer.resolve(&goog).await?,
                };
                Ok((instance, self.0.dns.addresses(name).await?))
            }
        }
    }

    /// Takes what was found. When the name leads elsewhere now, its connections are ended.
    fn learn(&self, (instance, addresses): Found) -> Known {
        let mut inner = lock(&self.0);
        inner.looked_up = Some(Instant::now());
        if let Some(known) = &inner.known
            && *known.cache.instance() == instance
            && same(&known.addresses, &addresses)
        {
            return known.clone();
        }
        let before = inner.known.take();
        let cache = match &before {
            Some(known) if *known.cache.instance() == instance => known.cache.clone(),
            _ => Cache::new(instance, self.0.issuer.clone(), self.0.refresh),
        };
        let known = Known { cache, addresses };
        inner.known = Some(known.clone());
        if before.is_some() {
            tracing::info!(
                name = %self.0.reference,
                instance = %known.cache.instance(),
                connections = inner.connections.len(),
                "name leads to another Cloud SQL instance or address, its connections are ended"
            );
            for socket in inner.connections.values() {
                // Its owner sees the end and does what it does when a server goes away.
                let _ = rustix::net::shutdown(socket, rustix::net::Shutdown::Both);
            }
        }
        known
    }

    /// Keeps an eye on a connection that was made to `known`, and on the name while there are any.
    pub(super) fn register(&self, stream: &mut Stream, known: &Known) -> std::io::Result<()> {
        if matches!(self.0.reference, Reference::Name(_)) || self.0.check.is_zero() {
            return Ok(());
        }
        let socket = rustix::io::fcntl_dupfd_cloexec(&*stream, 0)?;
        let mut inner = lock(&self.0);
        let is_still = inner.known.as_ref().is_some_and(|now| {
            now.cache.instance() == known.cache.instance() && same(&now.addresses, &known.addresses)
        });
        if !is_still {
            let moved = "the name leads elsewhere by now";
            return Err(std::io::Error::new(
                std::io::ErrorKind::ConnectionAborted,
                moved,
            ));
        }
        inner.number += 1;
        let number = inner.number;
        inner.connections.insert(number, socket);
        stream.keep(Box::new(Registered {
            shared: Arc::downgrade(&self.0),
            number,
        }));
        if !inner.is_watched {
            inner.is_watched = true;
            tokio::spawn(watch(Watch(Arc::downgrade(&self.0))));
        }
        Ok(())
    }
}

/// Says that nobody watches any more, also when its event loop ends.
struct Watch(Weak<Shared>);

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(shared) = self.0.upgrade() {
            lock(&shared).is_watched = false;
        }
    }
}

/// Looks the name up again and again, while there are connections.
async fn watch(watch: Watch) {
    loop {
        let Some(check) = watch.0.upgrade().map(|shared| shared.check) else {
            return;
        };
        tokio::time::sleep(check).await;
        let Some(shared) = watch.0.upgrade() else {
            return;
        };
        let destination = Destination(shared);
        if lock(&destination.0).connections.is_empty() {
            return;
        }
        match destination.look_up().await {
            Ok(found) => drop(destination.learn(found)),
            Err(error) => {
                tracing::warn!(name = %destination.0.reference, error = %error, "cannot look up the name of a Cloud SQL instance, it is taken for unchanged");
            }
        }
    }
}

/// Whether both are the same addresses, in whatever order.
fn same(one: &[IpAddr], other: &[IpAddr]) -> bool {
    one.len() == other.len() && one.iter().all(|address| other.contains(address))
}

impl std::fmt::Debug for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Destination")
            .field(&self.0.reference.to_string())
            .finish()
    }
}
