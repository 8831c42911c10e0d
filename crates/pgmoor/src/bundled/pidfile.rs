//! `postmaster.pid`: the server's own record of its process, and whether that process is still it.

use std::fs;
use std::path::Path;

use rustix::process::{Pid, test_kill_process};
use sysinfo::{Process, ProcessRefreshKind, ProcessStatus, ProcessesToUpdate, System, UpdateKind};

pub(crate) const FILE: &str = "postmaster.pid";

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PidFile {
    pub(crate) pid: i32,
    /// The last line, once the server has come that far: `starting`, `ready`, `stopping`…
    pub(crate) status: Option<String>,
}

impl PidFile {
    /// Reads the file in `data_dir`; `None` when there is none, or none that is whole.
    pub(crate) fn read(data_dir: &Path) -> Option<Self> {
        Self::parse(&fs::read_to_string(data_dir.join(FILE)).ok()?)
    }

    // Lines: pid, data directory, start time, port, socket directory, address, shared memory, status.
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        // A single-user server writes its pid with a minus sign.
        let pid = lines
            .next()?
            .trim()
            .parse::<i32>()
            .ok()?
            .checked_abs()
            .filter(|&pid| pid > 1)?;
        let status = lines
            .nth(6)
            .map(|line| line.trim().to_owned())
            .filter(|s| !s.is_empty());
        Some(Self { pid, status })
    }

    /// Whether that process has finished starting.
    pub(crate) fn is_ready(&self) -> bool {
        self.status.as_deref() == Some("ready")
    }

    /// The process, when it is alive and indeed the server of `data_dir`.
    ///
    /// After a crash of the machine or in a new container, the number may be any other process's.
    pub(crate) fn server(&self, data_dir: &Path) -> Option<Pid> {
        let pid = Pid::from_raw(self.pid)?;
        if test_kill_process(pid) == Err(rustix::io::Errno::SRCH) {
            return None;
        }
        let id = sysinfo::Pid::from_u32(self.pid.unsigned_abs());
        let mut system = System::new().ok()?;
        let wanted = ProcessRefreshKind::nothing()
            .with_cwd(UpdateKind::Always)
            .with_exe(UpdateKind::Always)
            .without_tasks();
        system.refresh_processes_specifics(ProcessesToUpdate::Some(&[id]), true, wanted);
        let process = system.process(id)?;
        // A server works in its data directory. Where the system does not tell, the name decides.
        let here = process
            .cwd()
            .is_none_or(|cwd| cwd.as_os_str().is_empty() || cwd == data_dir);
        (runs_postgres(process) && here).then_some(pid)
    }
}

/// Every process of a server of `data_dir`: while no server is meant to run, those that a killed
/// one left behind. They hold its shared memory, and the next server would not start.
pub(crate) fn processes(data_dir: &Path) -> Vec<Pid> {
    let Ok(mut system) = System::new() else {
        return Vec::new();
    };
    let wanted = ProcessRefreshKind::nothing()
        .with_cwd(UpdateKind::Always)
        .with_exe(UpdateKind::Always)
        .without_tasks();
    system.refresh_processes_specifics(ProcessesToUpdate::All, true, wanted);
    system
        .processes()
        .values()
        .filter(|process| runs_postgres(process) && process.cwd() == Some(data_dir))
        .filter_map(|process| Pid::from_raw(process.pid().as_u32().cast_signed()))
        .collect()
}

fn runs_postgres(process: &Process) -> bool {
    let by_name = process.name().to_string_lossy().starts_with("postgres");
    let by_file = process.exe().is_some_and(|exe| exe.ends_with("postgres"));
    (by_name || by_file) && process.status() != ProcessStatus::Zombie
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_read_in_every_stage() {
        let ready = "4711\n/data\n1763683200\n5432\n/run\n\n  5432001  32769\nready   \n";
        let early = "4711\n/data\n1763683200\n5432\n/run\n";

        assert!(PidFile::parse(ready).expect("whole").is_ready());
        assert_eq!(
            PidFile::parse(early),
            Some(PidFile {
                pid: 4711,
                status: None
            })
        );
        assert_eq!(PidFile::parse("-4711\n/data\n").map(|f| f.pid), Some(4711));
        for bad in ["", "x", "0\n", "1\n", "-1\n", "99999999999\n"] {
            assert_eq!(PidFile::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn another_process_with_the_number_is_not_the_server() {
        let mine = PidFile {
            pid: i32::try_from(std::process::id()).expect("pid"),
            status: None,
        };

        assert_eq!(mine.server(Path::new("/data")), None);
    }
}
