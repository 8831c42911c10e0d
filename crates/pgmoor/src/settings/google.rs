//! Who we are for Google, and the way to an instance of Cloud SQL.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::time::Duration;

use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;

crate::choices! {
    /// Which of an instance's addresses is connected to.
    pub enum CloudSqlIpType {
        /// The public one.
        Public = "PUBLIC",
        /// The one in the private network.
        Private = "PRIVATE",
        /// The endpoint of Private Service Connect.
        Psc = "PSC",
        /// The public one, or the private one where there is no other.
        Auto = "AUTO",
    }
}

crate::choices! {
    /// When an instance's certificate is renewed.
    pub enum CloudSqlRefresh {
        /// By itself, ahead of its end.
        Ahead = "ahead",
        /// When a connection needs it: for hosts whose processor is taken away between requests.
        Lazy = "lazy",
    }
}

crate::settings! {
    /// Who we are for Google: without any of these, whom Application Default Credentials name.
    pub struct GoogleSettings {
        /// A credential file, instead of the search for one.
        credentials_file: Option<PathBuf>, example "/var/run/secrets/google/credentials.json", since "0.1";
        /// Service accounts to act as, each by the one before it; the last is the one that logs in.
        impersonate: Vec<String>, example "[app@project.iam.gserviceaccount.com]", since "0.1";
        /// The project that calls to Google's APIs are counted to, instead of the identity's own.
        quota_project: Option<String>, example "billing-project", since "0.1";
        /// The universe of the project; `GOOGLE_CLOUD_UNIVERSE_DOMAIN`, or else `googleapis.com`.
        universe_domain: Option<String>, example "googleapis.com", since "0.1";
        /// Where IAM's credentials API is, if not in that universe.
        iam_endpoint: Option<String>, example "https://iamcredentials.googleapis.com", since "0.1";
    }
}

crate::settings! {
    /// An instance of Cloud SQL, by the connector's way: no address, no certificate and, with IAM, no
    /// password to configure.
    pub struct CloudSqlSettings {
        /// `project:region:instance`, or a name in DNS whose TXT record is that.
        instance: Option<String>, example "project:europe-west1:db", since "0.1";
        /// Whom to log in as. A service account may be given by its whole e-mail address.
        user: Option<String>, example "app@project.iam", since "0.1";
        /// The database; the user's name when none is given.
        dbname: Option<String>, example "app", since "0.1";
        /// Whether the certificate logs in, without a password; else `credential` says how.
        iam: bool = "true", since "0.1";
        /// Which of the instance's addresses is taken.
        ip_type: CloudSqlIpType = "PUBLIC", since "0.1";
        /// The port that connectors are served at.
        port: NonZeroU16 = "3307", since "0.1";
        /// When the certificate is renewed.
        refresh: CloudSqlRefresh = "ahead", since "0.1";
        /// How often a name in DNS is looked up again. When it leads elsewhere, its connections are ended.
        /// `0` means never.
        dns_check: Duration = "30s", range "0ms..=1d", since "0.1";
        /// The server that names are asked of, instead of those of `/etc/resolv.conf`.
        dns_server: Option<SocketAddr>, example "10.0.0.53:53", since "0.1";
        /// Where the SQL Admin API is, if not in the identity's universe.
        api_endpoint: Option<String>, example "https://sqladmin.googleapis.com", since "0.1";
        /// Who asks the API, and with IAM logs in.
        google: Option<GoogleSettings>, since "0.1";
    }
    check check_cloud_sql
}

fn check_cloud_sql(
    settings: &CloudSqlSettings,
    node: &Node,
    place: &Place<'_>,
    loader: &mut Loader<'_>,
) {
    let needed = [("instance", &settings.instance), ("user", &settings.user)];
    for (key, value) in needed {
        if value.is_none() {
            loader.report(Problem::new(
                &node.origin,
                format!("\"{}\" needs \"{key}\"", place.key),
            ));
        }
    }
}
