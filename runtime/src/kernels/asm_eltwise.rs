//! Sums of two tensors in assembly, four elements at a time, from tables of what every byte contributes; with Helium the four lie in
//! one vector. With the DSP extension products, too.

use core::arch::asm;

/// What ends a sum: the factor's mantissa, how far to the right, and `(2·zero_point + 1)·2^(right − 1)`, which adds half and the zero
/// point at once, as `finish` says.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub multiplier: i32,
    pub right: u32,
    constant: i32,
}

impl Finish {
    /// `None` where the factor does not shift to the right by 1 to 22.
    pub fn new(multiplier: i32, right: u32, zero_point: i32) -> Option<Self> {
        let half = right.checked_sub(1).filter(|&half| half <= 21)?;
        Some(Self { multiplier, right, constant: zero_point.wrapping_mul(2).wrapping_add(1) << half })
    }
}

/// r6 times r10, rounded, less 1 where it is negative, plus r11; uses r7, and lr where SMMLAR is missing.
#[cfg(thumbnet_dsp)]
macro_rules! offset_product {
    () => {
        "add r7, r11, r6, asr #31\n\
         smmlar r6, r6, r10, r7\n"
    };
}
#[cfg(thumbnet_v7m)]
macro_rules! offset_product {
    () => {
        "add lr, r11, r6, asr #31\n\
         smull r7, r6, r6, r10\n\
         add r6, r6, r7, lsr #31\n\
         add r6, lr\n"
    };
}

/// One element, its bytes brought into `$to` by `$byte`.
#[cfg(thumbnet_asm)]
macro_rules! element {
    ($a:literal, $b:literal) => {
        concat!(
            $a,
            "\n",
            $b,
            "\n",
            "ldr r6, [r8, r6, lsl #2]\n",
            "ldr r7, [r9, r7, lsl #2]\n",
            "add r6, r7\n",
            offset_product!(),
            "asr r6, r12\n",
            "ssat r6, #8, r6\n",
            "strb r6, [r2], #1\n",
        )
    };
}

/// `y = sat8(finish(tables[0][a] + tables[1][b]))` of as many elements, in fours, as all have; tells how many. An operand that is not
/// given is `y` itself.
#[allow(
    unsafe_code,
    reason = "SMMLAR, SSAT and vectors have no stable intrinsics, and the output may lie over an operand"
)]
pub(super) fn add(tables: &[[i32; 256]; 2], finish: Finish, operands: [Option<&[i8]>; 2], y: &mut [i8]) -> usize {
    let fours = fours(operands, y);
    if fours == 0 {
        return 0;
    }
    let to = y.as_mut_ptr();
    let from = operands.map(|x| x.map_or(to.cast_const(), <[i8]>::as_ptr));
    let [first, second] = tables;
    // SAFETY: each of `fours` rounds reads 4 bytes of both operands, then writes 4 bytes of `y`, all of which have as many; one that
    // is `y` itself is read by its own pointer before it is written. A byte is an index into 256 words.
    unsafe { rounds(from, to, fours, [first.as_ptr(), second.as_ptr()], finish) };
    fours * 4
}

/// How many fours of elements all have.
fn fours(operands: [Option<&[i8]>; 2], y: &[i8]) -> usize {
    operands.iter().flatten().fold(y.len(), |len, x| len.min(x.len())) / 4
}

/// # Safety
/// `from` and `to` have 4·`fours` bytes and the tables 256 words each, aligned to 4.
#[cfg(thumbnet_asm)]
#[allow(unsafe_code, reason = "see `add`")]
#[inline(always)]
unsafe fn rounds(from: [*const i8; 2], to: *mut i8, fours: usize, tables: [*const i32; 2], finish: Finish) {
    // SAFETY: the caller's. LDR takes any address. What is pushed is popped.
    unsafe {
        asm!(
            "push {{r6, r7}}",
            "2:",
            "ldr r4, [r0], #4",
            "ldr r5, [r1], #4",
            element!("uxtb r6, r4", "uxtb r7, r5"),
            element!("ubfx r6, r4, #8, #8", "ubfx r7, r5, #8, #8"),
            element!("ubfx r6, r4, #16, #8", "ubfx r7, r5, #16, #8"),
            element!("lsr r6, r4, #24", "lsr r7, r5, #24"),
            "subs r3, #1",
            "bne 2b",
            "pop {{r6, r7}}",
            inout("r0") from[0] => _,
            inout("r1") from[1] => _,
            inout("r2") to => _,
            inout("r3") fours => _,
            in("r8") tables[0],
            in("r9") tables[1],
            in("r10") finish.multiplier,
            in("r11") finish.constant,
            in("r12") finish.right,
            out("r4") _, out("r5") _, out("lr") _,
        );
    }
}

/// # Safety
/// `from` and `to` have 4·`fours` bytes, at least 4, and the tables 256 words each, aligned to 4.
#[cfg(thumbnet_helium)]
#[allow(unsafe_code, reason = "Helium has no stable intrinsics")]
#[inline(always)]
unsafe fn rounds(from: [*const i8; 2], to: *mut i8, fours: usize, tables: [*const i32; 2], finish: Finish) {
    // SAFETY: the caller's.
    unsafe {
        asm!(
            "vdup.32 q5, r4",
            "vdup.32 q6, r5",
            "vdup.32 q7, r10",
            "dls lr, r3",
            "2:",
            "vldrb.u32 q0, [r0], #4",
            "vldrb.u32 q1, [r1], #4",
            "vldrw.u32 q2, [r8, q0, uxtw #2]",
            "vldrw.u32 q3, [r9, q1, uxtw #2]",
            "vadd.i32 q2, q2, q3",
            "vrmulh.s32 q2, q2, q7",
            "vshr.s32 q3, q2, #31",
            "vadd.i32 q2, q2, q3",
            "vadd.i32 q2, q2, r11",
            "vshl.s32 q2, r12",
            "vmax.s32 q2, q2, q5",
            "vmin.s32 q2, q2, q6",
            "vstrb.32 q2, [r2], #4",
            "le lr, 2b",
            inout("r0") from[0] => _,
            inout("r1") from[1] => _,
            inout("r2") to => _,
            in("r3") fours,
            in("r4") i32::from(i8::MIN),
            in("r5") i32::from(i8::MAX),
            in("r8") tables[0],
            in("r9") tables[1],
            in("r10") finish.multiplier,
            in("r11") finish.constant,
            in("r12") finish.right.wrapping_neg(),
            out("lr") _,
            out("d0") _, out("d1") _, out("d2") _, out("d3") _, out("d4") _, out("d5") _, out("d6") _, out("d7") _,
            out("d10") _, out("d11") _, out("d12") _, out("d13") _, out("d14") _, out("d15") _,
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

/// `y = sat8(finish(2·(a − zero_points[0])·(b − zero_points[1])))` as [`add`] does it.
#[cfg(thumbnet_dsp)]
#[allow(unsafe_code, reason = "SXTAB16 and SMMLAR have no stable intrinsics, and the output may lie over an operand")]
pub(super) fn mul(zero_points: [i32; 2], finish: Finish, operands: [Option<&[i8]>; 2], y: &mut [i8]) -> usize {
    let fours = fours(operands, y);
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
    let len = operands.iter().flatten().fold(y.len(), |len, x| len.min(x.len())) & !1;
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
