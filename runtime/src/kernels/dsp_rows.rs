//! The inner loops of `rows` for the DSP extension: 16 products in 17 instructions, and what makes bytes of the sums.
//!
//! A word of weights holds two taps of two rows. `SXTB16` takes the first row's out of it; for the second one the word goes into
//! `SMLAD` as it is, and the first one's sum is taken away at the end. Four rows share a word of the vector.

use core::arch::asm;

use super::Channel;
use super::pairs::padded;

/// What the assembly keeps in memory while every register is in use; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    /// Bytes of a pair of rows.
    row: usize,
    x: *const i8,
    /// Behind the last whole four of `x`.
    end: *const i8,
    /// What is left of `x`, and whether anything is.
    tail: u32,
    has_tail: u32,
    /// What was taken of the sums of the second rows.
    taken: [i32; 2],
    sums: *mut i32,
    /// Pairs that are left, not above 0 behind the last ones.
    pairs: usize,
}

/// Four taps of four rows with the values r4 (taps 0, 2) and r5 (taps 1, 3): 16 products.
macro_rules! four_taps {
    () => {
        "ldrd r12, lr, [r0], #8\n\
         sxtb16 r6, r12\n\
         smlad r8, r6, r4, r8\n\
         smlad r9, r12, r4, r9\n\
         sxtb16 r6, lr\n\
         smlad r8, r6, r5, r8\n\
         smlad r9, lr, r5, r9\n\
         ldrd r12, lr, [r1], #8\n\
         sxtb16 r6, r12\n\
         smlad r10, r6, r4, r10\n\
         smlad r11, r12, r4, r11\n\
         sxtb16 r6, lr\n\
         smlad r10, r6, r5, r10\n\
         smlad r11, lr, r5, r11\n"
    };
}

/// The next four values, less the zero point, and their products.
macro_rules! round {
    () => {
        concat!("ldr r5, [r2], #4\n", "sxtab16 r4, r3, r5\n", "sxtab16 r5, r3, r5, ror #8\n", four_taps!())
    };
}

/// How many pairs `count` rows are; `None` where they are empty, not all of them are in `weights`, from a multiple of 4 bytes on, or
/// the sums of a last round of two pairs have no room.
#[inline(always)]
fn pairs_of(weights: &[i8], row: usize, count: usize, sums: &[i32]) -> Option<usize> {
    let pairs = count.div_ceil(2);
    let has_room = pairs.next_multiple_of(2).saturating_mul(2) <= sums.len();
    let has_weights = row.saturating_mul(pairs) <= weights.len() && weights.as_ptr().addr() & 3 == 0;
    (row > 0 && pairs > 0 && has_room && has_weights).then_some(pairs)
}

