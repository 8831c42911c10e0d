//! The password of a connection string that stands in a file of its own, which somebody rotates.

use pgmoor::Secret;
use pgmoor::credential::{Credential, CredentialProvider, FileProvider, Request, Supply};
use pgmoor::endpoint::{Endpoint, Environment};
use pgmoor::settings::ConnectionText;

/// Supplies the password that the connection string in a file has by now.
///
/// One that says anything else but before, or is half written, supplies nothing: where a password is
/// sent to changes by a reload, and never because of the password.
#[derive(Debug)]
pub(super) struct UrlFile {
    file: FileProvider,
    environment: Environment,
    /// The address without its password, when the configuration was loaded.
    place: Secret<String>,
}

impl UrlFile {
    /// `None` for an address that stands in no file, or has no password.
    pub(super) fn of(url: &ConnectionText, environment: Environment) -> Option<Self> {
        let address = Endpoint::load(url.expose(), &environment).ok()?;
        let (place, _) = parted(address)?;
        Some(Self {
            file: FileProvider::new(url.file()?),
            environment,
            place,
        })
    }

    /// The password in what the file holds.
    fn credential_in(&self, content: &Credential) -> Credential {
        let text = content.secret.as_ref().map(|text| text.expose().as_str());
        text.and_then(|text| self.password(text))
            .unwrap_or_else(Credential::none)
    }

    fn password(&self, text: &str) -> Option<Credential> {
        let address = Endpoint::load(text.trim(), &self.environment).ok()?;
        let (place, password) = parted(address)?;
        (place.expose() == self.place.expose()).then(|| Credential::password(password))
    }
}

/// An address without its password, and that.
fn parted(mut address: Endpoint) -> Option<(Secret<String>, Secret<String>)> {
    let password = address.password.take()?;
    Some((address.to_uri_with_password(), password))
}

impl CredentialProvider for UrlFile {
    fn name(&self) -> String {
        self.file.name()
    }

    fn credential<'a>(&'a self, _request: Request<'a>) -> Supply<'a> {
        Box::pin(async {
            let content = self.file.read()?;
            Ok(self.credential_in(&content))
        })
    }

    fn another<'a>(&'a self, request: Request<'a>, rejected: &'a Credential) -> Supply<'a> {
        Box::pin(async move {
            let content = self.file.another(request, rejected).await?;
            Ok(self.credential_in(&content))
        })
    }
}
