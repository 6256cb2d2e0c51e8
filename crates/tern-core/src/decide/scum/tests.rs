use alloc::format;

use super::*;
use proptest::prelude::*;

fn usage(cpu_percent: f64, memory_percent: f64, age_hours: f64) -> Usage {
    Usage { cpu_percent, memory_percent, age_hours }
}

#[test]
fn scores_are_what_the_formula_says_and_no_part_exceeds_its_share() {
    let table = [
        ("nothing", usage(0.0, 0.0, 0.0), 0.0),
        ("one core kept busy", usage(100.0, 0.0, 0.0), 0.6),
        ("eight threads count as one core", usage(800.0, 0.0, 0.0), 0.6),
        ("idle for 84.1 hours", usage(0.0, 0.0, 84.1), 0.1),
        ("idle for a month", usage(0.0, 0.0, 720.0), 0.1),
        ("all memory, young", usage(0.0, 100.0, 0.0), 0.3),
        ("everything, and for long", usage(1e9, 1e9, 1e9), 1.0),
        ("half of each", usage(50.0, 50.0, 12.0), 0.5),
        ("below nothing", usage(-5.0, -1.0, -3.0), 0.0),
        ("not measured", usage(f64::NAN, f64::NAN, f64::NAN), 0.0),
        ("a CPU that was not measured hides nothing else", usage(f64::NAN, 100.0, 24.0), 0.4),
        ("endless", usage(f64::INFINITY, 0.0, 0.0), 0.6),
    ];
    for (what, usage, expected) in table {
        assert_eq!(score(&usage, &ScumSettings::default()), expected, "{what}");
    }
}

#[test]
fn an_idle_daemon_never_becomes_a_hog_by_age_alone() {
    let settings = ScumSettings::default();
    for hours in [24.0, 84.0, 84.1, 8760.0] {
        assert_eq!(band(score(&usage(0.0, 0.0, hours), &settings), &settings), ProcTrit::Quiet);
    }
}

#[test]
fn the_bounds_belong_to_the_lower_band() {
    let settings = ScumSettings::default();
    let table = [
        (0.0, ProcTrit::Quiet),
        (0.15, ProcTrit::Quiet),
        (0.150_001, ProcTrit::Watch),
        (0.35, ProcTrit::Watch),
        (0.350_001, ProcTrit::Hog),
        (1.0, ProcTrit::Hog),
        (f64::NAN, ProcTrit::Quiet),
    ];
    for (score, trit) in table {
        assert_eq!(band(score, &settings), trit, "{score}");
    }
    // Sums of the parts that meet a bound on paper meet it in floating point too.
    for (on_bound, trit) in [
        (usage(50.0, 0.0, 12.0), ProcTrit::Watch),
        (usage(175.0 / 3.0, 0.0, 0.0), ProcTrit::Watch),
        (usage(25.0, 0.0, 0.0), ProcTrit::Quiet),
        (usage(0.0, 50.0, 0.0), ProcTrit::Quiet),
        (usage(125.0 / 3.0, 0.0, 24.0), ProcTrit::Watch),
    ] {
        assert_eq!(band(score(&on_bound, &settings), &settings), trit, "{on_bound:?}");
    }
    assert_eq!(band(score(&usage(58.4, 0.0, 0.0), &settings), &settings), ProcTrit::Hog);
}

#[test]
fn the_share_of_the_whole_machine_is_a_setting() {
    let whole = ScumSettings { cores: 16.0, ..ScumSettings::default() };
    assert_eq!(score(&usage(100.0, 0.0, 0.0), &whole), 0.0375);
    let absurd = ScumSettings { cores: 0.0, age_hours: f64::NAN, cpu_weight: f64::NAN, ..ScumSettings::default() };
    assert_eq!(score(&usage(100.0, 0.0, 1.0), &absurd), 0.0, "absurd settings score nothing rather than everything");
}

#[test]
fn the_plain_word_stands_beside_the_sign_of_a_process_too() {
    assert_eq!(format!("{} {} {}", ProcTrit::Hog, ProcTrit::Watch, ProcTrit::Quiet), "+1 hog 0 watch -1 quiet");
}

#[test]
fn some_processes_are_off_limits_whatever_they_do() {
    let plain = ProcessFacts { pid: 4000, uid: 1000, name: "burner", ..ProcessFacts::default() };
    let table = [
        ("one's own burner", plain, 1000, None),
        ("process 1", ProcessFacts { pid: 1, ..plain }, 1000, Some(Protected::Init)),
        ("process 1, by root", ProcessFacts { pid: 1, uid: 0, ..plain }, 0, Some(Protected::Init)),
        ("a process group", ProcessFacts { pid: -4000, ..plain }, 1000, Some(Protected::Init)),
        ("a kernel thread", ProcessFacts { kernel_thread: true, uid: 0, ..plain }, 0, Some(Protected::KernelThread)),
        ("an ancestor of ours", ProcessFacts { own: true, ..plain }, 1000, Some(Protected::Own)),
        ("another tern", ProcessFacts { same_program: true, ..plain }, 1000, Some(Protected::Own)),
        ("another user's", plain, 1001, Some(Protected::OtherUser)),
        ("another user's, by root", plain, 0, Some(Protected::OtherUser)),
        ("a way in", ProcessFacts { name: "sshd-session", ..plain }, 1000, Some(Protected::Listed)),
        ("the session", ProcessFacts { name: "systemd", ..plain }, 1000, Some(Protected::Listed)),
        ("the screen", ProcessFacts { name: "gnome-shell", ..plain }, 1000, Some(Protected::Listed)),
        ("a name that only begins alike", ProcessFacts { name: "Xorganise", ..plain }, 1000, None),
        ("a name from the settings", ProcessFacts { name: "my-database", ..plain }, 1000, Some(Protected::Settings)),
        (
            "a setting longer than the kernel's names",
            ProcessFacts { name: "a-very-long-nam", ..plain },
            1000,
            Some(Protected::Settings),
        ),
        ("a name that both name", ProcessFacts { name: "sshd", ..plain }, 1000, Some(Protected::Listed)),
    ];
    for (what, facts, user, expected) in table {
        assert_eq!(
            protection(&facts, user, &["sshd", "my-database", "a-very-long-name-of-a-program"]),
            expected,
            "{what}"
        );
    }
}

proptest! {
    #[test]
    fn any_usage_scores_between_nothing_and_all(cpu: f64, memory: f64, age: f64) {
        let value = score(&usage(cpu, memory, age), &ScumSettings::default());
        prop_assert!((0.0..=1.0).contains(&value), "{value}");
    }

    #[test]
    fn using_more_never_scores_less(cpu in 0.0f64..1000.0, memory in 0.0f64..120.0, age in 0.0f64..100.0, more in 0.0f64..50.0) {
        let settings = ScumSettings::default();
        let before = score(&usage(cpu, memory, age), &settings);
        prop_assert!(score(&usage(cpu + more, memory, age), &settings) >= before);
        prop_assert!(score(&usage(cpu, memory + more, age), &settings) >= before);
        prop_assert!(score(&usage(cpu, memory, age + more), &settings) >= before);
    }
}
