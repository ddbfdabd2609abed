//! The inner loops of `depthwise_planes` in assembly: what is the same with and without the DSP extension.
//!
//! A column of the window adds to four outputs, one below the other, before the next one is read; weights and bias are doubled, so
//! that the sums are `2a`, and requantization is as in `finish`: the high product of the sum and the constant, one less where the
//! sum is negative, shifted and saturated.
//!
//! Registers: r0 is the first column of the window, r1 the bytes of a column, r2 the output, r3 the multiplier and r4 the constant
//! (5×5 needs them for weights, and loads them again); r5 to r9 hold weights, values and what requantization needs, r10, r11, r12
//! and lr the four sums. Everything else lies on the stack.

use super::bands::{Rows, padding};
use super::{BLOCK, Planes, any};
use crate::fixed::Rounding;
use crate::kernels::Conv2d;

#[cfg(thumbnet_dsp)]
use super::dsp as family;
#[cfg(thumbnet_v7m)]
use super::v7m as family;

pub(super) use self::family::gather;

/// Clamps the outputs; the assembly saturates them only.
pub(super) fn finish(p: &Conv2d<'_>, y: &mut [i8]) {
    p.clamp.apply_all(y);
}

/// What computes four channels of a band: plain loops, or assembly for a window, a stride and a clamp that begins at the output's zero
/// point or above it. It is chosen before the first band, and an argument by itself: where all convolutions of a firmware are constants,
/// the compiler sees which are never taken, and does not link them.
#[derive(Clone, Copy)]
pub(in super::super) enum Kernel {
    Any,
    Activated3x3,
    Rows3x3,
    Activated3x3Stride2,
    Rows3x3Stride2,
    Rows5x5,
    Rows5x5Stride2,
}

impl Kernel {
    /// The assembly can do what is rounded twice, by the shifts of `finish`.
    #[inline(always)]
    pub fn of(p: &Conv2d<'_>, planes: &Planes) -> Self {
        if p.rounding != Rounding::Double || !p.right_shifts {
            return Self::Any;
        }
        match (planes.size, planes.stride, i32::from(p.clamp.min) >= p.output_zero_point) {
            (3, 1, true) => Self::Activated3x3,
            (3, 1, false) => Self::Rows3x3,
            (3, _, true) => Self::Activated3x3Stride2,
            (3, _, false) => Self::Rows3x3Stride2,
            (_, 1, _) => Self::Rows5x5,
            (_, _, _) => Self::Rows5x5Stride2,
        }
    }

    /// Computes four channels of a band; `y` starts with the first output of the first one.
    #[inline(always)]
    pub(super) fn run(self, p: &Conv2d<'_>, planes: &Planes, words: &[u32], of: &Rows, y: &mut [i8]) {
        match self {
            Self::Any => any::rows(p, planes, words, of, y),
            _ => rows(self, p, planes, words, of, y),
        }
    }
}

/// Moves words of `columns` columns to the front of each, from `advance` words behind.
#[allow(unsafe_code, reason = "a loop in Rust checks every index")]
pub(super) fn keep(planes: &Planes, kept: usize, words: &mut [u32]) {
    let columns = planes.columns.saturating_mul(BLOCK);
    if columns == 0
        || words.len() < planes.plane().saturating_mul(BLOCK)
        || kept.saturating_add(planes.advance()) > planes.pairs
    {
        return;
    }
    for word in 0..kept {
        // SAFETY: word `word` of each of `columns` columns is written, and read `advance` words further, both of which lie in the
        // column's `pairs` words.
        unsafe {
            core::arch::asm!(
                "2:",
                "ldr {word}, [{column}, {advance}]",
                "str {word}, [{column}]",
                "add {column}, {pitch}",
                "subs {columns}, #1",
                "bne 2b",
                column = inout(reg) words.as_mut_ptr().wrapping_add(word) => _,
                advance = in(reg) planes.advance() * 4,
                pitch = in(reg) planes.pairs * 4,
                columns = inout(reg) columns => _,
                word = out(reg) _,
            );
        }
    }
}

/// What the assembly copies to its stack; it counts on the order of the fields, 25 words.
#[repr(C)]
#[derive(Default)]
pub(super) struct Plan {
    /// How far to the right; this and the next two are of a channel, and set in the assembly.
    shift: usize,
    below: [usize; 2],
    /// From output to output of a row.
    step: usize,
    /// Where the words of a row of outputs end, multiplier, constant, twice the bias, rows left, words and outputs of the next
    /// rows: set in the assembly.
    own: [usize; 7],
    /// From four rows of outputs to the next.
    four_rows: usize,
    /// From the words of the first output of a row to behind those of the last one.
    width: usize,
    /// Bytes of a column.
    column: usize,
    /// `2·zero_point + 1` of the output.
    twice_zero: i32,
    rows: usize,
    plane: usize,
    /// Bytes of a plane.
    plane_len: usize,
    output: usize,
    /// From an output to the one below it.
    row: usize,
    weights: usize,
    /// From a row of weights to the next.
    weights_row: usize,
    channels: usize,
    left: usize,
    /// Two values of it.
    padding: u32,
}

