//! Operators with states: `SVDF`, and variables (`VAR_HANDLE`, `READ_VARIABLE`, `ASSIGN_VARIABLE`, `CALL_ONCE`).

use std::collections::HashMap;

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{DType, Op, SvdfParams};

use crate::compile::TensorDesc;
use crate::import::conversion::{Conversion, Value, Variable};
use crate::import::schema::{Operator, Type};
use crate::quantize::multiplier;

const VAR_HANDLE: i32 = 142;
const ASSIGN_VARIABLE: i32 = 144;

/// A state that the file keeps in a variable tensor: int8, or int16 around 0.
pub(super) fn variable_tensor(c: &mut Conversion<'_>, index: usize, dtype: DType) -> Result<Value> {
    let tensor = c.tensor(index);
    ensure!(tensor.data.is_none(), "state \"{}\" is a constant", tensor.name);
    let (zero_point, expected) = match dtype {
        DType::I8 => (c.quant(index)?.zero_point, Type::I8),
        _ => (0, Type::I16),
    };
    ensure!(tensor.dtype == expected, "state \"{}\" is {:?}, expected {expected:?}", tensor.name, tensor.dtype);
    let &[scale] = tensor.scales.as_slice() else { bail!("state \"{}\" needs one scale", tensor.name) };
    let (name, shape) = (tensor.name.clone(), tensor.shape.clone());
    let desc = TensorDesc { name: c.unique(&name), dtype, shape, scale, zero_point, constant: None };
    Ok(c.push_state(desc))
}

/// `SVDF` with int8 features and a 16-bit state; LiteRT looks at the fused activation nowhere.
pub(super) fn svdf(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let (x, y) = (operator.input(0)?, operator.output()?);
    let (features, times, state) = (operator.input(1)?, operator.input(2)?, operator.input(4)?);
    let rank = operator.positive(0, 0, "rank")?;
    let (&[batch, inputs], &[_, units]) = (c.tensor(x).shape.as_slice(), c.tensor(y).shape.as_slice()) else {
        bail!("input and output need two dimensions each");
    };
    let (feature_shape, time_shape) = (c.tensor(features).shape.clone(), c.tensor(times).shape.clone());
    let filters = units.checked_mul(rank).context("too many filters")?;
    let &[_, memory] = time_shape.as_slice() else { bail!("time weights of shape {time_shape:?}, expected two") };
    ensure!(
        feature_shape == [filters, inputs],
        "feature weights of shape {feature_shape:?}, expected {filters} by {inputs}"
    );
    ensure!(time_shape[0] == filters, "time weights of shape {time_shape:?}, expected {filters} rows");
    let elements = u64::from(batch) * u64::from(filters) * u64::from(memory);
    ensure!(c.tensor(state).elements() as u64 == elements, "the state has shape {:?}", c.tensor(state).shape);
    let (input, output, feature) = (c.quant(x)?, c.quant(y)?, c.quant(features)?);
    ensure!(feature.zero_point == 0, "the feature weights have a zero point");
    let time = c.tensor(times);
    ensure!(time.dtype == Type::I16, "the time weights are {:?}, expected I16", time.dtype);
    let &[time_scale] = time.scales.as_slice() else { bail!("the time weights need one scale") };
    let feature_weights = c.tensor(features).constant()?;
    let time_weights =
        time.constant()?.as_chunks().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect::<Vec<_>>();
    let biases = match operator.optional(3) {
        Some(bias) => c.tensor(bias).integers()?.into_iter().map(|bias| bias as i32).collect(),
        None => vec![0i32; units as usize],
    };
    ensure!(biases.len() == units as usize, "{} biases for {units} units", biases.len());
    let state = variable_tensor(c, state, DType::I16)?;
    let state_scale = c.describe_value(state).scale;
    let params = SvdfParams {
        rank,
        memory,
        feature: multiplier(f64::from(input.scale) * f64::from(feature.scale) / f64::from(state_scale))?,
        output: multiplier(f64::from(state_scale) * f64::from(time_scale) / f64::from(output.scale))?,
        feature_weights: c.push_data(feature_weights),
        time_weights: c.push_data(&time_weights),
        biases: c.push_data(&biases),
    };
    let input = c.value(x)?;
    let input = c.out_of_state(input)?;
    c.push(y, Op::Svdf(params), &[input, state])
}

/// Container and name of the variable that a handle stands for.
fn key(operator: &Operator<'_>) -> Result<String> {
    let options = operator.options.as_ref().context("the variable has no name")?;
    Ok(format!("{}/{}", options.string(0)?, options.string(1)?))
}

pub(super) fn var_handle(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    c.handles.insert(operator.output()?, key(operator)?);
    Ok(())
}

fn variable(c: &mut Conversion<'_>, operator: &Operator<'_>, like: TensorDesc) -> Result<(String, Variable)> {
    let handle = operator.input(0)?;
    let name = c.handles.get(&handle).context("its handle comes from no VAR_HANDLE")?.clone();
    let variable = match c.variables.get(&name) {
        Some(&variable) => variable,
        None => {
            let Value::State(state) = c.push_state(like.clone()) else { bail!("no state") };
            Variable { state, assigned: None }
        }
    };
    let state = c.describe_value(Value::State(variable.state));
    let kind = |desc: &TensorDesc| (desc.dtype, desc.shape.clone(), desc.scale.to_bits(), desc.zero_point);
    ensure!(
        kind(&state) == kind(&like),
        "variable \"{name}\" has type, shape, scale bits and zero point {:?} in one place and {:?} in another; expected \
         the same everywhere",
        kind(&state),
        kind(&like)
    );
    c.variables.insert(name.clone(), variable);
    Ok((name, variable))
}

pub(super) fn read_variable(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let output = operator.output()?;
    let like = c.describe(output)?;
    let (_, variable) = variable(c, operator, like)?;
    c.bind(output, variable.assigned.unwrap_or(Value::State(variable.state)))
}

pub(super) fn assign_variable(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let value = c.value(operator.input(1)?)?;
    let like = c.describe_value(value);
    let (name, variable) = variable(c, operator, like)?;
    c.variables.insert(name, Variable { assigned: Some(value), ..variable });
    Ok(())
}

/// Runs a subgraph before the first inference: it gives variables the values that they start with.
pub(super) fn call_once(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let index = usize::try_from(operator.int(0, 0)?).ok().filter(|&index| index > 0);
    let model = c.model;
    let subgraph = index.and_then(|index| model.subgraphs.get(index));
    let subgraph = subgraph.with_context(|| format!("it calls subgraph {index:?} of {}", model.subgraphs.len()))?;
    let mut handles = HashMap::new();
    for inner in &subgraph.operators {
        match inner.code {
            VAR_HANDLE => {
                handles.insert(inner.output()?, key(inner)?);
            }
            ASSIGN_VARIABLE => {
                let name = handles.get(&inner.input(0)?).context("an ASSIGN_VARIABLE has no VAR_HANDLE")?;
                c.initial.insert(name.clone(), subgraph.tensors[inner.input(1)?].constant()?);
            }
            _ => bail!("its subgraph holds {}, expected VAR_HANDLE and ASSIGN_VARIABLE alone", super::name(inner)),
        }
    }
    Ok(())
}
