//! Inner loops for the DSP extension (Cortex-M4, M7, M33): two products per instruction.
//!
//! `SXTB16` widens bytes 0 and 2 of a word into two halfwords, with `ROR #8` bytes 1 and 3, so a word of four weights becomes
//! the pairs (w0, w2) and (w1, w3). Values are brought into the same order once ([`arrange`]) and then serve every channel.
//!
//! Every block of assembly reads and writes within the slices that it is given, whose lengths are checked in front of it. `r6` and
//! `r7` cannot be named as operands (LLVM keeps them for the frame), so the blocks save and restore them; the end of the loop waits
//! on the stack, since no register is left.

use core::arch::asm;
use core::mem::MaybeUninit;

use super::depthwise_blocks::Grid;
use super::strided::Strided;
use super::{Channel, Clamp, Conv2d};

/// Brings a column of 16-bit values into the order that [`dot_2x2`] reads: fours become `0 2 1 3`, a rest stays.
pub(super) fn arrange(column: &mut [i16]) {
    column.as_chunks_mut::<4>().0.iter_mut().for_each(|[_, b, c, _]| core::mem::swap(b, c));
}

/// `x − zero_point` in 16 bits, arranged, of as many values as both slices have, a multiple of 4. `false`: nothing was done,
/// `to` does not start at a multiple of 4 bytes.
#[allow(unsafe_code, reason = "SXTB16 and SSUB16 have no stable intrinsics")]
#[inline(always)]
pub(super) fn widen_arranged(from: &[i8], to: &mut [i16], zero_point: i32) -> bool {
    let rounds = from.len().min(to.len()) / 4;
    if to.as_ptr().addr() & 3 != 0 {
        return false;
    }
    if rounds == 0 {
        return true;
    }
    let zero_points = (zero_point as u32 & 0xffff) * 0x1_0001;
    // SAFETY: `rounds` rounds read 4 bytes and write 4 halfwords, which both slices have. LDR takes any address; STRD needs
    // the alignment that was checked.
    unsafe {
        asm!(
            "2:",
            "ldr {a}, [{from}], #4",
            "sxtb16 {b}, {a}",
            "sxtb16 {a}, {a}, ror #8",
            "ssub16 {b}, {b}, {zero}",
            "ssub16 {a}, {a}, {zero}",
            "strd {b}, {a}, [{to}], #8",
            "subs {rounds}, #1",
            "bne 2b",
            from = inout(reg) from.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            rounds = inout(reg) rounds => _,
            zero = in(reg) zero_points,
            a = out(reg) _,
            b = out(reg) _,
        );
    }
    true
}

/// [`widen_arranged`] of the bytes in the upper half of a column over all of it; a rest of less than four stays in order.
/// `false`: nothing was done, the column does not start at a multiple of 4 bytes.
#[allow(unsafe_code, reason = "SXTB16 and SSUB16 have no stable intrinsics")]
#[inline(always)]
pub(super) fn spread(column: &mut [i16], zero_point: i32) -> bool {
    let len = column.len();
    let start = column.as_mut_ptr();
    if start.addr() & 3 != 0 {
        return false;
    }
    // SAFETY: both pointers come from the column of `2·len` bytes. Round `r` reads 4 bytes at `len + 4r` and writes 8 at `8r`,
    // for `4r + 4 <= len`; the rest reads byte `len + k` and writes halfword `k`. Nothing is written before it was read, since
    // `8r + 8 <= len + 4r + 4`. LDR takes any address; STRD needs the alignment that was checked.
    unsafe {
        asm!(
            "cbz r0, 3f",
            "2:",
            "ldr {a}, [{from}], #4",
            "sxtb16 {b}, {a}",
            "sxtb16 {a}, {a}, ror #8",
            "ssub16 {b}, {b}, {zero}",
            "ssub16 {a}, {a}, {zero}",
            "strd {b}, {a}, [{to}], #8",
            "subs r0, #1",
            "bne 2b",
            "3:",
            "cbz r1, 5f",
            "4:",
            "ldrsb {a}, [{from}], #1",
            "ssub16 {a}, {a}, {zero}",
            "strh {a}, [{to}], #2",
            "subs r1, #1",
            "bne 4b",
            "5:",
            from = inout(reg) start.cast::<i8>().wrapping_add(len) => _,
            to = inout(reg) start => _,
            zero = in(reg) (zero_point as u32 & 0xffff) * 0x1_0001,
            a = out(reg) _,
            b = out(reg) _,
            inout("r0") len / 4 => _,
            inout("r1") len % 4 => _,
        );
    }
    true
}

