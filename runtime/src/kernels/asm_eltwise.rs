//! Sums of two tensors in assembly: four elements at a time with the DSP extension, a vector with Helium, one on the Cortex-M3; and products,
//! but not on the Cortex-M3.

use core::arch::asm;

use super::Affine;

/// What ends a product: the factor's mantissa, how far to the right, and `(2·zero_point + 1)·2^(right − 1)`, which adds half and the zero
/// point at once, as `finish` says.
#[cfg(thumbnet_dsp)]
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub multiplier: i32,
    pub right: u32,
    constant: i32,
}

#[cfg(thumbnet_dsp)]
impl Finish {
    /// `None` where the factor does not shift to the right by 1 to 22.
    pub fn new(multiplier: i32, right: u32, zero_point: i32) -> Option<Self> {
        let half = right.checked_sub(1).filter(|&half| half <= 21)?;
        Some(Self { multiplier, right, constant: zero_point.wrapping_mul(2).wrapping_add(1) << half })
    }
}

/// Elements that a round of [`rounds`] takes; the predicate of Helium's ends behind the last one, however many there are.
const AT_ONCE: usize = if cfg!(thumbnet_dsp) { 4 } else { 1 };

/// `y = sat8((⌊f_a·a / 2^8⌋ + ⌊f_b·b / 2^8⌋ + constant) >> 20)` of as many elements, in whole rounds, as all have; tells how many. An
/// operand that is not given is `y` itself.
#[allow(unsafe_code, reason = "the output may lie over an operand")]
pub(super) fn add(p: &Affine, operands: [Option<&[i8]>; 2], y: &mut [i8]) -> usize {
    let count = len(operands, y) / AT_ONCE;
    if count > 0 {
        let to = y.as_mut_ptr();
        let from = operands.map(|x| x.map_or(to.cast_const(), <[i8]>::as_ptr));
        // SAFETY: all have the elements of `count` rounds; one that is `y` itself is read by its own pointer before it is written.
        unsafe { rounds(p, from, to, count) };
    }
    count * AT_ONCE
}

/// # Safety
/// `from` and `to` have 4·`count` bytes, `count` being at least 1; each round reads 4 of both operands before it writes as many.
#[cfg(thumbnet_dsp)]
#[allow(unsafe_code, reason = "SMLAWB and SSAT have no stable intrinsics")]
#[inline(always)]
unsafe fn rounds(p: &Affine, [a, b]: [*const i8; 2], to: *mut i8, count: usize) {
    let [factor_a, factor_b] = p.factors;
    // Bytes in the upper halves of halfwords, whose product with a factor SMLAW shifts by 16.
    // SAFETY: the caller's. LDR takes any address. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "2:",
            "ldr r4, [r0], #4",
            "ldr r5, [r1], #4",
            "and r6, r11, r4",
            "and r4, r11, r4, lsl #8",
            "and r7, r11, r5",
            "and r5, r11, r5, lsl #8",
            "smlawb r12, r8, r4, r10",
            "smlawt r4, r8, r4, r10",
            "smlawb lr, r8, r6, r10",
            "smlawt r6, r8, r6, r10",
            "smlawb r12, r9, r5, r12",
            "smlawt r4, r9, r5, r4",
            "smlawb lr, r9, r7, lr",
            "smlawt r6, r9, r7, r6",
            "ssat r12, #8, r12, asr #20",
            "ssat lr, #8, lr, asr #20",
            "ssat r4, #8, r4, asr #20",
            "ssat r6, #8, r6, asr #20",
            "strb r12, [r2], #4",
            "strb lr, [r2, #-3]",
            "strb r4, [r2, #-2]",
            "strb r6, [r2, #-1]",
            "subs r3, #1",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") a => _,
            inout("r1") b => _,
            inout("r2") to => _,
            inout("r3") count => _,
            in("r8") factor_a,
            in("r9") factor_b,
            in("r10") p.constant,
            in("r11") 0xff00_ff00u32,
            out("r4") _, out("r5") _, out("r12") _, out("lr") _,
        );
    }
}

