//! Whether the server has the memory for so many sessions.

use crate::check::verdict::{pass, skip, warn};
use crate::check::words::bytes;
use crate::check::{Check, Ground, Layer, Outcome};

pub(super) const CHECK: Check = Check {
    id: "PGM-CAP-003",
    layer: Layer::Capacity,
    title: "the memory of that many sessions is in proportion",
    why: "Each session is a process with memory of its own, and may take work_mem several times. Beyond what the host has, the kernel kills the server.",
    needs: "a session",
    judge,
};

/// What a session takes without work_mem, about: catalogue caches and the process itself.
const SESSION: i64 = 8 << 20;

/// Below this, shared_buffers was left at its default and says nothing of the host.
const SMALLEST: i64 = 512 << 20;

fn judge(on: Ground<'_>) -> Outcome {
    let server = on.server()?;
    let total = on.budget().total();
    let (Some(work_mem), Some(shared)) = (server.bytes("work_mem"), server.bytes("shared_buffers")) else {
        return skip("work_mem or shared_buffers is not shown");
    };
    let need = total.saturating_mul(SESSION + work_mem);
    let seen = format!(
        "{total} sessions take about {} ({} and work_mem of {} each), beside shared_buffers of {}",
        bytes(need),
        bytes(SESSION),
        bytes(work_mem),
        bytes(shared)
    );
    // shared_buffers is a quarter of the memory by custom, so that three quarters are left.
    Ok(match need > shared.max(SMALLEST).saturating_mul(3) {
        true => warn(format!("{seen}; that is more than a host of such shared_buffers has by custom"))
            .hint_text("let the gateway share connections (pool mode transaction), or lower work_mem"),
        false => pass(seen),
    })
}
