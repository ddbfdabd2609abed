//! Shape inference. Shapes are without the batch: images are height, width, channels, sequences are time, channels and count
//! as images that are one pixel wide.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};

use super::{Graph, Node, Op, Padding, Pair};

/// Shape of every input and node by name.
pub type Shapes = BTreeMap<String, Vec<usize>>;

impl Graph {
    /// Infers all shapes, checking names, order and arity on the way.
    ///
    /// # Errors
    /// Names the node, what was found and what it takes.
    pub fn shapes(&self) -> Result<Shapes> {
        let mut shapes = Shapes::new();
        for input in &self.inputs {
            ensure!(
                !input.shape.is_empty() && !input.shape.contains(&0),
                "input \"{}\": shape {:?} has no elements",
                input.name,
                input.shape
            );
            ensure!(
                shapes.insert(input.name.clone(), input.shape.clone()).is_none(),
                "two inputs are named \"{}\"",
                input.name
            );
        }
        for (number, node) in self.nodes.iter().enumerate() {
            let place = || format!("layer {} \"{}\" ({})", number + 1, node.name, node.op.name());
            let inputs: Vec<&Vec<usize>> = node
                .inputs
                .iter()
                .map(|name| match shapes.get(name) {
                    Some(shape) => Ok(shape),
                    None => {
                        bail!("{}: there is no layer \"{name}\" before it; known are {}", place(), list(shapes.keys()))
                    }
                })
                .collect::<Result<_>>()?;
            let arity = node.op.arity();
            ensure!(arity.contains(&inputs.len()), "{}: takes {} inputs, has {}", place(), arity.start(), inputs.len());
            let shape = infer(node, &inputs).map_err(|error| anyhow::anyhow!("{}: {error}", place()))?;
            ensure!(shapes.insert(node.name.clone(), shape).is_none(), "{}: another layer has this name", place());
        }
        for output in &self.outputs {
            ensure!(
                shapes.contains_key(output),
                "output \"{output}\" is not a layer; known are {}",
                list(shapes.keys())
            );
        }
        ensure!(!self.outputs.is_empty(), "the graph has no output");
        Ok(shapes)
    }
}

fn list<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
}

fn infer(node: &Node, inputs: &[&Vec<usize>]) -> Result<Vec<usize>> {
    let x = inputs[0];
    Ok(match &node.op {
        Op::Conv2d { filters, kernel, stride, dilation, padding, .. } => {
            let [h, w, _] = image(x)?;
            ensure!(*filters > 0, "filters must be at least 1");
            let [h, w] = slide([h, w], *kernel, *stride, *dilation, *padding)?;
            like(x, [h, w, *filters])?
        }
        Op::DepthwiseConv2d { kernel, multiplier, stride, dilation, padding, .. } => {
            let [h, w, c] = image(x)?;
            ensure!(*multiplier > 0, "multiplier must be at least 1");
            let [h, w] = slide([h, w], *kernel, *stride, *dilation, *padding)?;
            like(x, [h, w, c * multiplier])?
        }
        Op::MaxPool2d { size, stride, padding } | Op::AveragePool2d { size, stride, padding } => {
            let [h, w, c] = image(x)?;
            let [h, w] = slide([h, w], *size, stride.unwrap_or(*size), Pair::one(), *padding)?;
            like(x, [h, w, c])?
        }
        Op::GlobalMaxPool2d | Op::GlobalAveragePool2d => vec![image(x)?[2]],
        Op::Dense { units, .. } => {
            ensure!(x.len() < 3, "takes a vector or a sequence, its input has shape {x:?}: put a flatten before it");
            ensure!(*units > 0, "units must be at least 1");
            let mut shape = x.clone();
            shape.last_mut().into_iter().for_each(|last| *last = *units);
            shape
        }
        Op::Flatten => vec![x.iter().product()],
        Op::Reshape { shape } => {
            let (from, to) = (x.iter().product::<usize>(), shape.iter().product::<usize>());
            ensure!(from == to, "shape {shape:?} has {to} elements, the input {x:?} has {from}");
            shape.clone()
        }
        Op::ZeroPad2d { pad: [top, bottom, left, right] } => {
            let [h, w, c] = image(x)?;
            like(x, [h + top + bottom, w + left + right, c])?
        }
        Op::Add | Op::Multiply => broadcast(inputs[0], inputs[1])?,
        Op::Concat { axis } => concat(inputs, *axis)?,
        Op::ArgMax => x[..x.len() - 1].to_vec(),
        Op::Dropout { rate } => {
            ensure!((0.0..1.0).contains(rate), "rate {rate} is not in [0, 1)");
            x.clone()
        }
        Op::BatchNorm { epsilon, momentum } => {
            ensure!(*epsilon > 0.0, "epsilon {epsilon} must be positive");
            ensure!((0.0..=1.0).contains(momentum), "momentum {momentum} is not in [0, 1]");
            x.clone()
        }
        Op::SimpleRnn { .. } | Op::Lstm { .. } | Op::Gru { .. } => recurrent(&node.op, x)?,
        Op::Delta { width, .. } => {
            // Its taps are integers of int8 times one factor.
            ensure!((1..=63).contains(width), "width {width} is not in 1..=63");
            ensure!(x.len() == 2, "takes a sequence (time, channels), its input has shape {x:?}");
            x.clone()
        }
        Op::Relu | Op::Relu6 | Op::LeakyRelu { .. } | Op::Sigmoid | Op::Tanh | Op::HardSwish | Op::Softmax => x.clone(),
    })
}

