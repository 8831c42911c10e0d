//! How much of the machine a bundled server may use.
//!
//! The server shares its machine with the application, so it takes a quarter of the memory that it
//! may have for its own cache, and no more than 1 GiB: beyond that a laptop suffers, and whoever
//! needs more sets it in `postgresql.conf`.

use sysinfo::{MemoryRefreshKind, RefreshKind, System};

const MIB: u64 = 1 << 20;
const UNKNOWN_MACHINE: u64 = 1024 * MIB;

/// PostgreSQL's memory settings, in MiB except where said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    pub(crate) shared_buffers: u64,
    pub(crate) effective_cache_size: u64,
    pub(crate) maintenance_work_mem: u64,
    pub(crate) work_mem: u64,
}

impl Memory {
    /// Settings for this machine, within the limit of the control group that we are in.
    pub(crate) fn of_this_machine() -> Self {
        let wanted = MemoryRefreshKind::nothing().with_ram();
        let system = System::new_with_specifics(RefreshKind::nothing().with_memory(wanted)).ok();
        let known = |bytes: u64| (bytes > 0).then_some(bytes);
        let machine = system
            .as_ref()
            .and_then(|s| known(s.total_memory()))
            .unwrap_or(UNKNOWN_MACHINE);
        let group = system.and_then(|s| known(s.cgroup_limits()?.total_memory));
        Self::within(group.map_or(machine, |group| group.min(machine)))
    }

    fn within(bytes: u64) -> Self {
        let mib = bytes / MIB;
        Self {
            shared_buffers: (mib / 4).clamp(16, 1024),
            effective_cache_size: (mib / 2).max(32),
            maintenance_work_mem: (mib / 32).clamp(16, 256),
            work_mem: (mib / 1024).clamp(4, 16),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_memory_is_cache_up_to_one_gibibyte() {
        let shared = |mib: u64| Memory::within(mib * MIB).shared_buffers;

        assert_eq!(shared(32), 16);
        assert_eq!(shared(512), 128);
        assert_eq!(shared(2048), 512);
        assert_eq!(shared(4096), 1024);
        assert_eq!(shared(65536), 1024);
    }

    #[test]
    fn no_setting_falls_below_what_postgresql_accepts() {
        let memory = Memory::within(0);

        assert_eq!(memory.maintenance_work_mem, 16);
        assert_eq!(memory.work_mem, 4);
        assert_eq!(memory.effective_cache_size, 32);
    }

    #[test]
    fn this_machine_has_memory() {
        assert!(Memory::of_this_machine().shared_buffers >= 16);
    }
}
