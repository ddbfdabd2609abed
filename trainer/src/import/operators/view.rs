//! Operators that are strided views of their input: transposed, cut, split, or with blocks between space and depth.

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{ConcatParams, MAX_RANK, Op, PadParams, ViewParams};

use super::shape::axis;
use crate::compile::TensorDesc;
use crate::import::conversion::{Conversion, Value};
use crate::import::schema::Operator;

/// Where the elements of a tensor lie in memory: shape, and distance along each dimension.
#[derive(Clone, Debug)]
pub(in crate::import) struct Strided {
    pub shape: Vec<u32>,
    pub strides: Vec<i64>,
    pub offset: i64,
}

impl Strided {
    /// A whole tensor, row-major.
    pub fn new(shape: &[u32]) -> Self {
        let mut strides = vec![1i64; shape.len()];
        for axis in (1..shape.len()).rev() {
            strides[axis - 1] = strides[axis] * i64::from(shape[axis]);
        }
        Self { shape: shape.to_vec(), strides, offset: 0 }
    }

    /// Dimensions in another order.
    fn permuted(&self, order: &[usize]) -> Self {
        Self {
            shape: order.iter().map(|&axis| self.shape[axis]).collect(),
            strides: order.iter().map(|&axis| self.strides[axis]).collect(),
            offset: self.offset,
        }
    }

    /// `count` elements along an axis from `start` on, every `step`-th.
    fn cut(mut self, axis: usize, start: i64, step: i64, count: u32) -> Self {
        self.offset += start * self.strides[axis];
        self.strides[axis] *= step;
        self.shape[axis] = count;
        self
    }

    /// The shape of a `STRIDED_SLICE` without the dimensions that its mask drops.
    pub fn shape_without_dropped(self, operator: &Operator<'_>) -> Result<Vec<u32>> {
        let [.., shrink_mask] = masks(operator)?;
        let kept = self.shape.iter().enumerate().filter(|(axis, _)| *axis >= 32 || shrink_mask >> axis & 1 == 0);
        Ok(kept.map(|(_, &dim)| dim).collect())
    }

    /// Where its elements lie, in order.
    pub fn places(&self) -> impl Iterator<Item = i64> + '_ {
        let count: u64 = self.shape.iter().map(|&dim| u64::from(dim)).product();
        (0..count).map(move |mut number| {
            let mut at = self.offset;
            for (&dim, &stride) in self.shape.iter().zip(&self.strides).rev() {
                at += (number % u64::from(dim)) as i64 * stride;
                number /= u64::from(dim);
            }
            at
        })
    }

    fn params(&self) -> Result<ViewParams> {
        let rank = self.shape.len();
        ensure!(rank <= MAX_RANK, "{rank} dimensions, at most {MAX_RANK} are possible");
        let mut strides = [0; MAX_RANK];
        for (to, &from) in strides.iter_mut().rev().zip(self.strides.iter().rev()) {
            *to = i32::try_from(from)?;
        }
        Ok(ViewParams { offset: i32::try_from(self.offset)?, strides })
    }

    /// Whether it is all of a tensor in the order of memory.
    fn is_whole(&self, elements: usize) -> bool {
        let count: usize = self.shape.iter().map(|&dim| dim as usize).product();
        let plain = Self::new(&self.shape);
        let strides = self.strides.iter().zip(&plain.strides).zip(&self.shape);
        count == elements && self.offset == 0 && strides.into_iter().all(|((a, b), &dim)| a == b || dim == 1)
    }
}

/// Writes a view of tensor `x` to tensor `y`, both of the file; the output may drop dimensions of 1.
fn push(c: &mut Conversion<'_>, x: usize, y: usize, view: &Strided) -> Result<()> {
    let desc = c.describe(y)?;
    let input = c.value(x)?;
    let elements = c.tensor(x).elements();
    let value = push_step(c, desc, input, elements, view)?;
    c.bind(y, value)
}

