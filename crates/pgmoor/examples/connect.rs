//! Logs in to the address in `DATABASE_URL`, by a password or by a cloud's identity, and asks who we are:
//!
//! ```console
//! $ DATABASE_URL=postgres://app@localhost/app cargo run -p pgmoor --features tokio-postgres --example connect
//! $ cargo run -p pgmoor --features tokio-postgres --example connect -- aws
//! ```

use std::error::Error;
use std::sync::Arc;

use pgmoor::adapter::tokio_postgres::log_in;
use pgmoor::credential::{CredentialProvider, NoCredential};
use pgmoor::{Connector, Endpoint};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL")?;
    let connector = Connector::new(Endpoint::parse(&url)?, credential()?)?;
    let client = log_in(&connector).await?;
    let row = client
        .query_one("select session_user::text, version()", &[])
        .await?;
    println!("{} at {}", row.get::<_, &str>(0), row.get::<_, &str>(1));
    Ok(())
}

/// What the first argument names; without one, the password of the address or of the passfile.
fn credential() -> Result<Arc<dyn CredentialProvider>, Box<dyn Error>> {
    Ok(match std::env::args().nth(1).as_deref() {
        None => Arc::new(NoCredential),
        #[cfg(feature = "aws")]
        Some("aws") => {
            use pgmoor::credential::aws::{Aws, AwsProvider};
            Arc::new(AwsProvider::from_environment(Aws::default()))
        }
        #[cfg(feature = "google")]
        Some("google") => {
            use pgmoor::credential::google::{GoogleIdentity, GoogleLogin, GoogleOptions};
            let identity = GoogleIdentity::from_environment(GoogleOptions::default());
            Arc::new(GoogleLogin::new(
                &identity,
                std::time::Duration::from_secs(240),
            ))
        }
        #[cfg(feature = "azure")]
        Some("azure") => {
            use pgmoor::credential::TokenProvider;
            use pgmoor::credential::azure::{Azure, AzureSource};
            use pgmoor::credential::renewal::{Clock, Policy};
            let source = Arc::new(AzureSource::from_environment(Azure::default()));
            Arc::new(TokenProvider::new(
                source,
                Policy::new("Azure"),
                Clock::system(),
            ))
        }
        Some(other) => return Err(format!("{other} is no identity that was built in").into()),
    })
}