/// In two products each, as [`Affine::of`] has it.
///
/// # Safety
/// `from` and `to` have `count` bytes, at least 1; each round reads one of both operands before it writes one.
#[cfg(thumbnet_v7m)]
#[allow(unsafe_code, reason = "SSAT has no stable intrinsic")]
#[inline(always)]
unsafe fn rounds(p: &Affine, [a, b]: [*const i8; 2], to: *mut i8, count: usize) {
    let [(high_a, low_a), (high_b, low_b)] = p.factors.map(|factor| (factor >> 8, factor & 0xff));
    // SAFETY: the caller's.
    unsafe {
        asm!(
            "2:",
            "ldrsb r4, [r0], #1",
            "ldrsb r5, [r1], #1",
            "mla r12, r8, r4, lr",
            "mul r4, r9, r4",
            "mla r12, r10, r5, r12",
            "mul r5, r11, r5",
            "add r12, r12, r4, asr #8",
            "add r12, r12, r5, asr #8",
            "ssat r12, #8, r12, asr #20",
            "strb r12, [r2], #1",
            "subs r3, #1",
            "bne 2b",
            inout("r0") a => _,
            inout("r1") b => _,
            inout("r2") to => _,
            inout("r3") count => _,
            in("r8") high_a,
            in("r9") low_a,
            in("r10") high_b,
            in("r11") low_b,
            in("lr") p.constant,
            out("r4") _, out("r5") _, out("r12") _,
        );
    }
}

/// How many elements all have.
fn len(operands: [Option<&[i8]>; 2], y: &[i8]) -> usize {
    operands.iter().flatten().fold(y.len(), |len, x| len.min(x.len()))
}

/// # Safety
/// `from` and `to` have `count` bytes, at least 1; each round reads up to 4 of both operands before it writes as many.
#[cfg(thumbnet_helium)]
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(always)]
unsafe fn rounds(p: &Affine, [a, b]: [*const i8; 2], to: *mut i8, count: usize) {
    let [factor_a, factor_b] = p.factors;
    // Bytes in the uppermost of words, so that the upper word of a product is what remains of it.
    // SAFETY: the caller's; the predicate ends behind `count` bytes.
    unsafe {
        asm!(
            "vdup.32 q4, r8",
            "vdup.32 q5, r9",
            "vdup.32 q6, r3",
            "vdup.32 q7, r4",
            "dlstp.32 lr, lr",
            "2:",
            "vldrb.s32 q0, [r0], #4",
            "vldrb.s32 q1, [r1], #4",
            "vshl.i32 q0, q0, #24",
            "vshl.i32 q1, q1, #24",
            "vmulh.s32 q0, q0, q4",
            "vmulh.s32 q1, q1, q5",
            "vadd.i32 q0, q0, r10",
            "vadd.i32 q0, q0, q1",
            "vshr.s32 q0, q0, #20",
            "vmax.s32 q0, q0, q6",
            "vmin.s32 q0, q0, q7",
            "vstrb.32 q0, [r2], #4",
            "letp lr, 2b",
            inout("r0") a => _,
            inout("r1") b => _,
            inout("r2") to => _,
            inout("lr") count => _,
            in("r3") i32::from(i8::MIN),
            in("r4") i32::from(i8::MAX),
            in("r8") factor_a,
            in("r9") factor_b,
            in("r10") p.constant,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d8") _, out("d9") _, out("d10") _, out("d11") _,
            out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
}

/// Requantizes the doubled product `$x` and stores it; uses r5.
#[cfg(thumbnet_dsp)]
macro_rules! product {
    ($x:literal) => {
        concat!(
            "add r5, r11, ",
            $x,
            ", asr #31\n",
            "smmlar ",
            $x,
            ", ",
            $x,
            ", r10, r5\n",
            "asr ",
            $x,
            ", r12\n",
            "ssat ",
            $x,
            ", #8, ",
            $x,
            "\n",
            "strb ",
            $x,
            ", [r2], #1\n",
        )
    };
}

/// `y = sat8(finish(2·(a − zero_points[0])·(b − zero_points[1])))` of as many elements, in fours, as all have; tells how many. An
/// operand that is not given is `y` itself.
#[cfg(thumbnet_dsp)]
#[allow(unsafe_code, reason = "SXTAB16 and SMMLAR have no stable intrinsics, and the output may lie over an operand")]
pub(super) fn mul(zero_points: [i32; 2], finish: Finish, operands: [Option<&[i8]>; 2], y: &mut [i8]) -> usize {
    let fours = len(operands, y) / 4;
    if fours == 0 {
        return 0;
    }
    let to = y.as_mut_ptr();
    let [a, b] = operands.map(|x| x.map_or(to.cast_const(), <[i8]>::as_ptr));
    let [less_a, less_b] = zero_points.map(|zero| (zero.wrapping_neg() as u32 & 0xffff) * 0x1_0001);
    // SAFETY: each of `fours` rounds reads 4 bytes of both operands, then writes 4 bytes of `y`, all of which have as many; one that
    // is `y` itself is read by its own pointer before it is written. LDR takes any address.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "2:",
            "ldr r4, [r0], #4",
            "ldr r5, [r1], #4",
            "sxtab16 r6, r8, r4",
            "sxtab16 r4, r8, r4, ror #8",
            "sxtab16 r7, r9, r5",
            "sxtab16 r5, r9, r5, ror #8",
            "sadd16 r6, r6, r6",
            "sadd16 r4, r4, r4",
            "smulbb lr, r6, r7",
            "smultt r6, r6, r7",
            "smulbb r7, r4, r5",
            "smultt r4, r4, r5",
            product!("lr"),
            product!("r7"),
            product!("r6"),
            product!("r4"),
            "subs r3, #1",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") a => _,
            inout("r1") b => _,
            inout("r2") to => _,
            inout("r3") fours => _,
            in("r8") less_a,
            in("r9") less_b,
            in("r10") finish.multiplier,
            in("r11") finish.constant,
            in("r12") finish.right,
            out("r4") _, out("r5") _, out("lr") _,
        );
    }
    fours * 4
}

