//! Orders the weights of convolutions, fully connected and recurrent layers as a family of cores reads them fastest. The bits are the same in every order.

use clap::ValueEnum;
use thumbnet::fixed::Rounding;
use thumbnet::format::{ConvParams, Op};
use thumbnet::kernels::{Channel, Layout};

use super::data::{relayout, substitute};
use super::program::Program;
use crate::run::Target;

/// The cores that a file is written for; it runs on all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Family {
    /// Cortex-M4, M7, M33: the DSP extension, no Helium.
    #[default]
    Dsp,
    /// Cortex-M0, M3, M55, M85, and this machine.
    Plain,
}

impl Family {
    /// The family of a core.
    #[must_use]
    pub const fn of(core: Target) -> Self {
        match core {
            Target::M4 | Target::M7 | Target::M33 => Self::Dsp,
            Target::Host | Target::M0 | Target::M3 | Target::M55 => Self::Plain,
        }
    }
}

/// Sums of products of a channel stay below this where its weights are stored in pairs.
const MOST: i64 = 1 << 23;

/// Packs the weights of the layers that gain by it.
pub fn pack(program: &mut Program, family: Family) {
    pack_where(program, |_| family == Family::Dsp);
}

/// The same for those steps alone that are wanted.
pub fn pack_where(program: &mut Program, is_wanted: impl Fn(usize) -> bool) {
    for number in (0..program.steps.len()).filter(|&number| is_wanted(number)) {
        pack_rows(program, number);
        let Op::Conv2d(params) = program.steps[number].op else { continue };
        let last = |tensor: usize| program.tensors[tensor].shape.last().map_or(1, |&dim| dim as usize);
        let (input, outputs) = (program.steps[number].inputs[0], last(program.first_result() + number));
        let taps = params.size.iter().product::<u32>() as usize * last(input);
        let zero_point = program.tensors[input].zero_point;
        if params.layout == Layout::Plain && gains(program, &params, [taps, outputs], zero_point) {
            let start = params.weights as usize;
            let bytes = in_pairs(bytemuck::cast_slice(&program.data[start..start + taps * outputs]), taps);
            relayout(program, number, Layout::Pairs, taps * outputs, &bytes);
        }
    }
}

/// Packs the rows of a fully connected or recurrent layer: all of its matrices, or none.
fn pack_rows(program: &mut Program, number: usize) {
    let tensor = |tensor: usize| program.tensors[tensor].shape.as_slice();
    let last = |shape: &[u32]| shape.last().map_or(1, |&dim| dim as usize);
    let elements = |shape: &[u32]| shape.iter().product::<u32>() as usize;
    let (x, y) = (tensor(program.steps[number].inputs[0]), tensor(program.first_result() + number));
    let (inputs, outputs) = (last(x), last(y));
    let matrices: Vec<[usize; 2]> = match &program.steps[number].op {
        // A single row has none to be paired with.
        Op::FullyConnected(_) if outputs > 1 => vec![[outputs, elements(x) / (elements(y) / outputs)]],
        Op::Lstm(_) => vec![[4 * outputs, inputs], [4 * outputs, outputs]],
        Op::Recurrent(p) => [inputs, outputs].map(|columns| [p.cell.gates() * outputs, columns]).into(),
        _ => return,
    };
    let is_packable = |(number_of, &[rows, columns]): (usize, &[usize; 2])| {
        let Some((Layout::Plain, start)) = matrix(program, number, number_of) else { return false };
        // 256 · −128 − 128 has no room in 16 bits.
        program.data[start as usize..][..rows * columns].iter().all(|&w| w.cast_signed() != i8::MIN)
    };
    if !matrices.iter().enumerate().all(is_packable) {
        return;
    }
    for (number_of, &[rows, columns]) in matrices.iter().enumerate() {
        let Some((_, start)) = matrix(program, number, number_of) else { return };
        let bytes = in_pairs(bytemuck::cast_slice(&program.data[start as usize..][..rows * columns]), columns);
        let start = substitute(program, start, rows * columns, &bytes);
        if let Some((_, to)) = offset(&mut program.steps[number].op, number_of) {
            *to = start;
        }
    }
    if let Some((layout, _)) = offset(&mut program.steps[number].op, 0) {
        *layout = Layout::Pairs;
    }
}

/// The layout of a layer's weights, and where its first or second matrix is.
fn offset(op: &mut Op, number: usize) -> Option<(&mut Layout, &mut u32)> {
    match (op, number) {
        (Op::FullyConnected(p), 0) => Some((&mut p.layout, &mut p.weights)),
        (Op::Lstm(p), 0) => Some((&mut p.layout, &mut p.input_weights)),
        (Op::Lstm(p), 1) => Some((&mut p.layout, &mut p.recurrent_weights)),
        (Op::Recurrent(p), 0) => Some((&mut p.layout, &mut p.input_weights)),
        (Op::Recurrent(p), 1) => Some((&mut p.layout, &mut p.recurrent_weights)),
        _ => None,
    }
}

fn matrix(program: &Program, step: usize, number: usize) -> Option<(Layout, u32)> {
    let mut op = program.steps[step].op;
    offset(&mut op, number).map(|(layout, start)| (*layout, *start))
}

/// Whether a convolution may be stored in pairs, as [`Layout::Pairs`] says, and is the faster for it.
fn gains(program: &Program, params: &ConvParams, [taps, outputs]: [usize; 2], zero_point: i32) -> bool {
    let weights: &[i8] = bytemuck::cast_slice(&program.data[params.weights as usize..][..taps * outputs]);
    let most = i64::from((127 - zero_point).max(zero_point + 128));
    let sum = |row: &[i8]| row.iter().map(|&w| i64::from(w).abs()).sum::<i64>();
    let channels = params.channels as usize;
    let shift = |record: &[u8]| i32::from_le_bytes([record[8], record[9], record[10], record[11]]);
    let mut records = program.data[channels..].chunks_exact(size_of::<Channel>()).take(outputs);
    params.rounding == Rounding::Double
        && outputs >= 2
        && records.all(|record| (-22..=-1).contains(&shift(record)))
        && weights.chunks_exact(taps).all(|row| sum(row) * most < MOST)
}

/// `[out][tap]` to pairs of channels, as [`Layout::Pairs`] describes them.
fn in_pairs(weights: &[i8], taps: usize) -> Vec<u8> {
    let rows: Vec<&[i8]> = weights.chunks_exact(taps).collect();
    let weight = |row: Option<&&[i8]>, tap: usize| row.and_then(|row| row.get(tap)).map_or(0, |&w| i16::from(w));
    let mut bytes = Vec::with_capacity(weights.len());
    for pair in rows.chunks(2) {
        for four in (0..taps).step_by(4) {
            for tap in [0, 2, 1, 3].map(|place| four + place) {
                let halfword = 256 * weight(pair.get(1), tap) + weight(pair.first(), tap);
                bytes.extend(halfword.to_le_bytes());
            }
        }
    }
    bytes
}