/// `Σ w · (x − zero_point)` of `count` rows in pairs. `false`: nothing was done, the slices are too short or the weights do not
/// start at a multiple of 4 bytes.
#[allow(unsafe_code, reason = "SMLAD, SXTB16 and SXTAB16 have no stable intrinsics")]
pub(super) fn pairs(weights: &[i8], count: usize, x: &[i8], zero_point: i32, sums: &mut [i32]) -> bool {
    let row = padded(x.len()).saturating_mul(2);
    let Some(pairs) = pairs_of(weights, row, count, sums) else { return false };
    let (fours, rest) = x.split_at(x.len() & !3);
    let zeros = u32::from_le_bytes([zero_point as i8 as u8; 4]);
    let mut plan = Plan {
        row,
        x: x.as_ptr(),
        end: fours.as_ptr_range().end,
        // Filled up with the zero point, so that weights beyond the row do not count, whatever a file has there.
        tail: rest.iter().rev().fold(zeros, |word, &x| word << 8 | u32::from(x.cast_unsigned())),
        has_tail: u32::from(!rest.is_empty()),
        taken: [0; 2],
        sums: sums.as_mut_ptr(),
        pairs,
    };
    // SAFETY: every pair of rows is `row` bytes long, 8 for each four of `x` and for what is left of it, and there are `pairs` of them;
    // of an odd last one both halves of a round are the same. `x` is read in words up to `end`. For two pairs, or an odd last one, 4 sums
    // are written, which have room. LDR takes any address; LDRD needs a multiple of 4, which `weights` and `row` are.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "push {{r4}}",
            "mov r6, r5",
            // Pairs that are left in r6, the first one's weights in r1.
            "2:",
            "mov r0, r1",
            "ldm r4, {{r1, r2, r7}}",
            "cmp r6, #1",
            "it eq",
            "moveq r1, #0",
            "add r1, r0",
            "mov r8, #0",
            "mov r9, #0",
            "mov r10, #0",
            "mov r11, #0",
            "strd r8, r9, [r4, #20]",
            "cmp r2, r7",
            "beq 6f",
            // At most 252 taps until the second rows' sums are taken.
            "3:",
            "sub r5, r7, r2",
            "cmp r5, #252",
            "itt hi",
            "movhi r5, #252",
            "addhi r7, r2, #252",
            // What is left of four rounds enters in the middle: bit 3 of the length is in the carry, bit 2 is the sign.
            "lsls r5, r5, #29",
            "bcs 9f",
            "bmi 44f",
            "4:",
            round!(),
            "42:",
            round!(),
            "43:",
            round!(),
            "44:",
            round!(),
            "cmp r2, r7",
            "bne 4b",
            "ldr r4, [sp]",
            "ldr r7, [r4, #8]",
            "cmp r2, r7",
            "bne 8f",
            "6:",
            "ldrd r5, r6, [r4, #12]",
            "cbz r6, 7f",
            "sxtab16 r4, r3, r5",
            "sxtab16 r5, r3, r5, ror #8",
            four_taps!(),
            "ldr r4, [sp]",
            "7:",
            "ldrd r5, r6, [r4, #20]",
            "sub r9, r9, r8",
            "sub r11, r11, r10",
            "add r9, r5, r9, asr #8",
            "add r11, r6, r11, asr #8",
            "ldrd r5, r6, [r4, #28]",
            "stm r5!, {{r8, r9, r10, r11}}",
            "subs r6, #2",
            "strd r5, r6, [r4, #28]",
            "bgt 2b",
            "b 5f",
            "8:",
            "ldrd r5, r6, [r4, #20]",
            "sub r9, r9, r8",
            "sub r11, r11, r10",
            "add r5, r5, r9, asr #8",
            "add r6, r6, r11, asr #8",
            "strd r5, r6, [r4, #20]",
            "mov r9, r8",
            "mov r11, r10",
            "b 3b",
            "9:",
            "bmi 42b",
            "b 43b",
            "5:",
            "add sp, #4",
            "pop {{r6, r7}}",
            inout("r1") weights.as_ptr() => _,
            in("r3") (zero_point.wrapping_neg() as u32 & 0xffff) * 0x1_0001,
            inout("r4") &raw mut plan => _,
            inout("r5") pairs => _,
            out("r0") _, out("r2") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        );
    }
    true
}

/// Taps of a vector that is spread: as many as need no sum taken in between.
const SPREAD_TAPS: usize = 252;
/// Words that they take, two for each four.
pub(super) const SPREAD_LEN: usize = SPREAD_TAPS / 2;

