//! `tern migrate` and `tern migrate-scum`: let one task run elsewhere, and say what became of it.

use std::process::ExitCode;

use tern_core::view::How;
use tern_node::control::api::work::{MigrateRequest, MigrationView};
use tern_node::control::{Door, Entry};

use super::args::{MigrateArgs, MigrateScumArgs, Mover};
use crate::cli::failure::UNAVAILABLE;
use crate::cli::print::harmless;
use crate::cli::{Context, Outcome};

/// The task is where it was, and runs or waits on.
const NOT_MOVED: u8 = 1;

pub async fn migrate(context: &Context, args: MigrateArgs) -> Outcome {
    let request = MigrateRequest { to: args.to, foreign: args.foreign, ..MigrateRequest::default() };
    let request = match args.what {
        Mover::Task(place) => MigrateRequest { job: Some(place.job), task: place.task, ..request },
        Mover::Process(pid) => MigrateRequest { pid: Some(pid), ..request },
    };
    ask(context, &request).await
}

pub async fn scum(context: &Context, args: MigrateScumArgs) -> Outcome {
    let request =
        MigrateRequest { pid: Some(args.pid), to: args.to, foreign: args.foreign, ..MigrateRequest::default() };
    ask(context, &request).await
}

async fn ask(context: &Context, request: &MigrateRequest) -> Outcome {
    let door = Door::open(&context.home, Entry::Agent, None).await?;
    let view = door.migrate(request).await;
    door.close(true).await?;
    let view = view?;
    if context.printer.json {
        context.printer.value(&view)?;
    } else {
        context.printer.line(&harmless(&sentence(&view)))?;
    }
    Ok(match view.how {
        how if how.has_moved() => ExitCode::SUCCESS,
        How::Refused => ExitCode::from(UNAVAILABLE),
        _ => ExitCode::from(NOT_MOVED),
    })
}

/// What happened, and why.
fn sentence(view: &MigrationView) -> String {
    let node = |name: &Option<String>| name.clone().unwrap_or_else(|| "?".to_owned());
    let (from, to, because) = (node(&view.from), node(&view.to), &view.because);
    match view.how {
        How::Moved => format!("moved from {from} to {to}: {because}"),
        How::Checkpointed => format!("checkpointed on {from} and going on at {to}: {because}"),
        How::Rerun => format!("stopped on {from} and started again at {to}: {because}"),
        How::Throttled => {
            let (pid, percent) = (view.pid.unwrap_or_default(), view.percent.unwrap_or_default());
            format!(
                "throttled: process {pid} to {percent} % of one CPU, since {because}\ntern throttle release {pid} lets it go"
            )
        }
        How::Refused => format!("refused: {because}"),
        How::Ended => format!("not moved: {because}"),
        How::Stayed => format!("not moved to {to}: {because}; it runs where there is room"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_says_what_happened_and_why() {
        let view = |how| MigrationView {
            how,
            from: Some("attic".to_owned()),
            to: Some("desk".to_owned()),
            because: "so it is".to_owned(),
            pid: Some(7),
            percent: Some(50),
            ..MigrationView::default()
        };
        let said = |how| sentence(&view(how));
        assert_eq!(said(How::Moved), "moved from attic to desk: so it is");
        assert_eq!(said(How::Checkpointed), "checkpointed on attic and going on at desk: so it is");
        assert_eq!(said(How::Rerun), "stopped on attic and started again at desk: so it is");
        assert!(said(How::Throttled).starts_with("throttled: process 7 to 50 % of one CPU, since so it is"));
        assert_eq!(said(How::Refused), "refused: so it is");
        assert_eq!(said(How::Ended), "not moved: so it is");
        assert_eq!(said(How::Stayed), "not moved to desk: so it is; it runs where there is room");
    }
}
