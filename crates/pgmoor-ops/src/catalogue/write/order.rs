//! Statements in an order in which each finds what it needs.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};

use super::statement::{Section, Sql, Statement, Work};
use crate::catalogue::model::{Catalogue, Detail};

/// What a statement does for its object, in the order of an object's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Step {
    Shell,
    Make,
    Default,
    Alter,
    Own,
    Attach,
    Owner,
    Privileges,
    Comment,
    Refresh,
}

/// A statement before its place is known.
pub(super) struct Draft {
    /// The object.
    pub(super) place: usize,
    pub(super) step: Step,
    pub(super) section: Section,
    pub(super) work: Work,
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) sql: Sql,
    pub(super) table: Option<String>,
}

pub(super) fn order(drafts: Vec<Draft>, catalogue: &Catalogue) -> Vec<Statement> {
    let needs = needs(&drafts, catalogue);
    let sections = sections(&drafts, &needs);
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); drafts.len()];
    for (draft, before) in needs.iter().enumerate() {
        before
            .iter()
            .for_each(|before| followers[*before].push(draft));
    }
    let mut open: Vec<usize> = needs.iter().map(BTreeSet::len).collect();
    let rank = |draft: usize| {
        (
            sections[draft],
            drafts[draft].section,
            late(&drafts[draft]),
            draft,
        )
    };
    let mut ready: BinaryHeap<Reverse<(Section, Section, u8, usize)>> = (0..drafts.len())
        .filter(|draft| open[*draft] == 0)
        .map(|draft| Reverse(rank(draft)))
        .collect();
    let mut left: BTreeSet<(Section, Section, u8, usize)> = (0..drafts.len()).map(rank).collect();
    let mut sequence = Vec::with_capacity(drafts.len());
    while !left.is_empty() {
        // What needs itself in a circle is tried in the order of kinds.
        let next = ready
            .pop()
            .map(|next| next.0)
            .or_else(|| left.first().copied());
        let Some(next) = next.filter(|next| left.remove(next)) else {
            continue;
        };
        sequence.push(next.3);
        for follower in &followers[next.3] {
            open[*follower] = open[*follower].saturating_sub(1);
            if open[*follower] == 0 {
                ready.push(Reverse(rank(*follower)));
            }
        }
    }
    let places: HashMap<usize, usize> = sequence
        .iter()
        .enumerate()
        .map(|(place, draft)| (*draft, place))
        .collect();
    let mut drafts: Vec<Option<Draft>> = drafts.into_iter().map(Some).collect();
    let finished = sequence.iter().enumerate().filter_map(|(place, number)| {
        let draft = drafts[*number].take()?;
        let after = needs[*number]
            .iter()
            .filter_map(|before| places.get(before).copied())
            .filter(|before| *before < place);
        Some(Statement {
            section: sections[*number],
            work: draft.work,
            kind: draft.kind,
            name: draft.name,
            table: draft.table,
            sql: draft.sql,
            after: after.collect(),
        })
    });
    finished.collect()
}

/// Within its section: event triggers at the very end, when there is nothing more for them to see.
fn late(draft: &Draft) -> u8 {
    match (draft.kind, draft.step) {
        ("schema", _) => 0,
        ("extension", _) => 1,
        ("event trigger", _) => 9,
        (_, Step::Refresh) => 8,
        ("publication", _) => 7,
        (_, Step::Owner) => 3,
        (_, Step::Privileges) => 4,
        (_, Step::Comment) => 5,
        ("constraint", _) => 3,
        _ => 2,
    }
}

