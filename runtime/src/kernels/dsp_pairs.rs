//! The inner loops of `pairs` for the DSP extension: 16 products in 12 instructions.
//!
//! A word of weights holds two taps of two channels. `SXTB16` takes the first channel's out of it; for the second one the word goes
//! into `SMLAD` as it is, and the first one's sum is taken away at the end. Four pixels share what was loaded.

use core::arch::asm;

use super::pairs::padded;
use super::strided::Strided;
use super::{Channel, Clamp, Conv2d};
use crate::fixed::Rounding;

/// What the assembly of [`widen_rows`] reads once a row; it counts on the order of the fields.
#[repr(C)]
struct RowPlan {
    left: usize,
    /// Fours of a row.
    fours: usize,
    /// From a row's end to the next one's start.
    skips: [usize; 4],
}

/// Rows of bytes of four places, less the zero point, side by side in 16 bits, in fours.
#[allow(unsafe_code, reason = "SXTAB16 has no stable intrinsic")]
#[inline(always)]
pub(super) fn widen_rows(sources: [Strided<'_>; 4], [rows, row]: [usize; 2], quad: &mut [i16], zero_point: i32) {
    let fours = row / 4;
    let room = rows.checked_mul(fours).and_then(|rounds| rounds.checked_mul(16));
    let has_room = room.is_some_and(|needed| needed <= quad.len()) && quad.as_ptr().addr() & 3 == 0;
    if rows == 0 || fours == 0 || !sources.iter().all(|source| source.have([rows, row])) || !has_room {
        return;
    }
    let [a, b, c, d] = sources.map(|source| source.bytes.as_ptr());
    let mut plan = RowPlan { left: rows, fours, skips: sources.map(|source| source.pitch.wrapping_sub(fours * 4)) };
    // SAFETY: of each source, each of `rows` rows, `pitch` apart, reads `fours` words, which `have` has found there, and writes
    // 32 bytes of `quad` for each, which `has_room` has. LDR takes any address; STRD and LDRD need the alignment that was checked
    // and that a `RowPlan` has. After the last row the addresses are not used.
    unsafe {
        asm!(
            "3:",
            "ldr {rounds}, [{plan}, #4]",
            "2:",
            "ldr r0, [{c}], #4",
            "ldr r1, [{d}], #4",
            "sxtab16 r2, {zero}, r0",
            "sxtab16 r3, {zero}, r1",
            "sxtab16 r0, {zero}, r0, ror #8",
            "sxtab16 r1, {zero}, r1, ror #8",
            "strd r2, r3, [{to}, #8]",
            "strd r0, r1, [{to}, #24]",
            "ldr r0, [{a}], #4",
            "ldr r1, [{b}], #4",
            "sxtab16 r2, {zero}, r0",
            "sxtab16 r3, {zero}, r1",
            "sxtab16 r0, {zero}, r0, ror #8",
            "sxtab16 r1, {zero}, r1, ror #8",
            "strd r0, r1, [{to}, #16]",
            "strd r2, r3, [{to}], #32",
            "subs {rounds}, #1",
            "bne 2b",
            "ldrd r0, r1, [{plan}, #8]",
            "add {a}, r0",
            "add {b}, r1",
            "ldrd r0, r1, [{plan}, #16]",
            "add {c}, r0",
            "add {d}, r1",
            "ldr r0, [{plan}]",
            "subs r0, #1",
            "str r0, [{plan}]",
            "bne 3b",
            a = inout(reg) a => _,
            b = inout(reg) b => _,
            c = inout(reg) c => _,
            d = inout(reg) d => _,
            to = inout(reg) quad.as_mut_ptr() => _,
            zero = in(reg) (zero_point.wrapping_neg() as u32 & 0xffff) * 0x1_0001,
            plan = in(reg) &raw mut plan,
            rounds = out(reg) _,
            out("r0") _, out("r1") _, out("r2") _, out("r3") _,
        );
    }
}

/// Four channels of a column of an image, to the pixels that see it: `$even` and `$odd` say where in a window's column.
macro_rules! place {
    ($value:literal, $($to:literal $even:literal $odd:literal),*) => {
        concat!(
            "sxtab16 r3, {zero}, ", $value, "\n",
            "sxtab16 ", $value, ", {zero}, ", $value, ", ror #8\n",
            $("str ", $value, ", [", $to, ", #", $odd, "]\n", "str r3, [", $to, $even, "\n",)*
        )
    };
}

/// The same as [`widen_rows`] for windows of three columns, each one column behind the one before: what they share is widened once.
#[allow(unsafe_code, reason = "SXTAB16 has no stable intrinsic")]
#[inline(always)]
pub(super) fn widen_sliding(from: Strided<'_>, [rows, channels]: [usize; 2], quad: &mut [i16], zero_point: i32) {
    let fours = channels / 4;
    let room = rows.checked_mul(fours).and_then(|rounds| rounds.checked_mul(48));
    let has_room = room.is_some_and(|needed| needed <= quad.len()) && quad.as_ptr().addr() & 3 == 0;
    let has_all = channels.checked_mul(6).is_some_and(|columns| from.have([rows, columns]));
    if fours == 0 || !has_all || !has_room {
        return;
    }
    let (mut x, mut to) = (from.bytes.as_ptr(), quad.as_mut_ptr());
    for _ in 0..rows {
        // SAFETY: reads `fours` words of each of six columns, `channels` bytes apart, which `have` has found in each of `rows` rows,
        // and writes as many times 32 bytes of `quad` at three places, `32·fours` apart, which `has_room` has. LDR takes any
        // address. After the last row the addresses are not used.
        unsafe {
            asm!(
                "2:",
                "ldr r1, [{right}, {step}]",
                "ldr r2, [{right}, {step}, lsl #1]",
                "ldr r0, [{right}], #4",
                place!("r0", "{a}" ", #12]" "28", "{b}" ", #8]" "24", "{c}" ", #4]" "20"),
                place!("r1", "{b}" ", #12]" "28", "{c}" ", #8]" "24"),
                place!("r2", "{c}" ", #12]" "28"),
                "ldr r1, [{left}, {step}]",
                "ldr r2, [{left}, {step}, lsl #1]",
                "ldr r0, [{left}], #4",
                place!("r2", "{a}" ", #8]" "24", "{b}" ", #4]" "20", "{c}" "], #32" "16"),
                place!("r1", "{a}" ", #4]" "20", "{b}" "], #32" "16"),
                place!("r0", "{a}" "], #32" "16"),
                "subs {rounds}, #1",
                "bne 2b",
                left = inout(reg) x => _,
                right = inout(reg) x.wrapping_add(channels * 3) => _,
                step = in(reg) channels,
                a = inout(reg) to => _,
                b = inout(reg) to.wrapping_add(fours * 16) => _,
                c = inout(reg) to.wrapping_add(fours * 32) => _,
                zero = in(reg) (zero_point.wrapping_neg() as u32 & 0xffff) * 0x1_0001,
                rounds = inout(reg) fours => _,
                out("r0") _, out("r1") _, out("r2") _, out("r3") _,
            );
        }
        (x, to) = (x.wrapping_add(from.pitch), to.wrapping_add(fours * 48));
    }
}

/// What the assembly keeps on the stack while every register is in use; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    /// The end of a pair's weights.
    end: usize,
    /// Bytes of a pair's weights.
    row: usize,
    quad: *const i16,
    /// Bytes of the loop's body that the first turn computes, then the address where it enters.
    entry: usize,
    channels: *const Channel,
    channels_end: *const Channel,
    output: *mut i8,
    /// `2·zero_point + 1`.
    twice_zero: i32,
    /// From the first pixel's output to the second one's, twice of which is the third one's, and to the fourth one's.
    steps: [usize; 2],
}

