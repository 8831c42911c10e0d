//! What is done next: rows of large tables first, their indexes as soon as all rows are there, and what only says
//! something in between.
//!
//! It decides and does nothing. Several streams ask for work; each gets what nothing of the others' stands in the way of.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use crate::catalogue::{Section, Statement, Work};

/// How many statements that only say something are run at once.
const AT_ONCE: usize = 100;

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Task {
    /// Copy the part of this number.
    Part(usize),
    /// Run this statement.
    Statement(usize),
    /// Run these statements, in order.
    Statements(Vec<usize>),
    /// Collect the statistics of the table of this number.
    Analyze(usize),
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// This.
    Do(Task),
    /// Nothing, until another stream is done with something.
    Wait,
    /// Nothing any more.
    Done,
}

/// In order: what is heaviest, and of that the first by kind and number.
type Rank = (Reverse<u64>, Kind, usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Part,
    Statement,
    Analyze,
}

/// A table: what it weighs, and how far it is.
#[derive(Default)]
struct Place {
    weight: u64,
    /// Parts that are not yet copied.
    parts: usize,
    /// Indexes and constraints that are not yet made.
    unmade: usize,
    /// Streams that make indexes of it.
    sharing: usize,
    /// Whether a stream has it for itself.
    is_taken: bool,
    /// Whether somebody wants its statistics.
    wants_statistics: bool,
    /// Statements that wait for its rows.
    waiting: Vec<usize>,
    /// Statements that wait until a stream is done with it.
    parked: Vec<usize>,
}

struct Step {
    work: Work,
    table: Option<usize>,
    /// Statements that are to be run before, and have not been.
    open: usize,
    followers: Vec<usize>,
    /// Whether it waits for all rows there are.
    is_for_all: bool,
}

/// All that is left to do, and in which order it can be done.
pub(super) struct Schedule {
    places: Vec<Place>,
    /// The table of each part.
    parts: Vec<usize>,
    steps: HashMap<usize, Step>,
    heavy: BTreeSet<Rank>,
    light: BTreeSet<usize>,
    /// Statements that wait until all rows are there.
    for_all: Vec<usize>,
    parts_left: usize,
    running: usize,
    left: usize,
}

impl Schedule {
    /// `tables` are the names and weights of all tables, `parts` the number of the table of each part, `statements` all
    /// there are, of which those of [`Section::AfterData`] that are not `done` are run; `analyzed` are the tables whose
    /// statistics are to be collected.
    pub(super) fn new(
        tables: &[(&str, u64)],
        parts: &[usize],
        statements: &[Statement],
        done: &BTreeSet<usize>,
        analyzed: &[usize],
    ) -> Self {
        let mut schedule = Self {
            places: Vec::new(),
            parts: parts.to_vec(),
            steps: HashMap::new(),
            heavy: BTreeSet::new(),
            light: BTreeSet::new(),
            for_all: Vec::new(),
            parts_left: parts.len(),
            running: 0,
            left: parts.len(),
        };
        let numbers: HashMap<&str, usize> = tables
            .iter()
            .enumerate()
            .map(|(number, (name, _))| (*name, number))
            .collect();
        schedule.places = tables
            .iter()
            .map(|(_, weight)| Place {
                weight: *weight,
                ..Place::default()
            })
            .collect();
        for (part, table) in parts.iter().enumerate() {
            schedule.places[*table].parts += 1;
            let rank = (Reverse(schedule.places[*table].weight), Kind::Part, part);
            schedule.heavy.insert(rank);
        }
        schedule.add_statements(statements, done, &numbers);
        for table in analyzed {
            schedule.places[*table].wants_statistics = true;
            schedule.left += 1;
            schedule.analyze(*table);
        }
        schedule
    }

    fn add_statements(
        &mut self,
        statements: &[Statement],
        done: &BTreeSet<usize>,
        numbers: &HashMap<&str, usize>,
    ) {
        let is_to_do = |place: usize| {
            statements[place].section == Section::AfterData && !done.contains(&place)
        };
        for (place, statement) in statements
            .iter()
            .enumerate()
            .filter(|(place, _)| is_to_do(*place))
        {
            let before = statement.after.iter().filter(|before| is_to_do(**before));
            let mut open = 0;
            for before in before {
                open += 1;
                if let Some(step) = self.steps.get_mut(before) {
                    step.followers.push(place);
                }
            }
            let table = statement
                .table
                .as_deref()
                .and_then(|table| numbers.get(table));
            let step = Step {
                work: statement.work,
                table: table.copied(),
                open,
                followers: Vec::new(),
                is_for_all: table.is_none() || statement.work == Work::ForeignKey,
            };
            if let (Some(table), Work::Index | Work::Constraint) = (step.table, step.work) {
                self.places[table].unmade += 1;
            }
            self.steps.insert(place, step);
            self.left += 1;
            if open == 0 {
                self.offer(place);
            }
        }
    }

