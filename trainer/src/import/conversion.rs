//! A program that is being collected from a TensorFlow Lite graph.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result, bail, ensure};
use thumbnet::format::{DType, Op, SoftmaxParams};

use super::operators::{Curve, materialize};
use super::schema::{MAX_ELEMENTS, Model, Operator, Tensor, Type};
use super::{Options, Summary};
use crate::compile::{Program, StepDesc, TensorDesc};
use crate::quantize::Quant;

/// A tensor of the program before all of them are known, and with them their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Input(usize),
    Constant(usize),
    State(usize),
    Result(usize),
}

/// A variable of the file: a state, and what was assigned to it in this run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variable {
    pub state: usize,
    pub assigned: Option<Value>,
}

/// The translation of one model.
pub(super) struct Conversion<'a> {
    pub model: &'a Model<'a>,
    pub choices: Options,
    pub summary: Summary,
    /// Holds the data; its tensors and steps are put together in the end.
    program: Program,
    inputs: Vec<TensorDesc>,
    constants: Vec<TensorDesc>,
    states: Vec<TensorDesc>,
    /// By name, in an order that is the same every time.
    pub variables: BTreeMap<String, Variable>,
    /// What variables start with, by name.
    pub initial: BTreeMap<String, &'a [u8]>,
    /// The variable that a handle stands for.
    pub handles: HashMap<usize, String>,
    /// Float tensors that are functions of int8 ones.
    pub curves: HashMap<usize, Curve>,
    /// The float tensor whose bytes are moved right now, what stands for it, and its quantization.
    pub moving: Option<(usize, Value, Quant)>,
    results: Vec<TensorDesc>,
    steps: Vec<(Op, Vec<Value>)>,
    /// What stands for each tensor of the file.
    values: Vec<Option<Value>>,
    /// How often a name was taken.
    names: HashMap<String, usize>,
}

impl<'a> Conversion<'a> {
    pub fn new(model: &'a Model<'a>, choices: Options) -> Result<Self> {
        let mut conversion = Self {
            model,
            choices,
            summary: Summary { operators: model.operators.len(), ..Summary::default() },
            program: Program::default(),
            inputs: Vec::new(),
            constants: Vec::new(),
            states: Vec::new(),
            variables: BTreeMap::new(),
            initial: BTreeMap::new(),
            handles: HashMap::new(),
            curves: HashMap::new(),
            moving: None,
            results: Vec::new(),
            steps: Vec::new(),
            values: vec![None; model.tensors.len()],
            names: HashMap::new(),
        };
        for (number, &input) in model.inputs.iter().enumerate() {
            ensure!(conversion.values[input].is_none(), "tensor {input} is an input twice");
            let tensor = &model.tensors[input];
            ensure!(
                !tensor.is_dynamic,
                "input {number} (\"{}\") has a dimension of any size: fix every one but the batch, and convert again",
                tensor.name
            );
            let desc = conversion.describe(input).with_context(|| format!("input {number}"))?;
            conversion.inputs.push(desc);
            conversion.values[input] = Some(Value::Input(number));
        }
        Ok(conversion)
    }

    /// A name that no tensor has yet: without line feeds, not empty.
    pub fn unique(&mut self, name: &str) -> String {
        let name = if name.is_empty() { "tensor".to_owned() } else { name.replace('\n', " ") };
        let count = self.names.entry(name.clone()).or_default();
        *count += 1;
        if *count == 1 { name } else { format!("{name}#{count}") }
    }

