//! Taking hold of one process, keeping hold, letting go.
//!
//! Most holders want [`Throttles`](super::Throttles), which also survives their death. A bare [`Held`] lets go when it is
//! dropped, but not when its process is killed.

use super::ThrottleError;
use super::grip::{self, DutyCycle, METHODS, Turn, Unfit};
use super::record::{Found, Record};
use super::target::Target;
use crate::clock;
use crate::process::protocol::{Throttle, ThrottleMethod, ThrottleState};

/// How often one looks whether a process that needs no turns still lives.
pub(super) const LOOK_NS: u64 = 1_000_000_000;

/// What a throttle would do; nothing was done.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub state: ThrottleState,
    pub name: String,
    /// Each method, best first, with why it does not work where it does not.
    pub methods: Vec<(ThrottleMethod, Result<(), String>)>,
}

/// Checks a wish, and finds out what would be done. Signals nothing and changes nothing.
///
/// # Errors
/// As [`apply`].
pub fn inspect(wish: &Throttle, own: &[i32]) -> Result<Inspection, ThrottleError> {
    let plan = Plan::new(wish, own)?;
    let record = plan.choices.first().cloned().ok_or(ThrottleError::NoProcess { pid: wish.pid })?;
    let fit = |method| grip::prepare(method, &plan.target).map(drop).map_err(|unfit| unfit.to_string());
    let methods = METHODS.map(|method| (method, fit(method))).to_vec();
    Ok(Inspection { state: record.state(), name: plan.target.name, methods })
}

/// Holds a process back at once, for as long as what is returned lives and its `tick` is called.
///
/// # Errors
/// If the process is protected, of another user, has ended, or no method works: then nothing was changed.
pub fn apply(wish: &Throttle) -> Result<Held, ThrottleError> {
    Plan::new(wish, &[])?.engage(|_| Ok(()))
}

/// A wish that was checked, with the methods that could fulfil it, best first.
pub(super) struct Plan {
    target: Target,
    choices: Vec<Record>,
}

impl Plan {
    pub fn new(wish: &Throttle, own: &[i32]) -> Result<Self, ThrottleError> {
        let Throttle { pid, percent, method, asked_by } = *wish;
        if !(1..=100).contains(&percent) {
            return Err(ThrottleError::Percent { percent });
        }
        let target = Target::open(pid, own)?;
        let record = |found| Record { pid, start_time: target.start_time, percent, found, asked_by };
        // Unasked, only methods that keep to the share: the others would not do what was wished.
        let wanted = method.map_or(vec![ThrottleMethod::Quota, ThrottleMethod::DutyCycle], |method| vec![method]);
        let (mut choices, mut why) = (Vec::new(), Vec::new());
        for candidate in wanted {
            match grip::prepare(candidate, &target) {
                Ok(found) => choices.push(record(found)),
                Err(Unfit::Held(group)) => return Err(ThrottleError::AlreadyHeld { pid, group }),
                Err(Unfit::Stopped) if method.is_some() => return Err(ThrottleError::Stopped { pid }),
                Err(unfit) => why.push(format!("{candidate:?}: {unfit}")),
            }
        }
        match (choices.is_empty(), method) {
            (false, _) => Ok(Self { target, choices }),
            (true, Some(method)) => Err(ThrottleError::Unfit { pid, method, why: why.join("; ") }),
            (true, None) => Err(ThrottleError::NoMethod { pid, why: why.join("; ") }),
        }
    }

    /// Takes the first method that works. `record` is told before each try what it would change, and what did not work
    /// has been put back.
    pub fn engage(self, mut record: impl FnMut(&Record) -> Result<(), ThrottleError>) -> Result<Held, ThrottleError> {
        let Self { target, choices } = self;
        let mut why = Vec::new();
        for choice in choices {
            record(&choice)?;
            if target.is_over() {
                return Err(ThrottleError::NoProcess { pid: target.pid });
            }
            match grip::engage(&choice.found, choice.percent, &target) {
                Ok(()) => return Ok(Held::new(choice, target)),
                Err(error) => why.push(format!("{:?}: {error}", choice.found.method())),
            }
            grip::release(&choice.found, Some(&target))
                .map_err(|source| ThrottleError::Release { pid: target.pid, source })?;
        }
        Err(ThrottleError::NoMethod { pid: target.pid, why: why.join("; ") })
    }
}

