//! What hostile clients do to a gateway that runs: one act each, which panics unless the gateway
//! answers as it must. `docs/reliability.md` has the list by its numbers.
//!
//! The acts need nothing but a login that may create tables. They leave nothing behind, so that they
//! can be played in a loop beside other clients. Rogue servers are not here: those need a gateway of
//! their own.

mod login;
mod session;

use std::pin::Pin;
use std::time::Duration;

use crate::raw_client::RawClient;
use crate::stream::Address;

/// For a gateway that has much else to do, on a machine that is slow.
const PATIENCE: Duration = Duration::from_secs(45);

/// The gateway that is attacked, and a login of it that is no administrator's.
#[derive(Clone)]
pub struct Target {
    /// Where it listens, without TLS required.
    pub address: Address,
    /// A user.
    pub user: String,
    /// The user's password.
    pub password: String,
    /// A database.
    pub database: String,
}

impl Target {
    /// A client that is logged in.
    async fn client(&self) -> RawClient {
        let mut client = self.stranger().await;
        client
            .login(&self.user, &self.password, &self.database)
            .await;
        client
    }

    /// A client that has only connected.
    async fn stranger(&self) -> RawClient {
        let mut client = RawClient::connect(self.address.clone()).await;
        client.set_patience(PATIENCE);
        client
    }

    fn parameters(&self) -> [(&str, &str); 2] {
        [("user", &self.user), ("database", &self.database)]
    }

    /// The gateway still serves those who mean well.
    async fn is_unharmed(&self) {
        let mut client = self.client().await;
        assert_eq!(client.value("select 'unharmed'").await, "unharmed");
        client.terminate().await;
    }
}

type Play = for<'a> fn(&'a Target) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// One attack.
#[derive(Clone, Copy)]
pub struct Act {
    /// The item of the list that it belongs to.
    pub item: u8,
    /// What it does, in a few words.
    pub name: &'static str,
    play: Play,
}

impl Act {
    /// Plays it, and looks whether the gateway still serves others.
    ///
    /// # Panics
    ///
    /// When the gateway does not answer as it must.
    pub async fn play(&self, target: &Target) {
        (self.play)(target).await;
        target.is_unharmed().await;
    }
}

macro_rules! acts {
    ($($item:literal $module:ident::$name:ident),* $(,)?) => {
        /// All acts, in the order of the list.
        pub const ACTS: &[Act] = &[$(Act {
            item: $item,
            name: stringify!($name),
            play: |target| Box::pin($module::$name(target)),
        }),*];
    };
}

acts! {
    1 login::bytes_stuffed_behind_a_request_for_encryption,
    3 login::second_startup_during_scram,
    4 login::options_that_could_spin,
    5 login::impossible_lengths_before_login,
    5 login::impossible_lengths_of_a_proof,
    5 session::impossible_lengths_after_login,
    6 login::malformed_first_proofs,
    6 login::altered_last_proofs,
    12 login::strangers_at_the_admin_database,
    13 login::hostile_names,
    14 session::guessed_and_stale_cancel_keys,
    17 session::gone_in_a_transaction,
    17 session::gone_in_copy,
    17 session::gone_in_a_result,
    17 session::slow_reader,
    17 session::silent_sockets,
    17 session::half_closed,
    17 session::storm_of_logins,
    18 login::wrong_password_and_unknown_user,
}
