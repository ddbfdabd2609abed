//! The inner loop in the instructions of Armv7-M (Cortex-M3): two multiplications and two additions for four products.
//!
//! Each sum of two products has 2^15 added to it, so that its lower half is not negative and its upper half is right.

use core::arch::asm;

use super::super::finish::{finish, saturate};
use super::conv::Plan;

/// Outputs are saturated only.
pub(super) const CLAMPS: bool = false;

/// Any will do.
pub(super) const fn takes(_: i8) -> bool {
    true
}

/// Joins values of two pixels in the words of a pair, taps in twos with as many words of the other pair behind them.
#[allow(unsafe_code, reason = "a loop in Rust checks every index")]
pub(super) fn join(a: &[[i8; 2]], b: &[[i8; 2]], words: &mut [i32]) {
    let twos = a.len().min(b.len()).min(words.len().wrapping_add(2) / 4);
    if twos == 0 {
        return;
    }
    // SAFETY: `twos` times two bytes are read of both; for each two of them two words are written, 16 bytes behind the two before,
    // the last of which are words `4·twos − 4` and `− 3`.
    unsafe {
        asm!(
            "2:",
            "ldrsb {a}, [{from}], #1",
            "ldrsb {b}, [{other}], #1",
            "ldrsb {c}, [{from}], #1",
            "ldrsb {d}, [{other}], #1",
            "add {a}, {a}, {b}, lsl #16",
            "add {c}, {c}, {d}, lsl #16",
            "rsb {a}, {a}, #0",
            "rsb {c}, {c}, #0",
            "strd {a}, {c}, [{to}], #16",
            "subs {twos}, #1",
            "bne 2b",
            from = inout(reg) a.as_ptr() => _,
            other = inout(reg) b.as_ptr() => _,
            to = inout(reg) words.as_mut_ptr() => _,
            twos = inout(reg) twos => _,
            a = out(reg) _, b = out(reg) _, c = out(reg) _, d = out(reg) _,
        );
    }
}

/// Two taps of four pixels.
macro_rules! two_by_4 {
    () => {
        concat!(
            "ldm r0!, {{r4, r5, r6, r7}}\n",
            "ldrsb r2, [r1], #1\n",
            "ldrsb r3, [r1], #1\n",
            "mla r4, r4, r2, r12\n",
            "mla r6, r6, r2, r12\n",
            "mla r4, r5, r3, r4\n",
            "mla r6, r7, r3, r6\n",
            "add r8, r8, r4\n",
            "add r9, r9, r4, asr #16\n",
            "add r10, r10, r6\n",
            "add r11, r11, r6, asr #16\n",
        )
    };
}

/// Requantizes `$a` and stores it at the place that lies at `[r7, $y]`, of the channel in r6.
macro_rules! output {
    ($a:literal, $y:literal) => {
        concat!(
            finish!(@value saturate, $a),
            "ldr r5, [r7, #", $y, "]\n",
            "strb ", $a, ", [r5, r6]\n",
        )
    };
}

/// Computes all channels of four pixels.
///
/// # Safety
/// Everything that the plan points to is there.
#[allow(unsafe_code, reason = "the compiler keeps sums in memory")]
#[inline(always)]
pub(super) unsafe fn channels(plan: &mut Plan) {
    // SAFETY: of each channel `eights + 2·pairs + single` weights are read, and four words for each two of them or for a single one; one
    // bias, a channel (three words, `repr(C)`), one output of each pixel. All words are aligned. What `push` stores is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "push {{r0, r1}}",
            // Per channel. r8 to r11 become minus the bias, in both halves.
            "2:",
            "ldr r4, [sp]",
            "ldrd r0, r2, [r4, #16]",
            "ldr r9, [r2], #4",
            "str r2, [r4, #20]",
            "ldr r2, [r4, #64]",
            "add r8, r9, r9, lsl #16",
            "add r8, r8, r2",
            "rsb r8, r8, #0",
            "rsb r9, r9, #0",
            "mov r10, r8",
            "mov r11, r9",
            "mov r12, #0x8000",
            "ldrd r1, lr, [r4]",
            "adds lr, lr, r1",
            "cmp lr, r1",
            "beq 4f",
            "3:",
            two_by_4!(),
            two_by_4!(),
            two_by_4!(),
            two_by_4!(),
            "cmp r1, lr",
            "bne 3b",
            "4:",
            "ldr r4, [sp]",
            "ldrd r2, r3, [r4, #8]",
            "orrs lr, r2, r3",
            "beq 7f",
            "movs lr, r2",
            "beq 6f",
            "5:",
            two_by_4!(),
            "subs lr, #1",
            "bne 5b",
            "6:",
            "ldr r4, [sp]",
            "ldr r3, [r4, #12]",
            "cbz r3, 7f",
            "ldrsb r2, [r1], #1",
            "ldm r0, {{r4, r5, r6, r7}}",
            "mla r4, r4, r2, r12",
            "mla r6, r6, r2, r12",
            "add r8, r8, r4",
            "add r9, r9, r4, asr #16",
            "add r10, r10, r6",
            "add r11, r11, r6, asr #16",
            "7:",
            "rsb r8, r8, r9, lsl #16",
            "rsb r9, r9, #0",
            "rsb r10, r10, r11, lsl #16",
            "rsb r11, r11, #0",
            "ldr r7, [sp]",
            "str r1, [r7]",
            "ldrd r5, lr, [r7, #24]",
            "ldrd r1, r2, [r5, #4]",
            "add r5, #12",
            "str r5, [r7, #24]",
            "mvn r3, r2",
            "rsb r2, r2, #0",
            "lsl r3, lr, r3",
            "ldr r6, [r7, #32]",
            output!("r11", "52"),
            output!("r10", "48"),
            output!("r9", "44"),
            output!("r8", "40"),
            "ldr r5, [r7, #36]",
            "add r6, #1",
            "str r6, [r7, #32]",
            "cmp r6, r5",
            "bne 2b",
            "add sp, #8",
            "pop {{r6, r7}}",
            inout("r0") plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("r12") _, out("lr") _,
        );
    }
}
