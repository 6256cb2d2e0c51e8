//! The words of these commands, and who answers each.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::{entry, forward, members, netcheck, ways};
use crate::cli::tree::duration;
use crate::cli::{Context, Outcome, block_on};

#[derive(Debug, Subcommand)]
pub enum GridCommand {
    /// Print a ticket by which one machine may join this grid, once
    Invite(InviteArgs),
    /// Join a grid by a ticket; starts the agent if none runs
    Join(JoinArgs),
    /// List the members of the grid
    Members,
    /// List the zones in which the nodes stand, each like one large node
    Zones,
    /// Leave the grid and be one of its own again
    Leave(LeaveArgs),
    /// Send a machine away from the grid for good
    Remove(NodeArgs),
    /// Give this machine a new admin key in the place of its old one
    Rotate,
    /// Make this machine an admin by the grid's recovery key, when admin machines are lost
    Recover(RecoverArgs),
    /// Measure round trips to a node
    Ping(PingArgs),
    /// Show the way to a node, hop by hop
    Path(NodeArgs),
    /// Show addresses, links and who cannot be reached
    Netcheck,
    /// Let a port of this machine lead to a port of another node
    Forward(ForwardArgs),
}

impl GridCommand {
    pub fn run(self, context: &Context) -> Outcome {
        match self {
            Self::Invite(args) => block_on(entry::invite(context, args)),
            Self::Join(args) => block_on(entry::join(context, args)),
            Self::Members => block_on(members::members(context)),
            Self::Zones => block_on(members::zones::zones(context)),
            Self::Leave(args) => block_on(entry::leave(context, args)),
            Self::Remove(args) => block_on(members::remove(context, args)),
            Self::Rotate => block_on(members::rotate(context)),
            Self::Recover(args) => block_on(members::recover(context, args)),
            Self::Ping(args) => block_on(ways::ping(context, args)),
            Self::Path(args) => block_on(ways::path(context, args)),
            Self::Netcheck => block_on(netcheck::netcheck(context)),
            Self::Forward(args) => block_on(forward::forward(context, args)),
        }
    }
}

#[derive(Debug, Clone, Copy, Args)]
pub struct InviteArgs {
    /// The machine that comes may invite and remove others, too
    #[arg(long)]
    pub admin: bool,
    /// How long the ticket is good, at most 7d
    #[arg(long = "for", value_name = "TIME", default_value = "1h", value_parser = duration)]
    pub lasts: Duration,
    /// Print the QR code also where no terminal is
    #[arg(long)]
    pub qr: bool,
}

#[derive(Debug, Args)]
pub struct JoinArgs {
    /// The ticket, or - to read it from standard input, where no list of processes shows it
    pub ticket: String,
    /// What the others shall call this node [default: its host name]
    #[arg(long)]
    pub name: Option<String>,
}

#[derive(Debug, Args)]
pub struct RecoverArgs {
    /// The file that holds the recovery key, or - for standard input
    #[arg(value_name = "FILE")]
    pub key: std::path::PathBuf,
    /// A machine that is lost: it is sent away, and its admin key with it
    #[arg(long, value_name = "NODE")]
    pub lost: Vec<String>,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct LeaveArgs {
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

#[derive(Debug, Args)]
pub struct NodeArgs {
    /// Its name, its short key or its whole key
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: String,
}

#[derive(Debug, Args)]
pub struct PingArgs {
    /// Its name, its short key or its whole key
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node: String,
    /// Round trips
    #[arg(short, long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    pub count: u32,
    /// Bytes there and back
    #[arg(short, long, value_name = "BYTES", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub size: u32,
}

#[derive(Debug, Args)]
pub struct ForwardArgs {
    /// NODE:PORT, or LOCAL NODE:PORT, where LOCAL is a port or ADDRESS:PORT of this machine (else the same port on 127.0.0.1)
    #[arg(value_name = "[LOCAL] NODE:PORT", num_args = 1..=2, required_unless_present_any = ["list", "close"])]
    pub places: Vec<String>,
    /// Return at once; the port stays open until it is closed or the agent ends
    #[arg(long)]
    pub detach: bool,
    /// List the ports that are open
    #[arg(long, conflicts_with_all = ["places", "close", "detach"])]
    pub list: bool,
    /// Close the port at this local address
    #[arg(long, value_name = "ADDRESS:PORT", conflicts_with_all = ["places", "detach"])]
    pub close: Option<String>,
}
