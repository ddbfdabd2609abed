//! [`super::winograd`] for the DSP extension: two outputs by two tiles, two products an instruction.
//!
//! Weights and inputs lie in the order in which they are read, eight at a time by one instruction each: ten instructions for
//! sixteen products. Down a column of positions an accumulator goes on: with `A = m1` and `B = m1 + m2` the sums
//! `m0 + m1 − m2 = m0 + (2A − B)` and `m1 + m2 + m3` need a single subtraction. The bias enters as the start of column 1.

use core::arch::asm;

use super::winograd_tiles::{Distance, Patch};
use super::{Channel, Conv2d};
use crate::fixed::Rounding;

/// `Bᵀ·d·B` of two tiles. `false`: nothing was done.
#[allow(unsafe_code, reason = "SADD16, SSUB16 and SXTB16 have no stable intrinsics")]
pub(super) fn transform_inputs(patch: Patch<'_>, zero_point: i32, tiles: &mut [i16]) -> bool {
    let groups = tiles.len() / 128;
    let reach = patch.row.checked_mul(3).zip(patch.pixel.checked_mul(5)).and_then(|(a, b)| a.checked_add(b));
    let end = reach.and_then(|reach| reach.checked_add(groups.checked_mul(4)?));
    if end.is_none_or(|end| end > patch.bytes.len()) || tiles.as_ptr().addr() & 3 != 0 {
        return false;
    }
    let mut columns = [0u32; 48];
    for group in 0..groups {
        // SAFETY: six columns of four rows are read, 4 bytes each, the last of which end at `end`; LDR takes any address. Each
        // column writes the word of its own number in eight rows of six words: 48 words.
        unsafe {
            asm!(
                "push {{r6, r7}}",
                "2:",
                "ldr r6, [r0]",
                "ldr r7, [r0, r1]",
                "ldr r8, [r0, r1, lsl #1]",
                "ldr r9, [r0, r2]",
                "add r0, r3",
                "sxtb16 r10, r7",
                "sxtb16 r11, r8",
                "sadd16 r12, r10, r11",
                "str r12, [r4]",
                "ssub16 r12, r10, r11",
                "str r12, [r4, #48]",
                "sxtb16 r12, r9",
                "ssub16 r12, r12, r10",
                "str r12, [r4, #96]",
                "sxtb16 r12, r6",
                "ssub16 r12, r12, r11",
                "str r12, [r4, #144]",
                "sxtb16 r10, r7, ror #8",
                "sxtb16 r11, r8, ror #8",
                "sadd16 r12, r10, r11",
                "str r12, [r4, #24]",
                "ssub16 r12, r10, r11",
                "str r12, [r4, #72]",
                "sxtb16 r12, r9, ror #8",
                "ssub16 r12, r12, r10",
                "str r12, [r4, #120]",
                "sxtb16 r12, r6, ror #8",
                "ssub16 r12, r12, r11",
                "str r12, [r4, #168]",
                "add r4, #4",
                "subs r5, #1",
                "bne 2b",
                "pop {{r6, r7}}",
                inout("r0") patch.bytes.as_ptr().wrapping_add(4 * group) => _,
                in("r1") patch.row,
                in("r2") patch.row * 3,
                in("r3") patch.pixel,
                inout("r4") columns.as_mut_ptr() => _,
                inout("r5") 6 => _,
                out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _,
            );
        }
        // SAFETY: reads the 48 words and writes 16 places of 16 bytes, `16·groups` bytes apart, which `tiles` has for every
        // group. LDM and STRD need the alignment of words, which was checked.
        unsafe {
            asm!(
                "push {{r6, r7}}",
                "2:",
                "ldm r0!, {{r2, r3, r4, r5, r6, r7}}",
                "sadd16 r10, r3, r4",
                "sadd16 r11, r5, r6",
                "ssub16 r10, r10, r12",
                "ssub16 r11, r11, r12",
                "strd r10, r11, [r1]",
                "add r9, r1, lr, lsl #2",
                "ssub16 r10, r3, r4",
                "ssub16 r11, r5, r6",
                "strd r10, r11, [r9]",
                "add r9, r9, lr, lsl #2",
                "ssub16 r10, r5, r3",
                "ssub16 r11, r7, r5",
                "strd r10, r11, [r9]",
                "add r9, r9, lr, lsl #2",
                "ssub16 r10, r2, r4",
                "ssub16 r11, r4, r6",
                "strd r10, r11, [r9]",
                "ldm r0!, {{r2, r3, r4, r5, r6, r7}}",
                "sadd16 r10, r3, r4",
                "sadd16 r11, r5, r6",
                "ssub16 r10, r10, r12",
                "ssub16 r11, r11, r12",
                "strd r10, r11, [r1, #8]",
                "add r9, r1, lr, lsl #2",
                "ssub16 r10, r3, r4",
                "ssub16 r11, r5, r6",
                "strd r10, r11, [r9, #8]",
                "add r9, r9, lr, lsl #2",
                "ssub16 r10, r5, r3",
                "ssub16 r11, r7, r5",
                "strd r10, r11, [r9, #8]",
                "add r9, r9, lr, lsl #2",
                "ssub16 r10, r2, r4",
                "ssub16 r11, r4, r6",
                "strd r10, r11, [r9, #8]",
                // The zero point belongs to one position.
                "mov r12, #0",
                "add r1, lr",
                "subs r8, #1",
                "bne 2b",
                "pop {{r6, r7}}",
                inout("r0") columns.as_ptr() => _,
                inout("r1") tiles.as_mut_ptr().wrapping_add(8 * group) => _,
                inout("r12") ((4 * zero_point) as u32 & 0xffff) * 0x1_0001 => _,
                in("lr") groups * 16,
                inout("r8") 4 => _,
                out("r2") _, out("r3") _, out("r4") _, out("r5") _, out("r9") _, out("r10") _, out("r11") _,
            );
        }
    }
    true
}

