//! Convolution for Helium (Cortex-M55, M85): two pixels by two channels, sixteen products an instruction.
//!
//! Bytes are multiplied as they are: `Σ (x − zp)·w = Σ x·w − zp·Σ w`, both sums in one pass over the weights, and padding is
//! the zero point. The loop is tail-predicated, so that rows of any length need no rest.

use core::arch::asm;

use super::conv2d::{column_len, gather_bytes};
use super::dot::dot_1;
use super::finish::{between, finish, saturate};
use super::{Channel, Clamp, Conv2d, Stream, output_i8};
use crate::fixed::Rounding;

/// What the assembly keeps in memory; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    weights: *const i8,
    len: usize,
    columns: [*const i8; 2],
    channels: *const Channel,
    outputs: [*mut i8; 2],
    pairs: usize,
    /// `2·zero_point + 1` of the output.
    twice_zero: i32,
    clamp: [i32; 2],
    input_zero_point: i32,
}

/// Whether it can be computed here.
pub(super) fn fits(p: &Conv2d<'_>) -> bool {
    p.rounding == Rounding::Double && p.output[3] > 0
}

/// Convolves; `scratch` has room for two windows.
pub(super) fn conv2d(p: &Conv2d<'_>, mut io: Stream<'_>, scratch: &mut [i8]) {
    let (len, outputs) = (column_len(p), p.output[3]);
    let Some((first, rest)) = scratch.split_at_mut_checked(len) else { return };
    let Some(second) = rest.get_mut(..len) else { return };
    let mut pixels = p.window.outputs(p.output);
    let mut start = 0usize;
    while let Some(a) = pixels.next() {
        gather_bytes(p, io.x(), a, first);
        let Some(b) = pixels.next() else {
            // Alone, it is both of the pair.
            let Some(y) = io.outputs(start, outputs) else { return };
            two_pixels(p, [first, first], y, outputs, 0);
            return;
        };
        gather_bytes(p, io.x(), b, second);
        let Some(y) = io.outputs(start, outputs.saturating_mul(2)) else { return };
        two_pixels(p, [first, second], y, outputs, outputs);
        start = start.saturating_add(outputs.saturating_mul(2));
    }
}

/// All channels of two pixels, whose outputs are `step` apart.
fn two_pixels(p: &Conv2d<'_>, x: [&[i8]; 2], y: &mut [i8], outputs: usize, step: usize) {
    let len = x[0].len();
    for channel in channel_pairs(p, x, y, outputs, step)..outputs {
        let weights = p.weights.get(channel.saturating_mul(len)..).unwrap_or(&[]);
        let Some(last) = p.channels.get(channel) else { return };
        for (x, start) in x.into_iter().zip([0, step]) {
            let sum = last.bias.wrapping_add(dot_1(weights, x, p.input_zero_point));
            if let Some(y) = y.get_mut(start.wrapping_add(channel)) {
                *y = output_i8(sum, last, p.rounding, p.output_zero_point, p.clamp);
            }
        }
    }
}

/// The whole loop over pairs of channels.
macro_rules! pairs {
    ($clamp:ident, $plan:expr) => {
        asm!(
            "push {{r6, r7}}",
            "mov r11, r0",
            "2:",
            "ldrd r1, r9, [r11]",
            "ldrd r5, r7, [r11, #8]",
            "add r3, r1, r9",
            "add r12, r3, r9",
            "str r12, [r11]",
            "mov r8, #0",
            "mov r10, #0",
            "mov r4, #0",
            "mov r0, #0",
            "mov r2, #0",
            "mov r6, #0",
            "dlstp.8 lr, r9",
            "3:",
            "vldrb.u8 q0, [r1], #16",
            "vldrb.u8 q2, [r5], #16",
            "vldrb.u8 q3, [r7], #16",
            "vmladava.s8 r8, q0, q2",
            "vldrb.u8 q1, [r3], #16",
            "vmladava.s8 r10, q0, q3",
            "vaddva.s8 r2, q0",
            "vmladava.s8 r4, q1, q2",
            "vmladava.s8 r0, q1, q3",
            "vaddva.s8 r6, q1",
            "letp lr, 3b",
            "ldr r7, [r11, #16]",
            "ldr r9, [r11, #44]",
            "ldr r1, [r7]",
            "mls r1, r2, r9, r1",
            "add r8, r1",
            "add r10, r1",
            "ldr r1, [r7, #12]",
            "mls r1, r6, r9, r1",
            "add r4, r1",
            "add r9, r0, r1",
            "ldrd r5, r6, [r11, #20]",
            "ldr lr, [r11, #32]",
            "ldrd r0, r12, [r11, #36]",
            finish!($clamp, "r8", "r10", "4", "20", "21"),
            finish!($clamp, "r4", "r9", "16", "30", "31"),
            "add r7, #24",
            "str r7, [r11, #16]",
            "strd r5, r6, [r11, #20]",
            "ldr r1, [r11, #28]",
            "subs r1, #1",
            "str r1, [r11, #28]",
            "bne 2b",
            "b 7f",
            finish!(@slow_pair $clamp, "r8", "r10", "20", "21"),
            finish!(@slow_pair $clamp, "r4", "r9", "30", "31"),
            "7:",
            "pop {{r6, r7}}",
            inout("r0") $plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
        )
    };
}

/// Computes an even number of channels and tells how many.
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
fn channel_pairs(p: &Conv2d<'_>, x: [&[i8]; 2], y: &mut [i8], outputs: usize, step: usize) -> usize {
    let len = x[0].len();
    let rows = outputs.min(p.channels.len());
    let has_weights = rows.checked_mul(len).is_some_and(|needed| needed <= p.weights.len());
    let has_outputs = step.checked_add(outputs).is_some_and(|end| end <= y.len());
    if len == 0 || x[1].len() != len || rows < 2 || !has_weights || !has_outputs {
        return 0;
    }
    let (pairs, first) = (rows / 2, y.as_mut_ptr());
    let mut plan = Plan {
        weights: p.weights.as_ptr(),
        len,
        columns: x.map(<[i8]>::as_ptr),
        channels: p.channels.as_ptr(),
        outputs: [first, first.wrapping_add(step)],
        pairs,
        twice_zero: p.output_zero_point.wrapping_mul(2).wrapping_add(1),
        clamp: [p.clamp.min.into(), p.clamp.max.into()],
        input_zero_point: p.input_zero_point,
    };
    let plan = &raw mut plan;
    // SAFETY: `pairs` times two rows of `len` weights, two channels (three words each, `repr(C)`) and two bytes at each output
    // are read and written, which the lengths above allow; each pair reads `len` bytes of both columns. The predicate of the
    // loop keeps the last round within them. What is pushed is popped.
    unsafe {
        if p.clamp == Clamp::NONE {
            pairs!(saturate, plan);
        } else {
            pairs!(between, plan);
        }
    }
    pairs * 2
}
