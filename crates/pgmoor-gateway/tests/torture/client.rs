//! One client: its connection, its random choices, and what it is owed.

use std::net::SocketAddr;
use std::time::Duration;

use pgmoor_gateway::settings::PoolMode;
use pgmoor_testkit::{Message, RawClient, frontend};

/// What has to be in the database at the end, and what must not.
#[derive(Default)]
pub(crate) struct Account {
    pub(crate) acts: u64,
    pub(crate) committed: Vec<String>,
    pub(crate) undone: Vec<String>,
}

impl Account {
    pub(crate) fn add(&mut self, other: Account) {
        self.acts += other.acts;
        self.committed.extend(other.committed);
        self.undone.extend(other.undone);
    }
}

pub(crate) struct Client {
    pub(crate) mode: PoolMode,
    id: u64,
    random: u64,
    address: SocketAddr,
    password: String,
    pub(crate) raw: RawClient,
    pub(crate) account: Account,
    /// What this session has set `lock_timeout` to.
    pub(crate) lock_timeout: String,
    /// Named statements that this session has.
    pub(crate) named: Vec<String>,
}

impl Client {
    pub(crate) async fn new(
        mode: PoolMode,
        id: u64,
        seed: u64,
        address: SocketAddr,
        password: String,
    ) -> Self {
        let raw = log_in(address, &password).await;
        let random = (seed * 1000 + id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut client = Self {
            mode,
            id,
            random,
            address,
            password,
            raw,
            account: Account::default(),
            lock_timeout: "0".into(),
            named: Vec::new(),
        };
        client.look_for_leaks().await;
        client
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // xorshift64*
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % limit
    }

    /// A text that nobody else has.
    pub(crate) fn marker(&mut self) -> String {
        self.account.acts += 1;
        format!("c{}n{}", self.id, self.account.acts)
    }

    /// Leaves, politely or not, and comes back.
    pub(crate) async fn start_anew(&mut self) {
        let fresh = match self.below(3) {
            0 => {
                let _ = self.raw.try_send(&frontend::terminate()).await;
                None
            }
            // The old connection is there until the new one is: others must not suffer.
            1 if self.mode == PoolMode::Transaction => {
                Some(log_in(self.address, &self.password).await)
            }
            _ => None,
        };
        match fresh {
            Some(fresh) => self.raw = fresh,
            None => {
                let next = RawClient::connect(self.address).await;
                std::mem::replace(&mut self.raw, next).reset();
                self.raw.set_patience(PATIENCE);
                self.raw.login("app", &self.password, "app").await;
            }
        }
        self.lock_timeout = "0".into();
        self.named.clear();
        self.look_for_leaks().await;
    }

    /// A new session is as if nobody had been there before.
    async fn look_for_leaks(&mut self) {
        let sql = "select current_setting('lock_timeout'), current_setting('search_path'), current_user, \
            (select count(*) from pg_prepared_statements where name like 'leak%'), \
            (select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()), \
            (select count(*) from pg_listening_channels()), to_regclass('pg_temp.canary') is null, \
            (select count(*) from pg_cursors where is_holdable)";
        let rows = self.raw.rows(sql).await;
        let clean =
            ["0", "\"$user\", public", "app", "0", "0", "0", "t", "0"].map(|v| Some(v.to_owned()));
        assert_eq!(
            rows,
            [clean.to_vec()],
            "client {} found what another left",
            self.id
        );
    }

    /// Sends, and reads to the end of so many answers.
    pub(crate) async fn exchange(&mut self, bytes: &[u8], readies: usize) -> Vec<Message> {
        // Sometimes in two pieces.
        let cut = self.below(3 * bytes.len() as u64) as usize;
        if cut < bytes.len() {
            self.raw.send(&bytes[..cut]).await;
            tokio::task::yield_now().await;
            self.raw.send(&bytes[cut..]).await;
        } else {
            self.raw.send(bytes).await;
        }
        let mut all = Vec::new();
        for _ in 0..readies {
            all.append(&mut self.raw.read_until_ready().await);
        }
        all
    }

    /// All rows are these, and nothing failed.
    pub(crate) fn expect_rows(&self, messages: &[Message], wanted: &[&str]) {
        let error = messages.iter().find(|message| message.tag == b'E');
        assert!(
            error.is_none(),
            "client {}: {wanted:?} gave {messages:?}",
            self.id
        );
        self.expect_only(messages, wanted);
    }

    /// All rows are these, whatever failed.
    pub(crate) fn expect_only(&self, messages: &[Message], wanted: &[&str]) {
        let rows = messages.iter().filter(|message| message.tag == b'D');
        let found: Vec<_> = rows
            .map(|row| row.values().swap_remove(0).unwrap_or_default())
            .collect();
        assert_eq!(found, wanted, "client {}: {messages:?}", self.id);
    }

    pub(crate) fn expect_error(&self, messages: &[Message], sqlstate: &str) {
        let errors = messages.iter().filter(|message| message.tag == b'E');
        let found: Vec<_> = errors.map(Message::sqlstate).collect();
        assert_eq!(found, [sqlstate], "client {}: {messages:?}", self.id);
    }

    pub(crate) fn finish(self) -> Account {
        self.account
    }
}

const PATIENCE: Duration = Duration::from_secs(60);

async fn log_in(address: SocketAddr, password: &str) -> RawClient {
    let mut raw = RawClient::connect(address).await;
    raw.set_patience(PATIENCE);
    raw.login("app", password, "app").await;
    raw
}
