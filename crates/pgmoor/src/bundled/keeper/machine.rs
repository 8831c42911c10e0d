//! What a keeper does next, as a plain function of what happens; it does nothing itself.
//!
//! ```text
//!             ready                 linger over, released, SIGTERM
//!  Starting ─────────▶ Running ────────────────▶ Stopping ─▶ Done
//!    ▲  │ exit             │ exit                (fast, then immediate, then kill)
//!    │  ▼ (first time: Done)
//!   Waiting ◀──────────────┘
//! ```

use std::time::{Duration, Instant};

use super::super::protocol::ServerState;

const FIRST_DELAY: Duration = Duration::from_millis(100);
const LAST_DELAY: Duration = Duration::from_secs(10);
/// A server that ran for this long starts with a clean slate when it breaks off.
const STABLE: Duration = Duration::from_secs(60);
/// What each step of a forced shutdown gets after the fast one.
const FORCED: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// The server says that it takes connections.
    Ready {
        pid: u32,
    },
    /// The server's process has ended.
    Exited {
        how: String,
        log: Vec<String>,
    },
    /// It could not even be started.
    NotStarted {
        why: String,
    },
    LeaseOpened,
    /// A lease is over; `linger` when another may follow soon.
    LeaseClosed {
        linger: bool,
    },
    /// Somebody asked the keeper itself to end.
    Terminate,
    /// The time of [`Machine::deadline`] has come.
    Tick,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shutdown {
    /// SIGINT: sessions are ended, the last checkpoint is written.
    Fast,
    /// SIGQUIT: as in a crash; the next start replays the log.
    Immediate,
    Kill,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    Spawn,
    Signal(Shutdown),
    Tell(ServerState),
    Exit,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    Starting,
    Running { since: Instant },
    Waiting { until: Instant },
    Stopping { step: Shutdown, deadline: Instant },
    Done,
}

pub(super) struct Machine {
    phase: Phase,
    leases: usize,
    unused_until: Option<Instant>,
    has_been_ready: bool,
    failures: u32,
    stop_reason: &'static str,
    linger: Duration,
    stop_timeout: Duration,
}

impl Machine {
    /// A keeper that starts its server, for one lease.
    pub(super) fn new(linger: Duration, stop_timeout: Duration) -> Self {
        Self {
            phase: Phase::Starting,
            leases: 1,
            unused_until: None,
            has_been_ready: false,
            failures: 0,
            stop_reason: "",
            linger,
            stop_timeout,
        }
    }

    pub(super) fn leases(&self) -> usize {
        self.leases
    }

