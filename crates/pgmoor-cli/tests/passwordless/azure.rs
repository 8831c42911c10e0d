//! Azure's identities, to a login through the gateway.

use pgmoor_testkit::identity::azure::{CLIENT, TENANT};
use pgmoor_testkit::identity::{AzureStandIn, Fault, Reply};

use crate::site::{Cloud, Variables, refused, who};

/// A name that is in the server's certificate.
const HOST: &str = "localhost";

/// A way to an identity: what the workload is given, and what its credential's settings are.
struct Way {
    name: &'static str,
    variables: Variables,
    credential: String,
}

fn ways(cloud: &Cloud, azure: &AzureStandIn) -> Vec<Way> {
    let way = |name, variables, credential: &str| Way {
        name,
        variables,
        credential: credential.to_owned(),
    };
    let token = cloud.file("azure-token", &azure.federated_token());
    let authority = azure.url("");
    let instance = vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", authority.clone())];
    vec![
        way(
            "workload identity",
            azure.workload(&token.display().to_string()),
            "{ provider: azure }",
        ),
        way("App Service", azure.app_service(), "{ provider: azure }"),
        way("the instance", instance.clone(), "{ provider: azure }"),
        way(
            "one of the instance's",
            instance,
            &format!("{{ azure: {{ client_id: {CLIENT} }} }}"),
        ),
        way(
            "client secret of the settings",
            vec![("SECRET", azure.secret())],
            &format!(
                "{{ azure: {{ tenant_id: {TENANT}, client_id: {CLIENT}, client_secret: \"${{SECRET}}\", authority_host: \"{authority}\" }} }}"
            ),
        ),
        way(
            "client secret of the environment",
            vec![
                ("AZURE_CLIENT_ID", CLIENT.to_owned()),
                ("AZURE_TENANT_ID", TENANT.to_owned()),
                ("AZURE_CLIENT_SECRET", azure.secret()),
                ("AZURE_AUTHORITY_HOST", authority),
            ],
            "{ provider: azure }",
        ),
    ]
}

#[tokio::test]
async fn every_identity_of_azure_logs_in_to_a_server_that_checks_its_token() {
    let cloud = Cloud::new().await;
    let azure = AzureStandIn::start(&cloud.judge, "iam", std::env::temp_dir()).await;
    for way in ways(&cloud, &azure) {
        let gateway = cloud
            .gateway_to(HOST, &way.credential, &way.variables)
            .start()
            .await;

        assert_eq!(who(&gateway).await.as_deref(), Ok("iam"), "{}", way.name);
    }
}

#[tokio::test]
async fn a_refusal_of_entra_reaches_the_client_with_its_cause_and_what_to_do() {
    let cloud = Cloud::new().await;
    let azure = AzureStandIn::start(&cloud.judge, "iam", std::env::temp_dir()).await;
    let stale = cloud.file("azure-token", "eyJ.stale");
    let variables = azure.workload(&stale.display().to_string());
    let gateway = cloud
        .gateway_to(HOST, "{ provider: azure }", &variables)
        .launch();

    let told = refused(&gateway).await;

    assert!(told.contains("AADSTS70021"), "{told}");
    assert!(
        told.contains("hint: add a federated credential to the application"),
        "{told}"
    );
    assert!(!told.contains("eyJ.stale"), "{told}");
}

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
