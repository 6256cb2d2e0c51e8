//! Events, effects and messages in the words of a reader.

use tern_core::machine::{Answer, Command, Deny, Effect, Event};
use tern_core::observe::Area;
use tern_core::promise::ledger::{Line, Posting};
use tern_core::promise::{Exit, Outcome, Record};
use tern_core::wire::Message;
use tern_core::words::{Attempt, GrantId, NodeId};

/// Incarnations are 64 random bits; four digits tell them apart well enough.
fn grant(grant: &GrantId) -> String {
    format!("{}@{:04x}", grant.n, grant.incarnation >> 48)
}

pub fn attempt(attempt: &Attempt) -> String {
    let Attempt { job, task, round, epoch, n } = attempt;
    let round = if *round > 0 { format!(" round {round}") } else { String::new() };
    format!("{job}/{task}{round} ({n}@{:04x})", epoch.incarnation >> 48)
}

fn attempts(list: &[Attempt]) -> String {
    if list.is_empty() { "nothing".to_owned() } else { list.iter().map(attempt).collect::<Vec<_>>().join(", ") }
}

pub fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(0) => "success".to_owned(),
        Exit::Code(code) => format!("exit {code}"),
        Exit::Signal(signal) => format!("signal {signal}"),
        Exit::TimedOut => "timed out".to_owned(),
        Exit::Cancelled => "ended on request".to_owned(),
        Exit::Void => "void".to_owned(),
        Exit::Checkpointed => "ended on request, with a checkpoint".to_owned(),
    }
}

