//! A model carried out by dull equations, step by step: what the kernels of a build are compared with.

use thumbnet::compiled::Call;
use thumbnet::format::{Place, Step, Tensor};
use thumbnet::kernels::reference as equation;
use thumbnet::{Model, Observer, Session};

/// Runs the model once on `input`, all inputs back to back, and compares every step with its equation.
///
/// # Errors
/// The first step that differs, with what it found and what the equation gives.
///
/// # Panics
/// The model has no arena to run in, or an operator without an equation here.
pub fn compare(model: &Model<'_>, input: &[u8]) -> Result<(), String> {
    let mut arena = vec![0u128; model.arena_len().div_ceil(16)];
    let mut session = Session::new(model, bytemuck::cast_slice_mut(&mut arena)).unwrap();
    let mut values: Vec<Vec<i8>> = constants(model);
    let mut rest = input;
    for (index, value) in values.iter_mut().enumerate().take(model.input_count()) {
        let own = session.input_bytes_mut(index).unwrap();
        let (now, later) = rest.split_at(own.len());
        own.copy_from_slice(now);
        (*value, rest) = (bytemuck::cast_slice(now).to_vec(), later);
    }
    let mut found = Outputs(Vec::new());
    session.run_observed(&mut found);
    for (number, (step, found)) in model.steps().zip(&found.0).enumerate() {
        let expected = carried_out(model, number, &step, &values);
        if *found != expected {
            let at = found.iter().zip(&expected).position(|(found, expected)| found != expected).unwrap_or(0);
            return Err(format!(
                "step {number} ({}) gives {} at element {at} of {}, its equation {}: {step:?}",
                step.op.name(),
                found[at],
                found.len(),
                expected[at]
            ));
        }
        values.push(expected);
    }
    Ok(())
}

/// A value for every tensor in front of the first step's: those of constants are there, the rest is empty.
fn constants(model: &Model<'_>) -> Vec<Vec<i8>> {
    let value = |tensor: Tensor| match tensor.place {
        Place::Data => {
            bytemuck::cast_slice(&model.data()[tensor.offset as usize..][..tensor.bytes().unwrap() as usize]).to_vec()
        }
        Place::Arena => Vec::new(),
    };
    model.tensors().iter().take(model.first_result() as usize).map(value).collect()
}

/// Outputs of all steps.
struct Outputs(Vec<Vec<i8>>);

impl Observer for Outputs {
    fn after(&mut self, _: usize, output: &[u8]) {
        self.0.push(bytemuck::cast_slice(output).to_vec());
    }
}

fn carried_out(model: &Model<'_>, number: usize, step: &Step<'_>, values: &[Vec<i8>]) -> Vec<i8> {
    let tensor = |number: u32| model.tensors().get(number).unwrap();
    let input = |index: usize| *step.inputs.get(index).unwrap_or(&step.inputs[0]);
    let output = tensor(model.first_result() + number as u32);
    let call = Call::new(model.data(), step, &tensor(input(0)), &tensor(input(1)), &output).unwrap();
    let [a, b] = [0, 1].map(|index| values[input(index) as usize].as_slice());
    let mut y = vec![0; output.bytes().unwrap() as usize];
    match &call {
        Call::Conv2d(p) => equation::conv2d(p, a, &mut y),
        Call::Depthwise(p) => equation::depthwise(p, a, &mut y),
        Call::FullyConnected(p) => equation::fully_connected(p, a, &mut y),
        Call::MaxPool(p) => equation::max_pool2d(p, a, &mut y),
        Call::AveragePool(p) => equation::average_pool2d(p, a, &mut y),
        Call::Add(p, shapes) => equation::add(&p.args, shapes, a, b, &mut y),
        Call::Mul(p, shapes) => equation::mul(p, shapes, a, b, &mut y),
        Call::Pad { input, before, output, value } => equation::pad(*input, *before, *output, *value, a, &mut y),
        Call::Lstm(p) => equation::lstm(p, a, &mut y),
        Call::Recurrent(p) => equation::recurrent(p, a, &mut y),
        Call::Lookup(table) => y.iter_mut().zip(a).for_each(|(y, &x)| *y = table[(i16::from(x) + 128) as usize]),
        Call::Reshape => y.copy_from_slice(a),
        Call::Concat { outer } => {
            let parts: Vec<&[i8]> = step.inputs.iter().map(|&input| values[input as usize].as_slice()).collect();
            let row = |row: usize| {
                parts.iter().flat_map(move |part| &part[row * part.len() / outer..(row + 1) * part.len() / outer])
            };
            y = (0..*outer).flat_map(row).copied().collect();
        }
        other => panic!("no equation for {other:?}"),
    }
    y
}
