//! One link: what it promised and was promised, how long its round trip is, and when its silence means something.

use alloc::string::String;

use crate::machine::mesh::effect::LinkId;
use crate::wire::mesh::beat::Beat;
use crate::words::Span;
use crate::words::limits::{
    BEAT_ANSWER_GAP, BEAT_BATTERY, BEAT_BUSY, BEAT_DOWN_LEAST, BEAT_DOWN_ROUGH, BEAT_IDLE, BEAT_LATE,
    BEAT_SUSPECT_LEAST, BEATS_ANNOUNCED, RECORD_EVERY, ROUGH_LASTS,
};

/// Heartbeats whose sending time is remembered, to tell the round trip of their echo.
const SENT_KEPT: usize = 8;

/// How a link is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulse {
    Alive,
    /// A heartbeat is late: nothing new is sent there, and the other end is asked.
    Suspect,
    /// So late that the link is not told of any more. The connection stays: what was late may come.
    Silent,
}

/// Tokens: a burst, then one each [`RECORD_EVERY`].
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::machine::mesh) struct Budget {
    spent: u32,
    since: u64,
}

impl Budget {
    pub fn has(&mut self, now: u64, burst: u32) -> bool {
        let regained = now.saturating_sub(self.since) / RECORD_EVERY.0;
        if regained > 0 {
            self.spent = self.spent.saturating_sub(u32::try_from(regained).unwrap_or(u32::MAX));
            // What is left over counts towards the next.
            self.since += regained * RECORD_EVERY.0;
        }
        self.spent < burst
    }

    pub fn take(&mut self, now: u64, burst: u32) -> bool {
        let allowed = self.has(now, burst);
        self.spent += u32::from(allowed);
        allowed
    }
}

/// One link to one peer.
#[derive(Debug)]
pub(in crate::machine::mesh) struct Link {
    pub id: LinkId,
    pub outgoing: bool,
    pub incarnation: u64,
    /// The zone to which the other end belongs; None: it knows everybody.
    pub area: Option<String>,
    pub pulse: Pulse,
    /// When the last heartbeat was heard, boot time.
    pub heard_at: u64,
    /// When packets were heard last.
    pub alive_at: u64,
    /// When the peer promised the next one.
    interval: Span,
    heard_sequence: u32,
    sent_sequence: u32,
    sent: [(u32, u64); SENT_KEPT],
    sent_at: u64,
    pub send_at: u64,
    /// What this end keeps; longer ones are promised a few times before.
    pub pace: Span,
    announced: u8,
    /// Until when the peer is asked whether it lives, from which heartbeat on, and the last that it has heard.
    asked_until: u64,
    asked_from: u32,
    echoed: u32,
    /// Until when losses are to be expected.
    rough_until: u64,
    pub rtt_us: Option<u32>,
    /// As it stands in the adjacency.
    pub told_rtt_us: u32,
    pub told_at: u64,
    pub traffic_until: u64,
    pub wanted: bool,
    pub peer_wants: bool,
    /// As far as the peer says.
    pub peer_hears: bool,
    pub surplus_since: Option<u64>,
    /// It is told of no more, and closed when all have heard that.
    pub retires_at: Option<u64>,
    /// This machine lost the address that it stands on, and nothing was heard over it since.
    pub stranded: bool,
    /// Digests that are answered.
    pub digests: Budget,
    /// Lists of statements that are judged.
    pub statements: Budget,
}

impl Link {
    pub fn new(id: LinkId, outgoing: bool, incarnation: u64, now: u64) -> Self {
        Self {
            id,
            outgoing,
            incarnation,
            area: None,
            pulse: Pulse::Alive,
            heard_at: now,
            alive_at: now,
            interval: BEAT_IDLE,
            heard_sequence: 0,
            sent_sequence: 0,
            sent: [(0, 0); SENT_KEPT],
            sent_at: 0,
            send_at: now,
            pace: BEAT_IDLE,
            announced: 0,
            asked_until: 0,
            asked_from: 0,
            echoed: 0,
            rough_until: 0,
            rtt_us: None,
            told_rtt_us: 1_000,
            told_at: 0,
            traffic_until: 0,
            wanted: true,
            peer_wants: true,
            peer_hears: true,
            surplus_since: None,
            retires_at: None,
            stranded: false,
            digests: Budget::default(),
            statements: Budget::default(),
        }
    }

    pub fn counts(&self) -> bool {
        self.pulse != Pulse::Silent && self.retires_at.is_none()
    }

    /// Whether it needs no other in its place.
    pub fn carries(&self) -> bool {
        self.counts() && !self.stranded
    }

    fn alive_at(&self) -> u64 {
        self.heard_at.max(self.alive_at)
    }

    fn suspect_at(&self) -> u64 {
        self.alive_at() + Span((3 * self.interval.0).max(BEAT_SUSPECT_LEAST.0))
    }

