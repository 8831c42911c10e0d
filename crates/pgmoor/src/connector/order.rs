//! In which order things are tried, and startup parameters of two sources as one.

use std::borrow::Cow;

/// All items, shuffled if so wished.
pub(super) fn of<T>(items: &[T], shuffle: bool) -> Vec<&T> {
    let mut order: Vec<&T> = items.iter().collect();
    if shuffle {
        for last in (1..order.len()).rev() {
            // Without random bytes the written order is as good as any.
            let random = getrandom::u64().unwrap_or(0);
            order.swap(last, (random % (last as u64 + 1)) as usize);
        }
    }
    order
}

/// The startup message: user and database, then the endpoint's parameters, those of the caller
/// instead where both name one. Of `options` both are kept, the caller's last: it wins there.
pub(super) fn merge<'a>(
    user: &'a str,
    database: &'a str,
    own: &'a [(String, String)],
    callers: &'a [(String, String)],
) -> Vec<(&'a str, Cow<'a, str>)> {
    let mut merged: Vec<(&str, Cow<'_, str>)> = vec![
        ("user", Cow::Borrowed(user)),
        ("database", Cow::Borrowed(database)),
    ];
    for (name, value) in own.iter().chain(callers) {
        if name == "user" || name == "database" {
            continue;
        }
        let known = merged.iter_mut().find(|(other, _)| other == name);
        match known {
            Some((_, old)) if name == "options" => *old = Cow::Owned(format!("{old} {value}")),
            Some((_, old)) => *old = Cow::Borrowed(value),
            None => merged.push((name, Cow::Borrowed(value))),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
            .collect()
    }

    #[test]
    fn callers_parameters_win_and_options_are_joined() {
        let own = pairs(&[("application_name", "pgmoor"), ("options", "-c a=1")]);
        let callers = pairs(&[
            ("options", "-c a=2"),
            ("application_name", "web"),
            ("user", "root"),
        ]);

        let merged = merge("app", "db", &own, &callers);

        let expected = [
            ("user", "app"),
            ("database", "db"),
            ("application_name", "web"),
            ("options", "-c a=1 -c a=2"),
        ];
        assert!(
            merged
                .iter()
                .map(|(name, value)| (*name, value.as_ref()))
                .eq(expected)
        );
    }

    #[test]
    fn shuffled_items_are_all_there_and_move() {
        let items: Vec<u32> = (0..50).collect();
        let mut shuffled: Vec<u32> = of(&items, true).into_iter().copied().collect();
        assert_ne!(shuffled, items);
        shuffled.sort_unstable();
        assert_eq!(shuffled, items);
        assert!(of(&items, false).into_iter().eq(&items));
    }
}
