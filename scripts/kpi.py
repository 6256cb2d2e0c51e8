#!/usr/bin/env python3
"""Computes the figures of `tern kpi` again, from the raw event log and without any of Tern's code.

    scripts/kpi.py [--since-ms UNIX_MS] STATE_FOLDER

Reads STATE_FOLDER/events.old and STATE_FOLDER/events, and prints JSON with the names of `tern kpi --json`. All sums are exact
(fractions); a figure that was not measured is null. Needs nothing but Python 3.8. A line counts as unreadable where Tern
counts it so.
"""

import argparse
import json
import math
import os
import re
import sys
from fractions import Fraction

MS = 10**6  # nanoseconds
SECOND = 10**9
WELL = ("done",)
BADLY = ("failed", "timed_out")
LINE_BYTES_MAX = 1 << 20
U64_MAX = (1 << 64) - 1


# ---- What a line is made of. Each of these gives a value as it counts, or raises BadLine. ----


class BadLine(Exception):
    pass


class Object(dict):
    """A JSON object that remembers how many names it had, and which of them came again."""

    def __init__(self, pairs):
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.names, self.again = len(names), {name for name in names if names.count(name) > 1} if len(self) < len(names) else set()


def check(good, value):
    if not good:
        raise BadLine
    return value


def whole(low, high):
    """Neither `true` nor a number with a point or an exponent is one of these."""
    return lambda value: check(type(value) is int and low <= value <= high, value)


def flag(value):
    return check(type(value) is bool, value)


def number(value):
    check(type(value) in (int, float), value)
    try:
        return check(math.isfinite(float(value)), float(value))
    except OverflowError:
        raise BadLine from None


def tag(value):
    """A node's name as a number: its zeros and capitals do not matter."""
    check(isinstance(value, str) and re.fullmatch(r"\+?[0-9A-Fa-f]+", value), value)
    return whole(0, (1 << 32) - 1)(int(value, 16))


def job(value):
    """A running number, and the tag of its node."""
    found = re.fullmatch(r"\+?([0-9]+)-(.{8})", check(isinstance(value, str), value))
    return whole(0, (1 << 32) - 1)(int(check(found, found).group(1))), tag(found.group(2))


def how(value):
    if isinstance(value, Object) and value.names == 1 and list(value.values()) == [None]:
        (value,) = value
    return check(value in ("done", "failed", "timed_out", "cancelled", "void") if isinstance(value, str) else False, value)


def or_none(take):
    def taken(value):
        return None if value is None else take(value)

    taken.may_miss = True
    return taken


def several(take):
    return lambda values: [take(value) for value in check(isinstance(values, list), values)]


def row(*takes):
    return lambda values: [take(value) for take, value in zip(takes, check(isinstance(values, list) and len(values) == len(takes), values))]


def fields(**takes):
    """An object with these names, or a list of their values in this order. Other names are passed over."""

    def taken(value):
        if isinstance(value, list):
            return dict(zip(takes, row(*takes.values())(value)))
        check(isinstance(value, Object) and not value.again & takes.keys(), value)
        missing = takes.keys() - value.keys()
        check(all(hasattr(takes[name], "may_miss") for name in missing), value)
        return {name: take(value.get(name)) for name, take in takes.items()}

    return taken


U16, U32, U64 = (whole(0, (1 << bits) - 1) for bits in (16, 32, 64))
STANDING = fields(node=tag, slots=U32, open=U32, cpus=U32, speed_milli=or_none(U16), left=U64)
END = row(U32, U64, U64, or_none(U64), how, flag)
PEER = row(tag, U32, U32, U32, or_none(U16))
KINDS = {
    "began": STANDING,
    "continues": STANDING,
    "stopped": fields(left=U64),
    "accepted": fields(job=job, tasks=U32, left=U64),
    "retried": fields(job=job, round=U16, tasks=U32, left=U64),
    "cancelled": fields(job=job, left=U64),
    "unstarted": fields(job=job, tasks=U32),
    "given": fields(job=job, round=U16, tasks=several(row(U32, U32))),
    "ended": fields(job=job, round=U16, on=tag, slots=U32, queued_ms=or_none(U64), tasks=several(END), left=U64),
    "lent": fields(job=job, to=tag, tasks=U32),
    "returned": fields(**{"job": job, "from": tag, "tasks": U32}),
    "borrowed": fields(**{"from": tag, "tasks": U32}),
    "load": fields(
        rho=or_none(number),
        trit=whole(-128, 127),
        queued=U64,
        running=U32,
        slots=U32,
        speed_milli=or_none(U16),
        peers=several(PEER),
        left=U64,
    ),
    "slots": fields(open=U32),
    "drain": fields(on=flag),
}