/// What the assembly keeps in memory, for tiles of either size; it counts on the order of the fields.
#[repr(C)]
pub(super) struct Plan {
    weights: *const i16,
    tiles: *const i16,
    channels: *const Channel,
    output: *mut i8,
    pixel: usize,
    row: usize,
    pub pairs: usize,
    /// `2·zero_point + 1`.
    twice_zero: i32,
    /// Rounds of a position in units of what is unrolled.
    passes: usize,
}

/// Two tiles that lie side by side: numbers of a transformed one, and pixels and rows from their first output to the last.
pub(super) struct Tiles {
    pub numbers: usize,
    pub last: [usize; 2],
}

impl Plan {
    /// The plan of all pairs of channels, and how many rounds the loop is unrolled by: 8, 4 or 1. `None` where there is nothing to do, a
    /// slice is too short, or words are not aligned: each pair reads `8·numbers` weights in each round, as many transformed inputs, and
    /// two channels (three words each, `repr(C)`), and writes two bytes for each output.
    #[inline(always)]
    pub(super) fn new(
        p: &Conv2d<'_>,
        weights: &[i16],
        inputs: &[i16],
        y: &mut [i8],
        to: Distance,
        tiles: &Tiles,
    ) -> Option<(Self, usize)> {
        let Distance { pixel, row } = to;
        let pairs = p.channels.len() / 2;
        let rounds = (inputs.len() / 8).checked_div(tiles.numbers)?;
        let [pixels, rows] = tiles.last;
        let last =
            pixel.checked_mul(pixels)?.checked_add(row.checked_mul(rows)?)?.checked_add(pairs.checked_mul(2)?)?;
        let has_all = pairs.checked_mul(inputs.len())? <= weights.len() && last <= y.len();
        let is_aligned = (weights.as_ptr().addr() | inputs.as_ptr().addr()) & 3 == 0;
        if p.rounding != Rounding::Double || pairs == 0 || rounds == 0 || !has_all || !is_aligned {
            return None;
        }
        let unroll = [8, 4].into_iter().find(|&unroll| rounds.is_multiple_of(unroll)).unwrap_or(1);
        let plan = Self {
            weights: weights.as_ptr(),
            tiles: inputs.as_ptr(),
            channels: p.channels.as_ptr(),
            output: y.as_mut_ptr(),
            pixel,
            row,
            pairs,
            twice_zero: p.output_zero_point.wrapping_mul(2).wrapping_add(1),
            passes: rounds / unroll,
        };
        Some((plan, unroll))
    }
}

