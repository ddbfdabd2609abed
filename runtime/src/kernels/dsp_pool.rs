//! Windows of pools for the DSP extension: 16 channels at a time for the maximum, 8 for sums.

use core::arch::asm;

use super::pool::Taps;

/// Goes through the taps of each block of channels: `$init` in front of the first, `$tap` with the address of each in lr, `$store` to r1
/// at the end. Uses r6 and r7 besides its operands.
macro_rules! windows {
    ($x:expr, $y:expr, $taps:expr, $blocks:expr, $init:expr, $tap:expr, $store:expr, $bytes:literal) => {
        asm!(
            "push {{r6, r7}}",
            "push {{r2, r5}}",
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
            "add sp, #8",
            "pop {{r6, r7}}",
            inout("r0") $x => _,
            inout("r1") $y => _,
            inout("r2") $blocks => _,
            in("r3") $taps.step[0],
            in("r4") $taps.count[0],
            inout("r5") $taps.count[1] => _,
            in("r12") $taps.step[1],
            out("r8") _, out("r9") _, out("r10") _, out("r11") _, out("lr") _,
        )
    };
}

/// The larger bytes of `$max` and of the word at `[lr, $at]`.
macro_rules! larger {
    ($max:literal, $at:literal) => {
        concat!("ldr r6, [lr, #", $at, "]\n", "ssub8 r7, r6, ", $max, "\n", "sel ", $max, ", r6, ", $max, "\n")
    };
}

/// `y[c] = max x[c]` over the taps, of as many channels, in sixteens, as `y` has; tells how many.
#[allow(unsafe_code, reason = "SSUB8 and SEL have no stable intrinsics")]
pub(super) fn max(x: &[i8], taps: &Taps, y: &mut [i8]) -> usize {
    let blocks = y.len() / 16;
    let channels = blocks * 16;
    if blocks == 0 || taps.count.contains(&0) || taps.reach(channels).is_none_or(|reach| reach > x.len()) {
        return 0;
    }
    // SAFETY: block `b` reads 16 bytes of every tap from channel `16·b` on, the last of which ends at `reach`, and writes as many of
    // `y`; pointers beyond are made but not read. LDR and STR take any address.
    unsafe {
        windows!(
            x.as_ptr(),
            y.as_mut_ptr(),
            taps,
            blocks,
            "mov r8, #0x80808080\nmov r9, r8\nmov r10, r8\nmov r11, r8",
            concat!(larger!("r8", "0"), larger!("r9", "4"), larger!("r10", "8"), larger!("r11", "12")),
            "str r8, [r1], #4\nstr r9, [r1], #4\nstr r10, [r1], #4\nstr r11, [r1], #4",
            "16"
        );
    }
    channels
}

/// Stores both halves of two words, alternating.
macro_rules! unpack {
    ($even:literal, $odd:literal) => {
        concat!(
            "sxth r6, ",
            $even,
            "\n",
            "sxth r7, ",
            $odd,
            "\n",
            "asr ",
            $even,
            ", ",
            $even,
            ", #16\n",
            "asr ",
            $odd,
            ", ",
            $odd,
            ", #16\n",
            "stm r1!, {{r6, r7, ",
            $even,
            ", ",
            $odd,
            "}}\n",
        )
    };
}

/// Taps whose sum fits 16 bits.
pub(super) const MOST_TAPS: usize = 256;

/// `sums[c] = Σ x[c]` over at most [`MOST_TAPS`] taps, of 8 channels. `false`: nothing was done.
#[allow(unsafe_code, reason = "SXTAB16 has no stable intrinsic")]
pub(super) fn sum(x: &[i8], taps: &Taps, sums: &mut [i32; 8]) -> bool {
    let [across, down] = taps.count;
    let is_few = (1..=MOST_TAPS).contains(&across.saturating_mul(down));
    if !is_few || taps.reach(8).is_none_or(|reach| reach > x.len()) {
        return false;
    }
    // SAFETY: 8 bytes of every tap are read, the last of which ends at `reach`, and 8 words of `sums` written; pointers beyond are made
    // but not read. LDR takes any address.
    unsafe {
        windows!(
            x.as_ptr(),
            sums.as_mut_ptr(),
            taps,
            1usize,
            "mov r8, #0\nmov r9, #0\nmov r10, #0\nmov r11, #0",
            "ldr r6, [lr]\nldr r7, [lr, #4]\n\
             sxtab16 r8, r8, r6\nsxtab16 r9, r9, r6, ror #8\nsxtab16 r10, r10, r7\nsxtab16 r11, r11, r7, ror #8",
            concat!(unpack!("r8", "r9"), unpack!("r10", "r11")),
            "8"
        );
    }
    true
}
