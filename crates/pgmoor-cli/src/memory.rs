//! Keeps what is in this process's memory, secrets among it, out of core dumps and away from others.
//!
//! It does not protect from root, who may attach a debugger.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Neither a core dump nor another process of the same user shows this one's memory. A program that
/// is started by it is not affected.
pub(crate) fn hide() {
    // Nothing depends on it, and a system that refuses has been hardened in another way.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// No core dump of this process or a bundled server of it, for systems where [`hide`] does nothing.
pub(crate) fn forbid_cores() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    // A limit can always be lowered.
    let _ = setrlimit(Resource::Core, none);
}
