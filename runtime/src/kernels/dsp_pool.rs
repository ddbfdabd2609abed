//! Windows of pools for the DSP extension: 16 channels at a time for the maximum, 8 for averages.

use core::arch::asm;

use super::pool::Taps;

/// What the assembly takes onto its stack; it counts on the order of the fields.
#[repr(C)]
struct Plan {
    /// Blocks of channels that are left of a window, and rows of taps.
    left: usize,
    down: usize,
    blocks: usize,
    /// Bytes from behind the last block to the next window, of the input and of the output.
    skip: [usize; 2],
    windows: usize,
    /// Taps, and half of them.
    divisor: [usize; 2],
}

impl Plan {
    /// Of as many channels, in blocks, as there are; `None` where there is nothing to do or `x` is too short.
    fn new(x: &[i8], taps: &Taps, y: &[i8], block: usize) -> Option<Self> {
        let [across, down] = taps.count;
        let channels = taps.step[0];
        let blocks = channels.checked_div(block)?;
        let done = blocks.wrapping_mul(block);
        let windows = y.len().checked_div(channels)?;
        let last = windows.checked_sub(1)?.checked_mul(taps.advance)?;
        if done == 0 || taps.count.contains(&0) || taps.reach(done)?.checked_add(last)? > x.len() {
            return None;
        }
        let count = across.wrapping_mul(down);
        let skip = [taps.advance.wrapping_sub(done), channels.wrapping_sub(done)];
        Some(Self { left: blocks, down, blocks, skip, windows, divisor: [count, count / 2] })
    }
}

/// Goes through the taps of each block of channels of each window: `$init` in front of the first, `$tap` with the address of each in lr,
/// `$store` to r1 at the end. Uses r6 and r7 besides its operands.
macro_rules! windows {
    ($x:expr, $y:expr, $taps:expr, $plan:expr, $init:expr, $tap:expr, $store:expr, $bytes:literal) => {
        asm!(
            "push {{r6, r7}}",
            "ldm r2, {{r2, r5, r6, r7, r8, r9, r10, r11}}",
            "push {{r2, r5, r6, r7, r8, r9, r10, r11}}",
            "2:",
            "mov lr, r0",
            "ldr r5, [sp, #4]",
            $init,
            "3:",
            "mov r2, r4",
            "4:",
            $tap,
            "add lr, r3",
            "subs r2, #1",
            "bne 4b",
            "add lr, r12",
            "subs r5, #1",
            "bne 3b",
            $store,
            concat!("add r0, #", $bytes),
            "ldr r2, [sp]",
            "subs r2, #1",
            "str r2, [sp]",
            "bne 2b",
            "ldrd r2, r5, [sp, #8]",
            "str r2, [sp]",
            "add r0, r5",
            "ldrd r2, r5, [sp, #16]",
            "add r1, r2",
            "subs r5, #1",
            "str r5, [sp, #20]",
            "bne 2b",
            "add sp, #32",
            "pop {{r6, r7}}",
            inout("r0") $x => _,
            inout("r1") $y => _,
            inout("r2") &raw const $plan => _,
            in("r3") $taps.step[0],
            in("r4") $taps.count[0],
            in("r12") $taps.step[1],
            out("r5") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("lr") _,
        )
    };
}

/// The larger bytes of `$max` and of the word at `[lr, $at]`.
macro_rules! larger {
    ($max:literal, $at:literal) => {
        concat!("ldr r6, [lr, #", $at, "]\n", "ssub8 r7, r6, ", $max, "\n", "sel ", $max, ", r6, ", $max, "\n")
    };
}

/// `y[c] = max x[c]` over the taps of each window, of as many channels, in sixteens, as there are; tells how many.
#[allow(unsafe_code, reason = "SSUB8 and SEL have no stable intrinsics")]
pub(super) fn max(x: &[i8], taps: &Taps, y: &mut [i8]) -> usize {
    let Some(plan) = Plan::new(x, taps, y, 16) else { return 0 };
    // SAFETY: block `b` of window `w` reads 16 bytes of every tap from channel `16·b` on, `w·advance` bytes further; the last of them
    // ends within `x`, as `Plan::new` has found. It writes as many of `y`, which has the channels of all windows. Pointers beyond are
    // made but not read. LDR and STR take any address.
    unsafe {
        windows!(
            x.as_ptr(),
            y.as_mut_ptr(),
            taps,
            plan,
            "mov r8, #0x80808080\nmov r9, r8\nmov r10, r8\nmov r11, r8",
            concat!(larger!("r8", "0"), larger!("r9", "4"), larger!("r10", "8"), larger!("r11", "12")),
            "str r8, [r1], #4\nstr r9, [r1], #4\nstr r10, [r1], #4\nstr r11, [r1], #4",
            "16"
        );
    }
    plan.blocks.wrapping_mul(16)
}

/// The next output: `$half` takes a sum out of `$sums`; half of the divisor r2, which is in r5, is added away from zero.
macro_rules! quotient {
    ($half:literal) => {
        concat!(
            $half,
            "\n",
            "eor r7, r5, r6, asr #31\n",
            "sub r7, r7, r6, asr #31\n",
            "add r6, r7\n",
            "sdiv r6, r6, r2\n",
            "strb r6, [r1], #1\n",
        )
    };
}

/// Taps whose sum fits 16 bits.
const MOST_TAPS: usize = 256;

/// `y[c] = round(Σ x[c] / n)` over the taps of each window, at most [`MOST_TAPS`], of as many channels, in eights, as there are; tells how
/// many.
#[allow(unsafe_code, reason = "SXTAB16 has no stable intrinsic")]
pub(super) fn average(x: &[i8], taps: &Taps, y: &mut [i8]) -> usize {
    let Some(plan) = Plan::new(x, taps, y, 8).filter(|plan| plan.divisor[0] <= MOST_TAPS) else { return 0 };
    // SAFETY: as in `max`, with 8 bytes for 16.
    unsafe {
        windows!(
            x.as_ptr(),
            y.as_mut_ptr(),
            taps,
            plan,
            "mov r8, #0\nmov r9, #0\nmov r10, #0\nmov r11, #0",
            "ldr r6, [lr]\nldr r7, [lr, #4]\n\
             sxtab16 r8, r8, r6\nsxtab16 r9, r9, r6, ror #8\nsxtab16 r10, r10, r7\nsxtab16 r11, r11, r7, ror #8",
            concat!(
                "ldrd r2, r5, [sp, #24]\n",
                quotient!("sxth r6, r8"),
                quotient!("sxth r6, r9"),
                quotient!("asr r6, r8, #16"),
                quotient!("asr r6, r9, #16"),
                quotient!("sxth r6, r10"),
                quotient!("sxth r6, r11"),
                quotient!("asr r6, r10, #16"),
                quotient!("asr r6, r11, #16"),
            ),
            "8"
        );
    }
    plan.blocks.wrapping_mul(8)
}