/// Four input channels of two outputs and two tiles: the accumulators are given, then the registers of the weights.
macro_rules! round {
    ($a:literal, $b:literal, $c:literal, $d:literal, $w0:literal, $w1:literal, $w2:literal, $w3:literal) => {
        concat!(
            "ldm r0!, {{",
            $w0,
            ",",
            $w1,
            ",",
            $w2,
            ",",
            $w3,
            "}}\n",
            "ldm r1!, {{r6, r7, r12, lr}}\n",
            "smlad ",
            $a,
            ",",
            $w0,
            ", r6,",
            $a,
            "\n",
            "smlad ",
            $b,
            ",",
            $w0,
            ", r7,",
            $b,
            "\n",
            "smlad ",
            $c,
            ",",
            $w1,
            ", r6,",
            $c,
            "\n",
            "smlad ",
            $d,
            ",",
            $w1,
            ", r7,",
            $d,
            "\n",
            "smlad ",
            $a,
            ",",
            $w2,
            ", r12,",
            $a,
            "\n",
            "smlad ",
            $b,
            ",",
            $w2,
            ", lr,",
            $b,
            "\n",
            "smlad ",
            $c,
            ",",
            $w3,
            ", r12,",
            $c,
            "\n",
            "smlad ",
            $d,
            ",",
            $w3,
            ", lr,",
            $d,
            "\n",
        )
    };
    (upper) => {
        round!("r8", "r9", "r10", "r11", "r2", "r3", "r4", "r5")
    };
    (lower) => {
        round!("r2", "r3", "r4", "r5", "r8", "r9", "r10", "r11")
    };
}

/// As many rounds as are unrolled.
macro_rules! rounds {
    (1 $which:ident) => { round!($which) };
    (4 $which:ident) => { concat!(round!($which), round!($which), round!($which), round!($which)) };
    (8 $which:ident) => { concat!(rounds!(4 $which), rounds!(4 $which)) };
}

/// One position. The flags say "equal" where one pass is all; otherwise `$again` counts passes.
macro_rules! position {
    ($unroll:tt $which:ident, $top:literal, $again:literal, $done:literal) => {
        concat!($top, ":\n", rounds!($unroll $which), "bne ", $again, "f\n", $done, ":\n")
    };
    (@again $top:literal, $again:literal, $done:literal) => {
        concat!(
            $again, ":\n",
            "ldr r6, [sp, #24]\n",
            "subs r6, #1\n",
            "str r6, [sp, #24]\n",
            "bne ", $top, "b\n",
            "ldr r6, [sp, #28]\n",
            "str r6, [sp, #24]\n",
            "cmp r6, #1\n",
            "b ", $done, "b\n",
        )
    };
}

