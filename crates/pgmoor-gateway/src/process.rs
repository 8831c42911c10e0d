//! What the operating system says about this process.

use std::fs;
use std::time::Duration;

/// What the operating system says about this process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Process {
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// Virtual memory, in bytes.
    pub(crate) virtual_size: u64,
    /// Processor time, user and system.
    pub(crate) cpu: Duration,
    pub(crate) open_files: u64,
    pub(crate) max_files: Option<u64>,
    /// Seconds since 1970.
    pub(crate) started: f64,
    pub(crate) threads: u64,
}

/// Reads `/proc`; `None` where there is none.
pub(crate) fn read() -> Option<Process> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let page = rustix::param::page_size() as u64;
    let mut own = parse(&stat, &boot, ticks, page)?;
    // The directory's own descriptor is one of them.
    own.open_files = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    own.max_files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    Some(own)
}

fn parse(stat: &str, boot: &str, ticks: f64, page: u64) -> Option<Process> {
    // The command's name may hold spaces and parentheses; the numbers begin after the last one.
    let numbers = stat.rsplit_once(')')?.1;
    let field = |index: usize| -> Option<u64> {
        // proc(5) counts from 1, and the first after the name is the third.
        numbers.split_whitespace().nth(index - 3)?.parse().ok()
    };
    let boot: f64 = boot
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()?;
    Some(Process {
        cpu: Duration::from_secs_f64((field(14)? + field(15)?) as f64 / ticks),
        threads: field(20)?,
        started: boot + field(22)? as f64 / ticks,
        virtual_size: field(23)?,
        resident: field(24)? * page,
        open_files: 0,
        max_files: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_numbers() {
        let stat = "7 (a) b) S 1 1 1 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 5 0 1000 4096000 256 18446744073709551615";

        let own = parse(stat, "cpu 1\nbtime 1700000000\n", 100.0, 4096).expect("parsed");

        assert_eq!(own.cpu, Duration::from_secs(2));
        assert_eq!((own.threads, own.resident), (5, 256 * 4096));
        assert_eq!(own.started, 1_700_000_010.0);
    }
}
