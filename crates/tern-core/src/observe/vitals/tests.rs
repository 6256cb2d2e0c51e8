use proptest::prelude::*;

use super::*;

fn vitals() -> Vitals {
    Vitals {
        sequence: 65_535,
        rho_milli: Some(250),
        trit: NodeTrit::Idle,
        cpu_pressure: Some(3),
        memory: Some(Memory { total_mib: 16_384, available: Some(150) }),
        celsius: Some(-4),
        queued: 12,
        running: 8,
        slots: 4,
        flags: Flags { draining: true, disk_full: false, on_battery: true, holds_work: true, stays: false },
    }
}

#[test]
fn with_the_tag_of_its_origin_it_fits_the_entry_of_a_batch() {
    const { assert!(VITALS_BYTES + 4 <= 24) }
    assert_eq!(Vitals::decode(&vitals().encode()), Ok(vitals()));
    assert_eq!(Vitals::decode(&Vitals::default().encode()), Ok(Vitals::default()));
}

/// The bytes of honest vitals with some of them changed.
fn forged(changes: &[(usize, u8)]) -> Result<Vitals, VitalsError> {
    let mut bytes = vitals().encode();
    for (at, byte) in changes {
        bytes[*at] = *byte;
    }
    Vitals::decode(&bytes)
}

#[test]
fn absurd_claims_are_refused_with_their_reason() {
    assert_eq!(forged(&[(4, 0b11)]), Err(VitalsError::Trit));
    assert_eq!(forged(&[(4, 0b1000_0000)]), Err(VitalsError::Reserved));
    assert_eq!(forged(&[(5, 201)]), Err(VitalsError::Pressure { half_percent: 201 }));
    // More available than there is; a share of nothing.
    assert_eq!(forged(&[(9, 202)]), Err(VitalsError::Memory { half_percent: 202 }));
    assert_eq!(forged(&[(6, 0), (7, 0), (8, 0)]), Err(VitalsError::Memory { half_percent: 150 }));
    assert_eq!(forged(&[(10, -61i8 as u8)]), Err(VitalsError::Celsius { found: -61 }));
    assert_eq!(forged(&[(15, 1), (16, 16)]), Err(VitalsError::Slots { found: 4097 }));
    assert_eq!(forged(&[(13, 65)]), Err(VitalsError::Running { running: 65, slots: 4 }));
    assert_eq!(forged(&[(13, 1), (15, 0)]), Err(VitalsError::Running { running: 1, slots: 0 }));
    // The greatest claim that is believed.
    assert_eq!(forged(&[(13, 64)]).map(|vitals| vitals.running), Ok(64));
    for length in [0, VITALS_BYTES - 1, VITALS_BYTES + 1] {
        assert_eq!(Vitals::decode(&[0; 32][..length]), Err(VitalsError::Length { bytes: length }));
    }
}

#[test]
fn a_sequence_that_wrapped_is_newer_and_an_old_one_is_not() {
    assert!(is_newer(0, 65_535) && !is_newer(65_535, 0));
    assert!(is_newer(6, 5) && !is_newer(5, 6) && !is_newer(5, 5));
    assert!(is_newer(0x7fff, 0));
    // Exactly opposite: neither is newer.
    assert!(!is_newer(0x8000, 0) && !is_newer(0, 0x8000));
}

#[test]
fn what_was_not_measured_is_absent_and_what_is_too_large_stops_at_the_end() {
    assert_eq!([0.0, 0.2504, 70.0, f64::INFINITY].map(rho_milli), [Some(0), Some(250), Some(65_534), Some(65_534)]);
    assert_eq!([f64::NAN, -0.1].map(rho_milli), [None, None]);
    assert_eq!([0.0, 1.6, 100.0, 100.1, f32::NAN].map(half_percent), [Some(0), Some(3), Some(200), None, None]);
    let reading = |total, available| {
        Memory::of(&Reading { memory_total_kib: total, memory_available_kib: available, ..Reading::default() })
    };
    assert_eq!(reading(Some(4 << 20), Some(1 << 20)), Some(Memory { total_mib: 4096, available: Some(50) }));
    assert_eq!(reading(Some(4 << 20), None), Some(Memory { total_mib: 4096, available: None }));
    assert_eq!(
        reading(Some(u64::MAX), Some(u64::MAX)),
        Some(Memory { total_mib: MEMORY_MIB_MAX, available: Some(200) })
    );
    assert_eq!([reading(None, Some(5)), reading(Some(0), Some(5))], [None, None]);
}

/// As many as other decoders are given (`tests/shared/mutated.rs`).
fn mutations() -> u32 {
    extern crate std;
    std::env::var("TERN_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(200_000)
}

prop_compose! {
    /// Any figures at all, in and out of their bounds.
    fn any_vitals()(
        (sequence, rho_milli, trit) in (any::<u16>(), any::<Option<u16>>(), 0u8..3),
        cpu_pressure in any::<Option<u8>>(),
        memory in any::<Option<(u32, Option<u8>)>>(),
        celsius in any::<Option<i8>>(),
        (queued, running, slots) in any::<(u16, u16, u16)>(),
        flags in any::<u8>(),
    ) -> Vitals {
        let memory = memory.map(|(total_mib, available)| Memory { total_mib, available });
        let trit = trit_of(trit).unwrap();
        Vitals { sequence, rho_milli, trit, cpu_pressure, memory, celsius, queued, running, slots, flags: Flags::of(flags) }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: mutations(), ..ProptestConfig::default() })]

    #[test]
    fn what_is_sent_is_always_read_and_says_the_same_again(vitals in any_vitals()) {
        let read = Vitals::decode(&vitals.encode()).unwrap();
        prop_assert_eq!(read.encode(), vitals.encode());
        prop_assert_eq!((read.sequence, read.trit, read.flags), (vitals.sequence, vitals.trit, vitals.flags));
        prop_assert_eq!((read.queued, read.cpu_pressure.is_some()), (vitals.queued, vitals.cpu_pressure.is_some()));
        // Within their bounds figures come back as they were.
        prop_assert_eq!(Vitals::decode(&read.encode()), Ok(read));
    }

    #[test]
    fn any_bytes_are_vitals_or_refused_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        if let Ok(vitals) = Vitals::decode(&bytes) {
            // One form only: what is believed could have been sent in no other way.
            prop_assert_eq!(&vitals.encode()[..], &bytes[..]);
        }
    }

    #[test]
    fn mutated_vitals_are_read_in_one_form_or_refused(
        vitals in any_vitals(),
        changes in prop::collection::vec((0..VITALS_BYTES, any::<u8>()), 1..4),
    ) {
        let mut bytes = vitals.encode();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        if let Ok(read) = Vitals::decode(&bytes) {
            prop_assert_eq!(read.encode(), bytes);
            prop_assert!(u32::from(read.running) <= u32::from(read.slots) * RUNNING_PER_SLOT_MAX);
        }
    }
}