/// Two taps of two channels, four pixels: 16 products, added (`smlad`) or the first ones (`smuad`).
macro_rules! two_taps {
    (@weights) => {
        "ldr r2, [r0], #4\n\
         sxtb16 r3, r2\n\
         ldrd r12, lr, [r1], #8\n"
    };
    (smlad 4) => { concat!(two_taps!(smlad), two_taps!(smlad), two_taps!(smlad), two_taps!(smlad)) };
    (smlad 16) => { concat!(two_taps!(smlad 4), two_taps!(smlad 4), two_taps!(smlad 4), two_taps!(smlad 4)) };
    (smuad) => {
        concat!(
            two_taps!(@weights),
            "smuad r4, r3, r12\n\
             smuad r8, r2, r12\n\
             smuad r5, r3, lr\n\
             smuad r9, r2, lr\n\
             ldrd r12, lr, [r1], #8\n\
             smuad r6, r3, r12\n\
             smuad r10, r2, r12\n\
             smuad r7, r3, lr\n\
             smuad r11, r2, lr\n",
        )
    };
    (smlad) => {
        concat!(
            two_taps!(@weights),
            "smlad r4, r3, r12, r4\n\
             smlad r8, r2, r12, r8\n\
             smlad r5, r3, lr, r5\n\
             smlad r9, r2, lr, r9\n\
             ldrd r12, lr, [r1], #8\n\
             smlad r6, r3, r12, r6\n\
             smlad r10, r2, r12, r10\n\
             smlad r7, r3, lr, r7\n\
             smlad r11, r2, lr, r11\n",
        )
    };
}