    /// When [`Event::Tick`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Stopping { deadline, .. } => Some(deadline),
            Phase::Waiting { until } => {
                Some(self.unused_until.map_or(until, |unused| unused.min(until)))
            }
            Phase::Starting | Phase::Running { .. } => self.unused_until,
            Phase::Done => None,
        }
    }

    pub(super) fn on(&mut self, event: Event, now: Instant) -> Vec<Action> {
        match event {
            Event::Ready { pid } => self.ready(pid, now),
            Event::Exited { how, log } => self.exited(how, log, now),
            Event::NotStarted { why } => self.exited(why, Vec::new(), now),
            Event::LeaseOpened => {
                self.leases += 1;
                self.unused_until = None;
                Vec::new()
            }
            Event::LeaseClosed { linger } => {
                self.leases = self.leases.saturating_sub(1);
                if self.leases > 0 {
                    return Vec::new();
                }
                self.unused_until = Some(if linger { now + self.linger } else { now });
                self.tick(now)
            }
            Event::Terminate => self.stop("the keeper was asked to end", now),
            Event::Tick => self.tick(now),
        }
    }

    fn ready(&mut self, pid: u32, now: Instant) -> Vec<Action> {
        if !matches!(self.phase, Phase::Starting) {
            return Vec::new();
        }
        self.has_been_ready = true;
        self.phase = Phase::Running { since: now };
        vec![Action::Tell(ServerState::Ready { pid })]
    }

    fn exited(&mut self, how: String, log: Vec<String>, now: Instant) -> Vec<Action> {
        let stopped = |reason, log| {
            vec![
                Action::Tell(ServerState::Stopped { reason, log }),
                Action::Exit,
            ]
        };
        match self.phase {
            Phase::Stopping {
                step: Shutdown::Fast,
                ..
            } => {
                self.phase = Phase::Done;
                stopped(self.stop_reason.to_owned(), Vec::new())
            }
            Phase::Stopping { .. } => {
                self.phase = Phase::Done;
                stopped(format!("{}; it had to be forced", self.stop_reason), log)
            }
            // A server that never came up has a cause that time does not heal.
            Phase::Starting if !self.has_been_ready => {
                self.phase = Phase::Done;
                stopped(how, log)
            }
            Phase::Starting | Phase::Running { .. } if self.leases == 0 => {
                self.phase = Phase::Done;
                stopped(how, log)
            }
            Phase::Starting | Phase::Running { .. } => {
                if matches!(self.phase, Phase::Running { since } if now - since >= STABLE) {
                    self.failures = 0;
                }
                let delay =
                    (FIRST_DELAY * 2u32.saturating_pow(self.failures.min(10))).min(LAST_DELAY);
                self.failures += 1;
                self.phase = Phase::Waiting { until: now + delay };
                vec![Action::Tell(ServerState::Recovering { reason: how, log })]
            }
            Phase::Waiting { .. } | Phase::Done => Vec::new(),
        }
    }

    fn tick(&mut self, now: Instant) -> Vec<Action> {
        if self.leases == 0 && self.unused_until.is_some_and(|until| until <= now) {
            self.unused_until = None;
            return self.stop("no gateway uses it any more", now);
        }
        match self.phase {
            Phase::Waiting { until } if until <= now => {
                self.phase = Phase::Starting;
                vec![Action::Spawn]
            }
            Phase::Stopping { step, deadline } if deadline <= now => {
                let step = match step {
                    Shutdown::Fast => Shutdown::Immediate,
                    Shutdown::Immediate | Shutdown::Kill => Shutdown::Kill,
                };
                self.phase = Phase::Stopping {
                    step,
                    deadline: now + FORCED,
                };
                vec![Action::Signal(step)]
            }
            _ => Vec::new(),
        }
    }

    fn stop(&mut self, reason: &'static str, now: Instant) -> Vec<Action> {
        match self.phase {
            Phase::Starting | Phase::Running { .. } => {
                self.stop_reason = reason;
                let deadline = now + self.stop_timeout;
                self.phase = Phase::Stopping {
                    step: Shutdown::Fast,
                    deadline,
                };
                vec![
                    Action::Tell(ServerState::Stopping),
                    Action::Signal(Shutdown::Fast),
                ]
            }
            Phase::Waiting { .. } => {
                self.phase = Phase::Done;
                let stopped = ServerState::Stopped {
                    reason: reason.to_owned(),
                    log: Vec::new(),
                };
                vec![Action::Tell(stopped), Action::Exit]
            }
            Phase::Stopping { .. } | Phase::Done => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINGER: Duration = Duration::from_secs(2);
    const STOP: Duration = Duration::from_secs(60);

    struct World {
        machine: Machine,
        now: Instant,
    }

    impl World {
        fn running() -> Self {
            let mut world = Self {
                machine: Machine::new(LINGER, STOP),
                now: Instant::now(),
            };
            world.on(Event::Ready { pid: 7 });
            world
        }

        fn on(&mut self, event: Event) -> Vec<Action> {
            self.machine.on(event, self.now)
        }

        /// Lets time pass to the next deadline.
        fn pass(&mut self) -> (Duration, Vec<Action>) {
            let deadline = self.machine.deadline().expect("a deadline");
            let passed = deadline.saturating_duration_since(self.now);
            self.now = deadline;
            (passed, self.on(Event::Tick))
        }
    }

    fn exit() -> Event {
        Event::Exited {
            how: "signal 9".to_owned(),
            log: Vec::new(),
        }
    }

    fn signals(actions: &[Action]) -> Vec<Shutdown> {
        let signal = |action: &Action| match action {
            Action::Signal(signal) => Some(*signal),
            Action::Spawn | Action::Tell(_) | Action::Exit => None,
        };
        actions.iter().filter_map(signal).collect()
    }

    #[test]
    fn the_last_lease_leaves_and_after_a_while_the_server_is_stopped() {
        let mut world = World::running();

        assert_eq!(world.on(Event::LeaseClosed { linger: true }), []);
        let (passed, actions) = world.pass();

        assert_eq!(passed, LINGER);
        assert_eq!(signals(&actions), [Shutdown::Fast]);
        assert!(world.on(exit()).contains(&Action::Exit));
    }

    #[test]
    fn a_lease_that_comes_in_time_keeps_the_server() {
        let mut world = World::running();
        world.on(Event::LeaseClosed { linger: true });

        world.on(Event::LeaseOpened);

        assert_eq!(world.machine.deadline(), None);
        world.now += LINGER * 2;
        assert_eq!(world.on(Event::Tick), []);
    }

    #[test]
    fn one_of_two_leases_keeps_the_server() {
        let mut world = World::running();
        world.on(Event::LeaseOpened);

        assert_eq!(world.on(Event::LeaseClosed { linger: false }), []);
        assert_eq!(world.machine.deadline(), None);
        assert_eq!(
            signals(&world.on(Event::LeaseClosed { linger: false })),
            [Shutdown::Fast]
        );
    }

    #[test]
    fn a_shutdown_that_hangs_is_forced_step_by_step() {
        let mut world = World::running();
        world.on(Event::Terminate);

        let (passed, immediate) = world.pass();
        let (_, kill) = world.pass();

        assert_eq!(passed, STOP);
        assert_eq!(signals(&immediate), [Shutdown::Immediate]);
        assert_eq!(signals(&kill), [Shutdown::Kill]);
    }

    #[test]
    fn a_crashed_server_is_started_again_ever_more_slowly() {
        let mut world = World::running();
        let mut delays = Vec::new();

        for _ in 0..9 {
            world.on(exit());
            let (passed, actions) = world.pass();
            assert_eq!(actions, [Action::Spawn]);
            delays.push(passed.as_millis());
        }

        assert_eq!(
            delays,
            [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]
        );
    }

    #[test]
    fn a_server_that_ran_long_is_started_again_at_once() {
        let mut world = World::running();
        for _ in 0..5 {
            world.on(exit());
            world.pass();
        }
        world.on(Event::Ready { pid: 8 });
        world.now += STABLE;

        world.on(exit());

        assert_eq!(world.pass().0, FIRST_DELAY);
    }

    #[test]
    fn a_server_that_never_came_up_is_given_up_with_its_log() {
        let mut world = World {
            machine: Machine::new(LINGER, STOP),
            now: Instant::now(),
        };
        let log = vec!["FATAL: no".to_owned()];

        let actions = world.on(Event::Exited {
            how: "exit status 1".to_owned(),
            log: log.clone(),
        });

        let reason = "exit status 1".to_owned();
        assert_eq!(
            actions,
            [
                Action::Tell(ServerState::Stopped { reason, log }),
                Action::Exit
            ]
        );
    }

    #[test]
    fn nobody_waits_for_a_crashed_server_that_nobody_uses() {
        let mut world = World::running();
        world.on(exit());

        let actions = world.on(Event::LeaseClosed { linger: false });

        assert!(actions.contains(&Action::Exit), "{actions:?}");
    }

    #[test]
    fn a_gateway_killed_during_a_crash_still_ends_the_keeper() {
        let mut world = World::running();
        for _ in 0..8 {
            world.on(exit());
            world.pass();
        }
        world.on(exit());
        world.on(Event::LeaseClosed { linger: true });

        let (passed, actions) = world.pass();

        assert_eq!(passed, LINGER);
        assert!(actions.contains(&Action::Exit), "{actions:?}");
    }
}
