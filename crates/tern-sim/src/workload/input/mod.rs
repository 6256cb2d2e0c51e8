//! Recorded workloads and described machines, as text.