/// `x − zero_point` in halfwords, taps 0 and 2 of each four in one word, 1 and 3 in the next; zeros behind the end. Empty where `x` is, or
/// has more than [`SPREAD_TAPS`].
#[allow(unsafe_code, reason = "SXTAB16 has no stable intrinsic")]
pub(super) fn spread<'w>(x: &[i8], zero_point: i32, words: &'w mut [u32; SPREAD_LEN]) -> &'w [u32] {
    let (fours, rest) = x.split_at(x.len() & !3);
    let Some(words) = words.get_mut(..x.len().div_ceil(4).wrapping_mul(2)) else { return &[] };
    let zeros = (zero_point.wrapping_neg() as u32 & 0xffff) * 0x1_0001;
    let Some((head, tail)) = words.split_at_mut_checked(fours.len() / 2) else { return &[] };
    if !head.is_empty() {
        // SAFETY: each of as many rounds as there are fours reads one and writes two words, of which `head` has twice as many.
        unsafe {
            asm!(
                "2:",
                "ldr r3, [r0], #4",
                "sxtab16 r2, r5, r3",
                "sxtab16 r3, r5, r3, ror #8",
                "strd r2, r3, [r1], #8",
                "subs r4, #1",
                "bne 2b",
                inout("r0") fours.as_ptr() => _,
                inout("r1") head.as_mut_ptr() => _,
                inout("r4") fours.len() / 4 => _,
                in("r5") zeros,
                out("r2") _, out("r3") _,
            );
        }
    }
    let tap = |at: usize| rest.get(at).map_or(0, |&x| (i32::from(x).wrapping_sub(zero_point) as u32) & 0xffff);
    if let [even, odd] = tail {
        (*even, *odd) = (tap(0) | tap(2) << 16, tap(1));
    }
    words
}

/// Four taps of four rows with the next two words of a spread vector.
macro_rules! spread_round {
    () => {
        concat!("ldrd r4, r5, [r2], #8\n", four_taps!())
    };
}

/// As [`pairs`] with what [`spread`] has made of the vector.
#[allow(unsafe_code, reason = "SMLAD and SXTB16 have no stable intrinsics")]
pub(super) fn spread_pairs(weights: &[i8], count: usize, x: &[u32], sums: &mut [i32]) -> bool {
    let row = x.len().saturating_mul(4);
    let Some(pairs) = pairs_of(weights, row, count, sums) else { return false };
    let x = x.as_ptr_range();
    // SAFETY: every pair of rows is `row` bytes long, 8 for each two words of `x`, and there are `pairs` of them; of an odd last one both
    // halves of a round are the same. For two pairs, or an odd last one, 4 sums are written, which have room. LDRD needs a multiple of 4,
    // which `weights`, `row` and `x` are.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "push {{r0, r2, r4, r5}}",
            "2:",
            "mov r0, r1",
            "ldm sp, {{r1, r2, r7, r12}}",
            "cmp r12, #1",
            "it eq",
            "moveq r1, #0",
            "add r1, r0",
            "mov r8, #0",
            "mov r9, #0",
            "mov r10, #0",
            "mov r11, #0",
            // What is left of four rounds enters in the middle: bit 4 of the length is in the carry, bit 3 is the sign.
            "sub r5, r7, r2",
            "lsls r5, r5, #28",
            "bcs 9f",
            "bmi 44f",
            "4:",
            spread_round!(),
            "42:",
            spread_round!(),
            "43:",
            spread_round!(),
            "44:",
            spread_round!(),
            "cmp r2, r7",
            "bne 4b",
            "ldr r4, [sp, #12]",
            "sub r9, r9, r8",
            "sub r11, r11, r10",
            "asr r9, #8",
            "asr r11, #8",
            "stm r3!, {{r8, r9, r10, r11}}",
            "subs r4, #2",
            "str r4, [sp, #12]",
            "bgt 2b",
            "b 5f",
            "9:",
            "bmi 42b",
            "b 43b",
            "5:",
            "add sp, #16",
            "pop {{r6, r7}}",
            inout("r0") row => _,
            inout("r1") weights.as_ptr() => _,
            inout("r2") x.start => _,
            inout("r3") sums.as_mut_ptr() => _,
            inout("r4") x.end => _,
            inout("r5") pairs => _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        );
    }
    true
}

