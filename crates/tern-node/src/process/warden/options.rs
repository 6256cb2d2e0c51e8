//! How a warden is started: its command line, which the binary passes on unread.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::home::Home;

/// What a warden is told at its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Tag of this node, for outcomes.
    pub node_tag: u32,
    /// Argument vector of the agent, which the warden then starts, and starts again when it dies.
    pub agent: Option<Vec<OsString>>,
    /// When the client goes, end all tasks, write their outcomes and exit.
    pub die_with_client: bool,
    /// End what an earlier warden left running, even where it could be adopted.
    pub no_adopt: bool,
    /// Descriptor on which one byte is written once the socket listens.
    pub ready_fd: Option<i32>,
}

impl Options {
    /// The arguments that [`Options::from_args`] reads, the subcommand not included.
    #[must_use]
    pub fn to_args(&self, home: &Home) -> Vec<OsString> {
        let mut args: Vec<OsString> = vec!["--home".into(), home.path().into()];
        args.extend(["--tag".into(), self.node_tag.to_string().into()]);
        if self.die_with_client {
            args.push("--die-with-client".into());
        }
        if self.no_adopt {
            args.push("--no-adopt".into());
        }
        if let Some(fd) = self.ready_fd {
            args.extend(["--ready-fd".into(), fd.to_string().into()]);
        }
        if let Some(agent) = &self.agent {
            args.push("--".into());
            args.extend(agent.iter().cloned());
        }
        args
    }

    /// Reads the arguments after the subcommand.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn from_args(mut args: impl Iterator<Item = OsString>) -> Result<(Home, Self), String> {
        let mut options = Self::default();
        let mut home = None;
        while let Some(word) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{} needs a value", word.display()));
            match word.to_str() {
                Some("--home") => home = Some(Home::new(PathBuf::from(value()?))),
                Some("--tag") => options.node_tag = number(&value()?)?,
                Some("--ready-fd") => options.ready_fd = Some(number(&value()?)?),
                Some("--die-with-client") => options.die_with_client = true,
                Some("--no-adopt") => options.no_adopt = true,
                Some("--") => {
                    options.agent = Some(args.by_ref().collect::<Vec<_>>()).filter(|agent| !agent.is_empty());
                    break;
                }
                _ => return Err(format!("unexpected argument {}", word.display())),
            }
        }
        Ok((home.ok_or("--home is missing")?, options))
    }
}

fn number<T: std::str::FromStr>(text: &OsString) -> Result<T, String> {
    text.to_str().and_then(|text| text.parse().ok()).ok_or_else(|| format!("{} is not a number", text.display()))
}
