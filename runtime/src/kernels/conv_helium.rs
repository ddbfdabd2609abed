//! Convolution for Helium (Cortex-M55, M85): four pixels by one channel, sixteen products an instruction.
//!
//! Bytes are multiplied as they are: `Σ (x − zp)·w = Σ x·w − zp·Σ w`, both sums in one pass over the weights, and padding is
//! the zero point. The loop is tail-predicated, so that rows of any length need no rest. The four sums of a channel become
//! bytes side by side in one vector, as the module `finish` has it one by one: VQRDMULH rounds and doubles.

use core::arch::asm;

use super::conv2d::{column_len, gather_bytes};
use super::dot::dot_1;
use super::strided::Strided;
use super::{Channel, Conv2d, Stream, output_i8};
use crate::fixed::Rounding;

/// Pixels that are computed at the same time; `scratch` of the plain layout has as many windows of bytes.
const PIXELS: usize = 4;

/// What the assembly keeps in memory; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    columns: [*const i8; PIXELS],
    /// From the first pixel's output to each one's.
    offsets: [usize; PIXELS],
    weights: *const i8,
    len: usize,
    channels: *const Channel,
    channels_end: *const Channel,
    output: *mut i8,
    input_zero_point: i32,
    /// `2·zero_point + 1` of the output.
    twice_zero: i32,
    clamp: [i32; 2],
}

/// Whether it can be computed here.
pub(super) fn fits(p: &Conv2d<'_>) -> bool {
    p.rounding == Rounding::Double && p.output[3] > 0
}

/// Convolves; `scratch` has room for four windows.
pub(super) fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let (len, outputs) = (column_len(p), p.output[3]);
    let Some(columns) = scratch.get_mut(..len.saturating_mul(PIXELS)) else { return };
    let mut pixels = p.window.outputs(p.output);
    let mut start = 0usize;
    loop {
        let mut count = 0usize;
        for (column, pixel) in columns.chunks_exact_mut(len.max(1)).zip(&mut pixels) {
            gather_bytes(p, io.x(), pixel, column);
            count = count.wrapping_add(1);
        }
        let len = outputs.saturating_mul(count);
        let Some(y) = io.outputs(start, len).filter(|_| count > 0) else { return };
        four_pixels(p, columns, count, y);
        start = start.saturating_add(len);
    }
}

/// All channels of `count` pixels, into as many rows of `y`.
fn four_pixels(p: &Conv2d<'_>, columns: &[i8], count: usize, y: &mut [i8]) {
    if by_vectors(p, columns, count, y) {
        return;
    }
    let len = column_len(p).max(1);
    for (y, x) in y.chunks_exact_mut(p.output[3].max(1)).zip(columns.chunks_exact(len)) {
        for ((y, channel), weights) in y.iter_mut().zip(p.channels).zip(p.weights.chunks_exact(len)) {
            let sum = channel.bias.wrapping_add(dot_1(weights, x, p.input_zero_point));
            *y = output_i8(sum, channel, p.rounding, p.output_zero_point, p.clamp);
        }
    }
}

