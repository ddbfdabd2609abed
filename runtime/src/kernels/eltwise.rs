//! Elementwise sum and product of two tensors, with broadcasting.
//!
//! Sum: both operands are brought to a common scale with [`Add::left_shift`] bits of headroom, added, and requantized;
//! all three requantizations round twice, as the TensorFlow Lite specification's reference kernel does. Of bytes there are only
//! 65,536 pairs: the exporter tries on all of them a sum that rounds once, [`Affine`], and where it is the same, it is taken.
//! Product: see [`Mul`].

#[cfg(thumbnet_dsp)]
use super::asm_eltwise::Finish;
use super::{Add, Affine, Binary, Broadcast, Clamp, Mul, Scale, Sum};
use crate::fixed::{Rounding, requantize, requantize_double, rounded_high};
use crate::format::BinaryFunction;

/// Which operand the output lies over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Operand {
    /// The first.
    A,
    /// The second.
    B,
}

/// `y = clamp(zp + out·(a·(q_a − zp_a)·2^left + b·(q_b − zp_b)·2^left))`.
pub fn add(p: &Sum, shapes: &Broadcast, a: &[i8], b: &[i8], y: &mut [i8]) {
    sum(p, shapes, [Some(a), Some(b)], y);
}

/// The same where the output lies over one operand of its own shape.
pub fn add_in_place(p: &Sum, shapes: &Broadcast, over: Operand, other: &[i8], y: &mut [i8]) {
    sum(p, shapes, beside(over, other), y);
}

/// Both operands where the output lies over one: that one is not given.
#[inline(always)]
fn beside(over: Operand, other: &[i8]) -> [Option<&[i8]>; 2] {
    match over {
        Operand::A => [None, Some(other)],
        Operand::B => [Some(other), None],
    }
}

#[inline(always)]
fn sum(p: &Sum, shapes: &Broadcast, operands: [Option<&[i8]>; 2], y: &mut [i8]) {
    let Sum { args, affine } = p;
    if let Some(affine) = affine {
        return affine_sum(affine, args.clamp, shapes, operands, y);
    }
    match Reduced::new(args) {
        Some(sum) => each(shapes, operands, y, |a, b| sum.of(a, b)),
        None => each(shapes, operands, y, |a, b| add_one(args, a, b)),
    }
}

#[inline(always)]
fn affine_sum(p: &Affine, clamp: Clamp, shapes: &Broadcast, operands: [Option<&[i8]>; 2], y: &mut [i8]) {
    let of = |a, b| clamp.apply(p.of(a, b));
    #[cfg(any(thumbnet_asm, thumbnet_helium))]
    if shapes.inputs == [shapes.output; 2] {
        let done = super::asm_eltwise::add(p, operands, y);
        clamp.apply_all(y.get_mut(..done).unwrap_or_default());
        return behind(done, operands, y, of);
    }
    each(shapes, operands, y, of);
}

impl Affine {
    /// The sum of two bytes, not saturated yet.
    #[inline(always)]
    fn of(&self, a: i8, b: i8) -> i32 {
        let [a, b] = [(0, a), (1, b)].map(|(number, q)| {
            // In two parts, so that no product leaves 32 bits.
            let (factor, q) = (self.factors[number], i32::from(q));
            (factor >> 8).wrapping_mul(q).wrapping_add((factor & 0xff).wrapping_mul(q) >> 8)
        });
        a.wrapping_add(b).wrapping_add(self.constant) >> 20
    }
}

/// A sum without a shorter way, whose factors are below 1, as those of every exporter are: no intermediate leaves 30 bits, so that each
/// requantization is one multiplication and one shift.
#[derive(Clone, Copy)]
struct Reduced {
    zero_points: [i32; 2],
    left_shift: u32,
    inputs: [Factor; 2],
    output: Factor,
    zero_point: i32,
    clamp: Clamp,
}

