//! Finds places for buffers.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::buffers::{Buffer, Buffers, Pair, Way};

/// The largest sum of what is alive in one step, less what may overlap there.
pub fn lower_bound(buffers: &Buffers, steps: usize) -> u32 {
    let all = &buffers.all;
    let saved = |step: i64| -> u32 {
        let pair = buffers.pairs.iter().find(|pair| all[pair.output].from == step);
        pair.map_or(0, |&Pair { output, input, way }| {
            let (output, input) = (all[output].len, all[input].len);
            match way {
                Way::Ahead(bytes) => output + input - output.max(bytes + input).min(output + input),
                Way::Behind => output.min(input),
            }
        })
    };
    let alive =
        |step: i64| all.iter().filter(|b| b.from <= step && step <= b.to).map(|b| b.len).sum::<u32>() - saved(step);
    (-1..=steps as i64).map(alive).max().unwrap_or(0)
}

/// Tries orders until one reaches the bound, and keeps the best.
pub fn place(buffers: &Buffers, lower_bound: u32) -> Vec<u32> {
    let by = |key: &dyn Fn(&Buffer) -> i64| {
        let mut order: Vec<usize> = (0..buffers.all.len()).filter(|&index| buffers.all[index].len > 0).collect();
        order.sort_by_key(|&index| (key(&buffers.all[index]), index));
        order
    };
    let mut orders = vec![
        by(&|b| -i64::from(b.len)),
        by(&|b| -(i64::from(b.len) * (b.to - b.from + 1))),
        by(&|b| b.from),
        by(&|b| -b.to),
    ];
    let mut rng = StdRng::seed_from_u64(0);
    let mut best = (u32::MAX, Vec::new(), Vec::new());
    for round in 0..2000 {
        let order = orders.pop().unwrap_or_else(|| exchanged(&best.2, round, &mut rng));
        let places = greedy(&buffers.all, &buffers.pairs, &order);
        let top = top(&buffers.all, &places);
        if top < best.0 {
            best = (top, places, order);
        }
        if best.0 == lower_bound {
            break;
        }
    }
    best.1
}

/// The best order so far with two places exchanged, now and then an entirely new one.
fn exchanged(order: &[usize], round: usize, rng: &mut StdRng) -> Vec<usize> {
    let mut order = order.to_vec();
    if round.is_multiple_of(16) {
        order.shuffle(rng);
    } else if !order.is_empty() {
        let (a, b) = (rng.random_range(0..order.len()), rng.random_range(0..order.len()));
        order.swap(a, b);
    }
    order
}

/// Each buffer in turn at the lowest offset where it overlaps nothing that lives with it, but for what a pair allows.
fn greedy(buffers: &[Buffer], pairs: &[Pair], order: &[usize]) -> Vec<u32> {
    let mut places = vec![0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    for &index in order {
        let buffer = &buffers[index];
        // Another buffer forbids offsets from `start − need` to `end`, both excluded.
        let mut taken: Vec<(u32, u32, u32)> = placed
            .iter()
            .filter(|&&other| buffers[other].lives_with(buffer) && buffers[other].len > 0)
            .map(|&other| {
                let (start, end) = (places[other], places[other] + buffers[other].len);
                let way = |output, input| {
                    pairs.iter().find(|pair| pair.output == output && pair.input == input).map(|pair| pair.way)
                };
                match (way(index, other), way(other, index)) {
                    (Some(Way::Ahead(bytes)), _) => (start, end, bytes),
                    (Some(Way::Behind), _) => (start, start, buffer.len),
                    (_, Some(Way::Ahead(bytes))) => (start, start + bytes, buffer.len),
                    (_, Some(Way::Behind)) => (start, end, 0),
                    _ => (start, end, buffer.len),
                }
            })
            .collect();
        taken.sort_unstable_by_key(|&(_, end, _)| end);
        let mut at = 0;
        while let Some(&(_, end, _)) = taken.iter().find(|&&(start, end, need)| at + need > start && at < end) {
            at = end;
        }
        places[index] = at;
        placed.push(index);
    }
    places
}

/// The end of the last one.
pub fn top(buffers: &[Buffer], places: &[u32]) -> u32 {
    buffers.iter().zip(places).map(|(buffer, at)| at + buffer.len).max().unwrap_or(0)
}
