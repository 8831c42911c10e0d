//! STS, the EC2 instance metadata service and the credential endpoints of ECS and EKS Pod Identity, in
//! one stand-in. What it issues, the judge knows.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use super::judge::{AwsKeys, Judge};
use super::sigv4::Signed;
use super::stand_in::{Asked, Fault, Reply, StandIn};
use super::time::{iso8601, read_basic, unix};
use crate::host::random_password;

/// The role of the instance, of the pod and of the task.
const INSTANCE_ROLE: &str = "app-role";
/// How far clocks may differ where a request is signed.
const SKEW: i64 = 900;
const TOKEN_TTL: &str = "x-aws-ec2-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aws-ec2-metadata-token";

/// The services. Deref gives the [`StandIn`] that serves them.
pub struct AwsStandIn {
    server: StandIn,
    shared: Arc<Shared>,
}

struct Shared {
    judge: Judge,
    state: Mutex<State>,
}

struct State {
    /// How long issued credentials live.
    life: Duration,
    region: String,
    /// What each of them takes as proof.
    web_identity_token: String,
    pod_token: String,
    task_token: String,
    session: Option<String>,
    revoked: Vec<String>,
    issued: Vec<AwsKeys>,
}

impl AwsStandIn {
    /// Starts the services in a region; what they issue, `judge` knows.
    pub async fn start(judge: &Judge, region: &str) -> Self {
        let shared = Arc::new(Shared {
            judge: judge.clone(),
            state: Mutex::new(State {
                life: Duration::from_secs(3_600),
                region: region.to_owned(),
                web_identity_token: format!("eyJ.{}", random_password()),
                pod_token: format!("pod.{}", random_password()),
                task_token: format!("task.{}", random_password()),
                session: None,
                revoked: Vec::new(),
                issued: Vec::new(),
            }),
        });
        let answering = shared.clone();
        let server = StandIn::start(move |asked| answering.answer(asked)).await;
        Self { server, shared }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.shared.state()
    }

    /// What has to stand in the file that `AWS_WEB_IDENTITY_TOKEN_FILE` names.
    pub fn web_identity_token(&self) -> String {
        self.state().web_identity_token.clone()
    }

    /// What has to stand in the file that `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` names.
    pub fn pod_token(&self) -> String {
        self.state().pod_token.clone()
    }

    /// What `AWS_CONTAINER_AUTHORIZATION_TOKEN` has to be for the task's endpoint.
    pub fn task_token(&self) -> String {
        self.state().task_token.clone()
    }

    /// Rotates the tokens in files: those of before count no more.
    pub fn rotate(&self) {
        let mut state = self.state();
        state.web_identity_token = format!("eyJ.{}", random_password());
        state.pod_token = format!("pod.{}", random_password());
    }

    /// Lets credentials that are issued from now on live so long.
    pub fn set_life(&self, life: Duration) {
        self.state().life = life;
    }

    /// Lets nobody assume the role any more.
    pub fn revoke_role(&self, arn: &str) {
        self.state().revoked.push(arn.to_owned());
    }

    /// Lets roles be assumed again.
    pub fn restore_roles(&self) {
        self.state().revoked.clear();
    }

    /// What was issued so far.
    pub fn issued(&self) -> Vec<AwsKeys> {
        self.state().issued.clone()
    }

    /// Long-lived keys, as of a user; the judge knows them.
    pub fn user_keys(&self) -> AwsKeys {
        let keys = AwsKeys {
            access_key_id: format!("AKIA{}", random_password().to_uppercase()),
            secret_access_key: format!("{}/+=", random_password()),
            session_token: None,
            expires_at: None,
        };
        self.shared.judge.know(&keys);
        keys
    }

    /// Answers the next `count` requests with this status; 429 asks to wait for a second.
    pub fn fail_with(&self, count: usize, status: u16) {
        let reply = Reply::text(status, "injected");
        let reply = if status == 429 {
            reply.with("retry-after", "1")
        } else {
            reply
        };
        self.server.fail_next(count, Fault::Instead(reply));
    }
}

impl std::ops::Deref for AwsStandIn {
    type Target = StandIn;

