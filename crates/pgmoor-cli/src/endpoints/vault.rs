//! Database users of HashiCorp Vault, from what the configuration and the environment say.

use std::sync::Arc;

use pgmoor::Secret;
use pgmoor::credential::renewal::{Clock, Policy};
use pgmoor::credential::vault::{Vault, VaultLogin, VaultProvider, VaultRole};
use pgmoor::credential::{CredentialProvider, GivenSecret};
use pgmoor::http::{Client, Proxies, Trust};
use pgmoor::settings::{CredentialSettings, FiledSecret, VaultSettings};

use crate::config::address;
use crate::config::surroundings::Surroundings;
use crate::exit::Exit;
use crate::output::Failure;

/// Who supplies users of Vault.
///
/// # Errors
/// Nobody says where Vault is.
pub(super) fn provider(
    settings: &CredentialSettings,
    policy: Policy,
    surroundings: &Surroundings,
) -> Result<Arc<dyn CredentialProvider>, Failure> {
    // Loading the settings has seen to it that it is there.
    let Some(given) = settings.vault.clone() else {
        return Err(Failure::new(Exit::Usage, "\"vault\" is not set"));
    };
    let variable = |name: &str| surroundings.get(name).filter(|value| !value.is_empty());
    let address = given.address.clone().or_else(|| variable("VAULT_ADDR"));
    let address = address.ok_or_else(|| {
        Failure::new(Exit::Usage, "nobody says where Vault is")
            .cause("neither \"vault.address\" nor VAULT_ADDR is set")
            .hint("write vault: { address: \"https://vault.example.com:8200\", … }")
    })?;
    let ca_file = given.ca_file.clone();
    let ca_file = ca_file.or_else(|| variable("VAULT_CACERT").map(Into::into));
    let client = match ca_file {
        Some(file) => Client::new(
            Trust::file(file),
            Proxies::from_environment(|name| surroundings.get(name)),
        ),
        None => Client::from_environment(|name| surroundings.get(name)),
    };
    let vault = Vault {
        address,
        namespace: given
            .namespace
            .clone()
            .or_else(|| variable("VAULT_NAMESPACE")),
        role: VaultRole {
            mount: given.mount.clone(),
            is_static: given.static_role.is_some(),
            name: given
                .role
                .clone()
                .or(given.static_role.clone())
                .unwrap_or_default(),
        },
        login: login(given, surroundings),
    };
    Ok(Arc::new(VaultProvider::new(
        vault,
        client,
        policy,
        Clock::system(),
    )))
}

fn login(given: VaultSettings, surroundings: &Surroundings) -> VaultLogin {
    let mount = |usual: &str| given.auth_mount.clone().unwrap_or_else(|| usual.to_owned());
    if let Some(token) = &given.token {
        VaultLogin::Token(secret(token))
    } else if let Some(file) = given.token_file {
        VaultLogin::Token(GivenSecret::ForeignFile(file))
    } else if let Some(role_id) = &given.role_id {
        VaultLogin::AppRole {
            mount: mount("approle"),
            role_id: secret(role_id),
            secret_id: given.secret_id.as_ref().map(secret),
        }
    } else if let Some(role) = given.auth_role.clone() {
        VaultLogin::Jwt {
            mount: mount("kubernetes"),
            role,
            file: given.jwt_file,
        }
    } else {
        let variable = surroundings
            .get("VAULT_TOKEN")
            .filter(|token| !token.is_empty());
        VaultLogin::Found {
            variable: variable.map(Secret::new),
            home: address::environment(surroundings).home().map(Into::into),
        }
    }
}

fn secret(given: &FiledSecret) -> GivenSecret {
    match given.file() {
        // Rotated as the password of the provider `file` is.
        Some(file) => GivenSecret::File(file.to_owned()),
        None => GivenSecret::Value(given.secret().clone()),
    }
}