    /// A statement that no other is before any more waits for rows, or can be run.
    fn offer(&mut self, place: usize) {
        let step = &self.steps[&place];
        let weight = match step.table {
            _ if step.is_for_all && self.parts_left > 0 => return self.for_all.push(place),
            Some(table) if self.places[table].parts > 0 => {
                return self.places[table].waiting.push(place);
            }
            Some(table) => self.places[table].weight,
            None => 0,
        };
        match step.work {
            Work::Definition => self.light.insert(place),
            Work::Index | Work::Constraint | Work::ForeignKey | Work::Refresh => {
                self.heavy.insert((Reverse(weight), Kind::Statement, place))
            }
        };
    }

    /// What to do now.
    pub(super) fn next(&mut self) -> Next {
        while let Some(rank) = self.heavy.pop_first() {
            let task = match rank {
                (_, Kind::Part, part) => Task::Part(part),
                (_, Kind::Analyze, table) => Task::Analyze(table),
                (_, Kind::Statement, place) => match self.take_table(place) {
                    true => Task::Statement(place),
                    false => continue,
                },
            };
            self.running += 1;
            return Next::Do(task);
        }
        // What only says something takes locks: it waits until nobody is at rows or indexes.
        let mut batch = Vec::new();
        while self.running == 0 && batch.len() < AT_ONCE {
            let Some(place) = self.light.pop_first() else {
                break;
            };
            // What follows another of the same batch can go with it, as they are run in order.
            batch.push(place);
        }
        match batch.is_empty() {
            false => {
                self.running += 1;
                Next::Do(Task::Statements(batch))
            }
            true if self.left == 0 => Next::Done,
            true => Next::Wait,
        }
    }

    /// Takes the table of a statement, alone or with others; false when it has to wait.
    fn take_table(&mut self, place: usize) -> bool {
        let (table, work) = (self.steps[&place].table, self.steps[&place].work);
        let Some(table) = table else { return true };
        let found = &mut self.places[table];
        let is_free = match work {
            Work::Index => !found.is_taken,
            _ => !found.is_taken && found.sharing == 0,
        };
        match (is_free, work) {
            (false, _) => found.parked.push(place),
            (true, Work::Index) => found.sharing += 1,
            (true, _) => found.is_taken = true,
        }
        is_free
    }

    /// Something is done.
    pub(super) fn done(&mut self, task: &Task) {
        self.running -= 1;
        match task {
            Task::Part(part) => self.part_is_done(self.parts[*part]),
            Task::Statement(place) => {
                self.give_table(*place);
                self.statement_is_done(*place);
            }
            Task::Statements(places) => places
                .iter()
                .for_each(|place| self.statement_is_done(*place)),
            Task::Analyze(_) => self.left -= 1,
        }
    }

    fn part_is_done(&mut self, table: usize) {
        self.left -= 1;
        self.parts_left -= 1;
        self.places[table].parts -= 1;
        if self.places[table].parts == 0 {
            let waiting = std::mem::take(&mut self.places[table].waiting);
            waiting.into_iter().for_each(|place| self.offer(place));
            self.analyze(table);
        }
        if self.parts_left == 0 {
            let waiting = std::mem::take(&mut self.for_all);
            waiting.into_iter().for_each(|place| self.offer(place));
        }
    }

    fn give_table(&mut self, place: usize) {
        let (table, work) = (self.steps[&place].table, self.steps[&place].work);
        let Some(table) = table else { return };
        let found = &mut self.places[table];
        match work {
            Work::Index => found.sharing -= 1,
            _ => found.is_taken = false,
        }
        let parked = std::mem::take(&mut found.parked);
        parked.into_iter().for_each(|place| self.offer(place));
    }

    fn statement_is_done(&mut self, place: usize) {
        self.left -= 1;
        let Some(step) = self.steps.remove(&place) else {
            return;
        };
        if let (Some(table), Work::Index | Work::Constraint) = (step.table, step.work) {
            self.places[table].unmade -= 1;
            self.analyze(table);
        }
        for follower in step.followers {
            let ready = self.steps.get_mut(&follower).is_some_and(|step| {
                step.open -= 1;
                step.open == 0
            });
            if ready {
                self.offer(follower);
            }
        }
    }