/// Which statements each needs.
fn needs(drafts: &[Draft], catalogue: &Catalogue) -> Vec<BTreeSet<usize>> {
    let mut made: HashMap<usize, usize> = HashMap::new();
    let mut shells: HashMap<usize, usize> = HashMap::new();
    let mut of_object: HashMap<usize, Vec<usize>> = HashMap::new();
    for (number, draft) in drafts.iter().enumerate() {
        of_object.entry(draft.place).or_default().push(number);
        match draft.step {
            Step::Shell => drop(shells.insert(draft.place, number)),
            Step::Make => drop(made.insert(draft.place, number)),
            _ => {}
        }
    }
    // The index of a constraint is made by the constraint.
    let constraints = catalogue
        .objects
        .iter()
        .enumerate()
        .filter_map(|(place, object)| match &object.detail {
            Detail::Constraint(constraint) => {
                Some((constraint.index.as_deref()?, *made.get(&place)?))
            }
            _ => None,
        });
    let constraints: HashMap<&str, usize> = constraints.collect();
    for (place, object) in catalogue.objects.iter().enumerate() {
        if let (Detail::Index(_), Some(constraint)) =
            (&object.detail, constraints.get(object.name.as_str()))
        {
            made.entry(place).or_insert(*constraint);
        }
    }
    let mut needs = vec![BTreeSet::new(); drafts.len()];
    for numbers in of_object.values() {
        for number in numbers {
            let earlier = numbers.iter().filter(|other| {
                drafts[**other].step < drafts[*number].step
                    || (drafts[**other].step == drafts[*number].step && **other < *number)
            });
            needs[*number].extend(earlier);
        }
    }
    // What only alters an index of a constraint has no statement of its own object before it.
    for (number, draft) in drafts.iter().enumerate() {
        if let Some(maker) = made
            .get(&draft.place)
            .filter(|maker| **maker != number && drafts[**maker].place != draft.place)
        {
            needs[number].insert(*maker);
        }
    }
    let mut pairs: BTreeSet<(usize, usize, bool)> = catalogue
        .dependencies
        .iter()
        .map(|(one, other)| (*one, *other, false))
        .collect();
    pairs.extend(
        catalogue
            .default_dependencies
            .iter()
            .map(|(one, other)| (*one, *other, true)),
    );
    let is_pair = |one, other| catalogue.dependencies.binary_search(&(one, other)).is_ok();
    for (one, other, by_default) in pairs {
        let step = step_that_needs(catalogue, one, other, by_default);
        let needed = match shells.get(&other) {
            Some(shell) if is_pair(other, one) => Some(shell),
            _ => made.get(&other),
        };
        let Some(needed) = needed else { continue };
        let in_need = of_object.get(&one).into_iter().flatten().filter(|number| {
            drafts[**number].step >= step && drafts[**number].step < Step::Owner
                || drafts[**number].step == Step::Refresh
        });
        for number in in_need.filter(|number| *number != needed) {
            needs[*number].insert(*needed);
        }
    }
    beside_dependencies(drafts, catalogue, &of_object, &mut needs);
    needs
}

/// The first statement of an object that needs another.
fn step_that_needs(catalogue: &Catalogue, one: usize, other: usize, by_default: bool) -> Step {
    match (
        &catalogue.objects[one].detail,
        &catalogue.objects[other].detail,
    ) {
        (Detail::Table(table), _)
            if by_default
                && table
                    .columns
                    .iter()
                    .all(|column| column.generated.is_none()) =>
        {
            Step::Default
        }
        (Detail::Sequence(sequence), Detail::Table(_))
            if sequence
                .owned_by
                .as_ref()
                .is_some_and(|owner| !owner.identity) =>
        {
            Step::Own
        }
        // A class is a member of its family, and brings members of its own.
        (Detail::OperatorFamily(_), _) => Step::Alter,
        _ => Step::Make,
    }
}