/// `round(a · b / 2^32)`, half up.
#[allow(unsafe_code, reason = "SMMULR has no stable intrinsic")]
#[inline(always)]
pub(crate) fn rounded_high(a: i32, b: i32) -> i32 {
    let high: i32;
    // SAFETY: it reads two registers and writes one.
    unsafe {
        asm!(
            "smmulr {high}, {a}, {b}",
            a = in(reg) a,
            b = in(reg) b,
            high = lateout(reg) high,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    high
}

/// Sixteen zeros.
#[allow(unsafe_code, reason = "in Rust it becomes a call of memclr, which counts where a layer is small")]
#[inline(always)]
pub(super) fn zeros(room: &mut MaybeUninit<[i32; 16]>) -> &mut [i32; 16] {
    // SAFETY: four times four words are written, which is all of the array, so that it may be taken as one; it is aligned to 4.
    unsafe {
        asm!(
            "stm {to}!, {{r2, r3, r4, r5}}",
            "stm {to}!, {{r2, r3, r4, r5}}",
            "stm {to}!, {{r2, r3, r4, r5}}",
            "stm {to}!, {{r2, r3, r4, r5}}",
            to = inout(reg) room.as_mut_ptr() => _,
            in("r2") 0,
            in("r3") 0,
            in("r4") 0,
            in("r5") 0,
        );
        room.assume_init_mut()
    }
}

/// Copies as many bytes as both slices have, without the call of a function.
#[allow(unsafe_code, reason = "a loop in Rust becomes a call of memcpy, which is slow for a few bytes")]
#[inline(always)]
pub(super) fn copy(from: &[i8], to: &mut [i8]) {
    let len = from.len().min(to.len());
    // SAFETY: `len / 4` words and `len % 4` bytes are read from and written to slices of that many bytes. LDR and STR take any
    // address.
    unsafe {
        asm!(
            "cbz r0, 3f",
            "2:",
            "ldr {a}, [{from}], #4",
            "str {a}, [{to}], #4",
            "subs r0, #1",
            "bne 2b",
            "3:",
            "cbz r1, 5f",
            "4:",
            "ldrb {a}, [{from}], #1",
            "strb {a}, [{to}], #1",
            "subs r1, #1",
            "bne 4b",
            "5:",
            from = inout(reg) from.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            a = out(reg) _,
            inout("r0") len / 4 => _,
            inout("r1") len % 4 => _,
        );
    }
}

/// Copies rows to places that are `pitch` apart.
#[allow(unsafe_code, reason = "a loop in Rust becomes calls of memcpy, which are slow for a few bytes")]
#[inline(always)]
pub(super) fn place_rows(from: Strided<'_>, [rows, row]: [usize; 2], to: &mut [i8], pitch: usize) {
    if !from.fit_apart([rows, row], to, pitch) {
        return;
    }
    // SAFETY: each of `rows` rows reads and writes `row` bytes, in fours of words, words and bytes, which `fit_apart` has found there. LDR
    // and STR take any address. After the last row the addresses are not used.
    unsafe {
        asm!(
            "2:",
            "lsrs r0, {row}, #4",
            "beq 4f",
            "3:",
            "ldr r1, [{from}], #4",
            "ldr r2, [{from}], #4",
            "ldr r3, [{from}], #4",
            "ldr r4, [{from}], #4",
            "str r1, [{to}], #4",
            "str r2, [{to}], #4",
            "str r3, [{to}], #4",
            "str r4, [{to}], #4",
            "subs r0, #1",
            "bne 3b",
            "4:",
            "ands r0, {row}, #12",
            "beq 6f",
            "5:",
            "ldr r1, [{from}], #4",
            "str r1, [{to}], #4",
            "subs r0, #4",
            "bne 5b",
            "6:",
            "ands r0, {row}, #3",
            "beq 8f",
            "7:",
            "ldrb r1, [{from}], #1",
            "strb r1, [{to}], #1",
            "subs r0, #1",
            "bne 7b",
            "8:",
            "add {from}, {skip}",
            "add {to}, {to_skip}",
            "subs {rows}, #1",
            "bne 2b",
            from = inout(reg) from.bytes.as_ptr() => _,
            to = inout(reg) to.as_mut_ptr() => _,
            row = in(reg) row,
            skip = in(reg) from.pitch.wrapping_sub(row),
            to_skip = in(reg) pitch.wrapping_sub(row),
            rows = inout(reg) rows => _,
            out("r0") _, out("r1") _, out("r2") _, out("r3") _, out("r4") _,
        );
    }
}

/// Fills with one value.
#[allow(unsafe_code, reason = "a loop in Rust becomes a call of memset, which is slow")]
pub(super) fn fill(to: &mut [i8], value: i8) {
    // SAFETY: `len / 16` times four words and `len % 16` bytes are written to a slice of that many bytes. STR takes any address.
    unsafe {
        asm!(
            "cbz r0, 3f",
            "2:",
            "str {value}, [{to}], #4",
            "str {value}, [{to}], #4",
            "str {value}, [{to}], #4",
            "str {value}, [{to}], #4",
            "subs r0, #1",
            "bne 2b",
            "3:",
            "cbz r1, 5f",
            "4:",
            "strb {value}, [{to}], #1",
            "subs r1, #1",
            "bne 4b",
            "5:",
            to = inout(reg) to.as_mut_ptr() => _,
            value = in(reg) u32::from(value.cast_unsigned()) * 0x0101_0101,
            inout("r0") to.len() / 16 => _,
            inout("r1") to.len() % 16 => _,
        );
    }
}

/// The larger of each two, in the second, in fours; tells how many.
#[allow(unsafe_code, reason = "SSUB8 and SEL have no stable intrinsics")]
#[inline(always)]
pub(super) fn max_into(x: &[i8], max: &mut [i8]) -> usize {
    let fours = x.len().min(max.len()) / 4;
    if fours == 0 {
        return 0;
    }
    // SAFETY: `fours` words are read from both slices and written to the second, which have as many bytes. LDR and STR take
    // any address.
    unsafe {
        asm!(
            "2:",
            "ldr {a}, [{x}], #4",
            "ldr {b}, [{max}]",
            "ssub8 {c}, {a}, {b}",
            "sel {a}, {a}, {b}",
            "str {a}, [{max}], #4",
            "subs {fours}, #1",
            "bne 2b",
            x = inout(reg) x.as_ptr() => _,
            max = inout(reg) max.as_mut_ptr() => _,
            fours = inout(reg) fours => _,
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
        );
    }
    fours * 4
}

/// One round of [`dot_2x2`]: four weights of two rows, four values of two columns, sixteen products.
macro_rules! four_by_2x2 {
    () => {
        concat!(
            "ldr r2, [r0], #4\n",
            "ldr r4, [r1], #4\n",
            "sxtb16 r3, r2, ror #8\n",
            "sxtb16 r2, r2\n",
            "sxtb16 r5, r4, ror #8\n",
            "sxtb16 r4, r4\n",
            "ldrd r6, r7, [r12], #8\n",
            "smlad r8, r2, r6, r8\n",
            "smlad r10, r4, r6, r10\n",
            "smlad r8, r3, r7, r8\n",
            "smlad r10, r5, r7, r10\n",
            "ldrd r6, r7, [lr], #8\n",
            "smlad r9, r2, r6, r9\n",
            "smlad r11, r4, r6, r11\n",
            "smlad r9, r3, r7, r9\n",
            "smlad r11, r5, r7, r11\n",
        )
    };
}

/// One weight of two rows, one value of two columns.
macro_rules! one_by_2x2 {
    () => {
        concat!(
            "ldrsb r2, [r0], #1\n",
            "ldrsb r5, [r1], #1\n",
            "ldrsh r6, [r12], #2\n",
            "ldrsh r7, [lr], #2\n",
            "smlabb r8, r2, r6, r8\n",
            "smlabb r9, r2, r7, r9\n",
            "smlabb r10, r5, r6, r10\n",
            "smlabb r11, r5, r7, r11\n",
        )
    };
}

pub(super) use {four_by_2x2, one_by_2x2};

/// `[w0·x0, w0·x1, w1·x0, w1·x1]` over as many values as `w0`, a multiple of 4, has; the columns are arranged and start at a
/// multiple of 4 bytes.
#[allow(unsafe_code, reason = "SMLAD and SXTB16 have no stable intrinsics")]
#[inline(always)]
pub(super) fn dot_2x2(w0: &[i8], w1: &[i8], x0: &[i16], x1: &[i16]) -> [i32; 4] {
    let rounds = w0.len() / 4;
    let least = rounds * 4;
    let is_aligned = (x0.as_ptr().addr() | x1.as_ptr().addr()) & 3 == 0;
    if rounds == 0 || w1.len() < least || x0.len() < least || x1.len() < least || !is_aligned {
        return [0; 4];
    }
    let (mut a, mut b, mut c, mut d) = (0i32, 0i32, 0i32, 0i32);
    // SAFETY: `rounds` rounds read 4 bytes from each row of weights and 8 from each column, which the lengths above allow.
    // LDR takes any address; LDRD needs the alignment that was checked.
    unsafe {
        asm!(
            "push {{r2, r3}}",
            "push {{r6, r7}}",
            // An odd number of rounds enters in the middle.
            "lsls r5, r5, #29",
            "bmi 3f",
            "2:",
            four_by_2x2!(),
            "3:",
            four_by_2x2!(),
            "ldr r6, [sp, #8]",
            "cmp r0, r6",
            "bne 2b",
            "pop {{r6, r7}}",
            "add sp, #8",
            inout("r0") w0.as_ptr() => _,
            inout("r1") w1.as_ptr() => _,
            inout("r12") x0.as_ptr() => _,
            inout("lr") x1.as_ptr() => _,
            inout("r8") a,
            inout("r9") b,
            inout("r10") c,
            inout("r11") d,
            inout("r2") w0.as_ptr().wrapping_add(least) => _,
            inout("r5") least => _,
            out("r3") _, out("r4") _,
        );
    }
    [a, b, c, d]
}

/// `Σ w · (x − zero_point)` of four rows of `row` weights that follow one another, over as many values as `x`, a multiple of
/// 4, has.
#[allow(unsafe_code, reason = "SMLAD and SXTB16 have no stable intrinsics")]
#[inline(always)]
pub(super) fn dot_4(weights: &[i8], row: usize, x: &[i8], zero_point: i32) -> [i32; 4] {
    let rounds = x.len() / 4;
    if rounds == 0 || row < 4 * rounds || weights.len() < 3 * row + 4 * rounds {
        return [0; 4];
    }
    let zero_points = (zero_point as u32 & 0xffff) * 0x1_0001;
    let (mut a, mut b, mut c, mut d) = (0i32, 0i32, 0i32, 0i32);
    // SAFETY: `rounds` rounds read 4 bytes from `x` and from each of the four rows, the last of which ends at
    // 3·row + 4·rounds. LDR takes any address.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "2:",
            "ldr r6, [r1], #4",
            "sxtb16 r7, r6",
            "sxtb16 r6, r6, ror #8",
            "ssub16 r7, r7, r12",
            "ssub16 r6, r6, r12",
            "ldr r4, [r0, r2]",
            "sxtb16 r5, r4",
            "smlad r9, r5, r7, r9",
            "sxtb16 r4, r4, ror #8",
            "smlad r9, r4, r6, r9",
            "ldr r4, [r0, r2, lsl #1]",
            "sxtb16 r5, r4",
            "smlad r10, r5, r7, r10",
            "sxtb16 r4, r4, ror #8",
            "smlad r10, r4, r6, r10",
            "ldr r4, [r0, r3]",
            "sxtb16 r5, r4",
            "smlad r11, r5, r7, r11",
            "sxtb16 r4, r4, ror #8",
            "smlad r11, r4, r6, r11",
            "ldr r4, [r0], #4",
            "sxtb16 r5, r4",
            "smlad r8, r5, r7, r8",
            "sxtb16 r4, r4, ror #8",
            "smlad r8, r4, r6, r8",
            "subs lr, #1",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") weights.as_ptr() => _,
            inout("r1") x.as_ptr() => _,
            in("r2") row,
            in("r3") 3 * row,
            in("r12") zero_points,
            inout("lr") rounds => _,
            inout("r8") a,
            inout("r9") b,
            inout("r10") c,
            inout("r11") d,
            out("r4") _, out("r5") _,
        );
    }
    [a, b, c, d]
}