impl Reduced {
    #[inline(always)]
    fn new(p: &Add) -> Option<Self> {
        let [a, b] = p.inputs;
        let (inputs, output) = ([Factor::new(a)?, Factor::new(b)?], Factor::new(p.output)?);
        let (zero_points, zero_point) = (p.input_zero_points, p.output_zero_point);
        // Twice the value, as the multiplication wants it: 2^8 · 2^21.
        let left_shift = p.left_shift.checked_add(1).filter(|&shift| shift <= 21)?;
        Some(Self { zero_points, left_shift, inputs, output, zero_point, clamp: p.clamp })
    }

    #[inline(always)]
    fn of(&self, a: i8, b: i8) -> i8 {
        let twice = |q: i8, zero: i32| i32::from(q).wrapping_sub(zero).wrapping_shl(self.left_shift);
        let a = self.inputs[0].of_half(twice(a, self.zero_points[0]));
        let b = self.inputs[1].of_half(twice(b, self.zero_points[1]));
        let sum = self.output.of_half(a.wrapping_add(b).wrapping_shl(1));
        self.clamp.apply(sum.wrapping_add(self.zero_point))
    }
}

/// Applies `f` to each pair of elements; an operand that is not given is the output itself.
#[inline(always)]
fn each(shapes: &Broadcast, operands: [Option<&[i8]>; 2], y: &mut [i8], f: impl Fn(i8, i8) -> i8) {
    match operands {
        [Some(a), Some(b)] => broadcast(shapes, a, b, y, f),
        [Some(a), None] => broadcast_in_place(shapes, 0, a, y, |y, a| f(a, y)),
        [None, Some(b)] => broadcast_in_place(shapes, 1, b, y, f),
        [None, None] => {}
    }
}

/// The same from element `done` on, where no operand is repeated.
#[cfg(any(thumbnet_asm, thumbnet_helium))]
#[inline(always)]
fn behind(done: usize, operands: [Option<&[i8]>; 2], y: &mut [i8], f: impl Fn(i8, i8) -> i8) {
    let y = y.get_mut(done..).unwrap_or_default().iter_mut();
    match operands {
        [Some(a), Some(b)] => y.zip(a.iter().zip(b).skip(done)).for_each(|(y, (&a, &b))| *y = f(a, b)),
        [Some(a), None] => y.zip(a.iter().skip(done)).for_each(|(y, &a)| *y = f(a, *y)),
        [None, Some(b)] => y.zip(b.iter().skip(done)).for_each(|(y, &b)| *y = f(*y, b)),
        [None, None] => {}
    }
}

/// A factor below 1, rounded twice; [`requantize_double`] without its left shift.
#[derive(Clone, Copy)]
struct Factor {
    multiplier: i32,
    /// All ones where there is a second rounding, half away from zero.
    is_rounded: i32,
    half: i32,
    right: u32,
}

impl Factor {
    #[inline(always)]
    fn new(Scale { multiplier, shift }: Scale) -> Option<Self> {
        let right = u32::try_from(shift.wrapping_neg()).ok().filter(|&right| right <= 30)?;
        let (is_rounded, half) = if right == 0 { (0, 0) } else { (-1, 1 << right.wrapping_sub(1)) };
        Some(Self { multiplier, is_rounded, half, right })
    }

    /// Of `twice / 2`, which is below 2^30.
    #[inline(always)]
    fn of_half(&self, twice: i32) -> i32 {
        let high = rounded_high(twice, self.multiplier);
        (high.wrapping_add(high >> 31 & self.is_rounded).wrapping_add(self.half)) >> (self.right & 31)
    }
}

/// `y = clamp(zp + scale·(q_a − zp_a)·(q_b − zp_b))`.
pub fn mul(p: &Mul, shapes: &Broadcast, a: &[i8], b: &[i8], y: &mut [i8]) {
    multiply(p, shapes, [Some(a), Some(b)], y);
}

/// The same where the output lies over one operand of its own shape.
pub fn mul_in_place(p: &Mul, shapes: &Broadcast, over: Operand, other: &[i8], y: &mut [i8]) {
    multiply(p, shapes, beside(over, other), y);
}

