//! What runs on this machine in a directory of a test, as `ps` and `lsof` would say.

use std::fs;
use std::path::Path;
use std::time::Duration;

use pgmoor_testkit::{is_running, wait_for_value};

/// How long what was left alone may take to go.
const PATIENCE: Duration = Duration::from_secs(20);

/// Every process but this one that works in `directory`, has a file there open, or has it among its
/// arguments; with its command line.
pub(crate) fn processes_in(directory: &Path) -> Vec<(u32, String)> {
    let processes = fs::read_dir("/proc").expect("read /proc");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != std::process::id() && is_running(*pid))
        .map(|pid| (pid, command_line(pid)))
        .filter(|(pid, line)| uses(*pid, line, directory))
        .collect()
}

/// Waits until nothing runs there any more.
pub(crate) async fn nothing_runs_in(directory: &Path) {
    let what = format!("processes in {}", directory.display());
    wait_for_value(&what, PATIENCE, Vec::new(), async || {
        processes_in(directory)
    })
    .await;
}

/// The arguments of a process, each followed by a space.
pub(crate) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

fn uses(pid: u32, line: &str, directory: &Path) -> bool {
    let leads_there =
        |link: &Path| fs::read_link(link).is_ok_and(|target| target.starts_with(directory));
    let process = Path::new("/proc").join(pid.to_string());
    let files = fs::read_dir(process.join("fd"));
    line.contains(&directory.display().to_string())
        || leads_there(&process.join("cwd"))
        || files.is_ok_and(|files| files.flatten().any(|file| leads_there(&file.path())))
}
