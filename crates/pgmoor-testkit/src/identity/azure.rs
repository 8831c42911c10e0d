//! The Entra authority, the Azure instance metadata service, App Service's and Arc's identity endpoints,
//! in one stand-in. What it issues, the judge knows.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256};
use rustls::SignatureScheme;
use rustls_pki_types::CertificateDer;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use x509_parser::parse_x509_certificate;

use super::judge::Judge;
use super::stand_in::{Asked, Reply, StandIn};
use super::time::unix;
use crate::host::random_password;

/// The tenant of the stand-in.
pub const TENANT: &str = "7f1f3c5e-0a4b-4a55-9c7c-0d6d1a2b3c4d";
/// The application that it knows.
pub const CLIENT: &str = "c0a81f3e-5d2c-4b8e-9f6a-7b8c9d0e1f2a";
/// What tokens are asked for.
pub const RESOURCE: &str = "https://ossrdbms-aad.database.windows.net";
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The services. Deref gives the [`StandIn`] that serves them.
pub struct AzureStandIn {
    server: StandIn,
    shared: Arc<Shared>,
}

struct Shared {
    judge: Judge,
    state: Mutex<State>,
}

struct State {
    /// How long issued tokens live.
    life: Duration,
    /// Whom the server knows the bearer as.
    role: String,
    secret: String,
    federated: String,
    certificate: Option<CertificateDer<'static>>,
    /// Assertions that were used: each is good once.
    spent: Vec<String>,
    /// Client ids of the machine's user-assigned identities; the empty one is the system's.
    assigned: Vec<String>,
    header: String,
    arc_keys: PathBuf,
    /// Challenges that were not answered yet.
    challenges: HashMap<String, ()>,
    authority: String,
    is_gone: bool,
}

impl AzureStandIn {
    /// Starts the services. Their tokens let in as `role`; Arc's keys are written into `arc_keys`.
    pub async fn start(judge: &Judge, role: &str, arc_keys: impl Into<PathBuf>) -> Self {
        let shared = Arc::new(Shared {
            judge: judge.clone(),
            state: Mutex::new(State {
                life: Duration::from_secs(3_600),
                role: role.to_owned(),
                secret: random_password(),
                federated: format!("eyJ.{}", random_password()),
                certificate: None,
                spent: Vec::new(),
                assigned: vec![String::new(), CLIENT.to_owned()],
                header: random_password(),
                arc_keys: arc_keys.into(),
                challenges: HashMap::new(),
                authority: String::new(),
                is_gone: false,
            }),
        });
        let answering = shared.clone();
        let server = StandIn::start(move |asked| answering.answer(asked)).await;
        shared.state().authority = server.url("");
        Self { server, shared }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state()
    }

    /// The application's secret.
    pub fn secret(&self) -> String {
        self.state().secret.clone()
    }

    /// What has to stand in the federated token file.
    pub fn federated_token(&self) -> String {
        self.state().federated.clone()
    }

    /// Rotates the federated token: the one before is stale.
    pub fn rotate_federated_token(&self) -> String {
        let token = format!("eyJ.{}", random_password());
        self.state().federated.clone_from(&token);
        token
    }

    /// Has the application trust this certificate.
    pub fn trust(&self, certificate: CertificateDer<'static>) {
        self.state().certificate = Some(certificate);
    }

    /// Makes the application another certificate, which it trusts from now on and no other; gives it and its key in PEM.
    pub fn make_certificate(&self) -> String {
        // The same key for all: to make one takes seconds where C is not optimised.
        static KEY: OnceLock<String> = OnceLock::new();
        let key = KEY.get_or_init(|| {
            let key = KeyPair::generate_for(&PKCS_RSA_SHA256).expect("make a key");
            key.serialize_pem()
        });
        let pair = KeyPair::from_pem(key).expect("the key of before");
        let names = vec![random_password()];
        let parameters = CertificateParams::new(names).expect("names");
        let certificate = parameters.self_signed(&pair).expect("sign it");
        self.trust(certificate.der().clone());
        format!("{}{key}", certificate.pem())
    }

    /// Takes all identities from the machine.
    pub fn unassign_identities(&self) {
        self.state().assigned.clear();
    }

