//! All three clouds around one server.

use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pgmoor_testkit::PgmoorBuilder;
use pgmoor_testkit::google::{Google, scope};
use pgmoor_testkit::identity::{AwsDatabase, AwsKeys, AzureStandIn};

use super::{Provider, Source};
use crate::site::{Cloud, HOST, REGION};

/// The service account that most of Google's sources lead to, and the one that it may act as.
pub(super) const APP: &str = "app@proj.iam.gserviceaccount.com";
pub(super) const ROBOT: &str = "robot@proj.iam.gserviceaccount.com";
/// The one in between.
pub(super) const BETWEEN: &str = "between@proj.iam.gserviceaccount.com";
pub(super) const ANN: &str = "ann@example.com";

pub(super) struct World {
    pub(super) cloud: Cloud,
    pub(super) azure: AzureStandIn,
    pub(super) google: Google,
    /// Pools of Google's that trust tokens, and AWS.
    pub(super) pool: String,
    pub(super) aws_pool: (String, pgmoor_testkit::google::AwsKeys),
    keys: Mutex<AwsKeys>,
}

impl World {
    pub(super) async fn new() -> World {
        let cloud = Cloud::new().await;
        let azure = AzureStandIn::start(&cloud.judge, "iam", std::env::temp_dir()).await;
        let google = Google::start().await;
        google.tell(&cloud.judge);
        let world = World {
            pool: google.token_pool("kubernetes"),
            aws_pool: google.aws_pool("aws"),
            keys: Mutex::new(cloud.aws.user_keys()),
            cloud,
            azure,
            google,
        };
        world.attach_account();
        world.allow_impersonation();
        world
    }

    /// Keys of a user of AWS.
    pub(super) fn keys(&self) -> MutexGuard<'_, AwsKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine is one of Google's, and runs as [`APP`].
    pub(super) fn attach_account(&self) {
        self.google.machine(APP, &[scope::CLOUD]);
    }

    /// Who may act as whom.
    pub(super) fn allow_impersonation(&self) {
        let (pool, arn) = (&self.aws_pool.0, &self.aws_pool.1.arn);
        for (who, target) in [
            (Google::principal(&self.pool, "ns:app").as_str(), APP),
            (Google::principal(pool, arn).as_str(), APP),
            (ANN, ROBOT),
            (APP, BETWEEN),
            (BETWEEN, ROBOT),
        ] {
            self.google.allow_impersonation(who, target);
        }
    }

    /// The database is where it was, and lets in whom it did.
    pub(super) fn move_back(&self) {
        let database = AwsDatabase::rds(HOST, self.cloud.postgres.port(), REGION);
        self.cloud.judge.guard(database);
    }

    /// A failure that follows is about this one: shown where the test fails.
    pub(super) fn told_of(&self, provider: &Provider, source: &Source) {
        let _ = writeln!(std::io::stdout(), "{}: {}", provider.name, source.name);
    }

    /// A gateway of a workload that has what the source gives; `key` is one more of the settings.
    pub(super) fn gateway(
        &self,
        provider: &Provider,
        source: &Source,
        user: &str,
        key: &str,
    ) -> PgmoorBuilder {
        let given = (source.give)(self);
        let mut keys = given.keys;
        keys.extend((!key.is_empty()).then(|| key.to_owned()));
        let section = provider.section;
        let credential = match keys.is_empty() {
            true => format!("{{ provider: {section} }}"),
            false => format!("{{ {section}: {{ {} }} }}", keys.join(", ")),
        };
        let url = self.cloud.url_as(user, provider.host);
        self.cloud.gateway_by(&url, &credential, &given.variables)
    }
}
