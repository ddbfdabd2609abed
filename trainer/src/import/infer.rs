//! Shapes that the file does not state: where the batch was unknown, converters write 1 for every dimension they could not
//! follow, and LiteRT finds the true one when it sets up.

use anyhow::{Context, Result, bail, ensure};

use super::operators::{slice_view, strided_slice_view, transpose_view};
use super::schema::{Operator, Tensor};

/// The outputs whose shapes are others than the file says, with those shapes.
pub(super) fn infer(
    operator: &Operator<'_>,
    tensors: &[Tensor<'_>],
    is_corrected: &[bool],
) -> Result<Vec<(usize, Vec<u32>)>> {
    let reads = operator.inputs.iter().filter_map(|&x| usize::try_from(x).ok());
    // A batch of 1 that blocks are moved into or out of is another number behind it.
    let moves_batch = matches!(operator.code, 37 | 38);
    let is_reshape = operator.code == 22;
    if !is_reshape && !moves_batch && !reads.into_iter().any(|x| is_corrected[x]) {
        return Ok(Vec::new());
    }
    let shapes = shapes(operator, tensors)?;
    let Some(shapes) = shapes else {
        // A reshape by numbers that are computed from values: the file's shape has to do.
        ensure!(is_reshape, "the shape of its output depends on the batch: convert the model with a batch of 1");
        return Ok(Vec::new());
    };
    let changed = |&(output, ref shape): &(usize, Vec<u32>)| tensors[output].shape != *shape;
    Ok(operator.outputs.iter().copied().zip(shapes).filter(changed).collect())
}

/// The shapes of an operator's outputs from those of its inputs; none where they are not followed.
fn shapes(operator: &Operator<'_>, tensors: &[Tensor<'_>]) -> Result<Option<Vec<Vec<u32>>>> {
    let shape = |index: usize| Ok::<_, anyhow::Error>(tensors[operator.input(index)?].shape.as_slice());
    let numbers = |index: usize| tensors[operator.input(index)?].integers();
    let x = if operator.optional(0).is_some() { shape(0)? } else { &[] };
    let one = match operator.code {
        // What computes every element by itself, or a row by itself.
        6 | 14 | 19 | 20 | 21 | 25 | 28 | 47 | 50 | 54 | 59 | 73 | 75 | 76 | 98 | 101 | 105 | 111 | 114 | 117 | 150 => {
            x.to_vec()
        }
        0 | 18 | 41 | 42 | 55 | 57 | 99 => broadcast(x, shape(1)?)?,
        1 | 17 => windows(operator, x, [dim(operator, 4)?, dim(operator, 3)?], [1, 1], *last(x)?)?,
        2 => concatenation(operator, tensors)?,
        3 | 4 => {
            let &[first, height, width, channels] = shape(1)? else { return Ok(None) };
            let (dilation, outputs) = if operator.code == 3 { ([5, 4], first) } else { ([6, 5], channels) };
            let dilation =
                [operator.positive(dilation[0], 1, "dilation")?, operator.positive(dilation[1], 1, "dilation")?];
            windows(operator, x, [height, width], dilation, outputs)?
        }
        9 => dense(operator, x, shape(1)?)?,
        22 => match reshape(operator, tensors, x)? {
            Some(shape) => shape,
            None => return Ok(None),
        },
        34 | 60 | 100 => {
            let paddings = numbers(1)?;
            ensure!(paddings.len() == 2 * x.len(), "{} paddings for {} dimensions", paddings.len(), x.len());
            let padded = x.iter().zip(paddings.chunks(2)).map(|(&dim, pads)| sum(dim, pads));
            padded.collect::<Result<_>>()?
        }
        37 | 38 => blocks(operator.code == 38, x, &numbers(1)?, &numbers(2)?)?,
        39 => transpose_view(x, &numbers(1)?)?.shape,
        40 | 74 | 82 | 89 => reduced(operator, x, &numbers(1)?)?,
        45 => strided_slice_view(operator, x, [&numbers(1)?, &numbers(2)?, &numbers(3)?])?
            .shape_without_dropped(operator)?,
        65 => slice_view(x, &numbers(1)?, &numbers(2)?)?.shape,
        67 => numbers(0)?.into_iter().map(u32::try_from).collect::<Result<_, _>>()?,
        70 => {
            let &[axis] = numbers(1)?.as_slice() else { bail!("expected one axis") };
            let axis = if axis < 0 { axis + x.len() as i64 + 1 } else { axis };
            let axis = usize::try_from(axis).ok().filter(|&axis| axis <= x.len()).context("the axis is not there")?;
            [&x[..axis], &[1], &x[axis..]].concat()
        }
        69 => {
            let counts = numbers(1)?;
            ensure!(counts.len() == x.len(), "{} counts for {} dimensions", counts.len(), x.len());
            let times = |(&dim, &count): (&u32, &i64)| u32::try_from(count).ok()?.checked_mul(dim);
            x.iter().zip(&counts).map(times).collect::<Option<_>>().context("the tiles are too large")?
        }
        23 | 97 => {
            let (&[batch, _, _, channels], &[height, width]) = (x, numbers(1)?.as_slice()) else { return Ok(None) };
            vec![batch, u32::try_from(height)?, u32::try_from(width)?, channels]
        }
        _ => return Ok(None),
    };
    Ok(Some(vec![one]))
}

