//! Changing fields of a model file.

use std::ops::Range;

use thumbnet::format::{HEAD_BYTES, Head, MAGIC, RECORD_WORDS, Section, VERSION};

/// Makes the checksum right again, so that what lies behind it is looked at.
pub fn seal(bytes: &mut [u8]) {
    if bytes.len() >= 16 {
        let checksum = thumbnet::digest(0, &bytes[16..]);
        put(bytes, 3, checksum);
    }
}

/// Changes one to three fields of a valid file, and makes the checksum right again.
///
/// `choose` gives a number below its argument, by chance or from the bytes of a fuzzer; 0 stands for 2^32.
pub fn mutate(bytes: &mut [u8], mut choose: impl FnMut(u32) -> u32) {
    for _ in 0..=choose(3) {
        let Some(head) = head(bytes) else { return };
        let field = field(bytes, &head, &mut choose);
        if 4 * field + 4 > bytes.len() {
            continue;
        }
        let word = value(bytes, &head, field, &mut choose);
        put(bytes, field, word);
    }
    if choose(32) > 0 {
        agree_on_work(bytes);
    }
    seal(bytes);
}

fn head(bytes: &[u8]) -> Option<Head> {
    let words: Vec<u32> = (0..HEAD_BYTES / 4).map_while(|at| get(bytes, at)).collect();
    Head::parse(&words)
}

/// The number of a word in the file: of a tensor's or a step's record in most cases, seldom of the rest.
fn field(bytes: &[u8], head: &Head, choose: &mut impl FnMut(u32) -> u32) -> usize {
    let any = |section: Section, words: usize, choose: &mut dyn FnMut(u32) -> u32| {
        section.offset as usize / 4 + choose((words as u32).max(1)) as usize
    };
    match choose(16) {
        // Magic, version, length and checksum have tests of their own.
        0 | 1 => 4 + choose(HEAD_BYTES as u32 / 4 - 4) as usize,
        2..6 => any(head.tensors, head.tensors.count as usize * RECORD_WORDS, choose),
        6..12 => {
            let records = records(bytes, head.program);
            let record = records.get(choose(records.len().max(1) as u32) as usize).cloned().unwrap_or(0..1);
            record.start + choose(record.len().max(1) as u32) as usize
        }
        12 => any(head.outputs, head.outputs.count as usize, choose),
        13 => any(head.info, head.info.count as usize / 4, choose),
        14 => any(head.data, head.data.count as usize / 4, choose),
        _ => any(head.golden, head.golden.count as usize, choose),
    }
}

/// The words of every record of the program, as far as their lengths make sense.
fn records(bytes: &[u8], program: Section) -> Vec<Range<usize>> {
    let start = program.offset as usize / 4;
    let end = start.saturating_add(program.count as usize).min(bytes.len() / 4);
    let mut records = Vec::new();
    let mut at = start;
    while at < end {
        let len = get(bytes, at).map_or(0, |word| word as usize >> 16).max(1);
        records.push(at..(at + len).min(end));
        at += len;
    }
    records
}

/// A value for a field: near the one it has, one that is often special, one of the same field elsewhere, or any.
fn value(bytes: &[u8], head: &Head, field: usize, choose: &mut impl FnMut(u32) -> u32) -> u32 {
    const SPECIAL: [u32; 12] = [0, 1, 2, 3, 4, 16, 0xff, 0x100, 0x7fff_ffff, 0x8000_0000, u32::MAX, u32::MAX - 3];
    let word = get(bytes, field).unwrap_or(0);
    let same_elsewhere = |choose: &mut dyn FnMut(u32) -> u32| {
        let start = head.tensors.offset as usize / 4;
        let other = choose(head.tensors.count.max(1)) as usize * RECORD_WORDS;
        get(bytes, start + other + field.wrapping_sub(start) % RECORD_WORDS).unwrap_or(word)
    };
    match choose(9) {
        0 => word ^ 1 << choose(32),
        1 => word.wrapping_add(1 + choose(4)),
        2 => word.wrapping_sub(1 + choose(4)),
        3 => word.wrapping_add(4 + 4 * choose(16)),
        4 => word.wrapping_sub(4 + 4 * choose(16)),
        5 => SPECIAL[choose(SPECIAL.len() as u32) as usize % SPECIAL.len()],
        6 => word.wrapping_mul(2),
        7 => same_elsewhere(choose),
        _ => choose(0),
    }
}

/// States the work that the changed steps amount to: otherwise nearly every change of a shape would be refused for that alone.
fn agree_on_work(bytes: &mut [u8]) {
    seal(bytes);
    let copy = crate::guarded::aligned(bytes);
    let bytes_of = &bytemuck::cast_slice::<u128, u8>(&copy)[..bytes.len()];
    if let Err(thumbnet::FormatError::Work { expected, .. }) = thumbnet::Model::new(bytes_of) {
        put(bytes, HEAD_BYTES / 4 - 4, expected as u32);
        put(bytes, HEAD_BYTES / 4 - 3, (expected >> 32) as u32);
    }
}

fn get(bytes: &[u8], word: usize) -> Option<u32> {
    bytes.chunks_exact(4).nth(word).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap_or_default()))
}

fn put(bytes: &mut [u8], word: usize, value: u32) {
    if let Some(to) = bytes.chunks_exact_mut(4).nth(word) {
        to.copy_from_slice(&value.to_le_bytes());
    }
}

/// Bytes with the head of a file of this length in front, and a right checksum: what a fuzzer would hardly find by itself.
pub fn dress(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(16).max(HEAD_BYTES), 0);
    let len = bytes.len() as u32;
    [MAGIC, VERSION, len].into_iter().enumerate().for_each(|(word, value)| put(bytes, word, value));
    agree_on_work(bytes);
    seal(bytes);
}