/// Bytes of four taps in the loop: every instruction of `two_taps` takes 4.
const FOUR: usize = 2 * 12 * 4;

/// Fours of taps in the loop's body.
const UNROLL: usize = 8;

/// The high product of a doubled sum and the constant, one less where the sum is negative.
macro_rules! signed {
    ($sum:literal) => {
        concat!("add lr, r0, ", $sum, ", asr #31\n", "smmlar ", $sum, ", ", $sum, ", r1, lr\n")
    };
}

/// The same for sums whose negative outputs are clamped anyway; see `depthwise_planes::dsp`.
macro_rules! activated {
    ($sum:literal) => {
        concat!("smmlar ", $sum, ", ", $sum, ", r1, r0\n")
    };
}

/// Requantizes doubled sums: see `finish`, which the last shift by 1 in SSAT spares a register. `r0` is the constant there,
/// `r1` the multiplier, `r2` the shift less 1.
macro_rules! requantize {
    ($product:ident $($sum:literal)*) => {
        concat!($(
            $product!($sum),
            "asr ", $sum, ", ", $sum, ", r2\n",
            "ssat ", $sum, ", #8, ", $sum, ", asr #1\n",
        )*)
    };
}

/// The doubled sum of the second channel, `r12` being its doubled bias: what SMLAD added up is `256·second + first`.
macro_rules! second {
    ($($raw:literal $first:literal)*) => {
        concat!($(
            "sub ", $raw, ", ", $raw, ", ", $first, "\n",
            "add ", $raw, ", r12, ", $raw, ", asr #7\n",
        )*)
    };
}