def event(value):
    check(isinstance(value, Object) and value.names == 1, value)
    ((kind, body),) = value.items()
    return kind, check(kind in KINDS, KINDS.get(kind))(body)


LINE = fields(at_ms=U64, mono_ns=U64, event=event)


def no_json(word):
    """NaN and the like, which Python would take."""
    raise BadLine(word)


def parse(text):
    """A line; None for one that cannot be read."""
    # "-0" has no place among whole numbers.
    whole_number = lambda digits: -0.0 if digits == "-0" else int(digits)
    try:
        value = json.loads(text.decode(), object_pairs_hook=Object, parse_constant=no_json, parse_int=whole_number)
        line = LINE(value)
    except (BadLine, ValueError, RecursionError):
        return None
    return (line["at_ms"], line["mono_ns"], *line["event"])


def read(folder):
    """Lines, oldest first; None for one that cannot be read."""
    for name in ("events.old", "events"):
        try:
            file = open(os.path.join(folder, name), "rb")
        except FileNotFoundError:
            continue
        with file:
            # A line that is longer than any is damage, and comes in pieces.
            while text := file.readline(LINE_BYTES_MAX):
                if text.endswith(b"\n"):
                    if text != b"\n":
                        yield parse(text)
                elif len(text) == LINE_BYTES_MAX:
                    yield None
                # Else it is about to be written.


def variance(xs):
    mean = sum(xs) / len(xs)
    return sum((x - mean) ** 2 for x in xs) / len(xs)


