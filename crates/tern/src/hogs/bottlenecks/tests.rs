use super::*;
use tern_core::decide::bottleneck::{
    Absent, Cause, Cpu, CpuTime, Disk, DiskWork, Link, Memory, Pressure, Queue, Tcp, Traffic, Wait,
};

fn well() -> Sample {
    let pressure = |some| Ok(Pressure { some, full: Some(0.0) });
    let work = DiskWork { busy: 3.2, wait_ms: Some(0.42), in_flight: 0.05 };
    let traffic = Traffic { bytes: 1000.0, packets: 30, errors: 0, dropped: 0 };
    Sample {
        seconds: 2.0,
        cpu: Cpu { time: Ok(CpuTime { busy: 12.04, stolen: 0.0 }), pressure: Ok(1.5), load: Ok(0.25) },
        memory: Memory { available: Ok(71.0), pressure: pressure(0.0), swapped_in: Ok(0.0), killed: Ok(0) },
        disks: Ok(vec![Disk { name: "vda".to_owned(), rotating: None, work: Ok(work) }]),
        disk_pressure: pressure(0.3),
        file_systems: Err(Absent::NoneHere),
        links: Ok(vec![Link { name: "eth0".to_owned(), speed_mbit: Err(Absent::SpeedUnknown), traffic: Ok(traffic) }]),
        tcp: Ok(Tcp { sent: 10, again: 0 }),
        queue: Err(Absent::NoAgent),
    }
}

fn slow_disk() -> Sample {
    let work = DiskWork { busy: 99.96, wait_ms: Some(312.5), in_flight: 31.0 };
    let disks = Ok(vec![Disk { name: "sd\x1b[2Jb".to_owned(), rotating: Some(true), work: Ok(work) }]);
    Sample { disks, disk_pressure: Ok(Pressure { some: 88.0, full: Some(40.0) }), ..well() }
}

fn asked(component: Component, check: bool) -> BottlenecksArgs {
    BottlenecksArgs { component, seconds: 2, check }
}

fn printed(sample: &Sample, json: bool) -> String {
    let mut out = Vec::new();
    run(&asked(Component::All, false), sample, json, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn code(args: &BottlenecksArgs, sample: &Sample) -> ExitCode {
    run(args, sample, false, &mut Vec::new()).unwrap()
}

#[test]
fn a_machine_that_is_well_is_said_to_be_with_its_figures_and_with_what_is_not_known() {
    expect_test::expect![[r#"
        nothing holds this machine back (looked at for 2.0 s)

        well
          cpu             waited for a CPU 1.5 %, busy 12.0 %, taken by the host 0.0 %, load 0.25 a CPU
          memory          waited for memory 0.0 %, all waited for memory 0.0 %, available 71.0 % of it, read from swap 0 KiB/s, ended for want of it 0 processes
          disk vda        busy 3.2 %, a request took 0.42 ms, in flight 0.05 requests
          disk            waited for a disk 0.3 %, all waited for a disk 0.0 %
          network eth0    wrong 0.00 % of the packets, dropped 0.00 % of the packets
          network         sent again 0.00 % of the segments

        not measured
          disk            file system errors: /sys/fs/ext4 has none
          network eth0    used: its driver does not say how fast the link is
          queue           slots used, tasks waiting: no agent runs here, so there is no queue to look at
    "#]]
    .assert_eq(&printed(&well(), false));
    let json: Value = serde_json::from_str(&printed(&well(), true)).unwrap();
    assert_eq!((&json["healthy"], &json["findings"]), (&json!(true), &json!([])));
    assert_eq!(json["well"][0]["evidence"][1]["value"], 12.04);
    let absent = |it: &&Value| it["figure"] == "link_used";
    let absent = json["not_measured"].as_array().unwrap().iter().find(absent).unwrap();
    assert_eq!((&absent["which"], &absent["because"]), (&json!("eth0"), &json!("speed_unknown")));
}

#[test]
fn what_holds_back_comes_first_with_its_evidence_and_no_name_speaks_to_the_terminal() {
    let text = printed(&slow_disk(), false);
    let (finding, _) = text.split_once("\nwell\n").unwrap();
    expect_test::expect![[r#"
        this holds work back (of 2.0 s):

        disk sd?[2Jb  saturation: work waits for it
          ! waited for a disk      88.0 % of the time  (too much from 25 on)
            all waited for a disk  40.0 % of the time
          ! busy                   100.0 % of the time  (too much from 90 on)
          ! a request took         312.50 ms  (too much from 50 on)
            in flight              31.00 requests
          → Read and write less at once (-j), keep temporary files in memory, or use a faster disk.
    "#]]
    .assert_eq(finding);
    let json: Value = serde_json::from_str(&printed(&slow_disk(), true)).unwrap();
    let finding = &json["findings"][0];
    assert_eq!(
        (&finding["resource"], &finding["kind"], &finding["severity"]),
        (&json!("disk"), &json!("saturation"), &json!("holds"))
    );
    let first = json!({"figure": "disk_pressure", "value": 88.0, "unit": "percent", "bound": 25.0, "beyond": true, "source": "/proc/pressure/io"});
    assert_eq!(finding["evidence"][0], first);
    assert_eq!((&json["healthy"], json["findings"].as_array().unwrap().len()), (&json!(false), 1));
}

#[test]
fn a_queue_says_why_its_tasks_wait_and_what_undoes_it() {
    let wait = |cause| Wait { cause, tasks: 30, jobs: 2, oldest_ms: Some(61_500) };
    for cause in Cause::ALL {
        let queue = Queue { slots: 2, open: 2, running: 2, waits: vec![wait(cause)] };
        let text = printed(&Sample { queue: Ok(queue), ..well() }, false);
        assert!(text.contains(&format!("\nqueue {}  ", cause.word())) && text.contains("  → "), "{text}");
        assert!(text.contains("! tasks waiting  30") && text.contains("61.5 s"), "{text}");
    }
}

#[test]
fn the_exit_code_says_something_only_where_it_was_asked_to() {
    let blind = ExitCode::from(69);
    let code = |component, check, sample: &Sample| format!("{:?}", code(&asked(component, check), sample));
    let is = |code: ExitCode| format!("{code:?}");
    assert_eq!(code(Component::All, false, &slow_disk()), is(ExitCode::SUCCESS));
    assert_eq!(code(Component::All, true, &slow_disk()), is(ExitCode::from(1)));
    assert_eq!(code(Component::Cpu, true, &slow_disk()), is(ExitCode::SUCCESS), "the processors are well");
    assert_eq!(code(Component::All, true, &well()), is(ExitCode::SUCCESS));
    assert_eq!(code(Component::Queue, true, &well()), is(blind), "nobody looked at a queue");
    assert_eq!(code(Component::Queue, false, &well()), is(ExitCode::SUCCESS));
}

#[test]
fn nothing_measured_is_no_health() {
    let why = Absent::NoFile;
    let sample = Sample {
        cpu: Cpu { time: Err(why), pressure: Err(why), load: Err(why) },
        memory: Memory { available: Err(why), pressure: Err(why), swapped_in: Err(why), killed: Err(why) },
        disks: Err(why),
        disk_pressure: Err(why),
        file_systems: Err(why),
        links: Err(why),
        tcp: Err(why),
        ..well()
    };
    let text = printed(&sample, false);
    assert!(
        text.starts_with("nothing could be measured\n") && text.contains("there is no /proc/pressure/cpu"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&printed(&sample, true)).unwrap();
    assert_eq!((&json["healthy"], &json["well"]), (&Value::Null, &json!([])));
}
