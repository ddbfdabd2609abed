//! From accumulators to bytes, in assembly: what ends the loops of `conv_2x2` and `halves`.
//!
//! Requantization of `a` by multiplier `m` and a shift to the right by `n` in 1..=22 takes four to six instructions:
//! `h = round(2a·m / 2^32)`, one less where it is negative (half away from zero), then
//! `(h + (2·zero_point + 1)·2^(n−1)) >> n`, which adds half and the zero point at once: |h| ≤ 2^30 and the constant is below
//! 2^30. Where `h` is 0, one less gives the same: so the sign may be taken of `a`, and one SMMLAR multiplies and adds.
//! Other shifts take the long way. The exporter has proven that `2a` fits 32 bits.

#[cfg(thumbnet_v7m)]
pub(super) use super::v7m::high_product;

/// `round($a · r1 / 2^32)`, half up.
#[cfg(not(thumbnet_v7m))]
macro_rules! high_product {
    ($a:literal) => {
        concat!("smmulr ", $a, ", ", $a, ", r1\n")
    };
}
#[cfg(not(thumbnet_v7m))]
pub(super) use high_product;

/// `r3 + round($a · r1 / 2^32)`, half up, one less where `$a` is negative; uses r4.
#[cfg(thumbnet_dsp)]
macro_rules! offset_product {
    ($a:literal) => {
        concat!("add r4, r3, ", $a, ", asr #31\n", "smmlar ", $a, ", ", $a, ", r1, r4\n")
    };
}

/// The same without SMMLAR.
#[cfg(not(thumbnet_dsp))]
macro_rules! offset_product {
    ($a:literal) => {
        concat!(
            $crate::kernels::finish::high_product!($a),
            "add ",
            $a,
            ", ",
            $a,
            ", ",
            $a,
            ", asr #31\n",
            "add ",
            $a,
            ", ",
            $a,
            ", r3\n",
        )
    };
}

/// Requantizes accumulators `$a` and `$b` of the channel at `[r7, $at]` and stores them at `[r5]` and `[r6]`; `$clamp` is one
/// of the macros below, `$slow` and `$done` are labels. Uses r1 to r4; `lr` is `twice_zero`.
macro_rules! finish {
    ($clamp:ident, $a:literal, $b:literal, $at:literal, $slow:literal, $done:literal) => {
        concat!(
            "ldrd r1, r2, [r7, #", $at, "]\n",
            "rsb r2, r2, #0\n",
            "sub r3, r2, #1\n",
            "cmp r3, #21\n",
            "bhi ", $slow, "f\n",
            "lsl r3, lr, r3\n",
            $crate::kernels::finish::finish!(@fast $clamp, $a, "r5"),
            $crate::kernels::finish::finish!(@fast $clamp, $b, "r6"),
            $done, ":\n",
        )
    };
    (@fast $clamp:ident, $a:literal, $y:literal) => {
        concat!($crate::kernels::finish::finish!(@value $clamp, $a), "strb ", $a, ", [", $y, "], #1\n")
    };
    (@value $clamp:ident, $a:literal) => {
        concat!(
            "lsl ", $a, ", ", $a, ", #1\n",
            $crate::kernels::finish::offset_product!($a),
            "asr ", $a, ", ", $a, ", r2\n",
            $clamp!($a),
        )
    };
    // Any shift; `r2` is how far to the right, negative for the left.
    (@slow $clamp:ident, $a:literal, $y:literal) => {
        concat!(
            "rsbs r3, r2, #0\n",
            "it gt\n",
            "lslgt ", $a, ", ", $a, ", r3\n",
            "lsl ", $a, ", ", $a, ", #1\n",
            $crate::kernels::finish::high_product!($a),
            "cmp r2, #0\n",
            "itttt gt\n",
            "addgt ", $a, ", ", $a, ", ", $a, ", asr #31\n",
            "subgt r3, r2, #1\n",
            "asrgt ", $a, ", ", $a, ", r3\n",
            "addgt ", $a, ", ", $a, ", #1\n",
            "it gt\n",
            "asrgt ", $a, ", ", $a, ", #1\n",
            "add ", $a, ", ", $a, ", lr, asr #1\n",
            $clamp!($a),
            "strb ", $a, ", [", $y, "], #1\n",
        )
    };
    (@slow_pair $clamp:ident, $a:literal, $b:literal, $slow:literal, $done:literal) => {
        concat!(
            $slow, ":\n",
            $crate::kernels::finish::finish!(@slow $clamp, $a, "r5"),
            $crate::kernels::finish::finish!(@slow $clamp, $b, "r6"),
            "b ", $done, "b\n",
        )
    };
}

/// All of int8.
macro_rules! saturate {
    ($a:literal) => {
        concat!("ssat ", $a, ", #8, ", $a, "\n")
    };
}

/// Between r0 and r12.
#[cfg(thumbnet_dsp)]
macro_rules! between {
    ($a:literal) => {
        concat!(
            "cmp ", $a, ", r12\n", "it gt\n", "movgt ", $a, ", r12\n", "cmp ", $a, ", r0\n", "it lt\n", "movlt ", $a,
            ", r0\n",
        )
    };
}

#[cfg(thumbnet_dsp)]
pub(super) use between;
pub(super) use {finish, offset_product, saturate};
