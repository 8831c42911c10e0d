//! What the services know together, and who of them answers.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::aws::{self, AwsKeys};
use super::fault::{Fault, Faults, Service};
use super::instance::Held;
use super::metadata::{self, Machine};
use super::people::People;
use super::web::{Asked, Reply};
use super::{iam, sql_admin, sts, token};

pub(crate) struct State {
    pub(super) people: Mutex<People>,
    pub(super) machine: Mutex<Machine>,
    pub(super) faults: Mutex<Faults>,
    pub(super) instances: Mutex<Vec<Held>>,
    pub(super) life: Mutex<Duration>,
    /// Keys for whoever asks the metadata server of AWS.
    pub(super) aws: Mutex<Option<AwsKeys>>,
    /// What `GET /subject` gives, and the header that it wants.
    pub(super) subject: Mutex<Option<(String, String)>>,
    pub(super) own: OnceLock<SocketAddr>,
}

/// Slow on purpose: how long is what the test asked for.
async fn wait(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn people(&self) -> MutexGuard<'_, People> {
        lock(&self.people)
    }

    pub(crate) fn instances(&self) -> MutexGuard<'_, Vec<Held>> {
        lock(&self.instances)
    }

    pub(crate) fn is_iam_role(&self, index: usize, user: &str) -> bool {
        self.instances()[index].iam.contains(user)
    }

    pub(super) fn url(&self) -> String {
        format!(
            "http://{}",
            self.own.get().expect("it is set before anybody asks")
        )
    }

    fn service(request: &Asked) -> Option<Service> {
        match request.path.as_str() {
            "/token" => Some(Service::Token),
            "/v1/token" => Some(Service::TokenExchange),
            "/subject" => Some(Service::Subject),
            path if path.starts_with("/latest/") => Some(Service::Subject),
            path if iam::is_ours(path) => Some(Service::Impersonation),
            path if metadata::is_ours(path) => Some(Service::Metadata),
            path => Some(match sql_admin::call(path)? {
                sql_admin::Call::Settings { .. } => Service::ConnectSettings,
                sql_admin::Call::Certificate { .. } => Service::EphemeralCert,
                sql_admin::Call::Resolve { .. } => Service::ResolveSettings,
            }),
        }
    }

    pub(super) async fn answer(&self, mut request: Asked) -> Reply {
        request.path = request.plain_path();
        let Some(service) = Self::service(&request) else {
            return Reply::refused(404, format!("no such path: {}", request.path));
        };
        let fault = lock(&self.faults).called(service);
        match fault {
            Some(Fault::Slow(time)) => wait(time).await,
            Some(Fault::Silent) => std::future::pending().await,
            Some(fault) => {
                if let Some(reply) = fault.reply() {
                    return reply;
                }
            }
            None => {}
        }
        let (mut people, life) = (self.people(), *lock(&self.life));
        match service {
            Service::Metadata => {
                metadata::answer(&request, &mut lock(&self.machine), &mut people, life)
            }
            Service::Token => token::answer(
                &request,
                &mut people,
                &format!("{}/token", self.url()),
                life,
            ),
            Service::TokenExchange => sts::answer(&request, &mut people, life),
            Service::Impersonation => iam::answer(&request, &mut people, life),
            Service::Subject => self.subject(&request),
            Service::ConnectSettings | Service::EphemeralCert | Service::ResolveSettings => {
                match sql_admin::call(&request.path) {
                    Some(call) => {
                        sql_admin::answer(&request, &call, &people, &mut self.instances())
                    }
                    None => Reply::refused(404, "no such path"),
                }
            }
        }
    }

    fn subject(&self, request: &Asked) -> Reply {
        if request.path == "/subject" {
            return match &*lock(&self.subject) {
                Some((token, wanted)) if request.header("x-subject-for") == Some(wanted) => {
                    Reply::json(200, &json!({ "value": token }))
                }
                _ => Reply::refused(403, "the header X-Subject-For is wrong"),
            };
        }
        match &*lock(&self.aws) {
            Some(keys) => aws::metadata(request, keys),
            None => Reply::refused(404, "no such machine"),
        }
    }
}
