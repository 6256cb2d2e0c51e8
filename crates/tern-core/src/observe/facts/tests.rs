use alloc::string::ToString;
use alloc::vec;
use alloc::{format, string::String};

use proptest::prelude::*;

use super::*;

fn laptop() -> Facts {
    Facts {
        version: "0.1.0".into(),
        arch: "x86_64".into(),
        os: "linux".into(),
        kernel: Some("6.12.30-amd64".into()),
        cpu_model: Some("13th Gen Intel Core i7-1360P".into()),
        cores: 16,
        memory_mib: Some(31_784),
        gpus: vec![Gpu { vendor: "intel".into(), model: "0xa7a0".into() }],
        class: Some(Class::Laptop),
        power: Power::battery(Some(18)),
        metered: Some(false),
        capabilities: ["cgroup2", "docker", "kvm", "psi"].map(String::from).into(),
        speed: speed(1.234),
    }
}

#[test]
fn a_usual_machine_takes_less_than_two_hundred_bytes_and_none_more_than_the_limit() {
    let bytes = laptop().encode();
    assert!(bytes.len() < 200, "{} bytes", bytes.len());
    assert_eq!(Facts::decode(&bytes), Ok(laptop()));
    let gpu = Gpu { vendor: "nvidia".into(), model: "H100 80GB HBM3".into() };
    let rack = Facts { gpus: vec![gpu; GPUS_MAX], class: Some(Class::Server), ..laptop() };
    assert_eq!(rack.check(), Ok(()));
    // Everything at its greatest would be too much; it loses the last graphics processors and nothing else.
    let gpu = Gpu { vendor: "v".repeat(FACT_NAME_BYTES_MAX), model: "m".repeat(FACT_TEXT_BYTES_MAX) };
    let capabilities = (0..CAPABILITIES_MAX).map(|n| format!("{n:0>FACT_NAME_BYTES_MAX$}")).collect();
    let greatest = Facts { gpus: vec![gpu; GPUS_MAX], capabilities, ..laptop() };
    assert!(matches!(greatest.check(), Err(FactsError::TooLarge { .. })));
    let fitted = greatest.clone().fitted();
    assert_eq!(fitted.check(), Ok(()));
    assert!(fitted.encode().len() <= FACTS_BYTES_MAX && !fitted.gpus.is_empty());
    assert_eq!(fitted.capabilities, greatest.capabilities);
    assert_eq!(laptop().fitted(), laptop());
}

#[test]
fn absurd_facts_are_refused_with_their_reason() {
    let cases: [(Facts, FactsError); 12] = [
        (Facts { arch: String::new(), ..laptop() }, FactsError::Text { field: "architecture" }),
        (Facts { version: "9".repeat(17), ..laptop() }, FactsError::Text { field: "version" }),
        (Facts { kernel: Some("\x1b[2J".into()), ..laptop() }, FactsError::Text { field: "kernel" }),
        (Facts { cpu_model: Some("i7\u{202e}".into()), ..laptop() }, FactsError::Text { field: "processor" }),
        (Facts { cores: 0, ..laptop() }, FactsError::Cores { found: 0 }),
        (Facts { cores: 4097, ..laptop() }, FactsError::Cores { found: 4097 }),
        (Facts { memory_mib: Some(0), ..laptop() }, FactsError::Memory { mib: 0 }),
        (Facts { memory_mib: Some(1 << 24), ..laptop() }, FactsError::Memory { mib: 1 << 24 }),
        (Facts { power: Power::Battery { percent: Some(105) }, ..laptop() }, FactsError::Charge { percent: 105 }),
        (Facts { power: Power::Battery { percent: Some(18) }, ..laptop() }, FactsError::Charge { percent: 18 }),
        (Facts { speed: Some(0), ..laptop() }, FactsError::Speed { found: 0 }),
        (Facts { speed: Some(20_020), ..laptop() }, FactsError::Speed { found: 20_020 }),
    ];
    for (facts, reason) in cases {
        assert_eq!(Facts::decode(&facts.encode()), Err(reason), "{facts:?}");
        // As a part of something else it is refused, too.
        assert!(postcard::from_bytes::<(u8, Facts)>(&postcard::to_allocvec(&(7u8, &facts)).unwrap()).is_err());
        assert!(reason.to_string().len() > 20);
    }
    let twice = Facts { capabilities: vec!["kvm".into(), "kvm".into()], ..laptop() };
    assert_eq!(Facts::decode(&twice.encode()), Err(FactsError::Capabilities { count: 2 }));
}

#[test]
fn a_list_beyond_its_limit_a_rest_and_too_many_bytes_are_told_apart() {
    let gpu = Gpu { vendor: "v".into(), model: "m".into() };
    let nine = Facts { gpus: vec![gpu; GPUS_MAX + 1], ..laptop() };
    assert_eq!(nine.check(), Err(FactsError::Gpus { count: 9 }));
    assert_eq!(Facts::decode(&nine.encode()), Err(FactsError::Malformed));
    let mut bytes = laptop().encode();
    bytes.push(0);
    assert_eq!(Facts::decode(&bytes), Err(FactsError::Trailing { bytes: 1 }));
    bytes.resize(FACTS_BYTES_MAX + 1, 0);
    assert_eq!(Facts::decode(&bytes), Err(FactsError::TooLarge { bytes: FACTS_BYTES_MAX + 1 }));
    assert_eq!(Facts::decode(&[]), Err(FactsError::Malformed));
}

#[test]
fn a_battery_below_twenty_per_cent_is_never_shown_at_twenty() {
    let shown = [0, 4, 19, 20, 24, 100, 255].map(|percent| Power::battery(Some(percent)));
    let told = [0, 0, 15, 20, 20, 100, 100].map(|percent| Power::Battery { percent: Some(percent) });
    assert_eq!(shown, told);
}

#[test]
fn a_speed_is_told_in_steps_and_within_what_is_believed() {
    let told = [1.0, 1.009, 1.011, 0.001, 1e9].map(speed);
    assert_eq!(told, [Some(1000), Some(1000), Some(1020), Some(20), Some(20_000)]);
    assert_eq!([0.0, -1.0, f64::NAN].map(speed), [None; 3]);
}

/// As many as other decoders are given (`tests/shared/mutated.rs`).
fn mutations() -> u32 {
    extern crate std;
    std::env::var("TERN_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: mutations(), ..ProptestConfig::default() })]

    #[test]
    fn mutated_facts_are_believable_or_refused_and_never_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = laptop().encode();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(facts) = Facts::decode(&bytes) {
            prop_assert_eq!(facts.check(), Ok(()));
            prop_assert_eq!(Facts::decode(&facts.encode()), Ok(facts));
        }
    }

    #[test]
    fn noise_is_never_a_panic(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        drop(Facts::decode(&noise));
    }
}
