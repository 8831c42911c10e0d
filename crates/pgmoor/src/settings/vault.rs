//! Database users of HashiCorp Vault: where it is, how we log in there, and whose users we want.

use std::path::PathBuf;

use super::loader::{Loader, Place};
use super::node::Node;
use super::problem::Problem;
use super::secret::FiledSecret;

crate::settings! {
    /// A user and password of HashiCorp Vault's database secrets engine. How we prove to Vault who we are
    /// follows from the keys given: `token` or `token_file`; `role_id`: AppRole; `auth_role`: Kubernetes, or
    /// another issuer of JWTs; nothing: `VAULT_TOKEN`, else what `vault login` left.
    pub struct VaultSettings {
        /// Where Vault, or its agent on this machine, is; without it, `VAULT_ADDR`.
        address: Option<String>, example "https://vault.example.com:8200", since "0.1";
        /// The namespace that all of it is in; without it, `VAULT_NAMESPACE`.
        namespace: Option<String>, example "team/database", since "0.1";
        /// A PEM file with the authorities that Vault is trusted by, instead of the system's; without it,
        /// `VAULT_CACERT`.
        ca_file: Option<PathBuf>, example "/etc/pgmoor/vault-ca.pem", since "0.1";
        /// Where the database secrets engine is mounted.
        mount: String = "database", since "0.1";
        /// The role of which users are made, each on a lease of its own.
        role: Option<String>, example "app", since "0.1";
        /// A static role: its user stays, and Vault rotates the password.
        static_role: Option<String>, example "app-static", since "0.1";
        /// A token.
        token: Option<FiledSecret>, example "${VAULT_TOKEN}", since "0.1";
        /// A file with a token that somebody renews, such as the sink of Vault's agent; read at each exchange.
        token_file: Option<PathBuf>, example "/vault/secrets/token", since "0.1";
        /// The id of an AppRole.
        role_id: Option<FiledSecret>, example "${VAULT_ROLE_ID}", since "0.1";
        /// The secret id of the AppRole, where it demands one.
        secret_id: Option<FiledSecret>, example "${VAULT_SECRET_ID}", since "0.1";
        /// The role of the auth method that takes the token of a Kubernetes service account.
        auth_role: Option<String>, example "app", since "0.1";
        /// The service account's token; read at each login, as it is rotated.
        jwt_file: PathBuf = "/var/run/secrets/kubernetes.io/serviceaccount/token", since "0.1";
        /// Where the auth method is mounted; without it `approle` or `kubernetes`.
        auth_mount: Option<String>, example "kubernetes", since "0.1";
    }
    check check_vault
}

fn check_vault(vault: &VaultSettings, node: &Node, place: &Place<'_>, loader: &mut Loader<'_>) {
    let key = place.key;
    let problem = |what: String| Problem::new(&node.origin, what);
    match (&vault.role, &vault.static_role) {
        (None, None) => loader.report(
            problem(format!(
                "\"{key}\" has neither \"role\" nor \"static_role\""
            ))
            .hint("name the role of the database secrets engine"),
        ),
        (Some(_), Some(_)) => loader.report(
            problem(format!("\"{key}\" has both \"role\" and \"static_role\""))
                .cause("one login has one user")
                .hint("make two endpoints of it"),
        ),
        _ => {}
    }
    let ways = [
        ("token", vault.token.is_some()),
        ("token_file", vault.token_file.is_some()),
        ("role_id", vault.role_id.is_some()),
        ("auth_role", vault.auth_role.is_some()),
    ];
    let given: Vec<&str> = ways
        .iter()
        .filter(|(_, is)| *is)
        .map(|(key, _)| *key)
        .collect();
    if let [one, other, ..] = given[..] {
        loader.report(
            problem(format!("\"{key}\" has both \"{one}\" and \"{other}\""))
                .cause("there is one way to log in to Vault")
                .hint("remove one of them"),
        );
    }
    if vault.secret_id.is_some() && vault.role_id.is_none() {
        loader.report(problem(format!("\"{key}.secret_id\" needs \"role_id\"")));
    }
}
