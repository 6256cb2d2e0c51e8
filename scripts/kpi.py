#!/usr/bin/env python3
"""Computes the figures of `tern kpi` again, from the raw event log and without any of Tern's code.

    scripts/kpi.py [--since-ms UNIX_MS] STATE_FOLDER

Reads STATE_FOLDER/events.old and STATE_FOLDER/events, and prints JSON with the names of `tern kpi --json`. All sums are exact
(fractions); a figure that was not measured is null. Needs nothing but Python 3.8.
"""

import argparse
import json
import math
import os
import sys
from fractions import Fraction

MS = 10**6  # nanoseconds
SECOND = 10**9
WELL = ("done",)
BADLY = ("failed", "timed_out")
KINDS = """began continues stopped accepted retried cancelled unstarted given ended lent returned borrowed load slots drain""".split()


def read(folder):
    """Lines, oldest first; None for one that cannot be read."""
    for name in ("events.old", "events"):
        try:
            with open(os.path.join(folder, name), "rb") as file:
                text = file.read()
        except FileNotFoundError:
            continue
        *whole, _about_to_be_written = text.split(b"\n")
        for row in filter(None, whole):
            try:
                line = json.loads(row)
                ((kind, body),) = line["event"].items()
                yield (line["at_ms"], line["mono_ns"], kind, body) if kind in KINDS else None
            except (ValueError, KeyError, TypeError, AttributeError):
                yield None


def variance(xs):
    mean = sum(xs) / len(xs)
    return sum((x - mean) ** 2 for x in xs) / len(xs)


def nearest_rank(xs, percent):
    """The smallest value that at least so many of a hundred do not exceed."""
    return sorted(xs)[max(-(-percent * len(xs) // 100), 1) - 1]


def jain(xs):
    squares = sum(x * x for x in xs)
    return sum(xs) ** 2 / (len(xs) * squares) if squares else Fraction(1)


class OverTime:
    """The mean over time of something that is known for a part of it."""

    def __init__(self):
        self.area, self.ns = Fraction(0), 0

    def hold(self, value, ns):
        if value is not None:
            self.area += value * ns
            self.ns += ns

    def mean(self):
        return self.area / self.ns if self.ns else None


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
        self.awake += ns
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
                self.spread = (spread, Fraction(math.sqrt(spread) / float(mean)) if mean > 0 else None)

    def ended(self, mono, body, counts):
        here = body["on"] == self.me
        own = self.me is not None and body["job"].split("-")[1] == self.me
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
            self.waiting[key] = started_ms + ran // MS
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