/// The whole loop over pairs of channels.
macro_rules! channel_pairs {
    ($product:ident, $weights:expr, $plan:expr) => {
        asm!(
            "push {{r6, r7}}",
            "sub sp, #40",
            "ldm r2, {{r3, r4, r5, r6, r7, r8, r9, r10, r11, r12}}",
            "adr.w r2, 5f",
            "subs r2, r2, r6",
            "adds r6, r2, #1",
            "stm sp, {{r3, r4, r5, r6, r7, r8, r9, r10, r11, r12}}",
            "2:",
            "ldrd r3, r1, [sp, #4]",
            "add r3, r0, r3",
            "str r3, [sp]",
            two_taps!(smuad),
            two_taps!(smlad),
            "ldr pc, [sp, #12]",
            "3:",
            two_taps!(smlad 16),
            "5:",
            "ldr r12, [sp]",
            "cmp r0, r12",
            "bne 3b",
            "ldr r3, [sp, #16]",
            "ldr r12, [r3, #12]",
            "lsl r12, r12, #1",
            second!("r8" "r4" "r9" "r5" "r10" "r6" "r11" "r7"),
            "ldm r3!, {{r0, r1, r2}}",
            "lsl r0, r0, #1",
            "add r4, r0, r4, lsl #1",
            "add r5, r0, r5, lsl #1",
            "add r6, r0, r6, lsl #1",
            "add r7, r0, r7, lsl #1",
            // A shift to the right by n is −n in the record, and its complement n − 1.
            "ldr r12, [sp, #28]",
            "mvn r2, r2",
            "lsl r0, r12, r2",
            requantize!($product "r4" "r5" "r6" "r7"),
            "ldm r3!, {{r0, r1, r2}}",
            "mvn r2, r2",
            "lsl r0, r12, r2",
            requantize!($product "r8" "r9" "r10" "r11"),
            "str r3, [sp, #16]",
            "ldrd r12, lr, [sp, #32]",
            "ldr r1, [sp, #24]",
            "bfi r4, r8, #8, #8",
            "bfi r5, r9, #8, #8",
            "bfi r6, r10, #8, #8",
            "bfi r7, r11, #8, #8",
            "strh r5, [r1, r12]",
            "strh r6, [r1, r12, lsl #1]",
            "strh r7, [r1, lr]",
            "strh r4, [r1], #2",
            "str r1, [sp, #24]",
            "ldr r0, [sp]",
            "ldr r12, [sp, #20]",
            "cmp r3, r12",
            "bne 2b",
            "add sp, #40",
            "pop {{r6, r7}}",
            inout("r0") $weights => _,
            inout("r2") $plan => _,
            out("r1") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        )
    };
}

/// The same for the first two of the pixels, what is left of an image.
///
/// # Safety
/// All that the plan says is there, but for the third and the fourth pixel's outputs.
#[allow(unsafe_code, reason = "the loop needs every register, and instructions that have no stable intrinsics")]
#[inline(never)]
unsafe fn two_pixels(weights: *const i8, plan: *mut Plan) {
    // SAFETY: as the caller says. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "mov r7, r2",
            "2:",
            "ldrd r10, r1, [r7, #4]",
            "add r10, r0",
            "mov r4, #0",
            "mov r5, #0",
            "mov r8, #0",
            "mov r9, #0",
            "3:",
            "ldr r2, [r0], #4",
            "ldr r6, [r0], #4",
            "ldrd r12, lr, [r1], #16",
            "sxtb16 r3, r2",
            "smlad r4, r3, r12, r4",
            "smlad r8, r2, r12, r8",
            "smlad r5, r3, lr, r5",
            "smlad r9, r2, lr, r9",
            "ldrd r12, lr, [r1], #16",
            "sxtb16 r3, r6",
            "smlad r4, r3, r12, r4",
            "smlad r8, r6, r12, r8",
            "smlad r5, r3, lr, r5",
            "smlad r9, r6, lr, r9",
            "cmp r0, r10",
            "bne 3b",
            "ldr r3, [r7, #16]",
            "ldr r12, [r3, #12]",
            "lsl r12, r12, #1",
            second!("r8" "r4" "r9" "r5"),
            "ldm r3!, {{r0, r1, r2}}",
            "lsl r0, r0, #1",
            "add r4, r0, r4, lsl #1",
            "add r5, r0, r5, lsl #1",
            "ldr r12, [r7, #28]",
            "mvn r2, r2",
            "lsl r0, r12, r2",
            requantize!(signed "r4" "r5"),
            "ldm r3!, {{r0, r1, r2}}",
            "mvn r2, r2",
            "lsl r0, r12, r2",
            requantize!(signed "r8" "r9"),
            "str r3, [r7, #16]",
            "ldr r12, [r7, #32]",
            "ldr r1, [r7, #24]",
            "bfi r4, r8, #8, #8",
            "bfi r5, r9, #8, #8",
            "strh r5, [r1, r12]",
            "strh r4, [r1], #2",
            "str r1, [r7, #24]",
            "mov r0, r10",
            "ldr r12, [r7, #20]",
            "cmp r3, r12",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") weights => _,
            inout("r2") plan => _,
            out("r1") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r12") _, out("lr") _,
        );
    }
}