fn last(shape: &[u32]) -> Result<&u32> {
    shape.last().context("the input has no dimension")
}

fn dim(operator: &Operator<'_>, field: usize) -> Result<u32> {
    operator.positive(field, 0, "size")
}

fn sum(dim: u32, pads: &[i64]) -> Result<u32> {
    let padded = pads.iter().try_fold(i64::from(dim), |sum, &pad| sum.checked_add(pad));
    padded.and_then(|padded| u32::try_from(padded).ok()).context("the paddings are too large")
}

fn broadcast(a: &[u32], b: &[u32]) -> Result<Vec<u32>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[u32], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    let dim = |axis| match (at(a, axis), at(b, axis)) {
        (a, b) if a == b || b == 1 => Ok(a),
        (1, b) => Ok(b),
        _ => bail!("shapes {a:?} and {b:?} do not fit each other"),
    };
    (0..rank).map(dim).collect()
}

/// Images behind a convolution or a pool: `SAME` keeps `⌈size / stride⌉`, `VALID` what fits.
fn windows(operator: &Operator<'_>, x: &[u32], size: [u32; 2], dilation: [u32; 2], channels: u32) -> Result<Vec<u32>> {
    let &[batch, height, width, _] = x else { bail!("an input of shape {x:?}, expected four dimensions") };
    let stride = [operator.positive(2, 1, "stride")?, operator.positive(1, 1, "stride")?];
    let is_valid = operator.byte(0)? == 1;
    let along = |axis: usize, len: u32| {
        let reach = u64::from(size[axis].saturating_sub(1)) * u64::from(dilation[axis]);
        let len = if is_valid { u64::from(len).saturating_sub(reach) } else { len.into() };
        len.div_ceil(stride[axis].into()) as u32
    };
    Ok(vec![batch, along(0, height), along(1, width), channels])
}