    fn deref(&self) -> &StandIn {
        &self.server
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, asked: &Asked) -> Reply {
        match (asked.method.as_str(), asked.path.as_str()) {
            ("POST", "/") => self.sts(asked),
            (_, path) if path.starts_with("/latest/") => self.imds(asked),
            ("GET", "/v1/credentials") => {
                let wanted = self.state().pod_token.clone();
                self.container(asked, &wanted)
            }
            ("GET", "/v2/credentials/task") => {
                let wanted = self.state().task_token.clone();
                self.container(asked, &wanted)
            }
            _ => Reply::text(404, "there is no such service"),
        }
    }

    fn issue(&self) -> AwsKeys {
        let mut state = self.state();
        let keys = AwsKeys {
            access_key_id: format!("ASIA{}", random_password().to_uppercase()),
            secret_access_key: format!("{}/+=", random_password()),
            // As long as real ones, and with all that has to be encoded.
            session_token: Some(format!("IQoJ{}/+==", random_password().repeat(30))),
            expires_at: Some(unix(SystemTime::now() + state.life)),
        };
        state.issued.push(keys.clone());
        self.judge.know(&keys);
        keys
    }

    fn json(&self, is_instance: bool) -> Reply {
        let keys = self.issue();
        let mut body = serde_json::json!({
            "AccessKeyId": keys.access_key_id,
            "SecretAccessKey": keys.secret_access_key,
            "Token": keys.session_token,
            "Expiration": iso8601(keys.expires_at.expect("they end")),
        });
        if is_instance {
            body["Code"] = "Success".into();
            body["Type"] = "AWS-HMAC".into();
            body["LastUpdated"] = iso8601(unix(SystemTime::now())).into();
        }
        Reply::json(200, &body)
    }

    fn container(&self, asked: &Asked, wanted: &str) -> Reply {
        let refusal = |code: &str, message: &str| {
            Reply::json(
                401,
                &serde_json::json!({ "code": code, "message": message }),
            )
        };
        match asked.header("authorization") {
            None => refusal("AccessDenied", "there is no authorization header"),
            Some(shown) if shown != wanted => {
                refusal("AccessDenied", "the authorization token is stale or wrong")
            }
            Some(_) if self.is_revoked(INSTANCE_ROLE) => {
                refusal("AccessDeniedException", "the role may not be assumed")
            }
            Some(_) => self.json(false),
        }
    }

    fn is_revoked(&self, role: &str) -> bool {
        self.state().revoked.iter().any(|revoked| revoked == role)
    }

    fn imds(&self, asked: &Asked) -> Reply {
        if asked.header("x-forwarded-for").is_some() {
            return Reply::text(403, "requests through proxies are refused");
        }
        if (asked.method.as_str(), asked.path.as_str()) == ("PUT", "/latest/api/token") {
            let ttl = asked
                .header(TOKEN_TTL)
                .and_then(|ttl| ttl.parse::<u32>().ok());
            return match ttl {
                Some(ttl) if (1..=21_600).contains(&ttl) => {
                    let token = random_password();
                    self.state().session = Some(token.clone());
                    Reply::text(200, token).with(TOKEN_TTL, &ttl.to_string())
                }
                _ => Reply::text(400, "the header with the token's life is missing or wrong"),
            };
        }
        let session = self.state().session.clone();
        if asked.method != "GET" || session.is_none() || asked.header(TOKEN) != session.as_deref() {
            return Reply::text(401, "there is no session token, or another one");
        }
        match asked.path.strip_prefix("/latest/meta-data/") {
            Some("iam/security-credentials/") if !self.is_revoked(INSTANCE_ROLE) => {
                Reply::text(200, INSTANCE_ROLE)
            }
            Some("iam/security-credentials/app-role") => self.json(true),
            Some("placement/region") => Reply::text(200, self.state().region.clone()),
            _ => Reply::text(404, "there is nothing of that name"),
        }
    }

