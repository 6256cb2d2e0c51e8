use std::format;
use std::vec;

use super::*;
use crate::observe::kpi::line::Standing;
use crate::observe::kpi::{End, Event, How, Line, Peer, Tag};
use crate::words::JobId;

const ME: Tag = Tag(0x11);
const OTHER: Tag = Tag(0x22);
const JOB: JobId = JobId::new(ME.0, 1);

fn line(seconds: f64, event: Event) -> Line {
    Line { at_ms: 1_000_000 + (seconds * 1e3) as u64, mono_ns: 500 + (seconds * 1e9) as u64, event }
}

fn began(seconds: f64) -> Line {
    let standing = Standing { node: ME, slots: 2, open: 2, cpus: 2, speed_milli: Some(1_000), left: 0 };
    line(seconds, Event::Began(standing))
}

fn end(task: u32, started: f64, ran: f64, how: How, is_over: bool) -> End {
    End(task, 1_000_000 + (started * 1e3) as u64, (ran * 1e9) as u64, None, how, is_over)
}

fn ended(seconds: f64, on: Tag, tasks: Vec<End>, left: u64) -> Line {
    line(seconds, Event::Ended { job: JOB, round: 0, on, slots: 1, queued_ms: Some(1_000_000), tasks, left })
}

fn load(seconds: f64, rho: f64, peers: Vec<Peer>, left: u64) -> Line {
    let (queued, running, slots, speed_milli) = (0, 0, 2, Some(1_000));
    line(seconds, Event::Load { rho: Some(rho), trit: 0, queued, running, slots, speed_milli, peers, left })
}

fn report(since_ms: u64, lines: &[Line]) -> Kpi {
    let mut gather = Gather::since(since_ms);
    for line in lines {
        gather.take(line);
    }
    gather.report()
}

fn is(got: Option<f64>, wanted: f64) {
    let got = got.expect("measured");
    assert!((got - wanted).abs() < 1e-9, "{got} and not {wanted}");
}

/// Four tasks of a second each on two slots here and one slot there; one fails once.
fn small() -> Vec<Line> {
    vec![
        began(0.0),
        line(0.0, Event::Accepted { job: JOB, tasks: 4, left: 4 }),
        load(0.0, 1.0, vec![Peer(OTHER, 500, 1, 1, Some(1_000))], 4),
        line(0.0, Event::Lent { job: JOB, to: OTHER, tasks: 2 }),
        ended(1.0, ME, vec![end(0, 0.0, 1.0, How::Done, true), end(1, 0.0, 1.0, How::Failed, false)], 3),
        ended(1.0, OTHER, vec![end(2, 0.0, 1.0, How::Done, true)], 2),
        line(1.0, Event::Returned { job: JOB, from: OTHER, tasks: 1 }),
        ended(2.5, ME, vec![end(3, 1.0, 1.0, How::TimedOut, true), end(1, 1.5, 1.0, How::Done, true)], 0),
        line(4.0, Event::Stopped { left: 0 }),
    ]
}

#[test]
fn each_figure_is_what_its_formula_says() {
    let kpi = report(0, &small());
    let figures = kpi.figures;
    assert_eq!((kpi.lives, kpi.nodes, kpi.lines, kpi.seconds.round() as u64), (1, 2, 9, 4));
    let tasks = Tasks { accepted: 4, done: 3, failed: 1, again: 1, ..Tasks::default() };
    assert_eq!((kpi.tasks, kpi.moves), (tasks, Moves { lent: 2, returned: 1, borrowed: 0 }));
    // ρ is 1 and 0.5 all the time.
    is(figures.load_variance, 0.0625);
    is(figures.load_variation, 0.25 / 0.75);
    is(figures.migration_rate, 3.0 / 4.0);
    // 0, 0, 0, half a second after the first try, and one second.
    is(figures.queue_latency_mean, 1.5 / 5.0);
    is(figures.queue_latency_p50, 0.0);
    is(figures.queue_latency_p95, 1.0);
    // Four seconds of tasks here on two slots for four seconds.
    is(figures.utilisation, 0.5);
    // Work of four seconds on three slots, over after 2.5 s.
    is(figures.makespan_over_bound, 2.5 / (4.0 / 3.0));
    assert_eq!((kpi.jobs_measured, figures.makespan_over_bound), (1, figures.makespan_over_bound_worst));
    // In the two and a half seconds in which there were tasks: four of five here, one of two and a half there.
    is(figures.jain, 1.2 * 1.2 / (2.0 * (0.64 + 0.16)));
    is(figures.throughput, 1.0);
    // 1, 1, 2 and 2.5 seconds after the acceptance.
    is(figures.task_latency_mean, 6.5 / 4.0);
    // Four for a second, two for one and a half, none for the rest.
    is(figures.tasks_in_system, (4.0 + 3.0) / 4.0);
    is(figures.little_lambda_w, 6.5 / 4.0);
    assert!(kpi.not_measured.is_empty(), "{:?}", kpi.not_measured);
}