/// Channels of a depthwise convolution that are computed at the same time.
pub(super) const LANES: usize = 4;

/// Any shift.
pub(super) const fn takes(_: &Channel) -> bool {
    true
}

/// `y[c]` of a depthwise convolution for as many channels, in fours, as it has; `x` and `w` start at the first tap.
pub(super) fn pixel(p: &Conv2d<'_>, x: &[i8], w: &[i8], grid: &Grid, sums: &mut [i32], y: &mut [i8]) {
    windows(x, w, grid, p.input_zero_point, sums);
    finish(sums, p.channels, p.output_zero_point, p.clamp, y);
}

/// What the assembly of [`windows`] keeps in memory.
#[repr(C)]
struct Plan {
    /// From behind the last tap of a row to the next row.
    skip: [usize; 2],
    across: usize,
    rows: usize,
    x: *const i8,
    w: *const i8,
    sums: *mut i32,
    blocks: usize,
    rows_left: usize,
}

/// `sums[c] = Σ (x[c] − zero_point) · w[c]` over a window, for as many channels, in fours, as `sums` has.
#[allow(unsafe_code, reason = "SMLABB and SXTB16 have no stable intrinsics")]
fn windows(x: &[i8], w: &[i8], grid: &Grid, zero_point: i32, sums: &mut [i32]) {
    let [across, rows] = grid.taps;
    let blocks = sums.len() / 4;
    let last = blocks.saturating_sub(1).saturating_mul(4);
    let fits = |slice: &[i8], of: usize| slice.len() >= grid.reach(of, LANES).saturating_add(last);
    if across == 0 || rows == 0 || blocks == 0 || !fits(x, 0) || !fits(w, 1) {
        sums.fill(0);
        return;
    }
    let zero_points = (zero_point as u32 & 0xffff) * 0x1_0001;
    let skip = grid.skip();
    let (x, w, sums) = (x.as_ptr(), w.as_ptr(), sums.as_mut_ptr());
    let mut plan = Plan { skip, across, rows, x, w, sums, blocks, rows_left: 0 };
    // SAFETY: the last tap of the last block ends at `reach + last`, which both lengths allow; pointers beyond are made but
    // not read. LDR takes any address. `blocks` times four words are written to `sums`, which has them; its words are aligned.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "push {{r4}}",
            "2:",
            "ldrd r0, r1, [r4, #16]",
            "ldr r5, [r4, #12]",
            "str r5, [r4, #32]",
            "mov r8, #0",
            "mov r9, #0",
            "mov r10, #0",
            "mov r11, #0",
            "3:",
            "ldr lr, [r4, #8]",
            "4:",
            "ldr r4, [r0]",
            "add r0, r2",
            "ldr r6, [r1]",
            "add r1, r3",
            "sxtb16 r5, r4",
            "sxtb16 r4, r4, ror #8",
            "ssub16 r5, r5, r12",
            "ssub16 r4, r4, r12",
            "sxtb16 r7, r6",
            "sxtb16 r6, r6, ror #8",
            "smlabb r8, r5, r7, r8",
            "smlatt r10, r5, r7, r10",
            "smlabb r9, r4, r6, r9",
            "smlatt r11, r4, r6, r11",
            "subs lr, #1",
            "bne 4b",
            "ldr r4, [sp]",
            "ldrd r5, r6, [r4]",
            "ldr r7, [r4, #32]",
            "add r0, r5",
            "add r1, r6",
            "subs r7, #1",
            "str r7, [r4, #32]",
            "bne 3b",
            "ldrd r0, r1, [r4, #16]",
            "ldrd r5, r6, [r4, #24]",
            "stm r5!, {{r8, r9, r10, r11}}",
            "add r0, #4",
            "add r1, #4",
            "subs r6, #1",
            "strd r0, r1, [r4, #16]",
            "strd r5, r6, [r4, #24]",
            "bne 2b",
            "pop {{r4}}",
            "pop {{r6, r7}}",
            in("r2") grid.step[0],
            in("r3") grid.step[1],
            inout("r4") &raw mut plan => _,
            in("r12") zero_points,
            out("r0") _, out("r1") _, out("r5") _, out("lr") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
}