    /// The program's description of a tensor of the file.
    pub fn describe(&mut self, index: usize) -> Result<TensorDesc> {
        let tensor = &self.model.tensors[index];
        let (dtype, quant) = match tensor.dtype {
            Type::I8 => (DType::I8, self.quant(index)?),
            Type::U8 => (DType::U8, self.unsigned_quant(index)?),
            Type::F32 => match self.moving {
                Some((.., quant)) => (DType::I8, quant),
                None => (DType::F32, Quant { scale: 1.0, zero_point: 0 }),
            },
            Type::I32 => (DType::I32, Quant { scale: 1.0, zero_point: 0 }),
            Type::I16 => bail!("\"{}\" is int16: quantize activations to int8, not to 16 bits (16x8)", tensor.name),
            other => bail!("\"{}\" is {other:?}; int8, uint8 at the ends, int32 and f32 are supported", tensor.name),
        };
        ensure!(tensor.elements() > 0, "\"{}\" has shape {:?} and no element", tensor.name, tensor.shape);
        let name = self.unique(&tensor.name);
        let Quant { scale, zero_point } = quant;
        Ok(TensorDesc { name, dtype, shape: tensor.shape.clone(), scale, zero_point, constant: None })
    }

    /// The description of a value under a new name.
    pub fn describe_value(&mut self, value: Value) -> TensorDesc {
        let desc = match value {
            Value::Input(index) => self.inputs[index].clone(),
            Value::Constant(index) => self.constants[index].clone(),
            Value::State(index) => self.states[index].clone(),
            Value::Result(index) => self.results[index].clone(),
        };
        TensorDesc { name: self.unique(&desc.name), constant: None, ..desc }
    }

    /// A state with this description, zero at first.
    pub fn push_state(&mut self, desc: TensorDesc) -> Value {
        self.states.push(TensorDesc { constant: None, ..desc });
        Value::State(self.states.len() - 1)
    }

    /// A copy of a state; of anything else the value itself. For who needs it in memory that changes with the run.
    pub fn out_of_state(&mut self, value: Value) -> Result<Value> {
        let Value::State(_) = value else { return Ok(value) };
        let desc = self.describe_value(value);
        self.push_step(desc, Op::Reshape, &[value])
    }

    /// Appends the copies that give every variable its new value, and tells which result replaces which state.
    fn update_variables(&mut self) -> Result<Vec<(Value, Value)>> {
        let assigned = |variable: Variable| Some((Value::State(variable.state), variable.assigned?));
        let pending: Vec<_> = self.variables.values().copied().filter_map(assigned).collect();
        // One variable may take the value of another: all old values are read before a new one is written.
        let pending: Vec<_> = pending
            .into_iter()
            .filter(|(state, value)| state != value)
            .map(|(state, value)| Ok((state, self.out_of_state(value)?)))
            .collect::<Result<_>>()?;
        let write = |(state, value)| {
            let desc = self.describe_value(state);
            Ok((self.push_step(desc, Op::Reshape, &[value])?, state))
        };
        pending.into_iter().map(write).collect()
    }

    /// The states of variables that start with something else than zero.
    fn initial_states(&self) -> Vec<(Value, Vec<u8>)> {
        let of_name = |(name, &bytes): (&String, &&[u8])| {
            let state = self.variables.get(name)?.state;
            let zero = self.states[state].zero_point as u8;
            bytes.iter().any(|&byte| byte != zero).then(|| (Value::State(state), bytes.to_vec()))
        };
        self.initial.iter().filter_map(of_name).collect()
    }

    pub fn tensor(&self, index: usize) -> &'a Tensor<'a> {
        &self.model.tensors[index]
    }

    /// Scale and zero point of an int8 tensor that has one of each.
    pub fn quant(&self, index: usize) -> Result<Quant> {
        let tensor = self.tensor(index);
        match tensor.dtype {
            Type::I8 => {}
            Type::F32 => bail!(
                "\"{}\" is computed in f32, expected int8: convert the model with full-integer quantization",
                tensor.name
            ),
            Type::I16 => {
                bail!(
                    "\"{}\" is int16, expected int8: quantize activations to int8, not to 16 bits (16x8)",
                    tensor.name
                )
            }
            other => bail!("\"{}\" is {other:?}, expected int8", tensor.name),
        }
        one_quant(tensor, -128..=127)
    }