#[inline(always)]
fn multiply(p: &Mul, shapes: &Broadcast, operands: [Option<&[i8]>; 2], y: &mut [i8]) {
    let Some(product) = Product::new(p) else { return each(shapes, operands, y, |a, b| mul_one(p, a, b)) };
    let of = |a, b| product.of(a, b);
    #[cfg(thumbnet_helium)]
    if shapes.inputs == [shapes.output; 2] && product.factor.right > 0 {
        let done = super::asm_eltwise::mul(&product.vectors(), operands, y);
        // An odd last one.
        return behind(done, operands, y, of);
    }
    #[cfg(thumbnet_dsp)]
    if shapes.inputs == [shapes.output; 2]
        && let Some(finish) = Finish::new(product.factor.multiplier, product.factor.right, product.zero_point)
    {
        let done = super::asm_eltwise::mul(product.zero_points, finish, operands, y);
        product.clamp.apply_all(y.get_mut(..done).unwrap_or_default());
        return behind(done, operands, y, of);
    }
    each(shapes, operands, y, of);
}

/// A product whose factor is below 1 and rounded twice: one multiplication and one shift behind it.
#[derive(Clone, Copy)]
struct Product {
    zero_points: [i32; 2],
    factor: Factor,
    zero_point: i32,
    clamp: Clamp,
}

impl Product {
    #[inline(always)]
    fn new(p: &Mul) -> Option<Self> {
        let factor = Factor::new(p.scale).filter(|_| p.rounding == Rounding::Double)?;
        Some(Self { zero_points: p.input_zero_points, factor, zero_point: p.output_zero_point, clamp: p.clamp })
    }

    #[cfg(thumbnet_helium)]
    fn vectors(self) -> super::asm_eltwise::Products {
        let Self { zero_points, factor: Factor { multiplier, right, .. }, zero_point, clamp } = self;
        super::asm_eltwise::Products { zero_points, multiplier, right, zero_point, clamp }
    }

    #[inline(always)]
    fn of(&self, a: i8, b: i8) -> i8 {
        let [a, b] = [(a, 0), (b, 1)].map(|(q, number)| i32::from(q).wrapping_sub(self.zero_points[number]));
        // |a · b| is at most 255².
        self.clamp.apply(self.factor.of_half(a.wrapping_mul(b).wrapping_shl(1)).wrapping_add(self.zero_point))
    }
}

#[inline(never)]
pub(super) fn add_one(p: &Add, a: i8, b: i8) -> i8 {
    let [a, b] = aligned(p, a, b);
    finish(p, a.wrapping_add(b))
}

/// Any other function of two elements; see [`crate::format::BinaryFunction`].
pub fn binary(p: &Binary, shapes: &Broadcast, a: &[i8], b: &[i8], y: &mut [i8]) {
    // One loop per function: the choice is made once, not per element.
    match p.function {
        BinaryFunction::Sub => broadcast(shapes, a, b, y, |a, b| sub_one(&p.args, a, b)),
        BinaryFunction::SquaredDifference => broadcast(shapes, a, b, y, |a, b| squared_difference_one(&p.args, a, b)),
        BinaryFunction::Minimum => broadcast(shapes, a, b, y, |a, b| a.min(b)),
        BinaryFunction::Maximum => broadcast(shapes, a, b, y, |a, b| a.max(b)),
        BinaryFunction::Prelu => broadcast(shapes, a, b, y, |a, b| prelu_one(&p.args, a, b)),
    }
}

/// Both operands on their common scale.
#[inline(always)]
fn aligned(p: &Add, a: i8, b: i8) -> [i32; 2] {
    let [zero_a, zero_b] = p.input_zero_points;
    let [scale_a, scale_b] = p.inputs;
    let a = i32::from(a).wrapping_sub(zero_a).wrapping_shl(p.left_shift);
    let b = i32::from(b).wrapping_sub(zero_b).wrapping_shl(p.left_shift);
    [requantize_double(a, scale_a.multiplier, scale_a.shift), requantize_double(b, scale_b.multiplier, scale_b.shift)]
}

#[inline(always)]
fn finish(p: &Add, x: i32) -> i8 {
    let scaled = requantize_double(x, p.output.multiplier, p.output.shift);
    p.clamp.apply(scaled.wrapping_add(p.output_zero_point))
}

