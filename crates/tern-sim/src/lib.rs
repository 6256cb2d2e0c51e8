//! A simulated world around the very core that runs on machines: network, disks, clocks, crashes, suspend, liars.
