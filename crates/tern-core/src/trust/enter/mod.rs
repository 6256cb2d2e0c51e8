//! How a machine enters a grid: a ticket, four messages, and an issuer who judges them.
//!
//! A ticket is good once and for a while. The joining node proves that it holds the ticket's secret and its own key, over
//! a number that the issuer has just drawn; only the issuer's clock counts.

mod invitations;
mod letters;
mod talk;
mod ticket;

pub use invitations::{Admission, Arrival, Invitation, Invitations, JoinRefusal};
pub use talk::{Answer, Challenge, Hello, Proof, Talk};
pub use ticket::{TICKET_VERSION, Ticket, TicketError};
