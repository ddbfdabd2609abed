//! Depthwise 3×3 convolution with stride 1 for the DSP extension: two output rows at a time, one channel after the other.
//!
//! For four channels, the four input rows that two output rows need become pairs of 16-bit values, one above the other: per
//! column and channel a word of rows (0, 1) and behind it one of rows (2, 3) ([`arrange`]). Then per column of the window
//!
//! `upper += (w0, w1)·(x0, x1) + w2·x2`, `lower += w0·x1 + (w1, w2)·(x2, x3)`:
//!
//! four instructions for six products, the weights in registers ([`rows`]).
//!
//! Weights and bias are doubled once per row, so that the sums are `2a`, and requantization is as in `finish`, but in four
//! instructions: `smmlar` adds the constant to the high product, one less for a negative sum. (It is the sum's sign that
//! counts here, not the product's: where a negative sum has the product 0, half less one still rounds to 0.) Shifts are to the
//! right by 1 to 22.

use core::arch::asm;

use super::{Channel, Clamp};

/// Words of an arranged column: four channels, two pairs of rows each.
pub(super) const COLUMN: usize = 8;

/// A row of input: its bytes from the first channel on, and how far the pixels are apart; 0 repeats one pixel.
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    pub pixels: &'a [i8],
    pub step: usize,
}

/// Writes one pair of rows of four channels, `pair` 0 or 1, into as many columns as `to` has.
#[allow(unsafe_code, reason = "SXTB16, SSUB16 and PKHBT have no stable intrinsics")]
#[inline(always)]
pub(super) fn arrange(upper: Row<'_>, lower: Row<'_>, zero_point: i32, pair: usize, to: &mut [u32]) {
    let columns = to.len() / COLUMN;
    let has = |row: Row<'_>| {
        columns.checked_sub(1).and_then(|last| last.checked_mul(row.step)?.checked_add(4)) <= Some(row.pixels.len())
    };
    if columns == 0 || pair > 1 || !has(upper) || !has(lower) {
        return;
    }
    // SAFETY: column `k` reads 4 bytes at `k·step` of both rows, which they have, and writes every second word from
    // `8k + pair` on of `to`, which has `8·columns`; its words are aligned. LDR takes any address.
    unsafe {
        asm!(
            "push {{r6}}",
            "2:",
            "ldr r6, [r0]",
            "add r0, r2",
            "ldr r9, [r1]",
            "add r1, r3",
            "pkhbt r8, r6, r9, lsl #16",
            "pkhtb r10, r9, r6, asr #16",
            "sxtb16 r6, r8",
            "sxtb16 r8, r8, ror #8",
            "sxtb16 r9, r10",
            "sxtb16 r10, r10, ror #8",
            "ssub16 r6, r6, r5",
            "ssub16 r8, r8, r5",
            "ssub16 r9, r9, r5",
            "ssub16 r10, r10, r5",
            "str r8, [r4, #8]",
            "str r9, [r4, #16]",
            "str r10, [r4, #24]",
            "str r6, [r4], #32",
            "subs lr, #1",
            "bne 2b",
            "pop {{r6}}",
            inout("r0") upper.pixels.as_ptr() => _,
            inout("r1") lower.pixels.as_ptr() => _,
            in("r2") upper.step,
            in("r3") lower.step,
            inout("r4") to.as_mut_ptr().wrapping_add(pair) => _,
            in("r5") (zero_point as u32 & 0xffff) * 0x1_0001,
            inout("lr") columns => _,
            out("r8") _, out("r9") _, out("r10") _,
        );
    }
}

/// What the assembly keeps in memory; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    weights: *const i8,
    channels_of_image: usize,
    channels: *const Channel,
    /// `2·zero_point + 1`.
    twice_zero: i32,
    columns: *const u32,
    end: *const u32,
    output: *mut i8,
    /// From an output to the one below it; 0 where there is none: the upper one is written last.
    below: usize,
    clamp: [i32; 2],
    left: usize,
}

