//! An instance that is served: what a test does with it.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::instance::{Held, Identity, InstanceOptions};
use super::people::database_user;
use super::state::State;
use super::{Google, proxy};
use crate::postgres::Postgres;
use crate::stream::Address;

/// An instance that is served, until this is dropped.
pub struct Instance {
    state: Arc<State>,
    index: usize,
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Google {
    /// Puts an instance in front of a server. Roles that log in by IAM are made with
    /// [`Instance::add_iam_role`], and need [`IAM_HBA`](super::IAM_HBA) at the server.
    pub async fn instance(&self, options: InstanceOptions, postgres: &Postgres) -> Instance {
        // All addresses of this host, so that a private one can differ from the public one.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).await;
        self.instance_on(options, postgres, listener.expect("listen"))
            .await
    }

    /// [`Google::instance`] on a certain port, for connectors that know only one.
    pub async fn instance_at(
        &self,
        options: InstanceOptions,
        postgres: &Postgres,
        address: SocketAddr,
    ) -> Instance {
        let listener = TcpListener::bind(address).await.expect("listen");
        self.instance_on(options, postgres, listener).await
    }

    async fn instance_on(
        &self,
        options: InstanceOptions,
        postgres: &Postgres,
        listener: TcpListener,
    ) -> Instance {
        let port = listener.local_addr().expect("it listens").port();
        let held = Held {
            identity: Identity::new(&options),
            options,
            certificates: 0,
            open: Arc::new(()),
            direct: Address::local(postgres.port()),
            trusted: Address::socket(postgres.socket_dir(), postgres.port()),
            iam: HashSet::new(),
            connections: Vec::new(),
        };
        let index = {
            let mut instances = self.state.instances();
            instances.push(held);
            instances.len() - 1
        };
        let state = Arc::clone(&self.state);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let serving = proxy::serve(socket, Arc::clone(&state), index);
                let task = tokio::spawn(async { drop(serving.await) });
                state.instances()[index]
                    .connections
                    .push(task.abort_handle());
            }
        });
        Instance {
            state: Arc::clone(&self.state),
            index,
            port,
            task,
        }
    }
}

impl Instance {
    /// The port that stands for 3307.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Makes a role that logs in by IAM; the server must have the role `cloudsqliam`'s line in its
    /// `pg_hba.conf` ([`IAM_HBA`](super::IAM_HBA)).
    pub async fn add_iam_role(&self, principal: &str, postgres: &Postgres) {
        let role = database_user(principal);
        let sql = format!(
            "do $$ begin if not exists (select from pg_roles where rolname = 'cloudsqliam') \
             then create role cloudsqliam; end if; end $$; \
             create role \"{role}\" login in role cloudsqliam"
        );
        postgres.psql(&sql).await;
        self.knows_iam_role(principal);
    }

    /// A role of the server logs in by IAM here: for a second instance of one server.
    pub fn knows_iam_role(&self, principal: &str) {
        let role = database_user(principal);
        self.state.instances()[self.index].iam.insert(role);
    }

    /// New keys and certificates; what was told before is no longer true.
    pub fn rotate(&self) {
        let mut instances = self.state.instances();
        let held = &mut instances[self.index];
        held.identity = Identity::new(&held.options);
    }

    /// Changes what it is; certificates are made anew.
    pub fn change(&self, change: impl FnOnce(&mut InstanceOptions)) {
        let mut instances = self.state.instances();
        let held = &mut instances[self.index];
        change(&mut held.options);
        held.identity = Identity::new(&held.options);
    }

    /// How many certificates were signed for clients.
    pub fn certificates(&self) -> u64 {
        self.state.instances()[self.index].certificates
    }

    /// How many connections go through it now.
    pub fn connections(&self) -> usize {
        Arc::strong_count(&self.state.instances()[self.index].open) - 1
    }

    /// Breaks all connections.
    pub fn disconnect_all(&self) {
        for connection in self.state.instances()[self.index].connections.drain(..) {
            connection.abort();
        }
    }
}
