//! One function for each step over all methods: look, take hold, let go.

use std::io;
use std::path::PathBuf;

use super::autogroup::{self, Autogroup};
use super::cgroup::{self, Limit, Membership, Place};
use crate::process::protocol::ThrottleMethod;
use crate::process::throttle::record::Found;
use crate::process::throttle::target::Target;

/// All methods, best first. Those that keep to a share stand before those that only give way.
pub const METHODS: [ThrottleMethod; 4] =
    [ThrottleMethod::Quota, ThrottleMethod::DutyCycle, ThrottleMethod::Weight, ThrottleMethod::Autogroup];

/// Why a method does not work for a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// Of this machine, or of where the process is.
    Because(String),
    /// One of our groups has it.
    Held(PathBuf),
    /// It is stopped already.
    Stopped,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Because(why) => out.write_str(why),
            Self::Held(group) => write!(out, "it is held already, by {}", group.display()),
            Self::Stopped => out.write_str("it is stopped already"),
        }
    }
}

/// What would have to be put back if this method took hold now. Only looks.
pub fn prepare(method: ThrottleMethod, target: &Target) -> Result<Found, Unfit> {
    let membership = Membership::of(target.pid).ok().flatten();
    if let Some(group) = membership.as_ref().and_then(Membership::held_by) {
        return Err(Unfit::Held(group.into()));
    }
    let place = |limit| {
        let membership = membership.as_ref().ok_or("no control groups are mounted")?;
        membership.place(target.pid, limit).map(|place| found(method, place))
    };
    match method {
        ThrottleMethod::Quota => place(Limit::Quota).map_err(Unfit::Because),
        ThrottleMethod::Weight => place(Limit::Weight).map_err(Unfit::Because),
        ThrottleMethod::Autogroup => autogroup::prepare(target, membership.is_some_and(|group| group.decides()))
            .map(|group| Found::Autogroup { id: group.id, nice: group.nice })
            .map_err(Unfit::Because),
        ThrottleMethod::DutyCycle if target.is_stopped() => Err(Unfit::Stopped),
        ThrottleMethod::DutyCycle if target.cpu_ns().is_none() => {
            Err(Unfit::Because("the kernel does not give its CPU time".into()))
        }
        ThrottleMethod::DutyCycle => Ok(Found::Running),
    }
}

/// Takes hold. May be repeated. The duty cycle has nothing to set: it begins with the first tick.
pub fn engage(found: &Found, percent: u8, target: &Target) -> io::Result<()> {
    match found {
        Found::Running => Ok(()),
        Found::Autogroup { id, nice } => {
            autogroup::write(Autogroup { id: *id, nice: autogroup::lowered(*nice, percent) }, target.pid)
        }
        Found::Group { .. } | Found::Here { .. } => match place(found) {
            Some((place, limit)) => cgroup::engage(&place, limit, percent, target.pid),
            None => Ok(()),
        },
    }
}

/// Lets go. May be repeated; `target` is None where the process has ended.
pub fn release(found: &Found, target: Option<&Target>) -> io::Result<()> {
    match found {
        Found::Running => target.map_or(Ok(()), |target| target.signal(libc::SIGCONT).map(drop)),
        Found::Autogroup { id, nice } => {
            autogroup::write(Autogroup { id: *id, nice: *nice }, target.map_or(0, |target| target.pid))
        }
        Found::Group { .. } | Found::Here { .. } => match place(found) {
            Some((place, _)) => cgroup::release(&place),
            None => Ok(()),
        },
    }
}

/// Whether a record read from a file can only have been written by this page.
pub fn is_ours(found: &Found) -> bool {
    match found {
        Found::Running => true,
        Found::Autogroup { nice, .. } => (-20..=19).contains(nice),
        Found::Group { .. } | Found::Here { .. } => place(found).is_some_and(|(place, _)| cgroup::is_ours(&place)),
    }
}

fn found(method: ThrottleMethod, place: Place) -> Found {
    match place {
        Place::Group { group, from } => Found::Group { method, group, from },
        Place::Here { file, before } => Found::Here { method, file, before },
    }
}

fn place(found: &Found) -> Option<(Place, Limit)> {
    let (method, place) = match found.clone() {
        Found::Group { method, group, from } => (method, Place::Group { group, from }),
        Found::Here { method, file, before } => (method, Place::Here { file, before }),
        Found::Autogroup { .. } | Found::Running => return None,
    };
    match method {
        ThrottleMethod::Quota => Some((place, Limit::Quota)),
        ThrottleMethod::Weight => Some((place, Limit::Weight)),
        ThrottleMethod::Autogroup | ThrottleMethod::DutyCycle => None,
    }
}