def nearest_rank(xs, percent):
    """The smallest value that at least so many of a hundred do not exceed."""
    return sorted(xs)[max(-(-percent * len(xs) // 100), 1) - 1]


def jain(xs):
    squares = sum(x * x for x in xs)
    return sum(xs) ** 2 / (len(xs) * squares) if squares else Fraction(1)


def as_float(value):
    try:
        return float(value)
    except OverflowError:
        return math.inf


class OverTime:
    """The mean over time of something that is known for a part of it."""

    def __init__(self):
        self.area, self.ns, self.endless = Fraction(0), 0, False

    def hold(self, value, ns):
        if value == math.inf:
            self.endless = True
        elif value is not None:
            self.area += value * ns
        if value is not None:
            self.ns = min(self.ns + ns, U64_MAX)

    def mean(self):
        """None also where it is beyond all numbers."""
        return self.area / self.ns if self.ns and not self.endless and as_float(self.area) < math.inf else None


class Log:
    def __init__(self, since_ms):
        self.since_ms = since_ms
        # How things stand.
        self.me = self.open = self.speed = self.left = self.spread = self.life = None
        self.peers, self.waiting, self.jobs = [], {}, {}
        # What is added up.
        self.lines = self.unreadable = self.lives = self.clock_steps = 0
        self.times = []
        self.awake = self.capacity = self.busy = 0
        self.entitled, self.allocated = {}, {}
        self.system, self.variance, self.variation = OverTime(), OverTime(), OverTime()
        self.waits, self.latencies, self.ratios = [], [], []
        self.tasks = dict.fromkeys(("accepted", "done", "failed", "cancelled", "again", "foreign"), 0)
        self.moves = dict.fromkeys(("lent", "returned", "borrowed"), 0)

    def take(self, at_ms, mono, kind, body):
        counts = at_ms >= self.since_ms
        if counts:
            self.lines += 1
            self.times.append(at_ms)
            if self.life is None or kind == "began" or mono < self.life[1]:
                self.life = (mono, mono)
                self.lives += 1
            else:
                self.elapse(mono - self.life[1])
                self.life = (self.life[0], mono)
        self.stand(kind, body)
        if kind == "ended":
            self.ended(mono, body, counts)
        elif counts and kind == "accepted":
            self.tasks["accepted"] += body["tasks"]
            self.jobs[body["job"]] = {"at": at_ms * MS, "tasks": body["tasks"], "ends": []}
        elif counts and kind in ("retried", "cancelled", "unstarted"):
            self.jobs.pop(body["job"], None)
            if kind == "unstarted":
                self.tasks["cancelled"] += body["tasks"]
        elif counts and kind in self.moves:
            self.moves[kind] += body["tasks"]

    def elapse(self, ns):
        self.awake = min(self.awake + ns, U64_MAX)
        if self.open is not None:
            self.capacity += self.open * ns
        nodes = [] if None in (self.me, self.open) else [(self.me, self.open)]
        for tag, slots in nodes + [(peer[0], peer[3]) for peer in self.peers]:
            self.entitled[tag] = self.entitled.get(tag, 0) + (slots * ns if self.left else 0)
        self.system.hold(self.left, ns)
        if self.spread:
            self.variance.hold(self.spread[0], ns)
            self.variation.hold(self.spread[1], ns)

    def stand(self, kind, body):
        self.left = body.get("left", self.left)
        if kind in ("began", "continues"):
            self.me, self.open, self.speed = body["node"], body["open"], body["speed_milli"]
            if kind == "began":
                self.peers, self.spread = [], None
        elif kind == "stopped":
            self.life = None
        elif kind == "slots":
            self.open = body["open"]
        elif kind == "load":
            self.peers, self.speed = body["peers"], body["speed_milli"]
            loads = [] if body["rho"] is None else [Fraction(body["rho"])]
            loads += [Fraction(peer[1], 1000) for peer in self.peers]
            self.spread = None
            if len(loads) > 1:
                mean = sum(loads) / len(loads)
                spread = variance(loads)
                if as_float(spread) == math.inf:
                    self.spread = (math.inf, math.inf if mean > 0 else None)
                else:
                    self.spread = (spread, Fraction(math.sqrt(spread) / float(mean)) if mean > 0 else None)

    def ended(self, mono, body, counts):
        here = body["on"] == self.me
        own = self.me is not None and body["job"][1] == self.me
        lived = mono - self.life[0] if self.life else 0
        for task, started_ms, ran, _cpu, how, over in body["tasks"]:
            if counts:
                took = min(ran, lived) * body["slots"]
                self.allocated[body["on"]] = self.allocated.get(body["on"], 0) + (took if own else 0)
                self.busy += took if here else 0
                self.tasks["foreign"] += not own
            if own:
                self.own_end((body["job"], body["round"], task), started_ms, ran, how, over, body["queued_ms"], counts)
                if counts and over and body["job"] in self.jobs:
                    if how in WELL + BADLY:
                        self.jobs[body["job"]]["ends"].append((body["on"], body["slots"], started_ms * MS, ran))
                    else:
                        del self.jobs[body["job"]]
        job = self.jobs.get(body["job"])
        if counts and own and job and len(job["ends"]) >= job["tasks"]:
            del self.jobs[body["job"]]
            self.over(job)

    def own_end(self, key, started_ms, ran, how, over, queued_ms, counts):
        since = self.waiting.pop(key, queued_ms)
        if not over and how not in ("cancelled", "done"):
            self.waiting[key] = min(started_ms + ran // MS, U64_MAX)
        if not counts:
            return
        if not over:
            self.tasks["again"] += 1
        else:
            self.tasks["done" if how in WELL else "failed" if how in BADLY else "cancelled"] += 1
        if how in BADLY or (how in WELL and over):
            if since is not None and started_ms < since:
                self.clock_steps += 1
            elif since is not None:
                self.waits.append(started_ms - since)
            if over and queued_ms is not None and started_ms >= queued_ms:
                self.latencies.append((started_ms - queued_ms) * MS + ran)

    def over(self, job):
        nodes = [(self.me, self.open, self.speed)] if None not in (self.me, self.open) else []
        nodes += [(tag, slots, speed) for tag, _rho, _running, slots, speed in self.peers]
        able = {tag: (slots, speed) for tag, slots, speed in nodes if slots > 0}
        by_speed = all(speed is not None for _slots, speed in able.values())
        speeds = {tag: Fraction(speed, 1000) if by_speed else Fraction(1) for tag, (_slots, speed) in able.items()}
        if any(on not in able for on, *_ in job["ends"]):
            return
        work = sum(ran * slots * speeds[on] for on, slots, _started, ran in job["ends"])
        capacity = sum(slots * speeds[tag] for tag, (slots, _speed) in able.items())
        longest = max(ran * speeds[on] for on, _slots, _started, ran in job["ends"]) / max(speeds.values())
        took = max(started + ran for _on, _slots, started, ran in job["ends"]) - job["at"]
        bound = max(work / capacity, longest)
        if bound > 0 and took >= 0:
            self.ratios.append(took / bound)

    def report(self):
        seconds = Fraction(self.awake, SECOND)
        rate = lambda count: count / seconds if seconds else None
        mean = lambda xs: Fraction(sum(xs), 1) / len(xs) if xs else None
        wait = lambda percent: Fraction(nearest_rank(self.waits, percent), 1000) if self.waits else None
        shares = [Fraction(self.allocated.get(tag, 0), slots) for tag, slots in self.entitled.items() if slots]
        waited, latency = mean(self.waits), mean(self.latencies)
        throughput, system = rate(self.tasks["done"] + self.tasks["failed"]), self.system.mean()
        latency = latency / SECOND if latency is not None else None
        law = throughput * latency if throughput is not None and latency is not None else None
        apart = None
        if law is not None and system is not None:
            most = max(law, system)
            apart = abs(law - system) / most if most else Fraction(0)
        figures = {
            "load_variance": self.variance.mean(),
            "load_variation": self.variation.mean(),
            "migration_rate": rate(self.moves["lent"] + self.moves["returned"]),
            "queue_latency_mean": waited / 1000 if waited is not None else None,
            "queue_latency_p50": wait(50),
            "queue_latency_p95": wait(95),
            "queue_latency_p99": wait(99),
            "utilisation": Fraction(self.busy, self.capacity) if self.capacity else None,
            "makespan_over_bound": mean(self.ratios),
            "makespan_over_bound_worst": max(self.ratios, default=None),
            "jain": jain(shares) if len(shares) > 1 else None,
            "throughput": throughput,
            "task_latency_mean": latency,
            "tasks_in_system": system,
            "little_lambda_w": law,
            "little_apart": apart,
        }
        return {
            "from_ms": self.times[0] if self.times else None,
            "to_ms": max(self.times, default=None),
            "seconds": float(seconds),
            "lives": self.lives,
            "lines": self.lines,
            "unreadable": self.unreadable,
            "nodes": len(self.entitled),
            "clock_steps": self.clock_steps,
            "jobs_measured": len(self.ratios),
            "tasks": self.tasks,
            "moves": self.moves,
            "figures": {name: None if value is None else float(value) for name, value in figures.items()},
        }


def main():
    words = argparse.ArgumentParser(description="Figures of a node's event log, computed again.")
    words.add_argument("folder", help="the state folder, which holds `events`")
    words.add_argument("--since-ms", type=int, default=0, help="only of what was written at this Unix time or later")
    words = words.parse_args()
    if not os.path.isdir(words.folder):
        print(f"kpi.py: there is no folder {words.folder}: name the state folder, which holds `events`", file=sys.stderr)
        sys.exit(66)
    log = Log(words.since_ms)
    for line in read(words.folder):
        if line is None:
            log.unreadable += 1
        else:
            log.take(*line)
    json.dump(log.report(), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
