//! The inner loops of `pairs` for the DSP extension: 16 products in 12 instructions.
//!
//! A word of weights holds two taps of two channels. `SXTB16` takes the first channel's out of it; for the second one the word goes
//! into `SMLAD` as it is, and the first one's sum is taken away at the end. Four pixels share what was loaded.

use core::arch::asm;

use super::pairs::padded;
use super::{Clamp, Conv2d};
use crate::fixed::Rounding;

/// Bytes of four places, less the zero point, side by side in 16 bits; of as many fours as all of them have.
#[allow(unsafe_code, reason = "SXTAB16 has no stable intrinsic")]
#[inline(always)]
pub(super) fn widen([a, b, c, d]: [&[i8]; 4], quad: &mut [i16], zero_point: i32) {
    let len = a.len().min(b.len()).min(c.len()).min(d.len()).min(quad.len() / 4);
    let rounds = len / 4;
    if rounds == 0 || quad.as_ptr().addr() & 3 != 0 {
        return;
    }
    // SAFETY: each of `rounds` rounds reads 4 bytes of every source and writes 32 bytes of `quad`: all have as many, by `len`.
    // LDR takes any address; STRD needs the alignment that was checked.
    unsafe {
        asm!(
            "2:",
            "ldr r0, [{a}], #4",
            "ldr r1, [{b}], #4",
            "sxtab16 r2, {zero}, r0",
            "sxtab16 r3, {zero}, r1",
            "sxtab16 r0, {zero}, r0, ror #8",
            "sxtab16 r1, {zero}, r1, ror #8",
            "strd r2, r3, [{to}]",
            "strd r0, r1, [{to}, #16]",
            "ldr r0, [{c}], #4",
            "ldr r1, [{d}], #4",
            "sxtab16 r2, {zero}, r0",
            "sxtab16 r3, {zero}, r1",
            "sxtab16 r0, {zero}, r0, ror #8",
            "sxtab16 r1, {zero}, r1, ror #8",
            "strd r2, r3, [{to}, #8]",
            "strd r0, r1, [{to}, #24]",
            "add {to}, #32",
            "subs {rounds}, #1",
            "bne 2b",
            a = inout(reg) a.as_ptr() => _,
            b = inout(reg) b.as_ptr() => _,
            c = inout(reg) c.as_ptr() => _,
            d = inout(reg) d.as_ptr() => _,
            to = inout(reg) quad.as_mut_ptr() => _,
            zero = in(reg) (zero_point.wrapping_neg() as u32 & 0xffff) * 0x1_0001,
            rounds = inout(reg) rounds => _,
            out("r0") _, out("r1") _, out("r2") _, out("r3") _,
        );
    }
}

/// What the assembly keeps in memory while every register is in use; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    /// Bytes of a pair's weights.
    row: usize,
    quad: *const i16,
    channels: *const super::Channel,
    output: *mut i8,
    pairs: usize,
    /// `2·zero_point + 1`.
    twice_zero: i32,
    /// From the first pixel's output to the second one's, twice of which is the third one's, and to the fourth one's.
    steps: [usize; 2],
}

/// Two taps of two channels, four pixels: 16 products.
macro_rules! two_taps {
    () => {
        "ldr r2, [r0], #4\n\
         sxtb16 r3, r2\n\
         ldrd r12, lr, [r1], #8\n\
         smlad r4, r3, r12, r4\n\
         smlad r8, r2, r12, r8\n\
         smlad r5, r3, lr, r5\n\
         smlad r9, r2, lr, r9\n\
         ldrd r12, lr, [r1], #8\n\
         smlad r6, r3, r12, r6\n\
         smlad r10, r2, r12, r10\n\
         smlad r7, r3, lr, r7\n\
         smlad r11, r2, lr, r11\n"
    };
}

/// Requantizes four sums of the channel at `[plan.channels]`, stores them at the four pixels and goes on to the next channel.
macro_rules! finish {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "ldr r0, [sp]\n",
            "ldr r3, [r0, #8]\n",
            "ldrd r1, r2, [r3, #4]\n",
            "add r3, #12\n",
            "str r3, [r0, #8]\n",
            "rsb r2, r2, #0\n",
            "sub r12, r2, #1\n",
            "ldr r3, [r0, #20]\n",
            "lsl r3, r3, r12\n",
            "ldrd lr, r12, [r0, #24]\n",
            "ldr r0, [r0, #12]\n",
            finish!(@one $a, "[r0]"),
            finish!(@one $b, "[r0, lr]"),
            finish!(@one $c, "[r0, lr, lsl #1]"),
            finish!(@one $d, "[r0, r12]"),
            "add r0, #1\n",
            "ldr r1, [sp]\n",
            "str r0, [r1, #12]\n",
        )
    };
    (@one $a:literal, $at:literal) => {
        concat!(
            "lsl ", $a, ", ", $a, ", #1\n",
            "smmulr ", $a, ", ", $a, ", r1\n",
            "add ", $a, ", ", $a, ", ", $a, ", asr #31\n",
            "add ", $a, ", ", $a, ", r3\n",
            "asr ", $a, ", ", $a, ", r2\n",
            "ssat ", $a, ", #8, ", $a, "\n",
            "strb ", $a, ", ", $at, "\n",
        )
    };
}