/// What PostgreSQL does not note as a dependency, but has an order all the same.
fn beside_dependencies(
    drafts: &[Draft],
    catalogue: &Catalogue,
    of_object: &HashMap<usize, Vec<usize>>,
    needs: &mut [BTreeSet<usize>],
) {
    let by_name: HashMap<(&str, &str), usize> = catalogue
        .objects
        .iter()
        .enumerate()
        .map(|(place, object)| ((object.detail.kind(), object.name.as_str()), place))
        .collect();
    let steps = |place: usize| of_object.get(&place).into_iter().flatten().copied();
    let attached = attached(drafts, catalogue, &by_name);
    let partition_of: HashMap<&str, &str> = catalogue
        .tables()
        .filter_map(|(object, table)| Some((object.name.as_str(), table.partition_of.as_deref()?)))
        .collect();
    let triggers: HashMap<(&str, &str), usize> = catalogue
        .objects
        .iter()
        .enumerate()
        .filter(|(_, object)| matches!(object.detail, Detail::Trigger { .. }))
        .filter_map(|(place, object)| {
            Some(((object.table.as_deref()?, object.name.as_str()), place))
        })
        .collect();
    for (place, object) in catalogue.objects.iter().enumerate() {
        match &object.detail {
            // A materialized view is computed after those that it is of, with the rights that its owner has by then.
            Detail::MaterializedView(_) => {
                let before: Vec<usize> = needed(catalogue, place).flat_map(steps).collect();
                let own = steps(place).filter(|number| drafts[*number].step == Step::Refresh);
                own.for_each(|number| needs[number].extend(&before));
            }
            // Partitions have their parents' triggers from their making on: those are there before.
            Detail::Trigger {
                inherited: true, ..
            } => {
                let mut before: Vec<usize> = Vec::new();
                let mut table = object.table.as_deref().unwrap_or_default();
                while let Some(parent) = partition_of.get(table) {
                    let of_parent = triggers.get(&(*parent, object.name.as_str()));
                    before.extend(of_parent.into_iter().flat_map(|place| steps(*place)));
                    table = parent;
                }
                steps(place).for_each(|number| needs[number].extend(&before));
            }
            // A parent's index takes in that of its partition when both are there.
            Detail::Index(index) => {
                let parent = index
                    .partition_of
                    .as_deref()
                    .and_then(|parent| by_name.get(&("index", parent)));
                let made: Vec<usize> = parent
                    .into_iter()
                    .flat_map(|parent| steps(*parent))
                    .filter(|number| drafts[*number].step == Step::Make)
                    .collect();
                let own = steps(place).filter(|number| drafts[*number].step == Step::Alter);
                own.for_each(|number| needs[number].extend(&made));
            }
            // A foreign key takes a key of a partitioned table when its index is whole.
            Detail::Constraint(constraint) if constraint.form == "f" => {
                let indexes = needed(catalogue, place).filter_map(|index| attached.get(&index));
                let before: Vec<usize> = indexes.flatten().copied().collect();
                steps(place)
                    .filter(|number| drafts[*number].step == Step::Make)
                    .for_each(|number| needs[number].extend(&before));
            }
            _ => {}
        }
    }
}

/// The objects that an object needs.
fn needed(catalogue: &Catalogue, place: usize) -> impl Iterator<Item = usize> + '_ {
    // They are in order.
    let all = &catalogue.dependencies;
    let first = all.partition_point(|pair| pair.0 < place);
    let of = all[first..].iter().take_while(move |pair| pair.0 == place);
    of.map(|pair| pair.1)
}

/// For the index of a partitioned table, what attaches those of its partitions to it, however far down they are.
fn attached(
    drafts: &[Draft],
    catalogue: &Catalogue,
    by_name: &HashMap<(&str, &str), usize>,
) -> HashMap<usize, Vec<usize>> {
    let mut attached: HashMap<usize, Vec<usize>> = HashMap::new();
    let parent = |place: usize| match &catalogue.objects[place].detail {
        Detail::Index(index) => by_name.get(&("index", index.partition_of.as_deref()?)),
        _ => None,
    };
    for (number, draft) in drafts.iter().enumerate() {
        if draft.kind != "index" || draft.step != Step::Alter {
            continue;
        }
        let mut place = draft.place;
        while let Some(of) = parent(place) {
            attached.entry(*of).or_default().push(number);
            place = *of;
        }
    }
    attached
}

/// The section of each: no statement is before one that it needs.
fn sections(drafts: &[Draft], needs: &[BTreeSet<usize>]) -> Vec<Section> {
    let mut sections: Vec<Section> = drafts.iter().map(|draft| draft.section).collect();
    loop {
        let mut is_settled = true;
        for (number, before) in needs.iter().enumerate() {
            let latest = before.iter().map(|before| sections[*before]).max();
            if let Some(latest) = latest.filter(|latest| *latest > sections[number]) {
                sections[number] = latest;
                is_settled = false;
            }
        }
        if is_settled {
            return sections;
        }
    }
}
