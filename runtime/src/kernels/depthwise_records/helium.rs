//! The records of `depthwise_records` and what is made of them, in assembly.

use core::arch::asm;

use super::{ACROSS, BLOCK, RECORD, columns, scratch_len};
use crate::fixed::Rounding;
use crate::kernels::{Channel, Conv2d, Stream};

/// Bias, multiplier and shift of four channels.
type Constants = [[i32; 4]; 3];

/// Weights of sixteen channels, read by words.
#[repr(align(4))]
struct Weights([i8; ACROSS * RECORD]);

/// Whether it can be computed so, with the scratch that there is.
pub(in super::super) fn fits(p: &Conv2d<'_>, scratch: &[i8]) -> bool {
    scratch_len(p).is_some_and(|needed| needed <= scratch.len())
        && scratch.as_ptr().addr().is_multiple_of(4)
        && p.rounding == Rounding::Double
        && p.channels.iter().all(Channel::is_shifted_right)
}

/// Convolves; `scratch` has room for a row of records and one of values.
pub(in super::super) fn depthwise(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let [batches, height, width, step] = p.output;
    let Some((records, kept)) = scratch.split_at_mut_checked(columns(p).saturating_mul(RECORD)) else { return };
    records.fill(p.input_zero_point as i8);
    // Two rows of outputs from four rows of inputs, or one where the next one needs other inputs.
    let rows = if p.window.stride[0] == 1 { 2 } else { 1 };
    for n in 0..batches {
        for first in (0..step).step_by(BLOCK) {
            let (weights, constants) = prepared(p, first);
            for oy in (0..height).step_by(rows) {
                gather(p, io.x(), [n, oy, first], records, kept);
                let start = n.wrapping_mul(height).wrapping_add(oy).wrapping_mul(width).wrapping_mul(step);
                let count = rows.min(height.wrapping_sub(oy));
                let len = count.wrapping_mul(width).wrapping_sub(1).wrapping_mul(step).wrapping_add(BLOCK);
                let Some(y) = io.outputs(start.wrapping_add(first), len) else { return };
                convolve(p, records, &weights, &constants, count, y);
            }
        }
    }
}

/// The weights of sixteen channels as records, and what is constant of each four channels.
fn prepared(p: &Conv2d<'_>, first: usize) -> (Weights, [Constants; BLOCK / 4]) {
    let step = p.output[3];
    let mut records = Weights([0; ACROSS * RECORD]);
    let rows = [0, 1, 2].map(|row: usize| {
        let from = row.wrapping_mul(3).wrapping_mul(step).wrapping_add(first);
        Row { x: p.weights.get(from..).unwrap_or(&[]), step }
    });
    let [upper, middle, lower] = rows;
    interleave(
        [Some(upper), Some(middle), Some(lower), Some(Row { x: &[0; BLOCK], step: 0 })],
        3,
        &mut records.0,
        &mut [0; 3 * BLOCK],
    );
    let mut constants = [[[0; 4]; 3]; BLOCK / 4];
    let channels = p.channels.get(first..).unwrap_or(&[]);
    for (four, (channels, at)) in constants.iter_mut().zip(channels.chunks_exact(4).zip((first..).step_by(4))) {
        let mut sums = [0i32; 4];
        for tap in 0..9usize {
            let weights = p.weights.get(tap.wrapping_mul(step).wrapping_add(at)..).unwrap_or(&[]);
            sums.iter_mut().zip(weights).for_each(|(sum, &w)| *sum = sum.wrapping_add(w.into()));
        }
        let [biases, multipliers, shifts] = four;
        let lanes = biases.iter_mut().zip(multipliers).zip(shifts).zip(channels.iter().zip(sums));
        for (((bias, multiplier), shift), (channel, sum)) in lanes {
            *bias = channel.bias.wrapping_sub(sum.wrapping_mul(p.input_zero_point));
            (*multiplier, *shift) = (channel.multiplier, channel.shift);
        }
    }
    (records, constants)
}

/// A row of sixteen channels: from the first one of the first pixel on, and how far pixels are apart; 0 repeats one.
#[derive(Clone, Copy)]
struct Row<'a> {
    x: &'a [i8],
    step: usize,
}