/// The same for values; `desc.shape` may have other dimensions of 1 than the view.
pub(super) fn push_step(
    c: &mut Conversion<'_>,
    desc: TensorDesc,
    input: Value,
    elements: usize,
    view: &Strided,
) -> Result<Value> {
    let is_big = |&(dim, _): &(u32, i64)| dim != 1;
    let pairs = || view.shape.iter().copied().zip(view.strides.iter().copied()).filter(is_big);
    let own: Vec<u32> = desc.shape.iter().copied().filter(|&dim| dim != 1).collect();
    if view.is_whole(elements) {
        ensure!(desc.shape.iter().product::<u32>() as usize == elements, "the output's shape is {:?}", desc.shape);
        return c.push_step(desc, Op::Reshape, &[input]);
    }
    if own == pairs().map(|(dim, _)| dim).collect::<Vec<_>>() {
        let mut strides = pairs().map(|(_, stride)| stride);
        let strides = desc.shape.iter().map(|&dim| if dim == 1 { 0 } else { strides.next().unwrap_or(0) }).collect();
        let params = Strided { shape: desc.shape.clone(), strides, offset: view.offset }.params()?;
        return c.push_step(desc, Op::View(params), &[input]);
    }
    // Neighbouring dimensions were joined: the view first, then its bytes under the other shape.
    ensure!(
        desc.shape.iter().product::<u32>() == view.shape.iter().product::<u32>(),
        "the output's shape is {:?}, expected {:?}",
        desc.shape,
        view.shape
    );
    let name = format!("{}_view", desc.name);
    let between = TensorDesc { shape: view.shape.clone(), name, ..desc.clone() };
    let between = c.push_step(between, Op::View(view.params()?), &[input])?;
    c.push_step(desc, Op::Reshape, &[between])
}

pub(super) fn transpose(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let order = c.tensor(operator.input(1)?).integers()?;
    push(c, x, y, &transpose_view(&c.tensor(x).shape, &order)?)
}

/// Dimensions in another order.
pub(in crate::import) fn transpose_view(shape: &[u32], order: &[i64]) -> Result<Strided> {
    let order = order.iter().map(|&along| axis(along, shape.len())).collect::<Result<Vec<_>>>()?;
    let is_permutation = order.len() == shape.len() && (0..shape.len()).all(|axis| order.contains(&axis));
    ensure!(is_permutation, "order {order:?} is not a permutation of {} dimensions", shape.len());
    Ok(Strided::new(shape).permuted(&order))
}

pub(super) fn slice(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let [begin, size] = [c.tensor(operator.input(1)?).integers()?, c.tensor(operator.input(2)?).integers()?];
    push(c, x, y, &slice_view(&c.tensor(x).shape, &begin, &size)?)
}

/// `size` elements from `begin` on in each dimension; −1 stands for all that follow.
pub(in crate::import) fn slice_view(shape: &[u32], begin: &[i64], size: &[i64]) -> Result<Strided> {
    ensure!(begin.len() == shape.len() && size.len() == shape.len(), "begin {begin:?} and size {size:?} for {shape:?}");
    let mut view = Strided::new(shape);
    for (axis, (&begin, &size)) in begin.iter().zip(size).enumerate() {
        let len = i64::from(shape[axis]);
        let size = if size == -1 { len.saturating_sub(begin) } else { size };
        let end = begin.checked_add(size);
        ensure!(
            begin >= 0 && size > 0 && end.is_some_and(|end| end <= len),
            "{size} elements from {begin} on of {len}"
        );
        view = view.cut(axis, begin, 1, size as u32);
    }
    Ok(view)
}

pub(super) fn strided_slice(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let [begins, ends, steps] = [1, 2, 3].map(|input| c.tensor(operator.input(input)?).integers());
    push(c, x, y, &strided_slice_view(operator, &c.tensor(x).shape, [&begins?, &ends?, &steps?])?)
}

/// What the axes of a `STRIDED_SLICE` become, from its masks.
fn masks(operator: &Operator<'_>) -> Result<[i32; 5]> {
    Ok([operator.int(0, 0)?, operator.int(1, 0)?, operator.int(2, 0)?, operator.int(3, 0)?, operator.int(4, 0)?])
}