/// Four sums of the channel whose factor is at `$at`, to bytes, saturated only.
macro_rules! finish {
    ($a:literal, $b:literal, $c:literal, $d:literal, $at:literal, $slow:literal, $done:literal) => {
        concat!(
            "ldr r5, [sp, #20]\n",
            "ldr r4, [r5, #8]\n",
            "ldrd r2, r3, [r4, #", $at, "]\n",
            "rsb r3, r3, #0\n",
            "sub r4, r3, #1\n",
            "cmp r4, #21\n",
            "bhi ", $slow, "f\n",
            "ldr r5, [r5, #28]\n",
            "lsl r4, r5, r4\n",
            finish!(@fast $a), finish!(@fast $b), finish!(@fast $c), finish!(@fast $d),
            $done, ":\n",
            "add r5, lr, r12\n",
            "strb ", $a, ", [lr]\n",
            "strb ", $b, ", [lr, r12]\n",
            "strb ", $c, ", [lr, r12, lsl #1]\n",
            "strb ", $d, ", [r5, r12, lsl #1]\n",
        )
    };
    (@fast $a:literal) => {
        concat!(
            "asr ", $a, ", ", $a, ", #1\n",
            "add r5, r4, ", $a, ", asr #31\n",
            "smmlar ", $a, ", ", $a, ", r2, r5\n",
            "asr ", $a, ", ", $a, ", r3\n",
            "ssat ", $a, ", #8, ", $a, "\n",
        )
    };
    // Any shift.
    (@slow $a:literal) => {
        concat!(
            "asr ", $a, ", ", $a, ", #1\n",
            "rsbs r4, r3, #0\n",
            "it gt\n",
            "lslgt ", $a, ", ", $a, ", r4\n",
            "smmulr ", $a, ", ", $a, ", r2\n",
            "cmp r3, #0\n",
            "itttt gt\n",
            "addgt ", $a, ", ", $a, ", ", $a, ", asr #31\n",
            "subgt r4, r3, #1\n",
            "asrgt ", $a, ", ", $a, ", r4\n",
            "addgt ", $a, ", ", $a, ", #1\n",
            "it gt\n",
            "asrgt ", $a, ", ", $a, ", #1\n",
            "ldr r5, [sp, #20]\n",
            "ldr r5, [r5, #28]\n",
            "add ", $a, ", ", $a, ", r5, asr #1\n",
            "ssat ", $a, ", #8, ", $a, "\n",
        )
    };
    (@slow_four $a:literal, $b:literal, $c:literal, $d:literal, $slow:literal, $done:literal) => {
        concat!(
            $slow, ":\n",
            finish!(@slow $a), finish!(@slow $b), finish!(@slow $c), finish!(@slow $d),
            "b ", $done, "b\n",
        )
    };
}

/// One row of outputs, whose sums of the first column start at `$at` of the stack.
macro_rules! row {
    ($at:literal, $first:literal, $s0:literal, $d0:literal, $s1:literal, $d1:literal) => {
        concat!(
            "add r12, sp, #",
            $at,
            "\n",
            "ldm r12, {{r2, r3, r4, r5}}\n",
            "add r12, #32\n",
            "ldm r12, {{r8, r9, r10, r11}}\n",
            "sub r0, r2, r8\n",
            "sub r1, r3, r9\n",
            "sub r6, r4, r10\n",
            "sub r7, r5, r11\n",
            "add r8, r2\n",
            "add r9, r3\n",
            "add r10, r4\n",
            "add r11, r5\n",
            "add r12, #32\n",
            "ldm r12, {{r2, r3, r4, r5}}\n",
            "add r8, r2\n",
            "add r9, r3\n",
            "add r10, r4\n",
            "add r11, r5\n",
            "add r12, #32\n",
            "ldm r12, {{r2, r3, r4, r5}}\n",
            "add r0, r2\n",
            "add r1, r3\n",
            "add r6, r4\n",
            "add r7, r5\n",
            "ldr r5, [sp, #20]\n",
            "ldrd lr, r12, [r5, #12]\n",
            $first,
            finish!("r0", "r8", "r1", "r9", "4", $s0, $d0),
            "add lr, #1\n",
            finish!("r6", "r10", "r7", "r11", "16", $s1, $d1),
        )
    };
}

pub(super) use {position, round, rounds};

