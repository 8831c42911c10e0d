//! A token of Azure's that is worthless, and a login all the same.

use pgmoor_testkit::identity::{AzureStandIn, Fault, Reply};

use crate::site::{Cloud, who};

/// A name that is in the server's certificate.
const HOST: &str = "localhost";

#[tokio::test]
async fn a_token_that_the_server_rejects_is_dropped_and_a_new_one_is_asked_for() {
    let cloud = Cloud::new().await;
    let azure = AzureStandIn::start(&cloud.judge, "iam", std::env::temp_dir()).await;
    let instance = vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", azure.url(""))];
    // One that nobody issued comes first.
    let worthless = serde_json::json!({
        "access_token": "eyJ.worthless.token", "expires_in": "3600", "token_type": "Bearer",
    });
    azure.fail_next(1, Fault::Instead(Reply::json(200, &worthless)));
    let gateway = cloud
        .gateway_to(HOST, "{ provider: azure }", &instance)
        .start()
        .await;

    assert_eq!(who(&gateway).await.as_deref(), Ok("iam"));

    assert_eq!(azure.count(), 2);
}