fn outcomes(list: &[Outcome]) -> String {
    let one = |outcome: &Outcome| format!("{} {}", attempt(&outcome.attempt), exit(outcome.exit));
    list.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn command(command: &Command) -> String {
    match command {
        Command::Submit(spec) | Command::SubmitNamed { spec, .. } => {
            let held = if spec.held { ", held" } else { "" };
            format!("submit {} of {} tasks, {} tries{held}", spec.name, spec.tasks, spec.tries)
        }
        Command::Hold(job) => format!("hold {job}"),
        Command::Release(job) => format!("release {job}"),
        Command::Cancel(job) => format!("cancel {job}"),
        Command::Retry { job, tasks: None } => format!("retry {job}"),
        Command::Retry { job, tasks: Some(tasks) } => format!("retry {tasks:?} of {job}"),
        Command::Forget(job) => format!("forget {job}"),
        Command::Drain { wait } => format!("drain{}", if *wait { ", and wait" } else { "" }),
        Command::Leave => "leave".to_owned(),
        Command::Undrain => "undrain".to_owned(),
        Command::Migrate { job, task, to: None } => format!("migrate {job}/{task}"),
        Command::Migrate { job, task, to: Some(to) } => format!("migrate {job}/{task} to {to}"),
    }
}

/// Who speaks, and what.
pub fn event(event: &Event) -> (&'static str, String) {
    match event {
        Event::Start { slots, .. } => ("agent", format!("is up with {slots} slots")),
        Event::Command { ticket, command: asked } => ("client", format!("asks #{ticket}: {}", command(asked))),
        Event::Persisted(sequence) => ("journal", format!("durable up to {sequence}")),
        Event::PersistFailed { after, full } => {
            ("journal", format!("FAILS after {after}{}", if *full { ": the disk is full" } else { "" }))
        }
        Event::WardenUp { running, queued } => {
            ("warden", format!("is there; runs {}; holds {}", attempts(running), attempts(queued)))
        }
        Event::WardenDown => ("warden", "is gone".to_owned()),
        Event::WardenFull(full) => ("warden", if *full { "has no room for results" } else { "has room" }.to_owned()),
        Event::Finished(list) => ("warden", format!("reports {}", outcomes(list))),
        Event::Revoked(list) => ("warden", format!("gives back {}", attempts(list))),
        Event::Reading(reading) => ("sense", format!("load {:.2} on {} cpus", reading.load1, reading.cpus)),
        Event::Processes(seen) => ("sense", format!("{} processes", seen.len())),
        Event::Holds(held) => ("warden", format!("holds {} processes back", held.len())),
        Event::Unheld(pid) => ("warden", format!("does not hold process {pid}")),
        Event::Power(power) => ("sense", format!("fed by {power:?}")),
        Event::Recalled(known) => ("agent", format!("remembers {} commands", known.commands.len())),
        Event::Fit(fit) => ("agent", format!("has {} cores and {} GPUs", fit.cores, fit.gpus)),
        Event::PeerFit(peer, fit) => ("link", format!("{peer} has {} cores and {} GPUs", fit.cores, fit.gpus)),
        Event::Unwanted { grant: id, tasks, why, .. } => {
            ("agent", format!("cannot run {tasks:?} of {}: {why}", grant(id)))
        }
        Event::Uncarried { grant: id, tasks } => ("frame", format!("had no room for {tasks:?} of {}", grant(id))),
        Event::Staged { grant: id, tasks } => ("files", format!("inputs of {tasks:?} of {} are here", grant(id))),
        Event::Unstaged { grant: id, tasks, why } => {
            ("files", format!("{tasks:?} of {} cannot run here: {why}", grant(id)))
        }
        Event::PeerUp(peer) => ("link", format!("to {peer} is up")),
        Event::PeerDown(peer) => ("link", format!("to {peer} is down")),
        Event::Message { from, message: said } => ("peer", format!("{from} says: {}", message(said))),
        Event::Areas(areas) => {
            let one = |area: &Area| format!("{} {} waiting, {} free", area.zone, area.load.on_offer, area.load.room);
            ("mesh", format!("zones: {}", areas.iter().map(one).collect::<Vec<_>>().join("; ")))
        }
        Event::Tick => ("clock", "tick".to_owned()),
    }
}

/// None where the effect is no news to a reader.
pub fn effect(effect: &Effect) -> Option<(&'static str, String)> {
    Some(match effect {
        Effect::Persist { sequence, records } => {
            ("agent", format!("writes #{sequence}: {}", records.iter().map(record).collect::<Vec<_>>().join("; ")))
        }
        Effect::Reply { ticket, outcome } => ("agent", format!("answers #{ticket}: {}", reply(outcome))),
        Effect::Dispatch(dispatch) => {
            let tern_core::machine::Dispatch { job, n, tasks, grant: borrowed, .. } = dispatch;
            let by = borrowed.as_ref().map_or_else(String::new, |id| format!(" of grant {}", grant(id)));
            ("agent", format!("dispatches {tasks:?} of {job} as {n}{by}"))
        }
        Effect::Stage { grant: id, tasks } => ("agent", format!("fetches inputs of {tasks:?} of {}", grant(id))),
        Effect::Revoke { job, tasks } => ("agent", format!("wants {tasks:?} of {job} back")),
        Effect::End { job, tasks } => ("agent", format!("ends {tasks:?} of {job}")),
        Effect::Send { to, message: said } => ("agent", format!("tells {to}: {}", message(said))),
        Effect::Tell(told) => ("agent", format!("tells all: {}", message(&told.message()))),
        Effect::Counted { outcomes: list, .. } => ("agent", format!("counts {}", outcomes(list))),
        Effect::Changed { job, over: true } => ("agent", format!("{job} is over")),
        Effect::Discard { job } => ("agent", format!("discards {job}")),
        Effect::Kept { job, task } => ("agent", format!("keeps the checkpoint of {job}/{task}")),
        Effect::Log(Line::Posted(posting)) => {
            let Posting { triad, half } = posting;
            (
                "ledger",
                format!("{half:?} of {}, {} tasks, broker {}", grant(&triad.tx()), triad.tasks(), triad.broker()),
            )
        }
        Effect::Hold { pid, .. } => ("agent", format!("holds process {pid} back")),
        Effect::Free { pid, .. } => ("agent", format!("lets process {pid} go")),
        Effect::Log(Line::Aborted(id)) => ("ledger", format!("{} was never taken", grant(id))),
        Effect::Log(Line::Began | Line::Ended) | Effect::WakeAt(_) | Effect::Changed { over: false, .. } => {
            return None;
        }
    })
}

fn reply(outcome: &Result<Answer, Deny>) -> String {
    match outcome {
        Ok(Answer::Accepted(job)) => format!("accepted {job}"),
        Ok(Answer::Done) => "done".to_owned(),
        Ok(Answer::Tasks(tasks)) => format!("{tasks} tasks"),
        Ok(Answer::Migrated(migration)) => format!("{:?}: {}", migration.how, migration.because),
        Err(deny) => format!("denied, {deny:?}"),
    }
}

fn record(record: &Record) -> String {
    match record {
        Record::Started { .. } => "started".to_owned(),
        Record::Accepted { job, spec, .. } => format!("accepted {job} ({})", spec.name),
        Record::Held { job } => format!("held {job}"),
        Record::Released { job } => format!("released {job}"),
        Record::Cancelled { job } => format!("cancelled {job}"),
        Record::Retried { job, round, tasks } => format!("retried {tasks:?} of {job} in round {round}"),
        Record::Lent { grant: id, job, to, tasks, .. } => {
            format!("lent {tasks:?} of {job} to {to} as grant {}", grant(id))
        }
        Record::Reclaimed { grant: id } => format!("reclaimed grant {}", grant(id)),
        Record::Outcomes { via, outcomes: list } => {
            let by = via.as_ref().map_or_else(String::new, |id| format!(" by grant {}", grant(id)));
            format!("outcomes{by}: {}", outcomes(list))
        }
        Record::Forgotten { job } => format!("forgotten {job}"),
        Record::Drained { drained } => (if *drained { "drained" } else { "drained no more" }).to_owned(),
    }
}

pub fn message(message: &Message) -> String {
    let grants = |list: &[GrantId]| list.iter().map(grant).collect::<Vec<_>>().join(",");
    match message {
        Message::Vitals { trit, queued, running, slots, .. } => {
            format!("vitals {trit:?}, {running} of {slots} busy, {queued} queued")
        }
        Message::Ask { tasks, .. } => format!("lend me {tasks}"),
        Message::Lend { grant: id, job, tasks, .. } => format!("have {tasks:?} of {job} as grant {}", grant(id)),
        Message::Nothing { .. } => "nothing to lend".to_owned(),
        Message::Renew { grants: list, .. } => format!("renew {}", grants(list)),
        Message::Renewed { grants: list, lost, .. } => format!("renewed [{}], lost [{}]", grants(list), grants(lost)),
        Message::Results { grant: id, outcomes: list, .. } => format!("results of {}: {}", grant(id), outcomes(list)),
        Message::Received { grant: id, tasks } => format!("received {tasks:?} of {}", grant(id)),
        Message::Return { grant: id, tasks, why: None } => format!("return {tasks:?} of {}", grant(id)),
        Message::Return { grant: id, tasks, why: Some(why) } => format!("return {tasks:?} of {}: {why}", grant(id)),
        Message::Revoke { grant: id } => format!("revoke {}", grant(id)),
        Message::Offer { tasks } => format!("offer of {tasks} tasks"),
        Message::Post { postings, aborts } => format!("post {} halves, take back {}", postings.len(), aborts.len()),
        Message::Settled { txs } => format!("settled {}", grants(txs)),
        Message::Pair { givers } => {
            let one = |(node, tasks): &(NodeId, u32)| format!("{tasks} on {node}");
            format!("tasks wait: {}", givers.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        Message::Meet { with } => format!("tasks wait on {with}"),
        Message::Greet { answers, .. } => (if *answers { "greets back" } else { "greets" }).to_owned(),
        Message::Recall { grant, tasks } => format!("recall of {tasks:?} of {}", grant.n),
    }
}
