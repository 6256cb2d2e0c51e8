//! Screens, from pictures that never were.

use expect_test::expect;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tern_core::view::{JobState, JobView, TaskCounts};
use tern_node::control::api::StatusView;
use tern_node::control::api::grid::{MemberView, NodeEntry, NodesView, WayView};
use tern_node::control::api::machine::{FactsView, VitalsView};
use tern_node::control::api::work::{FlowEntry, FlowView};

use super::draw::{draw, rows};
use super::look::{Look, Next, Sort};
use super::picture::Picture;

fn node(name: &str, load: f64, trit: i8, word: &str, running: u16) -> NodeEntry {
    let vitals = VitalsView {
        trit,
        trit_word: word.to_owned(),
        load_ratio: Some(load),
        memory_total_mib: Some(8 * 1024),
        memory_available_mib: Some(6 * 1024),
        celsius: Some(51),
        slots: 4,
        running,
        queued: 7 * running,
        ..VitalsView::default()
    };
    let facts = FactsView {
        arch: "aarch64".to_owned(),
        class: Some("single-board".to_owned()),
        power: "mains".to_owned(),
        ..FactsView::default()
    };
    let link = WayView { trit: 1, word: "direct".to_owned(), via: None, hops: 1, rtt_us: Some(412) };
    let member = MemberView { name: name.to_owned(), up: true, link, ..MemberView::default() };
    NodeEntry { member, vitals: Some(vitals), facts: Some(facts), ..NodeEntry::default() }
}

fn status() -> StatusView {
    serde_json::from_value(serde_json::json!({
        "node": "3f9a1c2b", "key": "", "version": "", "agent_pid": 7, "home": "", "trit": 0, "trit_word": "balanced",
        "load_ratio": 0.5, "load_ratio_smoothed": 0.5, "cpus": 4, "cpu_pressure": null, "memory_total_kib": null,
        "memory_available_kib": null, "slots": 4, "running": 2, "queued": 14, "draining": false, "disk_full": false,
        "warden_pid": null, "warden_deaths": 0, "notes": [], "peers": []
    }))
    .unwrap()
}

fn picture() -> Picture {
    let mut here = node("attic", 0.5, 0, "balanced", 2);
    here.member.here = true;
    let mut gone = node("cellar", 0.1, -1, "idle", 0);
    gone.member.up = false;
    gone.member.link = WayView { trit: -1, word: "failed".to_owned(), ..WayView::default() };
    let mut far = node("barn", 1.2, 1, "overloaded", 4);
    far.member.zone = "farm".to_owned();
    far.member.link.trit = 0;
    "relayed".clone_into(&mut far.member.link.word);
    far.member.link.via = Some("attic".to_owned());
    let nodes = vec![gone, here, far];
    let job = JobView {
        job: "12-3f9a1c2b".to_owned(),
        name: String::new(),
        command: "flac {}".to_owned(),
        state: JobState::Running,
        tasks: TaskCounts { total: 20, done: 4, running: 2, queued: 14, ..TaskCounts::default() },
        round: 0,
        accepted_ms: tern_node::clock::now().wall_ms,
        ended_ms: None,
        because: None,
        durability: "1 of 1".to_owned(),
        deadline_ms: None,
    };
    let grid = NodesView { grid: "57834c02".to_owned(), nodes, ..NodesView::default() };
    let entry = FlowEntry {
        from: "attic".to_owned(),
        to: "barn".to_owned(),
        job: "12-3f9a1c2b".to_owned(),
        tasks: 7,
        ..FlowEntry::default()
    };
    let flow = FlowView { flows: vec![entry], silent: Vec::new() };
    Picture { status: status(), grid: Some(grid), flow, jobs: vec![job] }
}

fn screen(picture: &Picture, look: &Look, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| draw(picture, look, None, frame.area(), frame.buffer_mut())).unwrap();
    let buffer = terminal.backend().buffer();
    let line = |row: u16| (0..width).map(|column| buffer[(column, row)].symbol()).collect::<String>();
    (0..height).map(|row| line(row).trim_end().to_owned() + "\n").collect()
}

#[test]
fn a_wide_screen_shows_every_column_and_the_gone_last() {
    let picture = picture();
    let text = screen(&picture, &Look::default(), 132, rows(&picture));
    expect![[r#"
        tern top  node 3f9a1c2b  grid 57834c02  2 of 3 nodes up
        load ██████████░░░░░░░░░░ 0.50 a CPU  0 balanced  2 of 4 slots in use, 14 queued

        NODE    TRIT           ρ     RUNS  QUEUED  MEMORY       HEAT   POWER  MACHINE               ZONE  LINK
        attic   0 balanced     0.50  2/4   14      2.0/8.0 GiB  51 °C  mains  single-board aarch64  –     here
        barn    +1 overloaded  1.20  4/4   28      2.0/8.0 GiB  51 °C  mains  single-board aarch64  farm  0 relayed via attic, 412 µs
        cellar  gone           –     –     –       –            –      mains  single-board aarch64  –     -1 failed

        WORK WITH OTHERS
        attic → barn  7 tasks of 12-3f9a1c2b

        JOBS HERE
        12-3f9a1c2b     running    0s  4 of 20 done, 2 running  flac {}
        q quit   ↑↓ scroll   sort: [n name]  l load  r running  w waiting  m memory
    "#]].assert_eq(&text);
}

#[test]
fn a_narrow_screen_keeps_name_way_and_trit() {
    expect![[r#"
        tern top  node 3f9a1c2b  grid 57834c02  2 of 3 nod
        load ██████████░░░░░░░░░░ 0.50 a CPU  0 balanced

        NODE    TRIT           LINK
        attic   0 balanced     here
        barn    +1 overloaded  0 relayed via attic, 412 µs
        cellar  gone           -1 failed

        JOBS HERE
        12-3f9a1c2b     running    0s  4 of 20 done, 2 run

        q quit   ↑↓ scroll   sort: [n name]  l load  r run
    "#]]
    .assert_eq(&screen(&picture(), &Look::default(), 50, 12));
}

#[test]
fn keys_sort_scroll_and_quit() {
    let picture = picture();
    let mut look = Look::default();
    let press = |letter: char| KeyEvent::new(KeyCode::Char(letter), KeyModifiers::NONE);
    let first = |look: &Look| look.ordered(&picture.grid.as_ref().unwrap().nodes)[0].member.name.clone();
    assert_eq!(first(&look), "attic");
    assert_eq!(look.key(press('l')), Next::Stay);
    assert_eq!((look.sort, first(&look).as_str()), (Sort::Load, "barn"));
    assert_eq!(look.key(press('n')), Next::Stay);
    assert_eq!(first(&look), "attic");
    assert_eq!(look.key(KeyEvent::from(KeyCode::Up)), Next::Stay);
    assert_eq!(look.from, 0);
    assert_eq!(look.key(press('q')), Next::Quit);
    assert_eq!(look.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Next::Quit);
}

#[test]
fn no_size_of_a_screen_is_too_small() {
    let picture = picture();
    for (width, height) in [(1, 1), (3, 2), (200, 1), (1, 60), (20, 5)] {
        let look = Look { from: 1_000, ..Look::default() };
        assert_eq!(screen(&picture, &look, width, height).lines().count(), usize::from(height));
    }
}