/// Computes four channels of a band, but for the clamp. The planes are those of the convolution, so that they have all words of the
/// windows of an even number of its rows.
#[inline(always)]
fn rows(kernel: Kernel, p: &Conv2d<'_>, planes: &Planes, words: &[u32], rows: &Rows, y: &mut [i8]) {
    let &Rows { first, count, width, step } = rows;
    let row = width.wrapping_mul(step);
    let taps = planes.size.wrapping_mul(planes.size);
    let fits = (1..=planes.band).contains(&count)
        && width > 0
        && step == p.output[3]
        && first.saturating_add(BLOCK) <= step
        && words.len() / BLOCK >= planes.plane()
        && taps.checked_mul(step).is_some_and(|len| len <= p.weights.len())
        && p.channels.len() >= step
        && count.checked_mul(row).is_some_and(|len| len.wrapping_sub(step).wrapping_add(BLOCK) <= y.len());
    if !fits {
        return;
    }
    let (weights, channels) = (p.weights.as_ptr().wrapping_add(first), p.channels.as_ptr().wrapping_add(first));
    let column = planes.pairs.wrapping_mul(4);
    let plan = Plan {
        step,
        four_rows: row.wrapping_mul(4),
        width: width.wrapping_mul(planes.stride).wrapping_mul(column),
        column,
        twice_zero: p.output_zero_point.wrapping_mul(2).wrapping_add(1),
        rows: count,
        plane: words.as_ptr().expose_provenance(),
        plane_len: planes.plane().wrapping_mul(4),
        output: y.as_mut_ptr().expose_provenance(),
        row,
        weights: weights.expose_provenance(),
        weights_row: planes.size.wrapping_mul(step),
        channels: channels.expose_provenance(),
        left: BLOCK,
        padding: padding(p),
        ..Plan::default()
    };
    family::rows(kernel, &plan);
}

/// A function that computes all rows of four channels: rows by fours, and then one or two. `$window` gives the sums of four or two
/// outputs, `$finish` makes outputs of them and stores them, `$prepare` stores the weights behind the plan and corrects the bias in
/// r5; `$words` are the bytes of the values of four rows.
macro_rules! kernel {
    ($name:ident, $prepare:ident, $window:ident, $column:ident, $back:literal, $finish:ident, $product:ident, $words:literal) => {
        #[allow(unsafe_code, reason = "the loop needs every register, and instructions that have no stable intrinsics")]
        fn $name(plan: &Plan) {
            // SAFETY: the plan is copied to the stack, which is left as it was. The one who made it has checked that the planes have
            // all words of the windows of an even number of rows, that weights and channels (three words each, `repr(C)`) are those
            // of four channels, and that each output has its byte. With three rows left, or one, the output below them is written
            // to the place of the last one, before that one itself.
            unsafe {
                core::arch::asm!(
                    "push {{r6, r7}}",
                    "sub sp, #200",
                    "mov r8, sp",
                    "mov r9, #5",
                    "1:",
                    "ldm r0!, {{r2, r3, r4, r5, r6}}",
                    "stm r8!, {{r2, r3, r4, r5, r6}}",
                    "subs r9, #1",
                    "bne 1b",
                    // Per channel.
                    "2:",
                    "ldr r3, [sp, #88]",
                    "ldm r3!, {{r5, r6, r7}}",
                    "str r3, [sp, #88]",
                    "lsl r5, r5, #1",
                    "rsb r7, r7, #0",
                    "str r7, [sp]",
                    "sub r7, #1",
                    "ldr r8, [sp, #56]",
                    "lsl r8, r8, r7",
                    "strd r6, r8, [sp, #20]",
                    "ldrd r6, r7, [sp, #60]",
                    "strd r6, r7, [sp, #32]",
                    "ldr r8, [sp, #68]",
                    "add r7, r8",
                    "str r7, [sp, #64]",
                    "ldrd r6, r7, [sp, #72]",
                    "str r6, [sp, #40]",
                    "add r6, #1",
                    "str r6, [sp, #72]",
                    "add r8, r7, r7, lsl #1",
                    "strd r7, r8, [sp, #4]",
                    "ldrd r6, r7, [sp, #80]",
                    "add r8, r6, #1",
                    "str r8, [sp, #80]",
                    "ldr r8, [sp, #12]",
                    "add r12, sp, #100",
                    $prepare!(),
                    "str r5, [sp, #28]",
                    "ldrd r3, r4, [sp, #20]",
                    "ldr r1, [sp, #52]",
                    // Per four rows.
                    "3:",
                    "ldrd r5, r0, [sp, #32]",
                    "ldrd r2, r8, [sp, #40]",
                    "ldr r6, [sp, #48]",
                    "add r6, r0",
                    "str r6, [sp, #16]",
                    concat!("add r7, r0, #", $words),
                    "add r8, r2",
                    "sub r6, r5, #4",
                    "strd r6, r7, [sp, #32]",
                    "str r8, [sp, #40]",
                    "cmp r5, #3",
                    "blt 5f",
                    "bgt 4f",
                    "ldr r7, [sp, #4]",
                    "lsl r7, r7, #1",
                    "str r7, [sp, #8]",
                    "4:",
                    $window!($column, $back, four),
                    $finish!($product, four),
                    "bne 4b",
                    "ldr r5, [sp, #32]",
                    "cmp r5, #0",
                    "bgt 3b",
                    "b 7f",
                    // Two rows, or one.
                    "5:",
                    "cmp r5, #1",
                    "itt eq",
                    "moveq r7, #0",
                    "streq r7, [sp, #4]",
                    "6:",
                    $window!($column, $back, two),
                    $finish!($product, two),
                    "bne 6b",
                    "7:",
                    "ldr r4, [sp, #92]",
                    "subs r4, #1",
                    "str r4, [sp, #92]",
                    "bne 2b",
                    "add sp, #200",
                    "pop {{r6, r7}}",
                    inout("r0") plan => _,
                    out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
                    out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
                );
            }
        }
    };
}

pub(super) use kernel;
