//! What the tests of checks share: a database looked at as `pgmoor check --url` does, and two questions to
//! its report.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pgmoor::Secret;
use pgmoor::connector::Connector;
use pgmoor::credential::NoCredential;
use pgmoor::endpoint::Endpoint;
use pgmoor_ops::check::{Asked, Ground, Selection, judge};
use pgmoor_ops::facts::configuration::Configuration;
use pgmoor_ops::facts::{Destination, Facts, Group, Groups, Subject, Wanted};
use pgmoor_ops::preflight::{self, Examination, Options};
use pgmoor_ops::report::{DatabaseReport, Finding, Report, Status};
use pgmoor_ops::requirement::{GENERIC, SystemSettings};

/// What nobody in particular needs: an application that runs anywhere.
pub(crate) fn requirement() -> SystemSettings {
    SystemSettings {
        extends: None,
        title: None,
        min_version: 12,
        encoding: "UTF8".to_owned(),
        schema: "public".to_owned(),
        extensions: Default::default(),
        rights: Vec::new(),
        databases: Vec::new(),
        session_uses: Vec::new(),
        replicas: NonZeroU32::MIN,
        connections: NonZeroU32::new(10).unwrap(),
        max_round_trip: Duration::from_millis(50),
        secrets: Vec::new(),
    }
}

/// What is asked of a database when nothing in particular is.
pub(crate) fn asked() -> Asked {
    Asked {
        system: GENERIC.to_owned(),
        requirement: requirement(),
        replicas: None,
        connections: None,
        migrates_elsewhere: false,
        for_move: false,
        now: SystemTime::now(),
    }
}

/// All checks, with so much time for each step.
pub(crate) fn options(limit: Duration) -> Options {
    Options {
        selection: Selection::default(),
        limit,
        version: "0.0.0".to_owned(),
    }
}

/// What is to be looked at, and how.
pub(crate) struct Look {
    pub(crate) asked: Asked,
    pub(crate) configuration: Configuration,
    pub(crate) connector: Option<Connector>,
    pub(crate) limit: Duration,
    pub(crate) target: Option<Destination>,
}

impl Look {
    /// At this address, as written.
    pub(crate) fn at(url: &str) -> Self {
        let address = Endpoint::load(url.trim(), &Default::default());
        let connector = address.as_ref().ok().map(|address| {
            Connector::with_home(address.clone(), Arc::new(NoCredential), None).unwrap()
        });
        Self {
            asked: asked(),
            configuration: Configuration::of_text("--url", &Secret::new(url.to_owned()), address),
            connector,
            limit: Duration::from_secs(20),
            target: None,
        }
    }

    /// At what is written only: nothing is connected to.
    pub(crate) fn written(url: &str) -> Self {
        Self {
            connector: None,
            ..Self::at(url)
        }
    }

    /// With a move to database `app` of that server in mind.
    pub(crate) fn to(self, target: &pgmoor_testkit::Postgres) -> Self {
        self.toward(&target.url())
    }

    /// With a move to this address in mind.
    pub(crate) fn toward(self, url: &str) -> Self {
        let address = Endpoint::load(url, &Default::default()).unwrap();
        let connector = Connector::with_home(address, Arc::new(NoCredential), None).unwrap();
        let target = Destination {
            name: "target".to_owned(),
            connector,
            database: None,
        };
        Self {
            target: Some(target),
            ..self
        }
    }

    /// Judges a move to that server after what was read was changed.
    pub(crate) async fn moved_to(
        self,
        target: &pgmoor_testkit::Postgres,
        change: impl FnOnce(&mut Facts),
    ) -> DatabaseReport {
        let mut look = self.to(target);
        look.asked.for_move = true;
        look.judged(Groups::of(Group::ALL), change).await
    }

    pub(crate) fn examination(self) -> Examination {
        let subject = Subject {
            name: "app".to_owned(),
            endpoint: None,
            database: None,
            configuration: self.configuration,
            connector: self.connector,
            target: self.target,
        };
        let asked = self.asked;
        Examination { subject, asked }
    }

    pub(crate) async fn run(self) -> Report {
        let options = options(self.limit);
        preflight::run(&[self.examination()], &options, |_| {}).await
    }

    /// Looks at this database together with another one of the same configuration.
    pub(crate) async fn beside(self, other: Look) -> DatabaseReport {
        let options = options(self.limit);
        let both = [self.examination(), other.examination()];
        let mut report = preflight::run(&both, &options, |_| {}).await;
        report.databases.remove(0)
    }

    /// Judges what was read after it was changed: for what no server here can be made to do.
    pub(crate) async fn changed(self, change: impl FnOnce(&mut Facts)) -> DatabaseReport {
        let groups = Groups::of(Group::ALL)
            .without(Group::Moving)
            .without(Group::Target);
        self.judged(groups, change).await
    }

    async fn judged(self, groups: Groups, change: impl FnOnce(&mut Facts)) -> DatabaseReport {
        let limit = self.limit;
        let Examination { subject, asked } = self.examination();
        let wanted = Wanted {
            groups,
            requirement: &asked.requirement,
            limit,
        };
        let mut facts = Facts::read(&subject, &wanted).await;
        change(&mut facts);
        let judged = judge(Ground::new(&facts, &asked), &Selection::default());
        DatabaseReport::new(&subject, &asked, &facts, &judged, Duration::ZERO)
    }

    pub(crate) async fn report(self) -> DatabaseReport {
        self.run().await.databases.remove(0)
    }
}

/// What the check of this id came to.
pub(crate) fn finding<'a>(report: &'a DatabaseReport, id: &str) -> &'a Finding {
    let found = report.checks.iter().find(|check| check.id == id);
    found.unwrap_or_else(|| panic!("{id} is not in the report"))
}

/// That the check fails or warns.
pub(crate) fn fires<'a>(report: &'a DatabaseReport, id: &str) -> &'a Finding {
    let finding = finding(report, id);
    assert!(
        matches!(finding.status, Status::Fail | Status::Warn),
        "{id} does not fire: {finding:#?}"
    );
    assert!(finding.hint.is_some(), "{id} does not say what to do");
    finding
}

/// That the check fails, and is the first that does: the one to do something about.
pub(crate) fn leads<'a>(report: &'a DatabaseReport, id: &str) -> &'a Finding {
    let finding = fires(report, id);
    let failed: Vec<&str> = report
        .checks
        .iter()
        .filter(|check| check.status == Status::Fail)
        .map(|check| check.id)
        .collect();
    assert_eq!(failed, [id], "{:#?}", report.findings().collect::<Vec<_>>());
    finding
}

/// That the check passes.
pub(crate) fn passes<'a>(report: &'a DatabaseReport, id: &str) -> &'a Finding {
    let finding = finding(report, id);
    assert_eq!(finding.status, Status::Ok, "{id}: {finding:#?}");
    finding
}
