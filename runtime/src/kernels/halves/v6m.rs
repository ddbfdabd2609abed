//! The inner loop in the instructions of Armv6-M (Cortex-M0): seven instructions for four products of a pair of pixels.
//!
//! ASRS leaves the sign of the lower half in the carry, so that ADCS adds the upper half and puts it right at once.
//!
use core::arch::asm;

use super::super::v6m::{requantize, restore_high, save_high};
use super::conv::Plan;

/// Outputs are within the clamp.
pub(super) const CLAMPS: bool = true;

/// Two products of −128 by −128 would not fit the upper half.
pub(super) const fn takes(weight: i8) -> bool {
    weight != i8::MIN
}

/// Joins values of two pixels in the words of a pair, taps in twos with as many words of the other pair behind them.
#[allow(unsafe_code, reason = "a loop in Rust keeps its pointers in memory")]
pub(super) fn join(a: &[[i8; 2]], b: &[[i8; 2]], words: &mut [i32]) {
    let twos = a.len().min(b.len()).min(words.len().wrapping_add(2) / 4);
    if twos == 0 {
        return;
    }
    let bytes = twos * 2;
    // SAFETY: `bytes` bytes are read of both, backwards from their ends in the index; for each two of them two words are written, 16
    // bytes behind the two before, the last of which are words `4·twos − 4` and `− 3`. What `push` stores is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "2:",
            "ldrsb r4, [r1, r3]",
            "ldrsb r5, [r2, r3]",
            "adds r3, #1",
            "lsls r5, r5, #16",
            "adds r4, r4, r5",
            "rsbs r4, r4, #0",
            "ldrsb r6, [r1, r3]",
            "ldrsb r5, [r2, r3]",
            "lsls r5, r5, #16",
            "adds r6, r6, r5",
            "rsbs r6, r6, #0",
            "stm r0!, {{r4, r6}}",
            "adds r0, #8",
            "adds r3, #1",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") words.as_mut_ptr() => _,
            in("r1") a.as_ptr().wrapping_add(twos),
            in("r2") b.as_ptr().wrapping_add(twos),
            inout("r3") bytes.wrapping_neg() => _,
            out("r4") _, out("r5") _,
        );
    }
}

/// Two weights at `$at`, from r1 on, to r2 and r3.
macro_rules! two_weights {
    ($at:literal, $next:literal) => {
        concat!("ldrb r2, [r1, #", $at, "]\n", "ldrb r3, [r1, #", $next, "]\n", "sxtb r2, r2\n", "sxtb r3, r3\n")
    };
}

/// Two taps of a pair of pixels by the weights in r2 and r3; `$t` and `$b` are its sums.
macro_rules! two_taps {
    ($t:literal, $b:literal) => {
        concat!(
            "ldm r0!, {{r4, r5}}\n",
            "muls r4, r2, r4\n",
            "muls r5, r3, r5\n",
            "adds r4, r4, r5\n",
            "add ",
            $t,
            ", r4\n",
            "asrs r4, r4, #16\n",
            "adcs ",
            $b,
            ", r4\n",
        )
    };
}

/// Two taps of four pixels.
macro_rules! two_by_4 {
    ($at:literal, $next:literal) => {
        concat!(two_weights!($at, $next), two_taps!("r8", "r6"), two_taps!("r9", "r7"))
    };
}

/// One tap of a pair of pixels by the weight in r2; the word behind it is of no meaning.
macro_rules! one_tap {
    ($t:literal, $b:literal) => {
        concat!(
            "ldm r0!, {{r4, r5}}\n",
            "muls r4, r2, r4\n",
            "add ",
            $t,
            ", r4\n",
            "asrs r4, r4, #16\n",
            "adcs ",
            $b,
            ", r4\n",
        )
    };
}

/// Requantizes the sum in r0 and stores it at the place that lies at `[sp, $y]`.
macro_rules! output {
    ($y:literal) => {
        concat!(
            "lsls r0, r0, #1\n",
            requantize!(),
            "ldr r1, [sp, #",
            $y,
            "]\n",
            "ldr r2, [sp, #32]\n",
            "strb r0, [r1, r2]\n",
        )
    };
}