/// From `begin` to before `end` by `step` in each of the first dimensions; those that a mask drops keep one element.
pub(in crate::import) fn strided_slice_view(
    operator: &Operator<'_>,
    shape: &[u32],
    [begins, ends, steps]: [&[i64]; 3],
) -> Result<Strided> {
    let [begin_mask, end_mask, ellipsis_mask, new_mask, shrink_mask] = masks(operator)?;
    ensure!(ellipsis_mask == 0 && new_mask == 0, "an ellipsis or a new axis is not supported");
    let count = begins.len();
    ensure!(count <= shape.len() && ends.len() == count && steps.len() == count, "{count} ranges for {shape:?}");
    let mut view = Strided::new(shape);
    for axis in 0..count {
        let (len, step) = (i64::from(shape[axis]), steps[axis]);
        ensure!(step != 0, "a step of 0");
        let is_set = |mask: i32| mask >> axis & 1 == 1;
        let from_end = |at: i64| if at < 0 { at + len } else { at };
        if is_set(shrink_mask) {
            let start = from_end(begins[axis]);
            ensure!((0..len).contains(&start), "element {start} of {len}");
            view = view.cut(axis, start, 1, 1);
            continue;
        }
        // Forward the range is within 0..len, backward within −1..len − 1.
        let (low, high) = if step > 0 { (0, len) } else { (-1, len - 1) };
        let default = if step > 0 { [0, len] } else { [len - 1, -1] };
        let start = if is_set(begin_mask) { default[0] } else { from_end(begins[axis]).clamp(low, high) };
        let end = if is_set(end_mask) { default[1] } else { from_end(ends[axis]).clamp(low, high) };
        let elements = (end - start + step - step.signum()) / step;
        ensure!(elements > 0, "no element from {start} to {end} by {step}");
        view = view.cut(axis, start, step, elements as u32);
    }
    Ok(view)
}

/// `REVERSE_V2`: the axes that it names, backwards.
pub(super) fn reverse(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let shape = &c.tensor(x).shape;
    let mut view = Strided::new(shape);
    for along in c.tensor(operator.input(1)?).integers()? {
        let axis = axis(along, shape.len())?;
        view = view.cut(axis, i64::from(shape[axis]) - 1, -1, shape[axis]);
    }
    push(c, x, y, &view)
}

/// `count` elements along an axis of tensor `x` of the file from `start` on.
pub(super) fn cut(c: &mut Conversion<'_>, x: usize, axis: usize, start: u32, count: u32) -> Result<Value> {
    let view = Strided::new(&c.tensor(x).shape).cut(axis, start.into(), 1, count);
    let input = c.value(x)?;
    let desc = TensorDesc { shape: view.shape.clone(), ..c.describe(x)? };
    push_step(c, desc, input, c.tensor(x).elements(), &view)
}

/// `SPLIT`: the axis comes first, parts are equal.
pub(super) fn split(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let &[along] = c.tensor(operator.input(0)?).integers()?.as_slice() else { bail!("expected one axis") };
    parts(c, operator, operator.input(1)?, along)
}

/// `SPLIT_V`: the axis comes last, the outputs' shapes say the sizes.
pub(super) fn split_v(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let &[along] = c.tensor(operator.input(2)?).integers()?.as_slice() else { bail!("expected one axis") };
    parts(c, operator, operator.input(0)?, along)
}

fn parts(c: &mut Conversion<'_>, operator: &Operator<'_>, x: usize, along: i64) -> Result<()> {
    let shape = &c.tensor(x).shape;
    let axis = axis(along, shape.len())?;
    let mut start = 0;
    for &y in &operator.outputs {
        let size = *c.tensor(y).shape.get(axis).context("an output with too few dimensions")?;
        ensure!(start + size <= shape[axis], "{size} elements from {start} on of {}", shape[axis]);
        if size == 0 {
            // What Keras' GRU asks for; nobody reads it.
            continue;
        }
        push(c, x, y, &Strided::new(shape).cut(axis, start.into(), 1, size))?;
        start += size;
    }
    ensure!(start == shape[axis], "the parts have {start} elements, the input {}", shape[axis]);
    Ok(())
}