/// `y[c] = sat8(zero_point + requantize(bias[c] + sums[c]))`, rounded once, up to the first channel that is not shifted to the right
/// by 2 to 23; tells how many. Half and the zero point are added at once, as `finish` says: `(high + (2·zero_point + 1)·2^(s−1)) >> s`
/// with the upper word of the product, `s = −1 − shift`.
#[allow(unsafe_code, reason = "SMMLA has no stable intrinsic")]
pub(super) fn finish_single(zero_point: i32, sums: &[i32], channels: &[Channel], y: &mut [i8]) -> usize {
    let count = sums.len().min(channels.len()).min(y.len());
    if count == 0 {
        return 0;
    }
    let mut left = count;
    // SAFETY: at most `count` rounds read a word of `sums` and the three of a `Channel`, which is `repr(C)`, and write a byte of
    // `y`; all three have as many.
    unsafe {
        asm!(
            "2:",
            "ldm r1!, {{r2, r3, r4}}",
            "ldr r5, [r0], #4",
            "mvn r4, r4",
            "add r5, r2",
            "sub r2, r4, #1",
            "cmp r2, #21",
            "bhi 3f",
            "lsl r2, r8, r2",
            "smmla r5, r5, r3, r2",
            "asr r5, r4",
            "ssat r5, #8, r5",
            "strb r5, [r12], #1",
            "subs lr, #1",
            "bne 2b",
            "3:",
            inout("r0") sums.as_ptr() => _,
            inout("r1") channels.as_ptr() => _,
            inout("r12") y.as_mut_ptr() => _,
            inout("lr") left,
            in("r8") zero_point.wrapping_mul(2).wrapping_add(1),
            out("r2") _, out("r3") _, out("r4") _, out("r5") _,
        );
    }
    count.wrapping_sub(left)
}

/// `y[c] = sat16(requantize(bias[c] + sums[c]))`, rounded twice, up to the first channel that is shifted by more than 30 either way;
/// tells how many. By the equation in `finish`; gates of large weights are shifted to the left.
#[allow(unsafe_code, reason = "SMMLAR has no stable intrinsic")]
pub(super) fn finish_gates(sums: &[i32], channels: &[Channel], y: &mut [i16]) -> usize {
    let count = sums.len().min(channels.len()).min(y.len());
    if count == 0 {
        return 0;
    }
    let mut left = count;
    // SAFETY: at most `count` rounds read a word of `sums` and the three of a `Channel`, which is `repr(C)`, and write a halfword
    // of `y`; all three have as many.
    unsafe {
        asm!(
            "2:",
            "ldm r1!, {{r2, r3, r4}}",
            "ldr r5, [r0], #4",
            "rsb r4, r4, #0",
            "add r5, r2",
            "sub r2, r4, #1",
            "cmp r2, #29",
            "bhi 4f",
            "lsl r5, r5, #1",
            "lsl r2, r8, r2",
            "add r2, r2, r5, asr #31",
            "smmlar r5, r5, r3, r2",
            "asr r5, r4",
            "ssat r5, #16, r5",
            "strh r5, [r12], #2",
            "subs lr, #1",
            "bne 2b",
            "b 3f",
            // To the left by 0 to 30: no second rounding.
            "4:",
            "cmp r4, #0",
            "bgt 3f",
            "adds r2, r4, #30",
            "bmi 3f",
            "rsb r2, r4, #1",
            "lsl r5, r2",
            "smmulr r5, r5, r3",
            "ssat r5, #16, r5",
            "strh r5, [r12], #2",
            "subs lr, #1",
            "bne 2b",
            "3:",
            inout("r0") sums.as_ptr() => _,
            inout("r1") channels.as_ptr() => _,
            inout("r12") y.as_mut_ptr() => _,
            inout("lr") left,
            in("r8") 1,
            out("r2") _, out("r3") _, out("r4") _, out("r5") _,
        );
    }
    count.wrapping_sub(left)
}