/// Copies the four rows that the outputs at row `oy` need. `kept` is the third one of the rows before, and then of these.
fn gather(p: &Conv2d<'_>, x: &[i8], [n, oy, first]: [usize; 3], records: &mut [i8], kept: &mut [i8]) {
    let [_, height, width, step] = p.input;
    let padding = [p.input_zero_point as i8; BLOCK];
    let top = p.window.start(0, oy);
    let row = |index: isize| {
        let iy = top.wrapping_add(index) as usize;
        if iy >= height {
            return Row { x: &padding, step: 0 };
        }
        let from = n.wrapping_mul(height).wrapping_add(iy).wrapping_mul(width).wrapping_mul(step).wrapping_add(first);
        Row { x: x.get(from..).unwrap_or(&[]), step }
    };
    let left = p.window.pad[1].wrapping_mul(RECORD).min(records.len());
    let (_, records) = records.split_at_mut(left);
    let columns = width.min(records.len() / RECORD);
    // With stride 1, the third row before is the first row now.
    let is_kept = oy > 0 && p.window.stride[0] == 1 && (top as usize) < height;
    let upper = if is_kept { None } else { Some(row(0)) };
    interleave([upper, Some(row(1)), Some(row(2)), Some(row(3))], columns, records, kept);
}

/// Writes as many records as there are columns, and the third row to `kept`, where a row that is `None` is.
#[allow(unsafe_code, reason = "VST4 has no stable intrinsic")]
fn interleave(rows: [Option<Row<'_>>; 4], columns: usize, to: &mut [i8], kept: &mut [i8]) {
    let Some(last) = columns.checked_sub(1) else { return };
    let has_all = |row: &Row<'_>| last.saturating_mul(row.step).saturating_add(BLOCK) <= row.x.len();
    if !rows.iter().flatten().all(has_all)
        || columns.saturating_mul(RECORD) > to.len()
        || columns.saturating_mul(BLOCK) > kept.len()
    {
        return;
    }
    let kept = kept.as_mut_ptr();
    let [a, b, c, d] = rows.map(|row| row.map_or((kept.cast_const(), BLOCK), |row| (row.x.as_ptr(), row.step)));
    // SAFETY: column `k` reads 16 bytes at `k·step` of each row, which they have, and writes 64 at `64·k` of `to` and 16 at `16·k` of
    // `kept`, which they have; what it reads of `kept` it has not yet written.
    unsafe {
        asm!(
            "dls lr, lr",
            "2:",
            "vldrb.u8 q0, [r0]",
            "vldrb.u8 q1, [r1]",
            "vldrb.u8 q2, [r2]",
            "vldrb.u8 q3, [r3]",
            "add r0, r5",
            "add r1, r8",
            "add r2, r9",
            "add r3, r10",
            "vst40.8 {{q0, q1, q2, q3}}, [r4]",
            "vst41.8 {{q0, q1, q2, q3}}, [r4]",
            "vst42.8 {{q0, q1, q2, q3}}, [r4]",
            "vst43.8 {{q0, q1, q2, q3}}, [r4]!",
            "vstrb.8 q2, [r12], #16",
            "le lr, 2b",
            inout("r0") a.0 => _,
            inout("r1") b.0 => _,
            inout("r2") c.0 => _,
            inout("r3") d.0 => _,
            inout("r4") to.as_mut_ptr() => _,
            inout("r12") kept => _,
            in("r5") a.1,
            in("r8") b.1,
            in("r9") c.1,
            in("r10") d.1,
            inout("lr") columns => _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
        );
    }
}

/// What the assembly keeps in memory; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    /// Where four columns of a channel lie.
    offsets: [usize; ACROSS],
    records: *const i8,
    weights: *const i8,
    constants: *const Constants,
    output: *mut i8,
    /// From an output to the one below it; 0 where there is none: the upper one is written last.
    below: usize,
    width: usize,
    /// From pixel to pixel, in outputs and records.
    steps: [usize; 2],
    zero_point: i32,
    clamp: [i32; 2],
    fours: usize,
}