    /// Gives the machine its identities again.
    pub fn assign_identities(&self) {
        self.state().assigned = vec![String::new(), CLIENT.to_owned()];
    }

    /// Makes the application another secret: the one before is void.
    pub fn rotate_secret(&self) -> String {
        let secret = random_password();
        self.state().secret.clone_from(&secret);
        secret
    }

    /// Deletes the application from the tenant, or makes it again.
    pub fn delete_application(&self, is_gone: bool) {
        self.state().is_gone = is_gone;
    }

    /// A token as the Azure CLI prints it, for who is logged in with it.
    pub fn token_of_cli(&self) -> Value {
        let (token, ends) = self.shared.issue(CLIENT);
        json!({ "accessToken": token, "expires_on": ends, "tokenType": "Bearer", "tenant": TENANT })
    }

    /// How long tokens live that are issued from now on.
    pub fn set_life(&self, life: Duration) {
        self.state().life = life;
    }

    /// The variables of a pod with workload identity; the token's file is the caller's.
    pub fn workload(&self, file: &str) -> Vec<(&'static str, String)> {
        vec![
            ("AZURE_CLIENT_ID", CLIENT.to_owned()),
            ("AZURE_TENANT_ID", TENANT.to_owned()),
            ("AZURE_FEDERATED_TOKEN_FILE", file.to_owned()),
            ("AZURE_AUTHORITY_HOST", self.server.url("/")),
        ]
    }

    /// The variables of an App Service.
    pub fn app_service(&self) -> Vec<(&'static str, String)> {
        vec![
            ("IDENTITY_ENDPOINT", self.server.url("/msi/token")),
            ("IDENTITY_HEADER", self.state().header.clone()),
        ]
    }

    /// The variables of an Arc server.
    pub fn arc(&self) -> Vec<(&'static str, String)> {
        vec![
            (
                "IDENTITY_ENDPOINT",
                self.server.url("/arc/metadata/identity/oauth2/token"),
            ),
            ("IMDS_ENDPOINT", self.server.url("/arc")),
        ]
    }
}

impl std::ops::Deref for AzureStandIn {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        &self.server
    }
}