/// Computes an even number of channels of four pixels, `count` of which are different, and tells how many channels.
#[allow(unsafe_code, reason = "SMLAD, SMMULR and SXTB16 have no stable intrinsics")]
#[inline(always)]
pub(super) fn channels(p: &Conv2d<'_>, quad: &[i16], count: usize, y: &mut [i8]) -> usize {
    let (taps, outputs) = (padded(super::conv2d::column_len(p)), p.output[3]);
    let pairs = p.channels.len().min(outputs) / 2;
    let row = taps.saturating_mul(2);
    let has_weights = pairs.checked_mul(row).is_some_and(|needed| needed <= p.weights.len());
    let has_outputs = outputs.checked_mul(count).is_some_and(|needed| needed <= y.len());
    let has_values = taps.checked_mul(4).is_some_and(|needed| needed <= quad.len());
    let is_aligned = quad.as_ptr().addr() & 3 == 0;
    if pairs == 0
        || taps == 0
        || !has_weights
        || !has_outputs
        || !has_values
        || !is_aligned
        || p.rounding != Rounding::Double
    {
        return 0;
    }
    // Where there are fewer pixels, several of the four are the same one; see `SLOTS`.
    let steps = match count {
        4 => [outputs, outputs * 3],
        3 => [outputs, outputs * 2],
        2 => [0, outputs],
        1 => [0, 0],
        _ => return 0,
    };
    let mut plan = Plan {
        row,
        quad: quad.as_ptr(),
        channels: p.channels.as_ptr(),
        output: y.as_mut_ptr(),
        pairs,
        twice_zero: p.output_zero_point.wrapping_mul(2).wrapping_add(1),
        steps,
    };
    // SAFETY: each of `pairs` pairs reads `row` bytes of weights, 4·`taps` values of `quad` and two channels (three words each,
    // `repr(C)`), which the checks above have found there, and writes two bytes at up to `count` pixels, `outputs` bytes apart,
    // within the `outputs` bytes of a pixel. LDR takes any address; LDRD needs the alignment that was checked, and that a `Plan`
    // and a `Channel` have. What `push` stores is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "sub sp, #8",
            "str r2, [sp]",
            "2:",
            "ldr r2, [sp]",
            "ldrd r3, r1, [r2]",
            "ldr r12, [r2, #8]",
            "ldr r4, [r12]",
            "add r2, r0, r3",
            "str r2, [sp, #4]",
            "mov r5, r4",
            "mov r6, r4",
            "mov r7, r4",
            "mov r8, r4",
            "mov r9, r4",
            "mov r10, r4",
            "mov r11, r4",
            // An odd number of fours enters in the middle.
            "lsls r3, r3, #28",
            "bmi 4f",
            "3:",
            two_taps!(),
            two_taps!(),
            "4:",
            two_taps!(),
            two_taps!(),
            "ldr r12, [sp, #4]",
            "cmp r0, r12",
            "bne 3b",
            // The second channel's sums, with its own bias.
            "ldr r12, [sp]",
            "ldr r12, [r12, #8]",
            "ldr r12, [r12, #12]",
            "sub r8, r8, r4",
            "add r8, r12, r8, asr #8",
            "sub r9, r9, r5",
            "add r9, r12, r9, asr #8",
            "sub r10, r10, r6",
            "add r10, r12, r10, asr #8",
            "sub r11, r11, r7",
            "add r11, r12, r11, asr #8",
            finish!("r4", "r5", "r6", "r7"),
            finish!("r8", "r9", "r10", "r11"),
            "ldr r0, [r1, #16]",
            "subs r0, #1",
            "str r0, [r1, #16]",
            "ldr r0, [sp, #4]",
            "bne 2b",
            "add sp, #8",
            "pop {{r6, r7}}",
            inout("r0") p.weights.as_ptr() => _,
            inout("r2") &raw mut plan => _,
            out("r1") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        );
    }
    if p.clamp != Clamp::NONE {
        clamp_all(y, p.clamp);
    }
    pairs * 2
}

/// Brings bytes between both bounds.
#[allow(unsafe_code, reason = "SSUB8 and SEL have no stable intrinsics")]
pub(super) fn clamp_all(y: &mut [i8], clamp: Clamp) {
    let (fours, rest) = y.as_chunks_mut::<4>();
    rest.iter_mut().for_each(|y| *y = clamp.apply((*y).into()));
    if fours.is_empty() {
        return;
    }
    let four = |bound: i8| u32::from(bound.cast_unsigned()) * 0x0101_0101;
    // SAFETY: as many words are read and written as the slice has fours of bytes. LDR and STR take any address.
    unsafe {
        asm!(
            "2:",
            "ldr {a}, [{y}]",
            "ssub8 {b}, {a}, {max}",
            "sel {a}, {max}, {a}",
            "ssub8 {b}, {a}, {min}",
            "sel {a}, {a}, {min}",
            "str {a}, [{y}], #4",
            "subs {count}, #1",
            "bne 2b",
            y = inout(reg) fours.as_mut_ptr() => _,
            count = inout(reg) fours.len() => _,
            min = in(reg) four(clamp.min),
            max = in(reg) four(clamp.max),
            a = out(reg) _,
            b = out(reg) _,
        );
    }
}