    fn silent_at(&self) -> u64 {
        let least = if self.heard_at < self.rough_until { BEAT_DOWN_ROUGH } else { BEAT_DOWN_LEAST };
        self.alive_at() + Span((4 * self.interval.0).max(least.0))
    }

    /// When something of it falls due.
    pub fn due(&self) -> u64 {
        let judged = match self.pulse {
            Pulse::Alive => self.suspect_at(),
            Pulse::Suspect => self.silent_at(),
            Pulse::Silent => u64::MAX,
        };
        judged.min(self.send_at)
    }

    /// Notices silence. Returns whether the link does not count any more.
    pub fn judge(&mut self, now: u64) -> bool {
        if self.pulse == Pulse::Alive && self.suspect_at() <= now {
            self.pulse = Pulse::Suspect;
            self.send_at = now;
        }
        if self.pulse == Pulse::Suspect && self.silent_at() <= now {
            self.pulse = Pulse::Silent;
            return true;
        }
        false
    }

    pub fn forgive(&mut self, late: u64, now: u64) {
        self.heard_at = (self.heard_at + Span(late)).min(now);
    }

    /// Asks the other end until then whether it lives.
    pub fn ask(&mut self, now: u64, until: u64) {
        if self.asked_until < now {
            self.asked_from = self.sent_sequence.wrapping_add(1);
        }
        (self.asked_until, self.send_at) = (until, now);
    }

    /// Whether the other end has heard a heartbeat that was sent since it was asked.
    pub fn answered(&self) -> bool {
        self.sent_sequence != 0 && self.echoed.wrapping_sub(self.asked_from) as i32 >= 0
    }

    pub fn next_beat(&mut self, interval: Span, now: u64) -> Beat {
        self.sent_sequence = self.sent_sequence.wrapping_add(1);
        self.sent[self.sent_sequence as usize % SENT_KEPT] = (self.sent_sequence, now);
        self.announced = if interval > self.pace { self.announced + 1 } else { BEATS_ANNOUNCED };
        if self.announced >= BEATS_ANNOUNCED {
            (self.pace, self.announced) = (interval, 0);
        }
        // Also until it is known how often the other end sends: what it sent first may have come before this end listened.
        let asks = self.pulse == Pulse::Suspect || self.asked_until > now || self.heard_sequence == 0;
        self.sent_at = now;
        self.send_at = now + if asks { self.pace.min(BEAT_BUSY) } else { self.pace };
        Beat {
            sequence: self.sent_sequence,
            interval_ms: u16::try_from(interval.as_ms()).unwrap_or(u16::MAX),
            echo: self.heard_sequence,
            echo_age_us: u32::try_from(now.saturating_sub(self.heard_at) / 1_000).unwrap_or(u32::MAX),
            wanted: self.wanted,
            hears: self.pulse == Pulse::Alive,
            asks,
        }
    }

    /// Takes a heartbeat; false for one that was overtaken and says nothing new.
    pub fn hear(&mut self, beat: &Beat, now: u64) -> bool {
        let ahead = beat.sequence.wrapping_sub(self.heard_sequence) as i32;
        if ahead <= 0 && self.heard_sequence != 0 {
            return false;
        }
        let late = self.heard_at + self.interval + BEAT_LATE + BEAT_LATE < now;
        if self.heard_sequence != 0 && (ahead > 1 || late) {
            self.rough_until = now + ROUGH_LASTS;
        }
        (self.heard_sequence, self.stranded) = (beat.sequence, false);
        self.measure(beat, now);
        self.heard_at = now;
        self.interval = Span::ms(u64::from(beat.interval_ms)).clamp(BEAT_BUSY, BEAT_BATTERY);
        (self.peer_wants, self.peer_hears, self.echoed) = (beat.wanted, beat.hears, beat.echo);
        if beat.asks {
            self.send_at = self.send_at.min((self.sent_at + BEAT_ANSWER_GAP).max(now));
        }
        true
    }

    /// The smoothed round trip, from the echo of a heartbeat that this end sent.
    fn measure(&mut self, beat: &Beat, now: u64) {
        let (sequence, at) = self.sent[beat.echo as usize % SENT_KEPT];
        if sequence != beat.echo || sequence == 0 {
            return;
        }
        let whole = u32::try_from(now.saturating_sub(at) / 1_000).unwrap_or(u32::MAX);
        let sample = whole.saturating_sub(beat.echo_age_us).max(1);
        self.rtt_us = Some(self.rtt_us.map_or(sample, |rtt| rtt - rtt / 8 + sample / 8));
        // An echo counts once: what is echoed again was held by the peer, not by the network.
        self.sent[beat.echo as usize % SENT_KEPT] = (0, 0);
    }
}