fn deny(status: u16, error: &str, description: &str) -> Reply {
    let trace = "\r\nTrace ID: 0\r\nCorrelation ID: 0";
    Reply::json(
        status,
        &json!({"error": error, "error_description": format!("{description}{trace}")}),
    )
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &Asked) -> Reply {
        let outcome = match asked.path.as_str() {
            "/metadata/identity/oauth2/token" => self.instance(asked),
            "/msi/token" => self.app_service(asked),
            "/arc/metadata/identity/oauth2/token" => self.arc(asked),
            path if path.ends_with("/oauth2/v2.0/token") => self.authority(asked),
            _ => Err(Reply::text(404, "no such service")),
        };
        outcome.unwrap_or_else(|refusal| refusal)
    }

    /// A token that the judge knows, and when it ends.
    fn issue(&self, client: &str) -> (String, i64) {
        let (life, role) = {
            let state = self.state();
            (state.life, state.role.clone())
        };
        let ends = unix(SystemTime::now() + life);
        let payload = json!({
            "aud": RESOURCE, "iss": format!("https://sts.windows.net/{TENANT}/"), "tid": TENANT, "appid": client, "oid": "5b9d2f10-0000-4000-8000-000000000001",
            "exp": ends, "uti": random_password(),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(&json!({"typ": "JWT", "alg": "RS256", "kid": "stand-in"}));
        let token = format!(
            "{head}.{}.{}",
            part(&payload),
            URL_SAFE_NO_PAD.encode(random_password())
        );
        self.judge.issued(&token, &role, life);
        (token, ends)
    }

    fn authority(&self, asked: &Asked) -> Result<Reply, Reply> {
        if asked.method != "POST" {
            return Err(deny(
                405,
                "invalid_request",
                "AADSTS900561: The endpoint only accepts POST requests.",
            ));
        }
        if asked.path != format!("/{TENANT}/oauth2/v2.0/token") {
            return Err(deny(
                400,
                "invalid_request",
                "AADSTS90002: Tenant not found.",
            ));
        }
        let kind = asked.header("content-type").unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(deny(
                400,
                "invalid_request",
                "AADSTS900144: The request body must contain 'grant_type'.",
            ));
        }
        let field = |name: &str| asked.form_field(name).unwrap_or_default();
        if field("grant_type") != "client_credentials" {
            return Err(deny(
                400,
                "unsupported_grant_type",
                "AADSTS70003: The app requested an unsupported grant type.",
            ));
        }
        if field("client_id") != CLIENT || self.state().is_gone {
            return Err(deny(
                400,
                "unauthorized_client",
                "AADSTS700016: Application was not found in the directory.",
            ));
        }
        if field("scope") != format!("{RESOURCE}/.default") {
            return Err(deny(
                400,
                "invalid_resource",
                "AADSTS500011: The resource principal was not found in the tenant.",
            ));
        }
        self.check_proof(asked)?;
        let (token, _) = self.issue(CLIENT);
        let life = self.state().life.as_secs();
        Ok(Reply::json(
            200,
            &json!({
                "token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token,
            }),
        ))
    }

    fn check_proof(&self, asked: &Asked) -> Result<(), Reply> {
        let mut state = self.state();
        if let Some(secret) = asked.form_field("client_secret") {
            if secret == state.secret {
                return Ok(());
            }
            return Err(deny(
                401,
                "invalid_client",
                "AADSTS7000215: Invalid client secret provided.",
            ));
        }
        let assertion = asked.form_field("client_assertion").unwrap_or_default();
        if asked.form_field("client_assertion_type").as_deref() != Some(JWT_BEARER) {
            return Err(deny(
                401,
                "invalid_client",
                "AADSTS7000216: 'client_assertion' or 'client_secret' is required.",
            ));
        }
        if assertion == state.federated {
            return Ok(());
        }
        let audience = format!("{}/{TENANT}/oauth2/v2.0/token", state.authority);
        match check_assertion(&assertion, state.certificate.as_ref(), &audience) {
            Err(why) => Err(deny(401, "invalid_client", &why)),
            Ok(id) if state.spent.contains(&id) => Err(deny(
                401,
                "invalid_client",
                "AADSTS700024: the assertion was used before.",
            )),
            Ok(id) => {
                state.spent.push(id);
                Ok(())
            }
        }
    }

    fn instance(&self, asked: &Asked) -> Result<Reply, Reply> {
        let bad = |why: &str| deny(400, "invalid_request", why);
        if asked.method != "GET" {
            return Err(Reply::text(405, "only GET"));
        }
        if asked.header("metadata") != Some("true") {
            return Err(bad("Required metadata header not specified"));
        }
        if asked.header("x-forwarded-for").is_some() {
            return Err(bad("Request was forwarded"));
        }
        if asked.query_field("api-version").as_deref() != Some("2018-02-01") {
            return Err(bad("Invalid api version"));
        }
        let client = self.identity(asked, &["object_id", "msi_res_id"])?;
        let (token, ends) = self.issue(&client);
        let life = self.state().life.as_secs();
        Ok(Reply::json(
            200,
            &json!({
                "access_token": token, "client_id": client, "expires_in": life.to_string(),
                "expires_on": ends.to_string(), "resource": RESOURCE, "token_type": "Bearer",
            }),
        ))
    }

    fn app_service(&self, asked: &Asked) -> Result<Reply, Reply> {
        if asked.header("x-identity-header") != Some(&self.state().header.clone()) {
            return Err(Reply::json(
                401,
                &json!({"statusCode": 401, "message": "Unauthorized"}),
            ));
        }
        if asked.query_field("api-version").as_deref() != Some("2019-08-01") {
            return Err(Reply::text(400, "unsupported api-version"));
        }
        let client = self.identity(asked, &["principal_id", "mi_res_id"])?;
        let (token, ends) = self.issue(&client);
        Ok(Reply::json(
            200,
            &json!({
                "access_token": token, "client_id": client, "expires_on": ends.to_string(),
                "resource": RESOURCE, "token_type": "Bearer",
            }),
        ))
    }

    /// Which of the machine's identities is asked for.
    fn identity(&self, asked: &Asked, others: &[&str]) -> Result<String, Reply> {
        let bad = |why: &str| deny(400, "invalid_request", why);
        if asked.query_field("resource").as_deref() != Some(RESOURCE) {
            return Err(bad(
                "AADSTS500011: The resource principal was not found in the tenant.",
            ));
        }
        let client = asked.query_field("client_id").unwrap_or_default();
        let is_other = others.iter().any(|name| asked.query_field(name).is_some());
        if is_other || !self.state().assigned.contains(&client) {
            return Err(bad("Identity not found"));
        }
        Ok(client)
    }

    fn arc(&self, asked: &Asked) -> Result<Reply, Reply> {
        if asked.header("metadata") != Some("true") {
            return Err(deny(
                400,
                "invalid_request",
                "Required metadata header not specified",
            ));
        }
        if asked.query_field("api-version").as_deref() != Some("2020-06-01") {
            return Err(deny(400, "invalid_request", "Invalid api version"));
        }
        let given = asked
            .header("authorization")
            .and_then(|value| value.strip_prefix("Basic "));
        let Some(key) = given else {
            let (key, name) = (random_password(), random_password());
            let mut state = self.state();
            let path = state.arc_keys.join(format!("{name}.key"));
            std::fs::write(&path, &key).expect("write the key");
            state.challenges.insert(key, ());
            let realm = format!("Basic realm={}", path.display());
            return Err(Reply::text(401, "").with("WWW-Authenticate", &realm));
        };
        if self.state().challenges.remove(key).is_none() {
            return Err(Reply::text(403, "unknown key"));
        }
        if asked.query_field("client_id").is_some() {
            return Err(deny(400, "invalid_request", "Identity not found"));
        }
        let (token, ends) = self.issue("");
        Ok(Reply::json(
            200,
            &json!({
                "access_token": token, "expires_on": ends.to_string(), "resource": RESOURCE, "token_type": "Bearer",
            }),
        ))
    }
}