/// Four channels of two output rows.
macro_rules! channels {
    ($plan:expr, $($clamp:literal),+) => {
        asm!(
            "push {{r6, r7}}",
            "sub sp, #32",
            "ldr r1, [r0, #28]",
            "ldr r2, [r0, #4]",
            "strd r1, r2, [sp]",
            "ldrd r1, r2, [r0, #32]",
            "strd r1, r2, [sp, #20]",
            "str r0, [sp, #28]",
            // Per channel: weights in pairs, (w0, w1) in r0 to r2, (w1, w2) in r3 to r5.
            "2:",
            "ldr r12, [sp, #28]",
            "ldrd r8, r9, [r12]",
            "add r10, r8, #1",
            "str r10, [r12]",
            "add r10, r9, r9, lsl #1",
            "ldrsb r0, [r8]",
            "ldrsb r1, [r8, r9]",
            "ldrsb r2, [r8, r9, lsl #1]",
            "add r8, r10",
            "ldrsb r3, [r8]",
            "ldrsb r4, [r8, r9]",
            "ldrsb r5, [r8, r9, lsl #1]",
            "add r8, r10",
            "pkhbt r0, r0, r3, lsl #16",
            "pkhbt r1, r1, r4, lsl #16",
            "pkhbt r2, r2, r5, lsl #16",
            "ldrsb r6, [r8]",
            "ldrsb r7, [r8, r9]",
            "ldrsb r8, [r8, r9, lsl #1]",
            "pkhbt r3, r3, r6, lsl #16",
            "pkhbt r4, r4, r7, lsl #16",
            "pkhbt r5, r5, r8, lsl #16",
            "sadd16 r0, r0, r0",
            "sadd16 r1, r1, r1",
            "sadd16 r2, r2, r2",
            "sadd16 r3, r3, r3",
            "sadd16 r4, r4, r4",
            "sadd16 r5, r5, r5",
            // Bias, multiplier in r10, how far to the right, zero point and half in r11.
            "ldr r6, [r12, #8]",
            "ldm r6!, {{r8, r10, r11}}",
            "str r6, [r12, #8]",
            "rsb r7, r11, #0",
            "sub r11, r7, #1",
            "ldr r6, [r12, #12]",
            "lsl r11, r6, r11",
            "lsl r8, r8, #1",
            "strd r7, r8, [sp, #12]",
            // The next channel's words lie two further, its bytes one.
            "ldrd r8, r9, [r12, #16]",
            "str r9, [sp, #8]",
            "ldr lr, [r12, #24]",
            "add r6, r8, #8",
            "add r7, r9, #8",
            "strd r6, r7, [r12, #16]",
            "add r6, lr, #1",
            "str r6, [r12, #24]",
            "mov r12, r8",
            // Per column of the output.
            "3:",
            "ldr r8, [sp, #16]",
            "ldrd r6, r7, [r12], #32",
            "smlabt r9, r0, r6, r8",
            "smlad r8, r0, r6, r8",
            "smlatb r8, r3, r7, r8",
            "smlad r9, r3, r7, r9",
            "ldrd r6, r7, [r12]",
            "smlad r8, r1, r6, r8",
            "smlabt r9, r1, r6, r9",
            "smlatb r8, r4, r7, r8",
            "smlad r9, r4, r7, r9",
            "ldrd r6, r7, [r12, #32]",
            "smlad r8, r2, r6, r8",
            "smlabt r9, r2, r6, r9",
            "smlatb r8, r5, r7, r8",
            "smlad r9, r5, r7, r9",
            "add r7, r11, r8, asr #31",
            "smmlar r8, r8, r10, r7",
            "add r7, r11, r9, asr #31",
            "smmlar r9, r9, r10, r7",
            "ldr r6, [sp, #12]",
            "asr r8, r6",
            "asr r9, r6",
            $($clamp,)+
            "ldrd r6, r7, [sp]",
            "strb r9, [lr, r6]",
            "strb r8, [lr]",
            "ldr r6, [sp, #8]",
            "add lr, r7",
            "cmp r12, r6",
            "bne 3b",
            "ldr r12, [sp, #28]",
            "ldr r6, [r12, #40]",
            "subs r6, #1",
            "str r6, [r12, #40]",
            "bne 2b",
            "add sp, #32",
            "pop {{r6, r7}}",
            inout("r0") $plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        )
    };
}

/// Where the four channels go: the bytes from the first one's first output on, and the distances in them.
pub(super) struct Target<'a> {
    pub outputs: &'a mut [i8],
    /// Outputs of a row.
    pub width: usize,
    /// From pixel to pixel: the channels of the image.
    pub step: usize,
    /// Whether there are two rows.
    pub is_pair: bool,
}

/// Computes four channels of one or two rows from arranged columns. `weights` starts at the first channel's first tap; every
/// shift is to the right by 1 to 22.
#[allow(unsafe_code, reason = "SMLAD and SMMLAR have no stable intrinsics")]
#[inline(always)]
pub(super) fn rows(
    columns: &[u32],
    weights: &[i8],
    channels: &[Channel],
    y: Target<'_>,
    zero_point: i32,
    clamp: Clamp,
) {
    let Target { outputs, width, step, is_pair } = y;
    let below = if is_pair { width.wrapping_mul(step) } else { 0 };
    let last = below.wrapping_add(width.wrapping_sub(1).wrapping_mul(step)).wrapping_add(4);
    let fits = width > 0
        && outputs.len() >= last
        && columns.len() >= (width.wrapping_add(2)).wrapping_mul(COLUMN)
        && weights.len() >= step.wrapping_mul(8).wrapping_add(4)
        && channels.len() >= 4
        && channels.iter().all(|channel| (-22..=-1).contains(&channel.shift));
    if !fits {
        return;
    }
    let start = columns.as_ptr();
    let mut plan = Plan {
        weights: weights.as_ptr(),
        channels_of_image: step,
        channels: channels.as_ptr(),
        twice_zero: zero_point.wrapping_mul(2).wrapping_add(1),
        columns: start,
        end: start.wrapping_add(width.wrapping_mul(COLUMN)),
        output: outputs.as_mut_ptr(),
        below,
        clamp: [clamp.min.into(), clamp.max.into()],
        left: 4,
    };
    let plan = &raw mut plan;
    // SAFETY: four channels read nine weights `step` apart, three words each of `channels` (`repr(C)`), and `width + 2` columns
    // of 8 words, and write a byte every `step` in each row; the lengths above allow all of it. What is pushed is popped.
    unsafe {
        if clamp == Clamp::NONE {
            channels!(plan, "ssat r8, #8, r8", "ssat r9, #8, r9");
        } else {
            channels!(
                plan,
                "ldrd r6, r7, [sp, #20]",
                "cmp r8, r7",
                "it gt",
                "movgt r8, r7",
                "cmp r9, r7",
                "it gt",
                "movgt r9, r7",
                "cmp r8, r6",
                "it lt",
                "movlt r8, r6",
                "cmp r9, r6",
                "it lt",
                "movlt r9, r6"
            );
        }
    }
}