    /// The same of a uint8 tensor.
    pub fn unsigned_quant(&self, index: usize) -> Result<Quant> {
        let tensor = self.tensor(index);
        ensure!(tensor.dtype == Type::U8, "\"{}\" is {:?}, expected uint8", tensor.name, tensor.dtype);
        one_quant(tensor, 0..=255)
    }

    /// What stands for a tensor of the file that an operator reads.
    pub fn value(&mut self, index: usize) -> Result<Value> {
        if let Some((_, value, _)) = self.moving.filter(|&(moving, ..)| moving == index) {
            return Ok(value);
        }
        if self.moving.is_none() {
            materialize(self, index)?;
        }
        if let Some(value) = self.values[index] {
            return Ok(value);
        }
        let tensor = self.tensor(index);
        ensure!(!tensor.is_variable, "\"{}\" is a variable, which this operator cannot read", tensor.name);
        let data = tensor.data.as_deref();
        let data = data.with_context(|| format!("\"{}\" is read before it is computed", tensor.name))?;
        let mut desc = self.describe(index)?;
        desc.constant = Some(self.push_data(data));
        let value = Value::Constant(self.constants.len());
        self.constants.push(desc);
        self.values[index] = Some(value);
        Ok(value)
    }

    /// See [`Program::with_exponentials`].
    pub fn with_exponentials(&mut self, params: SoftmaxParams) -> SoftmaxParams {
        self.program.with_exponentials(params)
    }

    pub fn push_data<T: bytemuck::NoUninit>(&mut self, values: &[T]) -> u32 {
        self.program.push_data(values)
    }

    /// Appends a step that computes a tensor of the file.
    pub fn push(&mut self, output: usize, op: Op, inputs: &[Value]) -> Result<()> {
        let desc = self.describe(output)?;
        let value = self.push_step(desc, op, inputs)?;
        self.bind(output, value)
    }

    /// Appends a step that computes a tensor which the file does not have.
    pub fn push_step(&mut self, desc: TensorDesc, op: Op, inputs: &[Value]) -> Result<Value> {
        let elements = desc.shape.iter().try_fold(1u64, |product, &dim| product.checked_mul(dim.into()));
        let is_small = elements.is_some_and(|elements| elements <= MAX_ELEMENTS);
        ensure!(
            is_small,
            "\"{}\" would have shape {:?}, at most {MAX_ELEMENTS} elements are taken",
            desc.name,
            desc.shape
        );
        self.results.push(desc);
        self.steps.push((op, inputs.to_vec()));
        Ok(Value::Result(self.results.len() - 1))
    }

    /// Lets a value stand for a tensor of the file.
    pub fn bind(&mut self, output: usize, value: Value) -> Result<()> {
        let name = &self.model.tensors[output].name;
        ensure!(self.values[output].is_none(), "\"{name}\" is written twice");
        self.values[output] = Some(value);
        Ok(())
    }

    /// Forgets what stands for a tensor of the file, and gives it.
    pub fn unbind(&mut self, index: usize) -> Option<Value> {
        self.values[index].take()
    }