#[test]
fn what_was_not_measured_is_absent_and_says_why() {
    let none = report(0, &[]);
    assert_eq!(none.figures, Figures::default());
    assert_eq!(none.not_measured.len(), 16, "{:?}", none.not_measured);
    // A node alone has nobody to be compared with, and nothing to do is no latency of zero.
    let alone = report(0, &[began(0.0), load(1.0, 0.4, vec![], 0), load(2.0, 0.4, vec![], 0)]);
    is(alone.figures.utilisation, 0.0);
    is(alone.figures.migration_rate, 0.0);
    let absent: Vec<&str> = alone.not_measured.keys().map(String::as_str).collect();
    assert_eq!(
        format!("{absent:?}"),
        "[\"jain\", \"little_apart\", \"little_lambda_w\", \"load_variance\", \"load_variation\", \"makespan_over_bound\", \
         \"makespan_over_bound_worst\", \"queue_latency_mean\", \"queue_latency_p50\", \"queue_latency_p95\", \
         \"queue_latency_p99\", \"task_latency_mean\"]"
    );
}

#[test]
fn time_without_the_agent_or_before_the_question_is_no_time() {
    let mut lines = small();
    // An hour later, after a restart of the machine: its clock of spans begins anew.
    let again = Line { mono_ns: 7, ..began(3_600.0) };
    lines.extend([again, Line { mono_ns: 7 + 1_000_000_000, ..line(3_601.0, Event::Stopped { left: 0 }) }]);
    let both = report(0, &lines);
    assert_eq!((both.lives, both.seconds.round() as u64), (2, 5));
    is(both.figures.utilisation, 4.0 / 10.0);
    let second = report(1_000_000 + 3_600_000, &lines);
    assert_eq!((second.lives, second.lines, second.tasks), (1, 2, Tasks::default()));
    is(second.figures.utilisation, 0.0);
    // From one second on: of the runs that end later only what lies within, and how things stood is known from before.
    let late = report(1_001_000, &small());
    is(late.figures.utilisation, 2.0 * 1.0 / (2.0 * 3.0));
    is(late.figures.load_variance, 0.0625);
    is(late.figures.tasks_in_system, 3.0 / 3.0);
    assert_eq!(late.jobs_measured, 0);
}

#[test]
fn a_clock_that_was_set_makes_no_latency() {
    let mut lines = small();
    lines[4] = ended(1.0, ME, vec![End(0, 999_000, 1_000_000_000, None, How::Done, true)], 3);
    let kpi = report(0, &lines);
    assert_eq!(kpi.clock_steps, 1);
    is(kpi.figures.queue_latency_mean, (0.0 + 1.0 + 1.5) / 3.0);
}

#[test]
fn a_log_without_its_head_or_with_nonsense_harms_nothing() {
    let far = End(u32::MAX, u64::MAX, u64::MAX, Some(u64::MAX), How::Failed, false);
    let lines = [
        ended(1.0, ME, vec![far], u64::MAX),
        began(0.0),
        ended(1.0, ME, vec![far, far, End(1, 0, u64::MAX, None, How::Done, true)], u64::MAX),
        line(2.0, Event::Slots { open: u32::MAX }),
        line(1e9, Event::Accepted { job: JOB, tasks: u32::MAX, left: u64::MAX }),
    ];
    let kpi = report(0, &lines);
    assert!(kpi.figures.utilisation.is_some_and(f64::is_finite), "{kpi:?}");
}
