//! Passes of the compiler: smaller or in less memory, and the same bits.

use thumbnet::format::Op;
use thumbnet_host_tests::networks::{Network, answers, network};
use thumbnet_trainer::compile::{Family, Program, TRANSFORMED, compile, pack, remove_dead_channels, split};
use thumbnet_trainer::run::{Target, choose_layouts};

fn arena(program: &Program) -> u32 {
    compile(program, &[]).unwrap().plan.arena_len
}

#[test]
fn bands_give_the_bits_of_the_whole_in_less_memory() {
    let (mut banded, mut sums) = (0, 0);
    for seed in 0..150 {
        let whole = network(seed, 0.0);
        let mut program = whole.clone();
        let parts = split(&mut program, 0, &|program: &mut Program| pack(program, Family::Dsp)).unwrap();
        pack(&mut program, Family::Dsp);
        assert_eq!(answers(&program, Target::Host), answers(&whole, Target::Host), "network {seed}: {parts:?}");
        if let Some(last) = parts.last() {
            assert_eq!(arena(&program), last.after, "network {seed}");
            let mut whole = whole.clone();
            pack(&mut whole, Family::Dsp);
            assert_eq!(arena(&whole), parts[0].before, "network {seed}");
            assert!(last.after < parts[0].before, "network {seed}: {parts:?}");
            assert!(program.data.len() <= whole.data.len(), "network {seed}: weights are there twice");
            banded += 1;
            sums += usize::from(program.steps.iter().any(|step| matches!(step.op, Op::Accumulate(_))));
        }
    }
    assert!(banded > 20 && sums > 10, "only {banded} of the networks ran in bands, {sums} of them into sums");
}

#[test]
fn bands_run_on_cores() {
    let mut network = Network::new(5, [1, 24, 6, 4], 0.0);
    network.conv(Some(24), [5, 3], 1).conv(None, [3, 3], 1).lookup().conv(Some(8), [1, 1], 1).dense(6);
    let mut program = network.program;
    let expected = answers(&program, Target::Host);
    assert!(!split(&mut program, 0, &|program: &mut Program| pack(program, Family::Dsp)).unwrap().is_empty());
    pack(&mut program, Family::Dsp);
    for core in [Target::M0, Target::M4, Target::M55] {
        assert_eq!(answers(&program, core), expected, "{core}");
    }
}

#[test]
fn a_budget_takes_no_more_than_it_needs() {
    let mut network = Network::new(3, [1, 32, 8, 4], 0.0);
    network.conv(Some(16), [3, 3], 1).conv(Some(16), [3, 3], 1).pool(true);
    let least = {
        let mut program = network.program.clone();
        split(&mut program, 0, &|_: &mut Program| ()).unwrap();
        (arena(&program), program.macs())
    };
    let whole = (arena(&network.program), network.program.macs());
    let budget = (whole.0 + least.0) / 2;
    let parts = split(&mut network.program, budget, &|_: &mut Program| ()).unwrap();
    let (bytes, macs) = (arena(&network.program), network.program.macs());
    assert!(least.0 <= bytes && bytes <= budget && budget < whole.0, "{least:?} {bytes} {budget} {whole:?}");
    assert!(macs < least.1, "{parts:?}");
    assert_eq!(parts.iter().map(|part| part.further_macs).sum::<u64>(), macs - whole.1);
}

/// A chain of depthwise layers does not wander through the arena: one tensor, and the two rows that the next is ahead.
#[test]
fn depthwise_layers_stay_where_they_are() {
    let mut network = Network::new(3, [1, 16, 4, 16], 0.0);
    for _ in 0..4 {
        network.conv(None, [3, 3], 1).conv(Some(16), [1, 1], 1).conv(Some(64), [1, 1], 1).conv(Some(16), [1, 1], 1);
    }
    let plan = compile(&network.program, &[]).unwrap().plan;
    assert_eq!(plan.arena_len, plan.lower_bound);
}

#[test]
fn dead_channels_go_and_no_bit_changes() {
    let mut found = 0;
    for seed in 0..300 {
        let whole = network(seed, 0.4);
        let mut program = whole.clone();
        let dead = remove_dead_channels(&mut program);
        assert_eq!(answers(&program, Target::Host), answers(&whole, Target::Host), "network {seed}: {dead:?}");
        assert!(dead.is_empty() || program.macs() < whole.macs(), "network {seed}: {dead:?}");
        assert!(program.data.len() <= whole.data.len(), "network {seed}: {dead:?}");
        assert!(remove_dead_channels(&mut program).is_empty(), "network {seed}: not all at once");
        found += usize::from(!dead.is_empty());
    }
    assert!(found > 100, "only {found} of the networks had dead channels");
}

#[test]
fn live_channels_stay() {
    for seed in 0..20 {
        let mut program = network(seed, 0.0);
        let whole = program.clone();
        assert_eq!(remove_dead_channels(&mut program), []);
        assert_eq!(program, whole);
    }
}

#[test]
fn measured_layouts_are_the_fastest_of_each_layer() {
    let mut network = Network::new(4, [1, 12, 10, 6], 0.0);
    network.conv(Some(16), [3, 3], 1).conv(Some(16), [3, 3], 1).conv(Some(1), [1, 1], 1).dense(6);
    let expected = answers(&network.program, Target::Host);
    for (core, budget) in [(Target::M4, usize::MAX), (Target::M4, 0), (Target::M3, usize::MAX)] {
        let mut program = network.program.clone();
        let measured = choose_layouts(&mut program, core, budget).unwrap();
        assert!(measured.len() >= 3, "{measured:?}");
        for step in &measured {
            let (fastest, _) = step.counts.iter().min_by_key(|(_, count)| count).unwrap();
            assert_eq!(step.chosen, *fastest, "{core}: {step}");
        }
        let transformed = measured.iter().filter(|step| TRANSFORMED.contains(&step.chosen)).count();
        assert_eq!(transformed > 0, core == Target::M4 && budget > 0, "{core}: {measured:?}");
        assert_eq!(answers(&program, core), expected, "{core}");
    }
}
