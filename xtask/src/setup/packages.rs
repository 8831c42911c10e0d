//! Which commands install packages without starting a service. Runs none of them.

use std::path::Path;

use super::needs::{DEBIAN_PGBOUNCER, DEBIAN_SERVER, Need};
use xtask::host;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Manager {
    Apt,
    Brew,
}

impl Manager {
    pub(crate) fn of_this_machine() -> Option<Manager> {
        if host::has("apt-get") {
            Some(Manager::Apt)
        } else if host::has("brew") {
            Some(Manager::Brew)
        } else {
            None
        }
    }

    fn packages(self, need: &Need) -> &'static [&'static str] {
        match self {
            Manager::Apt => need.apt,
            Manager::Brew => need.brew,
        }
    }
}

/// What a plan depends on, besides what is missing.
pub(crate) struct Machine {
    /// Someone else already decides which services may start.
    pub(crate) has_service_policy: bool,
    pub(crate) has_systemd: bool,
}

impl Machine {
    pub(crate) fn look() -> Machine {
        Machine {
            has_service_policy: Path::new(POLICY).exists(),
            has_systemd: Path::new("/run/systemd/system").is_dir(),
        }
    }
}

/// One command.
#[derive(Debug, PartialEq)]
pub(crate) struct Step(Vec<String>);

impl Step {
    fn new<'a>(words: impl IntoIterator<Item = &'a str>) -> Step {
        Step(words.into_iter().map(str::to_owned).collect())
    }

    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Debian asks this program whether a package may start its service; 101 means no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// The commands, in order, that install what is missing.
pub(crate) fn plan(manager: Manager, machine: &Machine, missing: &[&Need]) -> Vec<Step> {
    let mut packages: Vec<&str> = Vec::new();
    for package in missing.iter().flat_map(|need| manager.packages(need)) {
        if !packages.contains(package) {
            packages.push(package);
        }
    }
    match manager {
        Manager::Brew => vec![Step::new(["brew", "install"].into_iter().chain(packages))],
        Manager::Apt => plan_apt(machine, &packages),
    }
}

fn plan_apt(machine: &Machine, packages: &[&str]) -> Vec<Step> {
    let mut steps = vec![Step::new(["apt-get", "update"])];
    if packages.contains(&DEBIAN_SERVER) {
        // Without this, the package makes a cluster "main" and starts it on port 5432. A line
        // that an administrator has written stays as it is: only the commented default matches.
        steps.push(install(&["postgresql-common"]));
        steps.push(Step::new([
            "sed",
            "-i",
            "s/^#create_main_cluster.*/create_main_cluster = false/",
            "/etc/postgresql-common/createcluster.conf",
        ]));
    }
    if !packages.contains(&DEBIAN_PGBOUNCER) {
        steps.push(install(packages));
        return steps;
    }
    if machine.has_service_policy {
        steps.push(install(packages));
    } else {
        let guarded = format!(
            "trap 'rm -f {POLICY}' EXIT; \
             printf '#!/bin/sh\\nexit 101\\n' > {POLICY}; chmod 755 {POLICY}; {}",
            install(packages).0.join(" ")
        );
        steps.push(Step::new(["sh", "-e", "-c", &guarded]));
    }
    if machine.has_systemd {
        steps.push(Step::new(["systemctl", "disable", "--now", "pgbouncer"]));
    }
    steps
}

fn install(packages: &[&str]) -> Step {
    let words = [
        "env",
        "DEBIAN_FRONTEND=noninteractive",
        "apt-get",
        "install",
        "--yes",
        "--no-install-recommends",
    ];
    Step::new(words.into_iter().chain(packages.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::super::needs::NEEDS;
    use super::*;

    const BARE: Machine = Machine {
        has_service_policy: false,
        has_systemd: true,
    };

    fn need(name: &str) -> &'static Need {
        NEEDS
            .iter()
            .find(|need| need.name == name)
            .expect("it is in the list")
    }

    fn lines(steps: &[Step]) -> Vec<String> {
        steps.iter().map(|step| step.0.join(" ")).collect()
    }

    #[test]
    fn debian_is_told_to_make_no_cluster_before_the_server_is_installed() {
        let steps = lines(&plan(Manager::Apt, &BARE, &[need("PostgreSQL")]));

        assert_eq!(steps.len(), 4, "{steps:#?}");
        assert_eq!(steps[0], "apt-get update");
        assert!(steps[1].ends_with(" postgresql-common"), "{}", steps[1]);
        assert!(
            steps[2].contains("create_main_cluster = false"),
            "{}",
            steps[2]
        );
        assert!(
            steps[3].ends_with(" postgresql postgresql-contrib"),
            "{}",
            steps[3]
        );
    }

    #[test]
    fn pgbouncer_is_installed_without_its_service() {
        let steps = lines(&plan(Manager::Apt, &BARE, &[need("PgBouncer")]));

        assert!(steps[1].contains("exit 101"), "{}", steps[1]);
        assert_eq!(steps[2], "systemctl disable --now pgbouncer");
    }

    #[test]
    fn a_service_policy_that_is_there_already_is_left_alone() {
        let machine = Machine {
            has_service_policy: true,
            has_systemd: false,
        };

        let steps = lines(&plan(Manager::Apt, &machine, &[need("PgBouncer")]));

        assert_eq!(steps.len(), 2);
        assert!(!steps[1].contains(POLICY), "{}", steps[1]);
    }

    #[test]
    fn homebrew_installs_each_formula_once() {
        let steps = plan(Manager::Brew, &BARE, &[need("PostgreSQL"), need("psql")]);

        assert_eq!(lines(&steps), ["brew install postgresql@17"]);
    }
}