/// The same in assembly; `false`: nothing was done.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(always)]
fn by_vectors(p: &Conv2d<'_>, columns: &[i8], count: usize, y: &mut [i8]) -> bool {
    let (len, outputs) = (column_len(p), p.output[3]);
    let has_weights = outputs.checked_mul(len).is_some_and(|needed| needed <= p.weights.len());
    let has_outputs = outputs.checked_mul(count).is_some_and(|needed| needed <= y.len());
    let has_columns = count.checked_mul(len).is_some_and(|needed| needed <= columns.len());
    let Some(channels) = p.channels.get(..outputs) else { return false };
    if len == 0 || outputs == 0 || !has_weights || !has_outputs || !has_columns || !(1..=PIXELS).contains(&count) {
        return false;
    }
    // Where there are fewer pixels, the last one is computed again.
    let places = [0, 1, 2, 3].map(|pixel: usize| pixel.min(count.wrapping_sub(1)));
    let mut plan = Plan {
        columns: places.map(|place| columns.as_ptr().wrapping_add(place.wrapping_mul(len))),
        offsets: places.map(|place| place.wrapping_mul(outputs)),
        weights: p.weights.as_ptr(),
        len,
        channels: channels.as_ptr(),
        channels_end: channels.as_ptr_range().end,
        output: y.as_mut_ptr(),
        input_zero_point: p.input_zero_point,
        twice_zero: p.output_zero_point.wrapping_mul(2).wrapping_add(1),
        clamp: [p.clamp.min.into(), p.clamp.max.into()],
    };
    // SAFETY: each channel reads `len` weights, `len` bytes of `count` columns and its record (three words, `repr(C)`), and writes
    // a byte to each of `count` rows of `outputs`: the lengths above allow it. The predicate of the loop keeps its last round
    // within them. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "mov r11, r0",
            "vldrw.u32 q5, [r11, #16]",
            "ldrd r0, r1, [r11, #60]",
            "vdup.32 q6, r0",
            "vdup.32 q7, r1",
            "ldr r6, [r11, #32]",
            "2:",
            "mov r1, r6",
            "ldr r12, [r11, #36]",
            "add r6, r12",
            "ldrd r3, r5, [r11]",
            "ldrd r7, r9, [r11, #8]",
            "mov r0, #0",
            "mov r2, #0",
            "mov r4, #0",
            "mov r8, #0",
            "mov r10, #0",
            "dlstp.8 lr, r12",
            "3:",
            "vldrb.u8 q0, [r1], #16",
            "vldrb.u8 q1, [r3], #16",
            "vmladava.s8 r0, q0, q1",
            "vldrb.u8 q2, [r5], #16",
            "vmladava.s8 r2, q0, q2",
            "vldrb.u8 q3, [r7], #16",
            "vmladava.s8 r4, q0, q3",
            "vldrb.u8 q1, [r9], #16",
            "vmladava.s8 r8, q0, q1",
            "vaddva.s8 r10, q0",
            "letp lr, 3b",
            "ldr r3, [r11, #40]",
            "ldm r3!, {{r1, r5, r7}}",
            "str r3, [r11, #40]",
            "ldr r9, [r11, #52]",
            "mls r1, r10, r9, r1",
            "vmov q0[2], q0[0], r0, r4",
            "vmov q0[3], q0[1], r2, r8",
            "vadd.i32 q0, q0, r1",
            "mvn r12, r7",
            "cmp r12, #21",
            "bhi 5f",
            "ldr r9, [r11, #56]",
            "lsl r9, r9, r12",
            "vqrdmulh.s32 q0, q0, r5",
            "vshr.s32 q1, q0, #31",
            "vadd.i32 q0, q0, q1",
            "vadd.i32 q0, q0, r9",
            "vshl.s32 q0, r7",
            "4:",
            "vmax.s32 q0, q0, q6",
            "vmin.s32 q0, q0, q7",
            "ldr r9, [r11, #48]",
            "vstrb.32 q0, [r9, q5]",
            "add r9, #1",
            "str r9, [r11, #48]",
            "ldr r9, [r11, #44]",
            "cmp r3, r9",
            "bne 2b",
            "b 6f",
            // Any shift: to the left before the product, to the right behind it, ties away from zero.
            "5:",
            "bic r12, r7, r7, asr #31",
            "vshl.s32 q0, r12",
            "vqrdmulh.s32 q0, q0, r5",
            "and r12, r7, r7, asr #31",
            "vdup.32 q1, r12",
            "vand q1, q1, q0",
            "vshr.s32 q1, q1, #31",
            "vadd.i32 q0, q0, q1",
            "vrshl.s32 q0, r12",
            "ldr r9, [r11, #56]",
            "asr r9, r9, #1",
            "vadd.i32 q0, q0, r9",
            "b 4b",
            "6:",
            "pop {{r6, r7}}",
            inout("r0") &raw mut plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
    true
}

/// Copies rows behind one another.
#[allow(unsafe_code, reason = "a loop in Rust becomes calls of memcpy, which are slow for a few bytes")]
#[inline(always)]
pub(super) fn copy_rows(from: Strided<'_>, [rows, row]: [usize; 2], to: &mut [i8]) {
    if !from.fit([rows, row], to) {
        return;
    }
    // SAFETY: each of `rows` rows, `pitch` apart, reads and writes `row` bytes, which `fit` has found there; the predicate
    // of the loop keeps its last round within them. After the last row the addresses are not used.
    unsafe {
        asm!(
            "2:",
            "mov r1, {from}",
            "mov r2, {to}",
            "dlstp.8 lr, {row}",
            "3:",
            "vldrb.u8 q0, [r1], #16",
            "vstrb.8 q0, [r2], #16",
            "letp lr, 3b",
            "add {from}, {pitch}",
            "add {to}, {row}",
            "subs {rows}, #1",
            "bne 2b",
            from = inout(reg) from.bytes.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            row = in(reg) row,
            pitch = in(reg) from.pitch,
            rows = inout(reg) rows => _,
            out("r1") _, out("r2") _, out("lr") _, out("d0") _, out("d1") _,
        );
    }
}