/// `y[c] = clamp(zero_point + requantize(bias[c] + sums[c]))`, rounded twice: one output in 21 instructions where it is
/// shifted to the right by 1 to 22, by the equation in `finish`.
#[allow(unsafe_code, reason = "SMMULR has no stable intrinsic, and the loop needs every register")]
#[inline(always)]
fn finish(sums: &[i32], channels: &[Channel], zero_point: i32, clamp: Clamp, y: &mut [i8]) {
    let count = sums.len().min(channels.len()).min(y.len());
    if count == 0 {
        return;
    }
    // SAFETY: `count` rounds read a word of `sums` and the three of a `Channel`, which is `repr(C)`, and write a byte of
    // `y`; all three have as many.
    unsafe {
        asm!(
            "push {{r6}}",
            "mov r6, lr",
            "2:",
            "ldm r1!, {{r2, r3, r4}}",
            "ldr r5, [r0], #4",
            "rsb r4, r4, #0",
            "add r5, r2",
            "sub r2, r4, #1",
            "cmp r2, #21",
            "bhi 4f",
            "lsl r5, r5, #1",
            "smmulr r5, r5, r3",
            "lsl r2, r8, r2",
            "add r5, r5, r5, asr #31",
            "add r5, r2",
            "asr r5, r4",
            "3:",
            "cmp r5, r10",
            "it gt",
            "movgt r5, r10",
            "cmp r5, r9",
            "it lt",
            "movlt r5, r9",
            "strb r5, [r12], #1",
            "subs r6, #1",
            "bne 2b",
            "b 5f",
            // Any shift.
            "4:",
            "rsbs r2, r4, #0",
            "it gt",
            "lslgt r5, r2",
            "lsl r5, r5, #1",
            "smmulr r5, r5, r3",
            "cmp r4, #0",
            "itttt gt",
            "addgt r5, r5, r5, asr #31",
            "subgt r2, r4, #1",
            "asrgt r5, r2",
            "addgt r5, #1",
            "it gt",
            "asrgt r5, r5, #1",
            "add r5, r5, r8, asr #1",
            "b 3b",
            "5:",
            "pop {{r6}}",
            inout("r0") sums.as_ptr() => _,
            inout("r1") channels.as_ptr() => _,
            inout("r12") y.as_mut_ptr() => _,
            in("lr") count,
            in("r8") zero_point.wrapping_mul(2).wrapping_add(1),
            in("r9") i32::from(clamp.min),
            in("r10") i32::from(clamp.max),
            out("r2") _, out("r3") _, out("r4") _, out("r5") _,
        );
    }
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
