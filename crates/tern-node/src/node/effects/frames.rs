//! Messages as frames that other nodes take: none is longer than they read.

use tern_core::wire::{self, Message, WireError};
use tern_core::words::Bytes;
use tern_core::words::limits::ARG_BYTES_MAX;

/// The frames of a message. Ends that are too many for one go in several. A loan whose commands are too long for one leaves with
/// the first of its tasks: the message is cut down to these.
pub(super) fn fitting(message: &mut Message) -> Result<Vec<Vec<u8>>, WireError> {
    loop {
        match wire::try_encode(message) {
            Err(error) => {
                if let Message::Results { grant, outcomes, output, made } = message
                    && outcomes.len() > 1
                {
                    let half = outcomes.len() / 2;
                    let mut rest = Message::Results {
                        grant: *grant,
                        outcomes: outcomes.split_off(half),
                        output: output.split_off(half.min(output.len())),
                        made: made.split_off(half.min(made.len())),
                    };
                    return Ok([fitting(message)?, fitting(&mut rest)?].concat());
                }
                let Message::Lend { tasks, argv, travel, .. } = message else { return Err(error) };
                match &mut argv[..] {
                    [] => return Err(error),
                    // Longer than any kernel's limit: cut down to what fails for the same reason.
                    [one] if one.len() > 2 => {
                        one.truncate(1);
                        one.push(Bytes(vec![b' '; ARG_BYTES_MAX]));
                    }
                    [_] => return Err(error),
                    [_, _, ..] => argv.truncate(argv.len() / 2),
                }
                if let Some(travel) = travel {
                    travel.tasks.truncate(argv.len());
                }
                *tasks = tasks.take_first(u32::try_from(argv.len()).unwrap_or(u32::MAX));
            }
            fits => return fits.map(|frame| vec![frame]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tern_core::promise::{Exit, Outcome, Output};
    use tern_core::wire::{Made, MadeFile};
    use tern_core::words::limits::TASK_FILES_MAX;
    use tern_core::words::{Attempt, Epoch, GrantId, JobId};

    #[test]
    fn ends_with_many_files_leave_in_several_frames_and_none_is_lost() {
        let outcome = |task| Outcome {
            attempt: Attempt {
                job: JobId::new(1, 1),
                task,
                round: 0,
                epoch: Epoch { counter: 0, keeper: 1, incarnation: 1 },
                n: 1,
            },
            exit: Exit::Code(0),
            started_ms: 0,
            ran_ns: 0,
            cpu_us: 0,
            rss_kib: 0,
            ran_on: 1,
            stdout: Output::default(),
            stderr: Output::default(),
        };
        let file = |number: usize| MadeFile { name: format!("out/{number:0>90}").into(), size: 1, mode: 0o644 };
        let made = Made { files: (0..TASK_FILES_MAX).map(file).collect(), ..Made::default() };
        let mut message = Message::Results {
            grant: GrantId { incarnation: 1, n: 1 },
            outcomes: (0..20).map(outcome).collect(),
            output: vec![(Bytes::default(), Bytes::default()); 20],
            made: vec![made; 20],
        };
        let frames = fitting(&mut message).expect("each end fits");
        assert!(frames.len() > 1);
        let mut tasks = Vec::new();
        for frame in frames {
            let Ok(Message::Results { outcomes, output, made, .. }) = wire::decode(&frame) else { panic!("results") };
            assert!(output.len() == outcomes.len() && made.len() == outcomes.len());
            tasks.extend(outcomes.iter().map(|end| end.attempt.task));
        }
        assert_eq!(tasks, (0..20).collect::<Vec<_>>());
    }
}