/// What makes a product of two bytes an output; see `eltwise::mul`.
#[cfg(thumbnet_helium)]
pub(super) struct Products {
    pub zero_points: [i32; 2],
    pub multiplier: i32,
    /// How far to the right, at least 1.
    pub right: u32,
    pub zero_point: i32,
    pub clamp: super::Clamp,
}

/// `y = clamp(zero_point + requantize((a − zp_a)·(b − zp_b)))`, rounded twice, of as many elements, in twos, as all have; tells how
/// many. An operand that is not given is `y` itself.
#[cfg(thumbnet_helium)]
#[allow(unsafe_code, reason = "Helium has no stable intrinsics, and the output may lie over an operand")]
pub(super) fn mul(p: &Products, operands: [Option<&[i8]>; 2], y: &mut [i8]) -> usize {
    // Two elements become halves of words that are written whole or not at all.
    let len = len(operands, y) & !1;
    if len == 0 {
        return 0;
    }
    let to = y.as_mut_ptr();
    let [a, b] = operands.map(|x| x.map_or(to.cast_const(), <[i8]>::as_ptr));
    // SAFETY: each round reads up to 8 bytes of both operands, then writes as many of `y`; the predicate ends behind `len` of them, and
    // all have as many. One that is `y` itself is read by its own pointer before it is written.
    unsafe {
        asm!(
            "vdup.16 q6, r3",
            "vdup.16 q7, r4",
            "dlstp.16 lr, lr",
            "2:",
            "vldrb.s16 q0, [r0], #8",
            "vldrb.s16 q1, [r1], #8",
            "vsub.i16 q0, q0, r5",
            "vsub.i16 q1, q1, r8",
            "vmullb.s16 q2, q0, q1",
            "vmullt.s16 q3, q0, q1",
            "vqrdmulh.s32 q2, q2, r9",
            "vqrdmulh.s32 q3, q3, r9",
            "vshr.s32 q0, q2, #31",
            "vshr.s32 q1, q3, #31",
            "vadd.i32 q2, q2, q0",
            "vadd.i32 q3, q3, q1",
            "vrshl.s32 q2, r10",
            "vrshl.s32 q3, r10",
            "vqmovnb.s32 q0, q2",
            "vqmovnt.s32 q0, q3",
            "vqadd.s16 q0, q0, r11",
            "vmax.s16 q0, q0, q6",
            "vmin.s16 q0, q0, q7",
            "vstrb.16 q0, [r2], #8",
            "letp lr, 2b",
            inout("r0") a => _,
            inout("r1") b => _,
            inout("r2") to => _,
            inout("lr") len => _,
            in("r3") i32::from(p.clamp.min),
            in("r4") i32::from(p.clamp.max),
            in("r5") p.zero_points[0],
            in("r8") p.zero_points[1],
            in("r9") p.multiplier,
            in("r10") p.right.wrapping_neg(),
            in("r11") p.zero_point,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d12") _, out("d13") _, out("d14") _, out("d15") _,
        );
    }
    len
}
