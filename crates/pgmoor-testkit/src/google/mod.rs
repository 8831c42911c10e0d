//! Google's services on this host, as strict as the real ones: metadata server, OAuth tokens, token
//! exchange, impersonation, the SQL Admin API, and what listens on port 3307 of an instance.
//!
//! Each refuses what the real one refuses, and does worse on command ([`Google::fail`]).

pub mod scope;
mod web;
mod aws;
mod people;
mod token;
mod metadata;
mod sts;
mod iam;
mod instance;
mod sql_admin;
mod service;
mod state;
mod proxy;
mod running;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use rcgen::{KeyPair, PKCS_RSA_SHA256};
use serde_json::{Value, json};

pub use aws::AwsKeys;
pub use instance::{CaMode, InstanceOptions};
pub use people::{Issued, database_user};
pub use running::Instance;
pub use service::Service;

use crate::host::random_password;
use crate::identity::{Asked, Fault, Judge, Reply, StandIn};
use people::Trusted;
use state::{State, lock};

/// The line for `pg_hba.conf` of a server behind an instance: the proxy has judged who comes by the
/// Unix socket as one of these.
pub const IAM_HBA: &str = "local all +cloudsqliam trust";

/// Google's services, until this is dropped.
pub struct Google {
    state: Arc<State>,
    server: StandIn,
}

impl Google {
    /// Starts all services.
    pub async fn start() -> Google {
        let state = Arc::new(State {
            people: Mutex::default(),
            machine: Mutex::default(),
            instances: Mutex::default(),
            life: Mutex::new(Duration::from_secs(3_599)),
            aws: Mutex::default(),
            subject: Mutex::default(),
            own: OnceLock::new(),
        });
        let answering = Arc::clone(&state);
        let server = StandIn::start(move |asked| answering.answer(asked)).await;
        let own = SocketAddr::from(([127, 0, 0, 1], server.port()));
        state.own.set(own).expect("it is set once");
        Google { state, server }
    }

