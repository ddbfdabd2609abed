//! What a file computes from shapes and constants alone, done at import. Converters leave such arithmetic to the runtime
//! wherever they did not know the batch: `SHAPE`, `STRIDED_SLICE`, `PACK` in front of every `RESHAPE`.

use std::borrow::Cow;

use anyhow::{Context, Result, bail, ensure};

use super::infer::infer;
use super::operators::{self, Strided, slice_view, strided_slice_view, transpose_view};
use super::schema::{MAX_ELEMENTS, Model, Operator, Tensor, Type};

/// Bytes that all folded constants of a model may have together.
const MAX_BYTES: usize = 1 << 26;

/// Replaces operators whose inputs are all known by constants, and corrects shapes that the file leaves open.
pub(super) fn fold(model: &mut Model<'_>) -> Result<()> {
    let mut budget = MAX_BYTES;
    let mut is_corrected = vec![false; model.tensors.len()];
    let mut left = Vec::new();
    for operator in std::mem::take(&mut model.operators) {
        let place = || operators::place(&operator, &model.tensors);
        for (output, shape) in infer(&operator, &model.tensors, &is_corrected).with_context(place)? {
            let elements = shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim.into()));
            let is_small = elements.is_some_and(|elements| elements <= MAX_ELEMENTS);
            ensure!(is_small, "\"{}\" would have shape {shape:?}", model.tensors[output].name);
            is_corrected[output] = true;
            model.tensors[output].shape = shape;
        }
        let known = constant(&operator, &model.tensors, budget);
        match known.with_context(|| operators::place(&operator, &model.tensors))? {
            Some(data) => {
                budget -= data.len();
                let output = &mut model.tensors[operator.output()?];
                ensure!(output.data.is_none(), "\"{}\" is written twice", output.name);
                output.data = Some(Cow::Owned(data));
            }
            None => left.push(operator),
        }
    }
    model.operators = left;
    Ok(())
}

/// The bytes of an operator's output, where they can be known: of the output's type and shape.
fn constant(operator: &Operator<'_>, tensors: &[Tensor<'_>], budget: usize) -> Result<Option<Vec<u8>>> {
    let &[y] = operator.outputs.as_slice() else { return Ok(None) };
    let y = &tensors[y];
    let inputs: Vec<&Tensor<'_>> =
        operator.inputs.iter().filter_map(|&x| tensors.get(usize::try_from(x).ok()?)).collect();
    let Some(size) = y.dtype.size() else { return Ok(None) };
    let len = y.elements() * size;
    let data = match (operator.code, inputs.as_slice()) {
        (77, [x]) => Some(integers(y, x.shape.iter().map(|&dim| dim.into()))),
        (110, [x]) => Some(integers(y, [x.shape.len() as i64])),
        (_, []) => None,
        (_, inputs) if !inputs.iter().all(|x| x.is_known()) => None,
        // A few operators that models apply to weights.
        (6, [x]) if y.dtype == Type::F32 => dequantized(x)?,
        (94, [_, value]) => {
            ensure!(len <= budget, "a constant of {len} bytes is too large");
            Some(value.constant()?.repeat(y.elements()))
        }
        (_, inputs) if !y.dtype.is_integer() || inputs.iter().any(|x| !x.dtype.is_integer()) => None,
        (_, inputs) => arithmetic(operator, inputs, y)?,
    };
    if let Some(data) = &data {
        ensure!(data.len() <= budget, "constants of more than {MAX_BYTES} bytes would be computed");
        ensure!(data.len() == len, "it gives {} bytes, \"{}\" has {len}", data.len(), y.name);
    }
    Ok(data.filter(|data| !data.is_empty()))
}

/// Numbers as the bytes of a tensor's type.
fn integers(like: &Tensor<'_>, numbers: impl IntoIterator<Item = i64>) -> Vec<u8> {
    if like.dtype == Type::I64 {
        return numbers.into_iter().flat_map(i64::to_le_bytes).collect();
    }
    numbers.into_iter().flat_map(|number| (number as i32).to_le_bytes()).collect()
}