    fn sts(&self, asked: &Asked) -> Reply {
        let refusal = |status: u16, code: &str, message: &str| {
            let fault = if status >= 500 { "Receiver" } else { "Sender" };
            let body = format!(
                "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>{fault}</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
            );
            let mut reply = Reply::text(status, body);
            reply.headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
            reply
        };
        let is_form = asked
            .header("content-type")
            .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
        if !is_form || !asked.raw_query.is_empty() {
            return refusal(400, "MalformedInput", "the parameters belong into a form");
        }
        let field = |name: &str| asked.form_field(name).unwrap_or_default();
        if field("Version") != "2011-06-15" {
            return refusal(400, "InvalidAction", "the version is missing");
        }
        let (role, session) = (field("RoleArn"), field("RoleSessionName"));
        if !role.starts_with("arn:") || !(2..=64).contains(&session.len()) {
            return refusal(400, "ValidationError", "role or session name is missing");
        }
        let action = field("Action");
        match action.as_str() {
            "AssumeRoleWithWebIdentity" => {
                if asked.header("authorization").is_some() {
                    return refusal(400, "InvalidAction", "this request is not to be signed");
                }
                if field("WebIdentityToken") != self.state().web_identity_token {
                    return refusal(400, "ExpiredTokenException", "Token expired or unknown");
                }
            }
            "AssumeRole" => {
                if let Err(why) = self.check_signature(asked) {
                    return refusal(403, "SignatureDoesNotMatch", &why);
                }
            }
            _ => return refusal(400, "InvalidAction", "there is no such action"),
        }
        if self.is_revoked(&role) {
            let message = format!("Not authorized to perform sts:{action}");
            return refusal(403, "AccessDenied", &message);
        }
        let keys = self.issue();
        let body = format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser><AssumedRoleId>AROA:{session}</AssumedRoleId><Arn>{role}/{session}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><SessionToken>{}</SessionToken><Expiration>{}</Expiration></Credentials></{action}Result><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>",
            keys.access_key_id,
            keys.secret_access_key,
            keys.session_token.as_deref().unwrap_or_default(),
            iso8601(keys.expires_at.expect("they end")),
        );
        let mut reply = Reply::text(200, body);
        reply.headers = vec![("content-type".to_owned(), "text/xml".to_owned())];
        reply
    }

    /// Recomputes the signature of a request by its `Authorization` header.
    fn check_signature(&self, asked: &Asked) -> Result<(), String> {
        let header = asked
            .header("authorization")
            .ok_or("the request is not signed")?;
        let fields = header
            .strip_prefix("AWS4-HMAC-SHA256 ")
            .ok_or("another algorithm")?;
        let field = |name: &str| {
            let mut fields = fields.split(',').map(str::trim);
            fields.find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let credential = field("Credential").ok_or("no credential")?;
        let (id, scope) = credential.split_once('/').ok_or("no scope")?;
        let keys = self
            .judge
            .keys(id)
            .ok_or("The security token included in the request is invalid")?;
        if asked.header("x-amz-security-token") != keys.session_token.as_deref() {
            return Err("the session token is missing or wrong".to_owned());
        }
        let wanted = format!("/{}/sts/aws4_request", self.state().region);
        if !scope.ends_with(&wanted) {
            return Err(format!(
                "Credential should be scoped to a valid region: {scope}"
            ));
        }
        let date = asked.header("x-amz-date").ok_or("no date")?;
        let signed_at = read_basic(date).ok_or("the date is none")?;
        let ahead = signed_at - unix(SystemTime::now());
        if ahead > SKEW {
            return Err(format!(
                "Signature not yet current: {date} is still later than now"
            ));
        }
        if ahead < -SKEW {
            return Err(format!(
                "Signature expired: {date} is now earlier than 15 min. ago"
            ));
        }
        let names = field("SignedHeaders").ok_or("no headers")?.split(';');
        let headers = names.map(|name| {
            let value = asked
                .header(name)
                .ok_or(format!("{name} is signed and missing"))?;
            Ok((name.to_owned(), value.to_owned()))
        });
        let signed = Signed {
            method: &asked.method,
            path: &asked.path,
            query: Vec::new(),
            headers: headers.collect::<Result<_, String>>()?,
            body: &asked.body,
            date,
            scope,
        };
        if field("Signature") == Some(signed.signature(&keys.secret_access_key).as_str()) {
            Ok(())
        } else {
            Err("The request signature we calculated does not match".to_owned())
        }
    }
}
