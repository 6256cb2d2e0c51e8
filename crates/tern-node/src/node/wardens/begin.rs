//! Whether a warden can be had at all. A command that starts one for itself must hear if not; an agent goes on trying, and says so
//! in `tern status`.

use tokio::sync::oneshot;

/// After so many failures in a row, with pauses between them, it is no accident of a moment.
const TRIES: u32 = 3;

/// Whoever waits for the first warden.
pub type Reply = oneshot::Sender<Result<(), String>>;

/// How the beginning went so far.
#[derive(Default)]
pub struct Beginning {
    stands: bool,
    failures: u32,
    why: String,
    waiting: Vec<Reply>,
}

impl Beginning {
    /// Answered when a warden stands, or when it is certain that none can be had.
    pub fn asked(&mut self, reply: Reply) {
        self.waiting.push(reply);
        self.tell();
    }

    pub fn stands(&mut self) {
        (self.stands, self.failures) = (true, 0);
        self.tell();
    }

    /// What is to be told to people, once in a row of failures.
    pub fn failed(&mut self, why: String) -> Option<String> {
        self.failures = self.failures.saturating_add(1);
        self.why = why;
        self.tell();
        let note = || format!("no warden can be started, and tasks wait for one; it is tried again: {}", self.why);
        (self.failures == TRIES).then(note)
    }

    fn tell(&mut self) {
        let answer = match self {
            Self { stands: true, .. } => Ok(()),
            Self { failures: TRIES.., why, .. } => Err(why.clone()),
            _ => return,
        };
        for reply in self.waiting.drain(..) {
            // Who asked may have gone.
            let _ = reply.send(answer.clone());
        }
    }
}
