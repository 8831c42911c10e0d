//! The right to have one server connection open.

use std::fmt::Debug;
use std::sync::Arc;

use crate::endpoint::{Admission, Tenant};

/// Who gives permits and takes them back.
pub(super) trait Grantor: Send + Sync + Debug {
    /// One came back; `silently` when nobody needs to hear of it.
    fn returned(self: Arc<Self>, silently: bool);
}

/// The right to have one server connection open, given back when dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    grantor: Option<Arc<dyn Grantor>>,
    /// The place among all connections of the endpoint.
    admission: Option<Admission>,
    silent: bool,
}

impl Permit {
    pub(super) fn new(grantor: Arc<dyn Grantor>) -> Self {
        Self {
            grantor: Some(grantor),
            admission: None,
            silent: false,
        }
    }

    pub(super) fn at(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }

    /// Whether a pool at the same endpoint needs it more than `pool`, which has it.
    #[inline]
    pub(super) fn is_needed_elsewhere(&self, pool: &dyn Tenant) -> bool {
        let admission = self.admission.as_ref();
        admission.is_some_and(|admission| admission.is_needed_elsewhere(pool))
    }

    /// Gives it back without waking anybody, because whoever had it tries again later.
    pub(super) fn return_silently(mut self) {
        self.silent = true;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // First the endpoint's place: whoever is woken looks for one.
        self.admission = None;
        if let Some(grantor) = self.grantor.take() {
            grantor.returned(self.silent);
        }
    }
}