    /// Statistics are collected when all rows and indexes of a table are there.
    fn analyze(&mut self, table: usize) {
        let found = &mut self.places[table];
        if found.wants_statistics && found.parts == 0 && found.unmade == 0 {
            found.wants_statistics = false;
            let rank = (Reverse(found.weight / 8), Kind::Analyze, table);
            self.heavy.insert(rank);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::catalogue::{Script, Sql};

    use super::*;

    fn statement(work: Work, table: &str, after: &[usize]) -> Statement {
        let mut script = Script::default();
        script.statements.push(Statement {
            section: Section::AfterData,
            work,
            kind: "index",
            name: String::new(),
            table: Some(table.to_owned()),
            sql: Sql::default(),
            after: after.to_vec(),
        });
        script.statements.remove(0)
    }

    const TABLES: [(&str, u64); 2] = [("small", 1), ("large", 1000)];

    fn take(schedule: &mut Schedule) -> Task {
        match schedule.next() {
            Next::Do(task) => task,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn large_tables_come_first_and_their_indexes_as_soon_as_their_rows_are_there() {
        let statements = [statement(Work::Index, "large", &[])];
        let none = BTreeSet::new();
        let mut schedule = Schedule::new(&TABLES, &[0, 1, 1], &statements, &none, &[]);

        let (one, two) = (take(&mut schedule), take(&mut schedule));
        assert_eq!((&one, &two), (&Task::Part(1), &Task::Part(2)));
        let three = take(&mut schedule);
        assert_eq!(three, Task::Part(0));
        assert_eq!(schedule.next(), Next::Wait);
        schedule.done(&one);
        assert_eq!(schedule.next(), Next::Wait);
        schedule.done(&two);
        let index = take(&mut schedule);
        assert_eq!(index, Task::Statement(0));
        schedule.done(&three);
        schedule.done(&index);
        assert_eq!(schedule.next(), Next::Done);
    }

    #[test]
    fn indexes_share_a_table_and_a_constraint_has_it_for_itself() {
        let statements = [
            statement(Work::Index, "large", &[]),
            statement(Work::Index, "large", &[]),
            statement(Work::Constraint, "large", &[]),
            statement(Work::Constraint, "large", &[]),
        ];
        let mut schedule = Schedule::new(&TABLES, &[], &statements, &BTreeSet::new(), &[1]);

        let (one, two) = (take(&mut schedule), take(&mut schedule));
        assert_eq!((&one, &two), (&Task::Statement(0), &Task::Statement(1)));
        assert_eq!(schedule.next(), Next::Wait);
        schedule.done(&one);
        assert_eq!(schedule.next(), Next::Wait);
        schedule.done(&two);
        let three = take(&mut schedule);
        assert_eq!(three, Task::Statement(2));
        assert_eq!(schedule.next(), Next::Wait);
        schedule.done(&three);
        let four = take(&mut schedule);
        schedule.done(&four);
        // Statistics are of indexes too.
        assert_eq!(take(&mut schedule), Task::Analyze(1));
    }

    #[test]
    fn foreign_keys_wait_for_all_rows_and_definitions_go_together_at_last() {
        let statements = [
            statement(Work::Definition, "small", &[]),
            statement(Work::ForeignKey, "small", &[]),
            statement(Work::Definition, "small", &[]),
            statement(Work::Definition, "small", &[1]),
        ];
        let mut schedule = Schedule::new(&TABLES, &[1], &statements, &BTreeSet::new(), &[]);

        let part = take(&mut schedule);
        assert_eq!(schedule.next(), Next::Wait);
        schedule.done(&part);
        let key = take(&mut schedule);
        assert_eq!(key, Task::Statement(1));
        assert_eq!(schedule.next(), Next::Wait);
        schedule.done(&key);
        assert_eq!(take(&mut schedule), Task::Statements(vec![0, 2, 3]));
    }

    #[test]
    fn what_was_done_before_is_not_done_again() {
        let statements = [
            statement(Work::Index, "large", &[]),
            statement(Work::Index, "large", &[0]),
        ];
        let done = BTreeSet::from([0]);
        let mut schedule = Schedule::new(&TABLES, &[], &statements, &done, &[]);

        assert_eq!(take(&mut schedule), Task::Statement(1));
        assert_eq!(schedule.next(), Next::Wait);
    }
}