#[inline(never)]
fn sub_one(p: &Add, a: i8, b: i8) -> i8 {
    let [a, b] = aligned(p, a, b);
    finish(p, a.wrapping_sub(b))
}

#[inline(never)]
fn squared_difference_one(p: &Add, a: i8, b: i8) -> i8 {
    let [a, b] = aligned(p, a, b);
    let difference = a.wrapping_sub(b);
    finish(p, difference.wrapping_mul(difference))
}

/// Positive `a` by the first factor, negative ones times `b` by the output's.
#[inline(never)]
fn prelu_one(p: &Add, a: i8, b: i8) -> i8 {
    let [zero_a, zero_b] = p.input_zero_points;
    let x = i32::from(a).wrapping_sub(zero_a);
    if x < 0 {
        return finish(p, x.wrapping_mul(i32::from(b).wrapping_sub(zero_b)));
    }
    let [scale, _] = p.inputs;
    p.clamp.apply(requantize_double(x, scale.multiplier, scale.shift).wrapping_add(p.output_zero_point))
}

#[inline(never)]
pub(super) fn mul_one(p: &Mul, a: i8, b: i8) -> i8 {
    let [zero_a, zero_b] = p.input_zero_points;
    let product = i32::from(a).wrapping_sub(zero_a).wrapping_mul(i32::from(b).wrapping_sub(zero_b));
    let scaled = requantize(product, p.scale.multiplier, p.scale.shift, p.rounding);
    p.clamp.apply(scaled.wrapping_add(p.output_zero_point))
}

/// Applies `f` to each pair that broadcasting makes.
#[inline(always)]
fn broadcast(shapes: &Broadcast, a: &[i8], b: &[i8], y: &mut [i8], f: impl Fn(i8, i8) -> i8) {
    if shapes.inputs[0] == shapes.output && shapes.inputs[1] == shapes.output {
        y.iter_mut().zip(a).zip(b).for_each(|((y, &a), &b)| *y = f(a, b));
        return;
    }
    let [.., row] = shapes.output;
    for (index, y) in y.chunks_exact_mut(row.max(1)).enumerate() {
        let [a, b] = [(a, shapes.inputs[0]), (b, shapes.inputs[1])].map(|(operand, shape)| {
            let start = row_start(&shapes.output, &shape, index);
            operand.get(start..start.saturating_add(shape[5])).unwrap_or(&[])
        });
        y.iter_mut().zip(a.iter().cycle()).zip(b.iter().cycle()).for_each(|((y, &a), &b)| *y = f(a, b));
    }
}

/// Applies `f` to each element of `y` and what broadcasting pairs it with of operand number `index`.
#[inline(always)]
fn broadcast_in_place(shapes: &Broadcast, index: usize, other: &[i8], y: &mut [i8], f: impl Fn(i8, i8) -> i8) {
    let [first, second] = shapes.inputs;
    let shape = if index == 0 { first } else { second };
    if shape == shapes.output {
        y.iter_mut().zip(other).for_each(|(y, &other)| *y = f(*y, other));
        return;
    }
    let [.., row] = shapes.output;
    for (index, y) in y.chunks_exact_mut(row.max(1)).enumerate() {
        let start = row_start(&shapes.output, &shape, index);
        let other = other.get(start..start.saturating_add(shape[5])).unwrap_or(&[]);
        y.iter_mut().zip(other.iter().cycle()).for_each(|(y, &other)| *y = f(*y, other));
    }
}

/// Where the row of an operand starts that belongs to row `index` of the output; repeated dimensions have stride 0.
/// One copy: many loops ask once per row.
#[inline(never)]
fn row_start(output: &[usize; 6], operand: &[usize; 6], mut index: usize) -> usize {
    let mut start = 0usize;
    let mut stride = operand[5];
    for (&size, &own) in output.iter().zip(operand).rev().skip(1) {
        let position = index.checked_rem(size).unwrap_or(0);
        index = index.checked_div(size).unwrap_or(0);
        if own != 1 {
            start = start.wrapping_add(position.wrapping_mul(stride));
        }
        stride = stride.wrapping_mul(own);
    }
    start
}