/// `SPACE_TO_BATCH_ND` where `inwards`, otherwise `BATCH_TO_SPACE_ND`.
fn blocks(inwards: bool, x: &[u32], blocks: &[i64], edges: &[i64]) -> Result<Vec<u32>> {
    let rank = blocks.len();
    let is_valid = (1..=2).contains(&rank)
        && x.len() > rank
        && edges.len() == 2 * rank
        && blocks.iter().all(|&block| (1..=255).contains(&block));
    ensure!(is_valid, "blocks {blocks:?} with edges {edges:?} for shape {x:?}");
    let area: i64 = blocks.iter().product();
    let dim = |axis: usize| {
        let len = i64::from(x[axis]);
        let Some(own) = axis.checked_sub(1).filter(|&own| own < rank) else {
            return Some(if axis > 0 {
                len
            } else if inwards {
                len.checked_mul(area)?
            } else {
                len / area
            });
        };
        let edge = edges[2 * own].checked_add(edges[2 * own + 1])?;
        if inwards { Some(len.checked_add(edge)? / blocks[own]) } else { (len * blocks[own]).checked_sub(edge) }
    };
    let dims = (0..x.len()).map(|axis| dim(axis).and_then(|dim| u32::try_from(dim).ok()));
    dims.collect::<Option<_>>().with_context(|| format!("blocks {blocks:?} with edges {edges:?} for shape {x:?}"))
}

fn concatenation(operator: &Operator<'_>, tensors: &[Tensor<'_>]) -> Result<Vec<u32>> {
    let mut shape = tensors[operator.input(0)?].shape.clone();
    let axis = axis(operator.int(0, 0)?.into(), shape.len())?;
    for index in 1..operator.inputs.len() {
        let part = tensors[operator.input(index)?].shape.get(axis).context("an input with too few dimensions")?;
        shape[axis] = shape[axis].checked_add(*part).context("the inputs are too large")?;
    }
    Ok(shape)
}

fn axis(axis: i64, rank: usize) -> Result<usize> {
    super::operators::axis(axis, rank)
}

fn dense(operator: &Operator<'_>, x: &[u32], weights: &[u32]) -> Result<Vec<u32>> {
    let &[outputs, inputs] = weights else { bail!("weights of shape {weights:?}, expected two dimensions") };
    let keeps_dims = operator.byte(2)? != 0;
    if let ([front @ .., _], true) = (x, keeps_dims) {
        return Ok([front, &[outputs]].concat());
    }
    let elements: u64 = x.iter().map(|&dim| u64::from(dim)).product();
    Ok(vec![(elements / u64::from(inputs.max(1))) as u32, outputs])
}

/// By the numbers of the second input, or those of the options; −1 stands for what is left.
fn reshape(operator: &Operator<'_>, tensors: &[Tensor<'_>], x: &[u32]) -> Result<Option<Vec<u32>>> {
    let wanted: Vec<i64> = match operator.optional(1).map(|index| &tensors[index]) {
        Some(shape) if shape.is_known() => shape.integers()?,
        Some(_) => return Ok(None),
        None => match &operator.options {
            Some(options) => options.scalars::<i32>(0)?.into_iter().map(i64::from).collect(),
            None => return Ok(None),
        },
    };
    let elements: u64 = x.iter().map(|&dim| u64::from(dim)).product();
    let known: u64 = wanted.iter().filter_map(|&dim| u64::try_from(dim).ok()).fold(1, u64::saturating_mul);
    let fill = elements / known.max(1);
    let shape: Vec<u32> =
        wanted.iter().map(|&dim| if dim == -1 { Ok(fill as u32) } else { dim.try_into() }).collect::<Result<_, _>>()?;
    let found = shape.iter().map(|&dim| u64::from(dim)).fold(1, u64::saturating_mul);
    ensure!(found == elements, "{elements} elements of shape {x:?} do not fit shape {wanted:?}");
    Ok(Some(shape))
}

fn reduced(operator: &Operator<'_>, x: &[u32], axes: &[i64]) -> Result<Vec<u32>> {
    let axes = axes.iter().map(|&along| axis(along, x.len())).collect::<Result<Vec<_>>>()?;
    let keeps_dims = operator.byte(0)? != 0;
    let dims = x.iter().enumerate().filter_map(|(axis, &dim)| match axes.contains(&axis) {
        true if keeps_dims => Some(1),
        true => None,
        false => Some(dim),
    });
    Ok(dims.collect())
}