    /// Where all services are: `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        self.state.url()
    }

    /// What `GCE_METADATA_HOST` is set to.
    pub fn metadata_host(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }

    /// How long tokens live from now on.
    pub fn set_token_life(&self, life: Duration) {
        *lock(&self.state.life) = life;
    }

    /// A service does this instead of its work, so many times, after what it is to do wrong already.
    pub fn fail(&self, service: Service, fault: Fault, times: usize) {
        let which = move |asked: &Asked| Service::of(asked) == Some(service);
        self.server.fail_these(which, times, fault);
    }

    /// A service does this instead of its work from now on.
    pub fn fail_always(&self, service: Service, fault: Fault) {
        self.fail(service, fault, usize::MAX);
    }

    /// A service refuses with this status, in the words of Google's APIs.
    pub fn refusal(status: u16) -> Fault {
        Fault::Instead(Reply::refused(status, "injected by the test"))
    }

    /// How often a service was asked.
    pub fn calls(&self, service: Service) -> usize {
        let asked = self.server.asked();
        let ours = asked
            .iter()
            .filter(|asked| Service::of(asked) == Some(service));
        ours.count()
    }

    /// All tokens that were ever given out: what must be found in no log.
    pub fn tokens(&self) -> Vec<String> {
        self.state.people().tokens().cloned().collect()
    }

    /// Whose token this is.
    ///
    /// # Errors
    ///
    /// Says why it is none.
    pub fn judge(&self, token: &str) -> Result<Issued, String> {
        self.state.people().judge(token).cloned()
    }

    /// Tells a judge of every token from now on that lets into databases.
    pub fn tell(&self, judge: &Judge) {
        self.state.people().judge = Some(judge.clone());
    }

    /// Disables an account: its tokens are void, and it gets no new ones.
    pub fn disable(&self, principal: &str) {
        self.state.people().disable(principal);
    }

    /// Enables an account again.
    pub fn enable(&self, principal: &str) {
        self.state.people().enable(principal);
    }

    /// Lets nobody act as `target` any more.
    pub fn forbid_impersonation(&self, target: &str) {
        self.state.people().forbid_impersonation(target);
    }

    /// Voids what people have consented to.
    pub fn revoke_consents(&self) {
        self.state.people().refresh.clear();
    }

    /// Takes its service account from the machine.
    pub fn detach_account(&self) {
        let mut machine = lock(&self.state.machine);
        (machine.account, machine.last) = (None, None);
    }

    /// Lets `who` act as `target` (`roles/iam.serviceAccountTokenCreator`).
    pub fn allow_impersonation(&self, who: &str, target: &str) {
        self.state.people().allow_impersonation(who, target);
    }

    /// Makes `who` a client of the instances of a project (`roles/cloudsql.client`).
    pub fn make_client(&self, who: &str, project: &str) {
        self.state.people().make_client(who, project);
    }

    /// Takes `roles/cloudsql.client` from `who`.
    pub fn take_client(&self, who: &str, project: &str) {
        self.state.people().take_client(who, project);
    }

    /// Lets `who` have its calls counted to a project (`roles/serviceusage.serviceUsageConsumer`).
    pub fn allow_quota(&self, who: &str, project: &str) {
        self.state.people().allow_quota(who, project);
    }

    /// Makes this host a machine that runs as `account`, with scopes.
    pub fn machine(&self, account: &str, scopes: &[&str]) {
        let mut machine = lock(&self.state.machine);
        machine.account = Some(account.to_owned());
        machine.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        machine.last = None;
    }

    /// The universe that the metadata server tells of.
    pub fn set_universe(&self, universe: &str) {
        lock(&self.state.machine).universe = universe.to_owned();
    }

    /// How many dots the metadata server fills tokens up with.
    pub fn pad_tokens(&self, dots: usize) {
        lock(&self.state.machine).padding = dots;
    }

    /// The key file of a service account.
    pub fn key_file(&self, email: &str) -> Value {
        // The same key for all: to make one takes seconds where C is not optimised.
        static KEY: OnceLock<(String, Vec<u8>)> = OnceLock::new();
        let (private, public) = KEY.get_or_init(|| {
            let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("make a key");
            (key.serialize_pem(), key.public_key_raw().to_vec())
        });
        let id = random_password();
        let mut people = self.state.people();
        people
            .keys
            .insert((email.to_owned(), id.clone()), public.clone());
        json!({
            "type": "service_account",
            "project_id": "test-project",
            "private_key_id": id,
            "private_key": private,
            "client_email": email,
            "client_id": "100000000000000000001",
            "token_uri": format!("{}/token", self.url()),
            "universe_domain": "googleapis.com",
        })
    }

    /// Takes all keys from a service account.
    pub fn delete_keys(&self, email: &str) {
        self.state
            .people()
            .keys
            .retain(|(owner, _), _| owner != email);
    }

    /// The file that a person's consent leaves behind.
    pub fn user_file(&self, email: &str) -> Value {
        let (token, secret) = (format!("1//{}", random_password()), random_password());
        let client = "764086051850.apps.googleusercontent.com";
        let entry = (client.to_owned(), secret.clone(), email.to_owned());
        self.state.people().refresh.insert(token.clone(), entry);
        json!({
            "type": "authorized_user",
            "client_id": client,
            "client_secret": secret,
            "refresh_token": token,
            "token_uri": format!("{}/token", self.url()),
        })
    }

    /// A workload identity pool that trusts tokens of an issuer; gives its audience.
    pub fn token_pool(&self, name: &str) -> String {
        let audience = format!(
            "//iam.googleapis.com/projects/1234/locations/global/workloadIdentityPools/{name}/providers/oidc"
        );
        let trusted = Trusted::Tokens(std::collections::HashMap::new());
        self.state.people().pools.insert(audience.clone(), trusted);
        audience
    }

    /// A token of the issuer that a pool trusts; those before it are stale from now on.
    pub fn subject_token(&self, audience: &str, subject: &str) -> String {
        let token = format!("eyJ.{}.{}", random_password(), random_password());
        let mut people = self.state.people();
        match people.pools.get_mut(audience) {
            Some(Trusted::Tokens(known)) => {
                known.retain(|_, other| other != subject);
                known.insert(token.clone(), subject.to_owned());
            }
            _ => panic!("{audience} is not a pool that trusts tokens"),
        }
        token
    }

    /// A pool that trusts an AWS account; gives its audience and keys of that account, which the
    /// metadata server of AWS gives out too.
    pub fn aws_pool(&self, name: &str) -> (String, AwsKeys) {
        let audience = format!(
            "//iam.googleapis.com/projects/1234/locations/global/workloadIdentityPools/{name}/providers/aws"
        );
        let keys = AwsKeys {
            id: format!("ASIA{}", &random_password()[..12]),
            secret: random_password(),
            session: Some(format!("{}/+=", random_password())),
            arn: "arn:aws:sts::123456789012:assumed-role/app-role/i-1".to_owned(),
        };
        let trusted = Trusted::Aws(vec![keys.clone()]);
        self.state.people().pools.insert(audience.clone(), trusted);
        *lock(&self.state.aws) = Some(keys.clone());
        (audience, keys)
    }

    /// How IAM calls a subject of a pool.
    pub fn principal(audience: &str, subject: &str) -> String {
        sts::principal(audience, subject)
    }

    /// `GET /subject` gives this token to who sends `X-Subject-For: wanted`.
    pub fn serve_subject(&self, token: &str, wanted: &str) {
        *lock(&self.state.subject) = Some((token.to_owned(), wanted.to_owned()));
    }
}
