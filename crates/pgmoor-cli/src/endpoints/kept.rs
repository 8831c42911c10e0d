//! What was made of settings and holds what it fetched: endpoints that say the same share it, and a reload
//! does not lose it, because whoever issues it may be down.

use std::fmt;

use pgmoor::Secret;

use crate::output::Failure;

/// Things of one kind, each by all that it was made of.
pub(super) struct Kept<T>(Vec<Entry<T>>);

struct Entry<T> {
    made_of: Secret<String>,
    made: T,
    is_used: bool,
}

impl<T: Clone> Kept<T> {
    /// The one that was made of this before, else one that is made now.
    ///
    /// # Errors
    /// Those of `make`.
    pub(super) fn get(
        &mut self,
        made_of: Secret<String>,
        make: impl FnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut entries = self.0.iter_mut();
        if let Some(entry) = entries.find(|entry| entry.made_of.expose() == made_of.expose()) {
            entry.is_used = true;
            return Ok(entry.made.clone());
        }
        let made = make()?;
        self.0.push(Entry {
            made_of,
            made: made.clone(),
            is_used: true,
        });
        Ok(made)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|entry| &entry.made)
    }

    /// Forgets those that nobody got since it was called last.
    pub(super) fn forget_unused(&mut self) {
        self.0.retain(|entry| entry.is_used);
        for entry in &mut self.0 {
            entry.is_used = false;
        }
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> fmt::Debug for Kept<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_made_of_the_same_until_nobody_wants_it() {
        let mut kept = Kept::default();
        let mut made = 0;
        let mut get = |kept: &mut Kept<i32>, of: &str| {
            let thing = kept.get(Secret::from(of), || {
                made += 1;
                Ok(made)
            });
            thing.expect("nothing fails")
        };

        assert_eq!(
            (
                get(&mut kept, "a"),
                get(&mut kept, "b"),
                get(&mut kept, "a")
            ),
            (1, 2, 1)
        );
        kept.forget_unused();
        assert_eq!(get(&mut kept, "b"), 2);
        kept.forget_unused();

        assert_eq!((get(&mut kept, "b"), get(&mut kept, "a")), (2, 3));
    }
}