/// A convolution's channels in pairs, for four pixels at a time.
pub(super) struct Kernel<'m> {
    weights: &'m [i8],
    channels: &'m [Channel],
    taps: usize,
    outputs: usize,
    zero_point: i32,
    clamp: Clamp,
}

impl<'m> Kernel<'m> {
    /// `None` where this kernel is not for these arguments.
    pub(super) fn new(p: &Conv2d<'m>) -> Option<Self> {
        let (taps, outputs) = (padded(super::conv2d::column_len(p)), p.output[3]);
        let even = outputs & !1;
        let weights = p.weights.get(..(even / 2).checked_mul(taps)?.checked_mul(2)?)?;
        let channels = p.channels.get(..even)?;
        let is_right = even > 0 && taps > 0 && p.rounding == Rounding::Double;
        let zero_point = p.output_zero_point;
        is_right.then_some(Self { weights, channels, taps, outputs, zero_point, clamp: p.clamp })
    }

    /// Computes an even number of channels of four pixels, `count` of which are different, and tells how many channels.
    #[allow(unsafe_code, reason = "SMLAD, SMMLAR and SXTB16 have no stable intrinsics")]
    #[inline(always)]
    pub(super) fn run(&self, quad: &[i16], count: usize, y: &mut [i8]) -> usize {
        let Self { taps, outputs, .. } = *self;
        let has_outputs = outputs.checked_mul(count).is_some_and(|needed| needed <= y.len());
        let has_values = taps.checked_mul(4).is_some_and(|needed| needed <= quad.len());
        if !has_outputs || !has_values || quad.as_ptr().addr() & 3 != 0 {
            return 0;
        }
        // Where there are fewer pixels, several of the four are the same one; see `SLOTS`.
        let steps = match count {
            4 => [outputs, outputs.wrapping_mul(3)],
            3 => [outputs, outputs.wrapping_mul(2)],
            2 => [outputs, 0],
            1 => [0, 0],
            _ => return 0,
        };
        // The first four taps come before the loop.
        let more = taps / 4 - 1;
        let mut plan = Plan {
            end: 0,
            row: taps.wrapping_mul(2),
            quad: quad.as_ptr(),
            entry: if more == 0 { 0 } else { ((more - 1) % UNROLL + 1) * FOUR },
            channels: self.channels.as_ptr(),
            channels_end: self.channels.as_ptr_range().end,
            output: y.as_mut_ptr(),
            twice_zero: self.zero_point.wrapping_mul(2).wrapping_add(1),
            steps,
        };
        let plan = &raw mut plan;
        // SAFETY: each pair of channels reads 2·`taps` bytes of weights, 4·`taps` values of `quad` and two channels (three words
        // each, `repr(C)`), which `new` and the checks above have found there, and writes two bytes at up to `count` pixels,
        // `outputs` bytes apart, within the `outputs` bytes of a pixel. LDR takes any address; LDRD and LDM need the alignment
        // that was checked, and that a `Plan` and a `Channel` have. What is pushed is popped; nothing else touches the stack.
        unsafe {
            if count <= 2 {
                two_pixels(self.weights.as_ptr(), plan);
            } else if i32::from(self.clamp.min) >= self.zero_point {
                channel_pairs!(activated, self.weights.as_ptr(), plan);
            } else {
                channel_pairs!(signed, self.weights.as_ptr(), plan);
            }
        }
        self.clamp.apply_all(y);
        self.channels.len()
    }
}