    /// Puts everything into the order of the file format.
    pub fn finish(mut self) -> Result<(Program, Summary)> {
        for &output in &self.model.outputs {
            materialize(&mut self, output)
                .with_context(|| format!("output \"{}\"", self.model.tensors[output].name))?;
        }
        ensure!(!self.model.inputs.is_empty() && !self.model.outputs.is_empty(), "the model has no input or no output");
        ensure!(!self.steps.is_empty(), "the model computes nothing");
        ensure!(self.steps.iter().all(|(_, inputs)| !inputs.is_empty()), "an operator has no input");
        let outputs = self.model.outputs.iter().map(|&output| {
            let found = self.values[output].filter(|value| !matches!(value, Value::Constant(_)));
            found.with_context(|| format!("output \"{}\" is not computed", self.model.tensors[output].name))
        });
        let outputs = outputs.collect::<Result<Vec<_>>>()?;
        let outputs = outputs.into_iter().map(|value| self.out_of_state(value)).collect::<Result<Vec<_>>>()?;
        let updates = self.update_variables()?;
        let initial = self.initial_states();
        let (inputs, constants, states) = (self.inputs.len(), self.constants.len(), self.states.len());
        let number = |value: Value| match value {
            Value::Input(index) => index,
            Value::Constant(index) => inputs + index,
            Value::State(index) => inputs + constants + index,
            Value::Result(index) => inputs + constants + states + index,
        };
        let map = |values: Vec<Value>| values.into_iter().map(number).collect::<Vec<usize>>();
        let (gain, offset) = match self.inputs[0].dtype {
            DType::I8 | DType::U8 => (1.0 / self.inputs[0].scale, self.inputs[0].zero_point as f32),
            _ => (1.0, 0.0),
        };
        let name = if self.model.name.is_empty() { "imported".to_owned() } else { self.model.name.replace('\n', " ") };
        self.program = Program {
            name,
            tensors: [self.inputs, self.constants, self.states, self.results].concat(),
            updates: updates.into_iter().map(|(result, state)| (number(result), number(state))).collect(),
            initial: initial.into_iter().map(|(state, bytes)| (number(state), bytes)).collect(),
            inputs,
            outputs: map(outputs),
            steps: self.steps.into_iter().map(|(op, inputs)| StepDesc { op, inputs: map(inputs) }).collect(),
            gain: vec![gain],
            offset: vec![offset],
            ..self.program
        };
        Ok((self.program, self.summary))
    }
}

/// Scale and zero point of a tensor that has one of each.
fn one_quant(tensor: &Tensor<'_>, range: std::ops::RangeInclusive<i64>) -> Result<Quant> {
    let (&[scale], &[zero_point]) = (tensor.scales.as_slice(), tensor.zero_points.as_slice()) else {
        bail!(
            "\"{}\" has {} scales and {} zero points, expected one each; only int8 models can be imported",
            tensor.name,
            tensor.scales.len(),
            tensor.zero_points.len()
        );
    };
    ensure!(range.contains(&zero_point), "\"{}\" has zero point {zero_point}, expected {range:?}", tensor.name);
    Ok(Quant { scale, zero_point: zero_point as i32 })
}

impl Operator<'_> {
    /// The tensor of an input that has to be there.
    pub fn input(&self, index: usize) -> Result<usize> {
        self.optional(index).with_context(|| format!("input {index} is missing, {} are there", self.inputs.len()))
    }

    /// The tensor of an input that may be absent.
    pub fn optional(&self, index: usize) -> Option<usize> {
        self.inputs.get(index).and_then(|&tensor| usize::try_from(tensor).ok())
    }

    pub fn output(&self) -> Result<usize> {
        let &[output] = self.outputs.as_slice() else {
            bail!("{} outputs, expected one", self.outputs.len());
        };
        Ok(output)
    }

    /// An integer option; `default` where the schema's default stands.
    pub fn int(&self, field: usize, default: i32) -> Result<i32> {
        self.options.as_ref().map_or(Ok(default), |options| options.scalar(field, default))
    }

    /// An option of one byte: an enumeration or a flag.
    pub fn byte(&self, field: usize) -> Result<i8> {
        self.options.as_ref().map_or(Ok(0), |options| options.scalar(field, 0))
    }

    pub fn float(&self, field: usize, default: f32) -> Result<f32> {
        self.options.as_ref().map_or(Ok(default), |options| options.scalar(field, default))
    }

    /// An integer option that has to be positive.
    pub fn positive(&self, field: usize, default: i32, name: &str) -> Result<u32> {
        let found = self.int(field, default)?;
        u32::try_from(found).ok().filter(|&n| n > 0).with_context(|| format!("{name} is {found}, expected at least 1"))
    }
}