fn recurrent(op: &Op, x: &[usize]) -> Result<Vec<usize>> {
    let [time, _] = *x else {
        bail!(
            "takes a sequence (time, channels), its input has shape {x:?}: bring it there, for instance by \
             op = \"reshape\", shape = [time, channels]"
        )
    };
    let units = op.recurrence().map_or(0, |recurrence| recurrence.units);
    ensure!(units > 0, "units must be at least 1");
    let is_sequence = op.recurrence().is_some_and(|recurrence| recurrence.return_sequences);
    Ok(if is_sequence { vec![time, units] } else { vec![units] })
}

fn image(shape: &[usize]) -> Result<[usize; 3]> {
    match *shape {
        [h, w, c] => Ok([h, w, c]),
        [time, c] => Ok([time, 1, c]),
        _ => bail!(
            "takes an image (height, width, channels) or a sequence (time, channels), its input has shape {shape:?}"
        ),
    }
}

/// The shape of an image, or of a sequence where `input` is one.
fn like(input: &[usize], [h, w, c]: [usize; 3]) -> Result<Vec<usize>> {
    if input.len() == 3 {
        return Ok(vec![h, w, c]);
    }
    ensure!(w == 1, "a sequence is one pixel wide, its output would be {w} wide: pad it at its ends alone");
    Ok(vec![h, c])
}

/// `(len + pad − reach) / stride + 1` down and across.
fn slide(size: [usize; 2], kernel: Pair, stride: Pair, dilation: Pair, padding: Padding) -> Result<[usize; 2]> {
    let mut output = [0; 2];
    for axis in 0..2 {
        let (len, kernel, stride, dilation) = (size[axis], kernel.0[axis], stride.0[axis], dilation.0[axis]);
        ensure!(kernel > 0 && stride > 0 && dilation > 0, "kernel, stride and dilation must be at least 1");
        let reach = (kernel - 1) * dilation + 1;
        let [before, after] = padding.along(axis, len, reach, stride);
        let padded = len + before + after;
        ensure!(
            padded >= reach,
            "a window that reaches {reach} pixels does not fit the input of {len} (padded {padded})"
        );
        output[axis] = (padded - reach) / stride + 1;
    }
    Ok(output)
}

