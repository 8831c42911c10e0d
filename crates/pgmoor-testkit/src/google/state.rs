//! What the services know together, and who of them answers.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use serde_json::json;

use super::aws::{self, AwsKeys};
use super::instance::Held;
use super::metadata::{self, Machine};
use super::people::People;
use super::service::Service;
use super::web::{Asked, Reply};
use super::{iam, sql_admin, sts, token};

pub(crate) struct State {
    pub(super) people: Mutex<People>,
    pub(super) machine: Mutex<Machine>,
    pub(super) instances: Mutex<Vec<Held>>,
    pub(super) life: Mutex<Duration>,
    /// Keys for whoever asks the metadata server of AWS.
    pub(super) aws: Mutex<Option<AwsKeys>>,
    /// What `GET /subject` gives, and the header that it wants.
    pub(super) subject: Mutex<Option<(String, String)>>,
    pub(super) own: OnceLock<SocketAddr>,
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

    pub(super) fn answer(&self, asked: &Asked) -> Reply {
        let mut request = asked.clone();
        request.path = asked.plain_path();
        let Some(service) = Service::of(asked) else {
            return Reply::refused(404, format!("no such path: {}", request.path));
        };
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
