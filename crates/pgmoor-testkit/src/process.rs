//! Child processes that never outlive the test, however the test ends.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, test_kill_process};

/// Sends a signal; a process that is gone already is no error.
pub fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = as_pid(pid) {
        // The only other error is a process of somebody else, and then the caller's wait tells.
        let _ = kill_process(pid, signal);
    }
}

/// Says whether a process still runs; one that only waits to be collected does not.
pub fn is_running(pid: u32) -> bool {
    match process_state(pid) {
        Some(state) => state != 'Z' && state != 'X',
        None if Path::new("/proc/self/stat").exists() => false,
        None => as_pid(pid).is_some_and(|pid| test_kill_process(pid).is_ok()),
    }
}

/// The processes that `pid` has started itself and that still run.
pub fn children_of(pid: u32) -> Vec<u32> {
    if !Path::new("/proc/self/stat").exists() {
        let output = Command::new("pgrep")
            .args(["-P", &pid.to_string()])
            .output();
        let listed = output.map(|output| output.stdout).unwrap_or_default();
        return String::from_utf8_lossy(&listed)
            .lines()
            .filter_map(|line| line.parse().ok())
            .collect();
    }
    let processes = fs::read_dir("/proc").expect("read /proc");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|child| parent_of(*child) == Some(pid))
        .collect()
}

fn as_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// State and parent stand behind the name, which is in parentheses and may contain anything.
fn fields_behind_name(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, behind) = stat.rsplit_once(')')?;
    Some(behind.split_whitespace().map(String::from).collect())
}

fn process_state(pid: u32) -> Option<char> {
    fields_behind_name(pid)?.first()?.chars().next()
}

fn parent_of(pid: u32) -> Option<u32> {
    fields_behind_name(pid)?.get(1)?.parse().ok()
}

/// Waits for the end of a child without an async runtime, as `Drop` must.
pub(crate) fn wait_exit(child: &mut Child, deadline: Duration) -> bool {
    let end = Instant::now() + deadline;
    loop {
        if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Waits until none of `pids` runs any more.
pub(crate) fn wait_gone(pids: &[u32], deadline: Duration) -> bool {
    let end = Instant::now() + deadline;
    while pids.iter().any(|pid| is_running(*pid)) {
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// A small shell that cleans up when this process ends without having done so, say by `kill -9`.
///
/// It reads from a pipe that only we hold open.
pub(crate) struct Guard {
    shell: Child,
}

impl Guard {
    /// Runs `script` with `argument` as `$1` when the pipe closes.
    pub(crate) fn new(script: &str, argument: &str) -> Guard {
        let shell = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("read -r _; {script}"))
            .args(["guard", argument])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/")
            .process_group(0)
            .spawn()
            .expect("start /bin/sh");
        Guard { shell }
    }

    /// Sends it home: everything is cleaned up.
    pub(crate) fn dismiss(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.dismiss();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_killed_child_does_not_count_as_running() {
        let mut child = Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("start sleep");
        assert!(is_running(child.id()));
        assert!(children_of(std::process::id()).contains(&child.id()));

        signal(child.id(), Signal::KILL);

        assert!(wait_gone(&[child.id()], Duration::from_secs(5)));
        assert!(wait_exit(&mut child, Duration::from_secs(5)));
    }

    #[test]
    fn a_guard_runs_its_script_when_its_pipe_closes() {
        let dir = crate::private_dir("guard");
        let file = dir.path().join("made-by-the-guard");
        let mut guard = Guard::new(": > \"$1\"", file.to_str().expect("is UTF-8"));

        drop(guard.shell.stdin.take());

        assert!(wait_exit(&mut guard.shell, Duration::from_secs(5)));
        assert!(file.exists());
    }
}