fn broadcast(a: &[usize], b: &[usize]) -> Result<Vec<usize>> {
    let rank = a.len().max(b.len());
    let at = |shape: &[usize], axis: usize| (axis + shape.len()).checked_sub(rank).map_or(1, |axis| shape[axis]);
    (0..rank)
        .map(|axis| match (at(a, axis), at(b, axis)) {
            (a, b) if a == b || b == 1 => Ok(a),
            (1, b) => Ok(b),
            _ => bail!("shapes {a:?} and {b:?} do not fit each other"),
        })
        .collect()
}

fn concat(inputs: &[&Vec<usize>], axis: isize) -> Result<Vec<usize>> {
    let mut shape = inputs[0].clone();
    let axis = resolve_axis(axis, shape.len())?;
    for other in &inputs[1..] {
        let fits = other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || other[i] == shape[i]);
        ensure!(fits, "shapes {:?} and {other:?} differ elsewhere than along axis {axis}", inputs[0]);
        shape[axis] += other[axis];
    }
    Ok(shape)
}

/// The axis counted from the front.
pub(crate) fn resolve_axis(axis: isize, rank: usize) -> Result<usize> {
    let resolved = if axis < 0 { axis + rank as isize } else { axis };
    ensure!((0..rank as isize).contains(&resolved), "axis {axis} does not exist in a tensor of {rank} dimensions");
    Ok(resolved as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::Input;

    fn graph(shape: &[usize], ops: &[(&str, Op, &[&str])]) -> Graph {
        let node = |(name, op, inputs): &(&str, Op, &[&str])| Node {
            name: (*name).into(),
            op: op.clone(),
            inputs: inputs.iter().map(|&name| name.into()).collect(),
        };
        Graph {
            name: "test".into(),
            inputs: vec![Input { name: "x".into(), shape: shape.to_vec() }],
            nodes: ops.iter().map(node).collect(),
            outputs: vec![ops.last().unwrap().0.into()],
        }
    }

    fn conv(kernel: usize, stride: usize, padding: Padding) -> Op {
        let (kernel, stride) = (Pair([kernel; 2]), Pair([stride; 2]));
        Op::Conv2d { filters: 4, kernel, stride, dilation: Pair::one(), padding, bias: true }
    }

    #[test]
    fn same_padding_puts_the_odd_pixel_at_the_end() {
        let shapes = graph(&[6, 6, 1], &[("c", conv(3, 2, Padding::Same), &["x"])]).shapes().unwrap();
        assert_eq!(shapes["c"], [3, 3, 4]);
        assert_eq!(Padding::Same.along(0, 6, 3, 2), [0, 1]);
        assert_eq!(Padding::Same.along(0, 7, 3, 2), [1, 1]);
    }

    #[test]
    fn errors_name_the_layer_and_what_it_takes() {
        let error = |graph: Graph| graph.shapes().unwrap_err().to_string();
        let dense = Op::Dense { units: 2, bias: true };
        let found = error(graph(&[4, 4, 1], &[("d", dense.clone(), &["x"])]));
        assert!(found.contains("layer 1 \"d\" (dense)") && found.contains("flatten"), "{found}");
        let found = error(graph(&[4, 4, 1], &[("c", conv(5, 1, Padding::Valid), &["x"])]));
        assert!(found.contains("does not fit the input of 4"), "{found}");
        let found = error(graph(&[4], &[("d", dense.clone(), &["y"])]));
        assert!(found.contains("no layer \"y\""), "{found}");
        let found = error(graph(&[4], &[("x", dense, &["x"])]));
        assert!(found.contains("another layer has this name"), "{found}");
        let found = error(graph(&[4, 4, 3], &[("a", Op::Flatten, &["x"]), ("b", Op::Add, &["x", "a"])]));
        assert!(found.contains("do not fit each other"), "{found}");
    }
}