/// A process that is held back.
#[derive(Debug)]
pub struct Held {
    record: Record,
    /// None once it has ended.
    target: Option<Target>,
    duty: Option<DutyCycle>,
    turn: Turn,
    released: bool,
}

impl Held {
    fn new(record: Record, target: Target) -> Self {
        let duty = (record.found == Found::Running).then(|| DutyCycle::new(record.percent));
        Self { record, target: Some(target), duty, turn: Turn::Run, released: false }
    }

    /// Takes over what an earlier holder left: the process if it still lives, else only what is left to put back.
    pub(super) fn readopt(record: Record) -> Result<Self, ThrottleError> {
        let pid = record.pid;
        let mut held = Self::abandoned(record)?;
        // The earlier holder may have died before or after it took hold, and in a stop as well as in a turn.
        held.turn = Turn::Stop;
        let again =
            held.target.as_ref().map_or(Ok(()), |target| grip::engage(&held.record.found, held.record.percent, target));
        match again {
            Ok(()) => Ok(held),
            // Dropping it puts back what was found.
            Err(source) => Err(ThrottleError::Look { pid, source }),
        }
    }

    /// What a dead holder left, for one who only wants to let go of it.
    pub(super) fn abandoned(record: Record) -> Result<Self, ThrottleError> {
        let pid = record.pid;
        if !grip::is_ours(&record.found) {
            return Err(ThrottleError::Foreign { pid });
        }
        let target = Target::reopen(pid, record.start_time).map_err(|source| ThrottleError::Look { pid, source })?;
        Ok(match target {
            Some(target) => Self::new(record, target),
            None => Self { record, target: None, duty: None, turn: Turn::Run, released: false },
        })
    }

    #[must_use]
    pub const fn state(&self) -> ThrottleState {
        self.record.state()
    }

    #[must_use]
    pub const fn record(&self) -> &Record {
        &self.record
    }

    pub(super) const fn is_released(&self) -> bool {
        self.released
    }

    /// Whether the process has ended, so that there is nothing left to hold.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.target.as_ref().is_none_or(Target::is_over)
    }

    /// Does what is due and says when to come back (both CLOCK_MONOTONIC, nanoseconds); [`u64::MAX`]: never, since the
    /// process has ended. Coming early does no harm, coming late makes the process's next pause longer.
    pub fn tick(&mut self, mono_ns: u64) -> u64 {
        let Some(target) = self.target.as_ref().filter(|target| !target.is_over()) else { return u64::MAX };
        let Some(duty) = &mut self.duty else { return mono_ns.saturating_add(LOOK_NS) };
        let Some(cpu_ns) = target.cpu_ns() else { return u64::MAX };
        let (turn, wait) = duty.look(mono_ns, cpu_ns);
        if turn != self.turn {
            let signal = if turn == Turn::Stop { libc::SIGSTOP } else { libc::SIGCONT };
            match target.signal(signal) {
                Ok(true) => self.turn = turn,
                Ok(false) => return u64::MAX,
                // It took another user's identity: it was checked before, and cannot be signalled now. Asked again.
                Err(error) => tracing::warn!(pid = target.pid, %error, "a held process cannot be signalled"),
            }
        }
        mono_ns.saturating_add(wait)
    }

    /// The same with the time of now.
    pub fn tick_now(&mut self) -> u64 {
        self.tick(clock::now().mono)
    }

    /// Lets go, and puts back what was found.
    ///
    /// # Errors
    /// If something could not be put back; it is tried once more when this value is dropped.
    pub fn release(mut self) -> Result<(), ThrottleError> {
        self.let_go()
    }

    /// As [`Self::release`], for a holder that wants to try again later.
    pub(super) fn let_go(&mut self) -> Result<(), ThrottleError> {
        let target = self.target.as_ref().filter(|target| !target.is_over());
        let done = grip::release(&self.record.found, target);
        self.released = done.is_ok();
        done.map_err(|source| ThrottleError::Release { pid: self.record.pid, source })
    }

    /// Leaves everything as it is: another holder has it, or will.
    pub(super) fn forget(mut self) {
        self.released = true;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if !self.released
            && let Err(error) = self.let_go()
        {
            tracing::error!(%error, "left behind");
        }
    }
}