/// Computes one or two rows of outputs of sixteen channels.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
fn convolve(
    p: &Conv2d<'_>,
    records: &[i8],
    weights: &Weights,
    constants: &[Constants; BLOCK / 4],
    rows: usize,
    y: &mut [i8],
) {
    let [.., width, step] = p.output;
    let below = if rows > 1 { width.wrapping_mul(step) } else { 0 };
    let last = width.saturating_sub(1).saturating_mul(step).saturating_add(below).saturating_add(BLOCK);
    if width == 0 || y.len() < last || records.len() < columns(p).saturating_mul(RECORD) {
        return;
    }
    let mut plan = Plan {
        offsets: [0, RECORD, 2 * RECORD, 3 * RECORD],
        records: records.as_ptr(),
        weights: weights.0.as_ptr(),
        constants: constants.as_ptr(),
        output: y.as_mut_ptr(),
        below,
        width,
        steps: [step, p.window.stride[1].wrapping_mul(RECORD)],
        zero_point: p.output_zero_point,
        clamp: [p.clamp.min.into(), p.clamp.max.into()],
        fours: BLOCK / 4,
    };
    // SAFETY: output `x` of each four channels reads words of four columns from `x·stride` on, the last of which `records` has,
    // and of as many of `weights`, and their constants, and writes four bytes at `x·step` in each row, which `y` has. The plan is
    // read and written by the assembly alone. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "ldrd r2, r4, [r11, #52]",
            "vdup.32 q5, r2",
            "vdup.32 q2, r4",
            "ldr r8, [r11, #48]",
            "ldrd r9, r10, [r11, #40]",
            // Per four channels.
            "2:",
            "vldrw.u32 q7, [r11]",
            "ldrd r2, r4, [r11, #16]",
            "vadd.i32 q6, q7, r4",
            "vadd.i32 q7, q7, r2",
            "add r2, #16",
            "add r4, #16",
            "strd r2, r4, [r11, #16]",
            "ldrd r3, r5, [r11, #24]",
            "add r2, r3, #48",
            "add r4, r5, #4",
            "strd r2, r4, [r11, #24]",
            "ldrd r7, r0, [r11, #32]",
            "add r7, r5",
            "dls lr, r0",
            // Per output pixel.
            "4:",
            "vldrw.u32 q0, [q7]",
            "vldrw.u32 q1, [q6]",
            "vmladav.s8 r0, q0, q1",
            "vshl.i32 q1, q1, #8",
            "vmladav.s8 r2, q0, q1",
            "vldrw.u32 q0, [q7, #8]",
            "vldrw.u32 q1, [q6, #8]",
            "vmladav.s8 r4, q0, q1",
            "vshl.i32 q1, q1, #8",
            "vmladav.s8 r12, q0, q1",
            "vmov q3[2], q3[0], r0, r4",
            "vmov q4[2], q4[0], r2, r12",
            "vldrw.u32 q0, [q7, #4]",
            "vldrw.u32 q1, [q6, #4]",
            "vmladav.s8 r0, q0, q1",
            "vshl.i32 q1, q1, #8",
            "vmladav.s8 r2, q0, q1",
            "vldrw.u32 q0, [q7, #12]",
            "vldrw.u32 q1, [q6, #12]",
            "vmladav.s8 r4, q0, q1",
            "vshl.i32 q1, q1, #8",
            "vmladav.s8 r12, q0, q1",
            "vmov q3[3], q3[1], r0, r4",
            "vmov q4[3], q4[1], r2, r12",
            "vadd.i32 q7, q7, r10",
            "vldrw.u32 q0, [r3]",
            "vldrw.u32 q1, [r3, #16]",
            "vadd.i32 q3, q3, q0",
            "vadd.i32 q4, q4, q0",
            "vqrdmulh.s32 q3, q3, q1",
            "vqrdmulh.s32 q4, q4, q1",
            // Half away from zero: half up of what is one less where it is negative.
            "vshr.s32 q0, q3, #31",
            "vshr.s32 q1, q4, #31",
            "vadd.i32 q3, q3, q0",
            "vadd.i32 q4, q4, q1",
            "vldrw.u32 q0, [r3, #32]",
            "vrshl.s32 q3, q3, q0",
            "vrshl.s32 q4, q4, q0",
            "vadd.i32 q3, q3, r8",
            "vadd.i32 q4, q4, r8",
            "vmax.s32 q3, q3, q5",
            "vmax.s32 q4, q4, q5",
            "vmin.s32 q3, q3, q2",
            "vmin.s32 q4, q4, q2",
            "vstrb.32 q4, [r7]",
            "vstrb.32 q3, [r5]",
            "add r7, r9",
            "add r5, r9",
            "le lr, 4b",
            "ldr r0, [r11, #60]",
            "subs r0, #1",
            "str r0, [r11, #60]",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r11") &raw mut plan => _,
            out("r0") _, out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r12") _, out("lr") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d8") _, out("d9") _, out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
}