pub(super) fn unpack(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let x = operator.input(0)?;
    let shape = &c.tensor(x).shape;
    let axis = axis(operator.int(1, 0)?.into(), shape.len())?;
    ensure!(operator.outputs.len() == shape[axis] as usize, "{} outputs of {shape:?}", operator.outputs.len());
    for (index, &y) in operator.outputs.iter().enumerate() {
        push(c, x, y, &Strided::new(shape).cut(axis, index as i64, 1, 1))?;
    }
    Ok(())
}

/// `PACK`: every input gets a dimension of 1, along which they follow one another.
pub(super) fn pack(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let y = operator.output()?;
    let output = c.quant(y)?;
    let axis = axis(operator.int(1, 0)?.into(), c.tensor(y).shape.len())?;
    let mut values = Vec::new();
    for index in 0..operator.inputs.len() {
        let x = operator.input(index)?;
        ensure!(c.quant(x)? == output, "input {index} and the output have different quantizations");
        let mut shape = c.tensor(x).shape.clone();
        ensure!(axis <= shape.len(), "axis {axis} of an input of shape {shape:?}");
        shape.insert(axis, 1);
        let desc = c.describe(y)?;
        let input = c.value(x)?;
        values.push(c.push_step(TensorDesc { shape, ..desc }, Op::Reshape, &[input])?);
    }
    c.push(y, Op::Concat(ConcatParams { axis: axis as u32 }), &values)
}

fn block(operator: &Operator<'_>) -> Result<u32> {
    operator.positive(0, 0, "block size")
}

/// `[n, h·b, w·b, c]` to `[n, h, w, b, b, c]`.
pub(super) fn space_to_depth(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y, b) = (operator.input(0)?, operator.output()?, block(operator)?);
    let &[n, h, w, channels] = c.tensor(x).shape.as_slice() else { bail!("the input needs four dimensions") };
    ensure!(h % b == 0 && w % b == 0, "blocks of {b} do not fit {h} by {w}");
    push(c, x, y, &Strided::new(&[n, h / b, b, w / b, b, channels]).permuted(&[0, 1, 3, 2, 4, 5]))
}

/// `[n, h, w, b, b, c]` to `[n, h·b, w·b, c]`.
pub(super) fn depth_to_space(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y, b) = (operator.input(0)?, operator.output()?, block(operator)?);
    let &[n, h, w, channels] = c.tensor(x).shape.as_slice() else { bail!("the input needs four dimensions") };
    let squared = b.checked_mul(b).filter(|&squared| channels % squared == 0);
    let squared = squared.with_context(|| format!("blocks of {b} by {b} do not fit {channels} channels"))?;
    push(c, x, y, &Strided::new(&[n, h, w, b, b, channels / squared]).permuted(&[0, 1, 3, 2, 4, 5]))
}

/// An image, or a sequence as an image that is one pixel wide.
fn as_image(shape: &[u32]) -> Result<[u32; 4]> {
    match *shape {
        [n, h, w, channels] => Ok([n, h, w, channels]),
        [n, h, channels] => Ok([n, h, 1, channels]),
        _ => bail!("an input of shape {shape:?}, expected three or four dimensions"),
    }
}

/// The shape of an image again without the width that its original has not.
fn like_original(image: [u32; 4], original: &[u32]) -> Vec<u32> {
    let [n, h, w, channels] = image;
    if original.len() == 3 { vec![n, h, channels] } else { vec![n, h, w, channels] }
}

/// Block sizes down and across, and the paddings or crops on the four sides.
fn blocks(c: &Conversion<'_>, operator: &Operator<'_>) -> Result<([u32; 2], [u32; 4])> {
    let numbers = |index: usize| -> Result<Vec<u32>> {
        let found = c.tensor(operator.input(index)?).integers()?;
        let small = |n: i64| u32::try_from(n).ok().filter(|&n| n <= 255);
        found.into_iter().map(|n| small(n).with_context(|| format!("{n}, expected 0 to 255"))).collect()
    };
    let (blocks, edges) = (numbers(1)?, numbers(2)?);
    match (blocks.as_slice(), edges.as_slice()) {
        (&[a, b], &[top, bottom, left, right]) if a > 0 && b > 0 => Ok(([a, b], [top, bottom, left, right])),
        (&[a], &[top, bottom]) if a > 0 => Ok(([a, 1], [top, bottom, 0, 0])),
        _ => bail!("blocks {blocks:?} with edges {edges:?}: one or two spatial dimensions are supported"),
    }
}