/// Computes all channels of four pixels.
///
/// # Safety
/// Everything that the plan points to is there.
#[allow(unsafe_code, reason = "the compiler multiplies 32 by 32 bits in a function, and keeps sums in memory")]
#[inline(always)]
pub(super) unsafe fn channels(plan: &mut Plan) {
    // SAFETY: the plan is copied to the stack, which is left as it was, and so are all registers above r5. Of each channel `eights +
    // 2·pairs + single` weights are read byte by byte, and two words for each two of them or for a single one of each pair of pixels;
    // one bias, a channel (three words, `repr(C)`), one output of each pixel. All words are aligned.
    unsafe {
        asm!(
            save_high!(),
            "sub sp, #56",
            "mov r1, sp",
            "ldm r0!, {{r2, r3, r4, r5, r6, r7}}",
            "stm r1!, {{r2, r3, r4, r5, r6, r7}}",
            "ldm r0!, {{r2, r3, r4, r5, r6, r7}}",
            "stm r1!, {{r2, r3, r4, r5, r6, r7}}",
            "ldm r0!, {{r2, r3, r4, r5}}",
            "stm r1!, {{r2, r3}}",
            "mov r11, r4",
            "mov r12, r5",
            "movs r2, #128",
            "lsls r2, r2, #8",
            "mov lr, r2",
            // Per channel. r6 to r9 become minus the bias, in both halves.
            "2:",
            "ldr r0, [sp, #20]",
            "ldm r0!, {{r6}}",
            "str r0, [sp, #20]",
            "rsbs r6, r6, #0",
            "movs r7, r6",
            "lsls r2, r6, #16",
            "adds r2, r2, r6",
            "mov r8, r2",
            "mov r9, r2",
            "ldr r0, [sp, #16]",
            "ldr r1, [sp]",
            "ldr r2, [sp, #4]",
            "adds r2, r2, r1",
            "mov r10, r2",
            "cmp r1, r10",
            "beq 4f",
            "3:",
            two_by_4!("0", "1"),
            two_by_4!("2", "3"),
            two_by_4!("4", "5"),
            two_by_4!("6", "7"),
            "adds r1, #8",
            "cmp r1, r10",
            "bne 3b",
            "4:",
            "ldr r2, [sp, #8]",
            "lsls r2, r2, #1",
            "adds r2, r2, r1",
            "mov r10, r2",
            "cmp r1, r10",
            "beq 6f",
            "5:",
            two_by_4!("0", "1"),
            "adds r1, #2",
            "cmp r1, r10",
            "bne 5b",
            "6:",
            "ldr r2, [sp, #12]",
            "cmp r2, #0",
            "beq 7f",
            "ldrb r2, [r1]",
            "sxtb r2, r2",
            "adds r1, #1",
            one_tap!("r8", "r6"),
            one_tap!("r9", "r7"),
            "7:",
            "str r1, [sp]",
            "lsls r0, r6, #16",
            "mov r1, r8",
            "subs r0, r0, r1",
            "mov r8, r0",
            "lsls r0, r7, #16",
            "mov r1, r9",
            "subs r0, r0, r1",
            "mov r9, r0",
            "ldr r0, [sp, #24]",
            "ldr r3, [r0, #4]",
            "ldr r5, [r0, #8]",
            "adds r0, #12",
            "str r0, [sp, #24]",
            "uxth r4, r3",
            "lsrs r3, r3, #16",
            "mvns r1, r5",
            "rsbs r5, r5, #0",
            "ldr r0, [sp, #28]",
            "lsls r0, r1",
            "mov r10, r0",
            "rsbs r0, r7, #0",
            output!("52"),
            "mov r0, r9",
            output!("48"),
            "rsbs r0, r6, #0",
            output!("44"),
            "mov r0, r8",
            output!("40"),
            "ldr r1, [sp, #36]",
            "adds r2, #1",
            "str r2, [sp, #32]",
            "cmp r2, r1",
            "beq 8f",
            "b 2b",
            "8:",
            "add sp, #56",
            restore_high!(),
            inout("r0") plan => _,
            out("r1") _, out("r2") _, out("r3") _, out("r4") _, out("r5") _,
        );
    }
}
