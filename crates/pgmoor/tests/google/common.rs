//! A host with Google's services, and what is told of failures.

use std::collections::HashMap;
use std::error::Error;
use std::path::{Path, PathBuf};

use pgmoor::credential::google::{GoogleIdentity, GoogleOptions, LOGIN};
use pgmoor::credential::{Token, TokenError, TokenSource};
use pgmoor::http::{Client, Proxies, Trust};
use pgmoor_testkit::google::Google;
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const APP: &str = "app@proj.iam.gserviceaccount.com";
pub(crate) const ROBOT: &str = "robot@proj.iam.gserviceaccount.com";

/// A host: its environment, its home, and Google's services.
pub(crate) struct World {
    pub(crate) google: Google,
    pub(crate) home: TempDir,
    pub(crate) variables: HashMap<&'static str, String>,
    pub(crate) options: GoogleOptions,
}

impl World {
    /// A host without any credentials, which is no machine of Google's.
    pub(crate) async fn new() -> World {
        let google = Google::start().await;
        let options = GoogleOptions {
            iam_endpoint: Some(google.url()),
            ..GoogleOptions::default()
        };
        World {
            google,
            home: tempfile::tempdir().expect("directory"),
            variables: HashMap::from([("NO_GCE_CHECK", "true".to_owned())]),
            options,
        }
    }

    /// A host that has this credential file.
    pub(crate) async fn with_file(file: impl FnOnce(&Google) -> Value) -> World {
        let mut world = World::new().await;
        let file = file(&world.google);
        world.set_file(&file);
        world
    }

    /// A machine of Google's that runs as [`APP`].
    pub(crate) async fn machine() -> World {
        let mut world = World::new().await;
        world
            .google
            .machine(APP, &[pgmoor_testkit::google::scope::CLOUD]);
        world.set("GCE_METADATA_HOST", world.google.metadata_host());
        world
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.variables.insert(name, value.into());
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("directory")).expect("directory");
        std::fs::write(&path, content).expect("write");
        path
    }

    pub(crate) fn set_file(&mut self, file: &Value) {
        let path = self.write("credentials.json", file.to_string());
        self.set("GOOGLE_APPLICATION_CREDENTIALS", path.display().to_string());
    }

    pub(crate) fn identity(&self) -> GoogleIdentity {
        let variables = self.variables.clone();
        let client = Client::new(Trust::system(), Proxies::none());
        GoogleIdentity::new(
            self.options.clone(),
            client,
            move |name| variables.get(name).cloned(),
            Some(self.home.path().to_owned()),
        )
    }

    /// A token for a database.
    pub(crate) async fn mint(&self) -> Result<Token, TokenError> {
        self.identity().tokens(LOGIN).mint().await
    }

    /// Whose token is minted; it must be good for a database and for nothing else.
    pub(crate) async fn principal(&self) -> String {
        let token = self
            .mint()
            .await
            .unwrap_or_else(|error| panic!("{}", told(&error)));
        let issued = self
            .google
            .judge(token.secret.expose())
            .expect("it is one of Google's");
        assert_eq!(issued.scopes, [LOGIN]);
        let ends = token.expires_at.expect("it ends");
        let off = ends.duration_since(issued.expires_at).unwrap_or_default();
        assert!(off.as_secs() < 2, "it is held for good {off:?} too long");
        issued.principal
    }

    /// Why there is no token, and what is said to do.
    pub(crate) async fn refusal(&self) -> String {
        match self.mint().await {
            Ok(token) => panic!("there is one: {:?}", token.claims),
            Err(error) => told(&error),
        }
    }
}

/// An error, its causes, and what is said to do.
pub(crate) fn told(error: &TokenError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\ncause: {error}"));
        cause = error.source();
    }
    if let Some(hint) = error.advice() {
        text.push_str(&format!("\nhint: {hint}"));
    }
    text
}

/// A file of workload identity federation.
pub(crate) fn federated(google: &Google, audience: &str, source: Value) -> Value {
    serde_json::json!({
        "type": "external_account",
        "audience": audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/v1/token", google.url()),
        "credential_source": source,
    })
}

/// Lets it act as an account.
pub(crate) fn acting_as(mut file: Value, google: &Google, target: &str) -> Value {
    let address = format!(
        "{}/v1/projects/-/serviceAccounts/{target}:generateAccessToken",
        google.url()
    );
    file["service_account_impersonation_url"] = Value::from(address);
    file
}

/// A program that can be run.
pub(crate) fn program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::write(path, format!("#!/bin/sh\n{script}\n")).expect("write");
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)).expect("chmod");
}