/// Weights that the file keeps in 16 bits or in int8 for a float model.
fn dequantized(x: &Tensor<'_>) -> Result<Option<Vec<u8>>> {
    if x.dtype == Type::I8 || x.dtype == Type::F16 {
        let numbers = x.numbers()?;
        return Ok(Some(numbers.into_iter().flat_map(f32::to_le_bytes).collect()));
    }
    Ok(None)
}

/// The quotient rounded down; `None` where it has no room.
fn floor_div(a: i64, b: i64) -> Option<i64> {
    let quotient = a.checked_div(b)?;
    Some(quotient - i64::from(a % b != 0 && (a < 0) != (b < 0)))
}

/// Operators on whole numbers.
fn arithmetic(operator: &Operator<'_>, inputs: &[&Tensor<'_>], y: &Tensor<'_>) -> Result<Option<Vec<u8>>> {
    let values = inputs.iter().map(|x| x.integers()).collect::<Result<Vec<_>>>()?;
    let numbers = match (operator.code, values.as_slice()) {
        // RESHAPE, SQUEEZE, EXPAND_DIMS, CAST
        (22 | 43 | 53 | 70, [x, ..]) => x.clone(),
        // Along the first axis, vectors and numbers follow one another: CONCATENATION, PACK.
        (2, values) if operator.int(0, 0)? == 0 || inputs.iter().all(|x| x.shape.len() == 1) => values.concat(),
        (83, values) if operator.int(1, 0)? == 0 => values.concat(),
        (0, [a, b]) => elementwise(a, b, i64::checked_add)?,
        (41, [a, b]) => elementwise(a, b, i64::checked_sub)?,
        (18, [a, b]) => elementwise(a, b, i64::checked_mul)?,
        // FLOOR_DIV
        (90, [_, b]) if b.contains(&0) => bail!("division by zero"),
        (90, [a, b]) => elementwise(a, b, floor_div)?,
        (55, [a, b]) => elementwise(a, b, |a, b| Some(a.max(b)))?,
        (57, [a, b]) => elementwise(a, b, |a, b| Some(a.min(b)))?,
        (81, [x, _]) if inputs[0].shape.len() == 1 => {
            vec![x.iter().try_fold(1i64, |product, &x| product.checked_mul(x)).context("the product is too large")?]
        }
        (74, [x, _]) if inputs[0].shape.len() == 1 => {
            vec![x.iter().try_fold(0i64, |sum, &x| sum.checked_add(x)).context("the sum is too large")?]
        }
        (36, [x, indices]) if inputs[0].shape.len() == 1 => {
            let pick = |&index: &i64| usize::try_from(index).ok().and_then(|index| x.get(index).copied());
            indices.iter().map(pick).collect::<Option<_>>().with_context(|| format!("numbers {indices:?} of {x:?}"))?
        }
        (39, [x, order]) => picked(x, &transpose_view(&inputs[0].shape, order)?),
        (65, [x, begin, size]) => picked(x, &slice_view(&inputs[0].shape, begin, size)?),
        (45, [x, begins, ends, steps]) => {
            picked(x, &strided_slice_view(operator, &inputs[0].shape, [begins, ends, steps])?)
        }
        _ => return Ok(None),
    };
    Ok(Some(integers(y, numbers)))
}

/// Two lists of the same length, or one number and a list.
fn elementwise(a: &[i64], b: &[i64], f: impl Fn(i64, i64) -> Option<i64>) -> Result<Vec<i64>> {
    let len = if a.len() == 1 { b.len() } else { a.len() };
    ensure!(a.len() == len || a.len() == 1, "{} and {} numbers", a.len(), b.len());
    ensure!(b.len() == len || b.len() == 1, "{} and {} numbers", a.len(), b.len());
    let pairs = a.iter().cycle().zip(b.iter().cycle()).take(len);
    pairs.map(|(&a, &b)| f(a, b)).collect::<Option<_>>().context("a number does not fit 64 bits")
}

/// The elements of a view, in order.
fn picked(x: &[i64], view: &Strided) -> Vec<i64> {
    view.places().filter_map(|at| x.get(usize::try_from(at).ok()?).copied()).collect()
}
