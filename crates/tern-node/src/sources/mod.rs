//! Where other machines may be found, beyond those that somebody names. To be found is not to be admitted: what is
//! listed here is somewhere to knock.

pub mod tailscale;