/// Checks a certificate's assertion as Entra does; gives its id.
fn check_assertion(
    assertion: &str,
    trusted: Option<&CertificateDer<'_>>,
    audience: &str,
) -> Result<String, String> {
    let not_federated = || {
        "AADSTS70021: No matching federated identity record found for presented assertion."
            .to_owned()
    };
    let parts: Vec<&str> = assertion.split('.').collect();
    let [head, claims, signature] = parts[..] else {
        return Err(not_federated());
    };
    let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| not_federated());
    let json =
        |part: &str| serde_json::from_slice::<Value>(&bytes(part)?).map_err(|_| not_federated());
    let (head, said, signature) = (json(head)?, json(claims)?, bytes(signature)?);
    let unknown = "AADSTS700027: The certificate used to sign the client assertion is not registered on application.";
    let trusted = trusted.ok_or(unknown)?;
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(trusted));
    if head["x5t#S256"] != thumbprint.as_str() || head["alg"] != "PS256" || head["typ"] != "JWT" {
        return Err(unknown.to_owned());
    }
    let (_, certificate) = parse_x509_certificate(trusted).map_err(|_| unknown)?;
    let key = &certificate.public_key().subject_public_key.data;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let (_, algorithms) = provider
        .signature_verification_algorithms
        .mapping
        .iter()
        .find(|(scheme, _)| *scheme == SignatureScheme::RSA_PSS_SHA256)
        .expect("RSA-PSS");
    let signed = &assertion[..assertion.rfind('.').expect("three parts")];
    let is_signed = algorithms.iter().any(|algorithm| {
        algorithm
            .verify_signature(key, signed.as_bytes(), &signature)
            .is_ok()
    });
    if !is_signed {
        return Err("AADSTS700027: Client assertion failed signature validation.".to_owned());
    }
    let now = unix(SystemTime::now());
    let at = |name: &str| said[name].as_i64().unwrap_or_default();
    if at("nbf") > now + 300 || at("exp") < now || at("exp") > now + 86_400 {
        return Err(
            "AADSTS700024: Client assertion is not within its valid time range.".to_owned(),
        );
    }
    if said["aud"] != audience || said["iss"] != CLIENT || said["sub"] != CLIENT {
        return Err(
            "AADSTS700023: Client assertion audience claim does not match Realm issuer.".to_owned(),
        );
    }
    let id = said["jti"].as_str().filter(|id| !id.is_empty());
    id.map(str::to_owned)
        .ok_or_else(|| "AADSTS50027: JWT token is invalid: no jti.".to_owned())
}
