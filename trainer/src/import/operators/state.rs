//! Operators with states: `SVDF`, and variables (`VAR_HANDLE`, `READ_VARIABLE`, `ASSIGN_VARIABLE`, `CALL_ONCE`).

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{DType, Op, SvdfParams};

use crate::compile::TensorDesc;
use crate::import::conversion::{Conversion, Value, Variable};
use crate::import::schema::{Operator, Tensor, Type};
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
    let feature_weights = constant(c.tensor(features))?;
    let time_weights = constant(time)?.as_chunks().0.iter().map(|&bytes| i16::from_le_bytes(bytes)).collect::<Vec<_>>();
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

fn constant<'a>(tensor: &Tensor<'a>) -> Result<&'a [u8]> {
    tensor.data.with_context(|| format!("\"{}\" has to be a constant", tensor.name))
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

/// Runs a subgraph before the first inference: it may set variables to zero, as all of them start anyway.
pub(super) fn call_once(c: &mut Conversion<'_>, operator: &Operator<'_>) -> Result<()> {
    let index = usize::try_from(operator.int(0, 0)?).ok().filter(|&index| index > 0);
    let subgraphs = &c.model.subgraphs;
    let subgraph = index.and_then(|index| subgraphs.get(index));
    let subgraph = subgraph.with_context(|| format!("it calls subgraph {index:?} of {}", subgraphs.len()))?;
    for inner in &subgraph.operators {
        match inner.code {
            VAR_HANDLE => {}
            ASSIGN_VARIABLE => {
                let value = &subgraph.tensors[inner.input(1)?];
                let zero = value.zero_points.first().map_or(0, |&zero| zero as u8);
                let zero = if value.dtype == Type::I8 { zero } else { 0 };
                ensure!(
                    constant(value)?.iter().all(|&byte| byte == zero),
                    "a variable starts with \"{}\", which is not all zeros; reset it by an input of the model instead",
                    value.name
                );
            }
            other => {
                bail!("its subgraph holds builtin operator {other}, expected VAR_HANDLE and ASSIGN_VARIABLE alone")
            }
        }
    }
    Ok(())
}
