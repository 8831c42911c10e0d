//! From a meaning to the values of an application, or why it cannot do itself what pgmoor does.

use pgmoor::settings::Node;

use super::finding::{Explain, Finding, Findings, Severity};
use super::meaning::{Meaning, Told};
use super::own::{self, listening};
use super::reference::Reference;
use super::tree::Tree;
use super::{backstage, coder, environment, langsmith, prisme};

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Values of LangSmith's Helm chart.
    Langsmith,
    /// Values of Coder's Helm chart, version 2.
    Coder,
    /// Backstage's app-config.
    Backstage,
    /// Values of Prisme.ai's core chart.
    Prisme,
    /// libpq's variables.
    Env,
}

impl Target {
    /// All, as they are named on the command line.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Langsmith, "langsmith"),
        (Self::Coder, "coder"),
        (Self::Backstage, "backstage"),
        (Self::Prisme, "prisme"),
        (Self::Env, "env"),
    ];

    fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(known, _)| *known == self);
        known.map_or("", |(_, name)| *name)
    }
}

/// How the application gets to its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Through {
    /// By the gateway: its host and port, where they are not those that it listens at, and where the
    /// password of its user is.
    Gateway {
        /// `host:port`.
        address: Option<String>,
        /// The password.
        password: Reference,
    },
    /// By its own means; `identity` is what the cloud knows its service accounts as.
    Direct {
        /// A role's ARN, an e-mail address, a client id.
        identity: Option<String>,
    },
}

/// What was written, if it could be.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The values.
    pub tree: Option<Tree>,
    /// Keys that say where a database is: those that the values do not have are taken out of a file that
    /// is edited.
    pub owned: Vec<Vec<String>>,
    /// What there is to say.
    pub findings: Vec<Finding>,
}

/// Writes what `configuration`, a parsed pgmoor.yaml, says in the words of `target`. `secrets` is the directory
/// that keys of Kubernetes Secrets are mounted in.
pub fn render(configuration: &Node, target: Target, through: &Through, secrets: &str) -> Rendered {
    let mut findings = Findings::default();
    let mut meaning = own::read(configuration, secrets, &mut findings);
    if let Some(system) = meaning.system
        && target != Target::Env
        && system != target.name()
    {
        findings
            .refused(
                &configuration.origin,
                format!("the databases are those of \"{system}\""),
            )
            .why("\"system\" says so")
            .then(format!("use: pgmoor render {system}"));
    }
    match through {
        Through::Gateway { address, password } => {
            // How the gateway itself logs in concerns nobody behind it.
            findings = Findings(
                findings
                    .0
                    .into_iter()
                    .filter(|finding| finding.severity == Severity::Refused)
                    .collect(),
            );
            let mut gateway = listening(configuration);
            if let Some((host, port)) = address
                .as_deref()
                .map(|text| text.rsplit_once(':').unwrap_or((text, "6432")))
            {
                gateway.host = host.trim_matches(['[', ']']).to_owned();
                gateway.port = port.to_owned();
            } else if gateway.host == "127.0.0.1" {
                findings
                    .note(&configuration.origin, "the gateway is looked for at 127.0.0.1")
                    .why("that is where it listens: for an application on the same host, or in the same pod")
                    .then("name its Service by --gateway HOST:PORT");
            }
            meaning = own::through(&meaning, &gateway, password);
        }
        Through::Direct { identity } => {
            let given = identity.clone();
            meaning.identity = given.map(|text| Told::new(text, &configuration.origin));
        }
    }
    write(&meaning, target, findings)
}

/// Writes a meaning in the words of an application.
pub(super) fn write(meaning: &Meaning, target: Target, mut findings: Findings) -> Rendered {
    let tree = match target {
        Target::Langsmith => langsmith::write(meaning, &mut findings),
        Target::Coder => coder::write(meaning, &mut findings),
        Target::Backstage => backstage::write(meaning, &mut findings),
        Target::Prisme => prisme::write(meaning, &mut findings),
        Target::Env => environment::write(meaning, &mut findings),
    };
    let refused = findings
        .0
        .iter()
        .any(|finding| finding.severity == Severity::Refused);
    Rendered {
        tree: (!refused).then_some(tree),
        owned: match target {
            Target::Langsmith => langsmith::owned(),
            Target::Coder => coder::owned(),
            Target::Backstage => backstage::owned(),
            Target::Prisme => prisme::owned(),
            Target::Env => Vec::new(),
        },
        findings: findings.in_order(&[]),
    }
}
