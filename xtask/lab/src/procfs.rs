//! What a running process has cost so far, as Linux tells it in `/proc`.

use std::fs;

use xtask::failure::{Context, Failure};

/// The unit of CPU times in `/proc/PID/stat`: 1/100 s on every Linux that Rust runs on.
const TICK_MS: u64 = 10;

/// CPU time of all threads, also of those that have ended, user and system, in ms.
pub(crate) fn cpu_ms(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/stat");
    let stat = fs::read_to_string(&path).context(|| format!("cannot read \"{path}\""))?;
    ticks(&stat)
        .map(|ticks| ticks * TICK_MS)
        .ok_or_else(|| Failure::new(format!("cannot read CPU times from \"{path}\"")).because(stat))
}

/// Resident memory in KiB.
pub(crate) fn resident_kib(pid: u32) -> Result<u64, Failure> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).context(|| format!("cannot read \"{path}\""))?;
    resident(&status).ok_or_else(|| {
        Failure::new(format!("cannot read memory from \"{path}\"")).because("no VmRSS")
    })
}

fn ticks(stat: &str) -> Option<u64> {
    // The name, in parentheses, may hold anything, parentheses too.
    let (_, after_name) = stat.rsplit_once(')')?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_system_time_are_found_behind_any_name() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 500 0 0 0 17 25 3 4 20 0 3 0 100 1 1";

        assert_eq!(ticks(stat), Some(42));
    }

    #[test]
    fn resident_memory_is_read_in_kib() {
        assert_eq!(
            resident("VmPeak:\t  99 kB\nVmRSS:\t    1234 kB\n"),
            Some(1234)
        );
    }
}