/// Pads with the zero point, then moves blocks into the batch.
pub(super) fn space_to_batch(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let ([bh, bw], [top, bottom, left, right]) = blocks(c, operator)?;
    let [n, h, w, channels] = as_image(&c.tensor(x).shape)?;
    let padded = |size: u32, pads: [u32; 2]| pads.into_iter().try_fold(size, u32::checked_add);
    let (h, w) = padded(h, [top, bottom]).zip(padded(w, [left, right])).context("the paddings are too large")?;
    ensure!(h % bh == 0 && w % bw == 0, "blocks of {bh} by {bw} do not fit the padded {h} by {w}");
    let mut input = c.value(x)?;
    if [top, bottom, left, right] != [0; 4] {
        let desc = c.describe(x)?;
        let value = desc.zero_point;
        let left = if desc.shape.len() == 3 { 0 } else { left };
        let op = Op::Pad(PadParams { before: [0, top, left, 0, 0, 0], value });
        let shape = like_original([n, h, w, channels], &desc.shape);
        input = c.push_step(TensorDesc { shape, ..desc }, op, &[input])?;
    }
    let view = Strided::new(&[n, h / bh, bh, w / bw, bw, channels]).permuted(&[2, 4, 0, 1, 3, 5]);
    let desc = c.describe(y)?;
    let value = push_step(c, desc, input, [n, h, w, channels].iter().map(|&dim| dim as usize).product(), &view)?;
    c.bind(y, value)
}

/// Moves blocks out of the batch, then crops.
pub(super) fn batch_to_space(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let ([bh, bw], [top, bottom, left, right]) = blocks(c, operator)?;
    let [n, h, w, channels] = as_image(&c.tensor(x).shape)?;
    let count = bh.checked_mul(bw).filter(|&count| n % count == 0);
    let n = n / count.with_context(|| format!("blocks of {bh} by {bw} do not fit a batch of {n}"))?;
    let whole = [n, h * bh, w * bw, channels];
    let (cut_h, cut_w) = (whole[1].checked_sub(top + bottom), whole[2].checked_sub(left + right));
    let (cut_h, cut_w) = cut_h.zip(cut_w).context("the crops are larger than the image")?;
    let view = Strided::new(&[bh, bw, n, h, w, channels]).permuted(&[2, 3, 0, 4, 1, 5]);
    if [top, bottom, left, right] == [0; 4] {
        return push(c, x, y, &view);
    }
    let (desc, output) = (c.describe(x)?, c.describe(y)?);
    let input = c.value(x)?;
    let desc = TensorDesc { shape: like_original(whole, &desc.shape), ..desc };
    let joined = push_step(c, desc, input, c.tensor(x).elements(), &view)?;
    let crop = Strided::new(&whole).cut(1, top.into(), 1, cut_h).cut(2, left.into(), 1, cut_w);
    let elements = c.tensor(x).elements();
    let value = push_step(c, output, joined, elements, &crop)?;
    c.bind(y, value)
}

/// Brings some axes of an input to its end; gives the value, and the number of elements that they have.
pub(super) fn move_to_end(c: &mut Conversion<'_>, x: usize, axes: &[usize]) -> Result<(Value, u32)> {
    let shape = &c.tensor(x).shape;
    let order: Vec<usize> = (0..shape.len()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect();
    let view = Strided::new(shape).permuted(&order);
    let count = axes.iter().map(|&axis| shape[axis]).product();
    let input = c.value(x)?;
    if view.shape == *shape && view.is_whole(c.tensor(x).elements()) {
        return Ok((input, count));
    }
    let desc = c.describe(x)?;
    let desc = TensorDesc { shape: view.shape.clone(), ..desc };
    Ok((push_step(c, desc, input, c.tensor(x).elements(), &view)?, count))
}