/// The whole loop over pairs of channels.
macro_rules! pairs {
    ($unroll:tt, $plan:expr) => {
        asm!(
            "push {{r6, r7}}",
            "sub sp, #160",
            "str r1, [sp, #20]",
            "ldr r2, [r1, #32]",
            "str r2, [sp, #24]",
            "str r2, [sp, #28]",
            "50:",
            "ldr r5, [sp, #20]",
            "ldrd r0, r1, [r5]",
            "ldr r4, [r5, #8]",
            "ldr r8, [r4]",
            "ldr r10, [r4, #12]",
            "lsl r8, r8, #2",
            "lsl r10, r10, #2",
            "mov r9, r8",
            "mov r11, r10",
            "add r6, sp, #32",
            "str r6, [sp, #16]",
            "20:",
            "ldr r2, [sp, #28]",
            "cmp r2, #1",
            position!($unroll upper, "21", "41", "31"),
            "stm sp, {{r8, r9, r10, r11}}",
            position!($unroll upper, "22", "42", "32"),
            "ldm sp, {{r2, r3, r4, r5}}",
            "rsb r2, r8, r2, lsl #1",
            "rsb r3, r9, r3, lsl #1",
            "rsb r4, r10, r4, lsl #1",
            "rsb r5, r11, r5, lsl #1",
            "stm sp, {{r2, r3, r4, r5}}",
            position!($unroll upper, "23", "43", "33"),
            "ldm sp, {{r2, r3, r4, r5}}",
            "stm sp, {{r8, r9, r10, r11}}",
            position!($unroll lower, "24", "44", "34"),
            "ldm sp, {{r8, r9, r10, r11}}",
            "ldr r12, [sp, #16]",
            "stm r12!, {{r2, r3, r4, r5, r8, r9, r10, r11}}",
            "str r12, [sp, #16]",
            "mov r8, #0",
            "mov r9, #0",
            "mov r10, #0",
            "mov r11, #0",
            "add r6, sp, #160",
            "cmp r12, r6",
            "bne 20b",
            "ldr r5, [sp, #20]",
            "str r0, [r5]",
            row!("32", "", "61", "71", "62", "72"),
            row!("48", "ldr r2, [r5, #20]\nadd lr, r2\n", "63", "73", "64", "74"),
            "ldr r5, [sp, #20]",
            "ldrd r2, r3, [r5, #8]",
            "ldr r4, [r5, #24]",
            "add r2, #24",
            "add r3, #2",
            "strd r2, r3, [r5, #8]",
            "subs r4, #1",
            "str r4, [r5, #24]",
            "bne 50b",
            "b 80f",
            position!(@again "21", "41", "31"),
            position!(@again "22", "42", "32"),
            position!(@again "23", "43", "33"),
            position!(@again "24", "44", "34"),
            finish!(@slow_four "r0", "r8", "r1", "r9", "61", "71"),
            finish!(@slow_four "r6", "r10", "r7", "r11", "62", "72"),
            finish!(@slow_four "r0", "r8", "r1", "r9", "63", "73"),
            finish!(@slow_four "r6", "r10", "r7", "r11", "64", "74"),
            "80:",
            "add sp, #160",
            "pop {{r6, r7}}",
            out("r0") _,
            inout("r1") $plan => _,
            out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        )
    };
}

/// Computes pairs of channels of two tiles, but for the clamp, and tells how many.
#[allow(unsafe_code, reason = "SMLAD and SMMULR have no stable intrinsics")]
pub(super) fn pairs(p: &Conv2d<'_>, weights: &[i16], inputs: &[i16], y: &mut [i8], to: Distance) -> usize {
    let tiles = Tiles { numbers: 16, last: [3, 1] };
    let Some((mut plan, unroll)) = Plan::new(p, weights, inputs, y, to, &tiles) else { return 0 };
    let pairs = plan.pairs;
    let plan = &raw mut plan;
    // SAFETY: `Plan::new` has found what each pair reads, and eight places of two bytes that it writes, the last `3·pixel + row` behind
    // the first. LDM and LDRD need the alignment that was checked, and that a `Plan` and a `Channel` have. The stack is given back.
    unsafe {
        match unroll {
            8 => pairs!(8, plan),
            4 => pairs!(4, plan),
            _ => pairs!(1, plan),
        }
    }
    pairs
}
