//! The memory planner over random graphs: what it gives passes the runtime's own check that nothing alive is overwritten,
//! and the model computes what it computes with every tensor in a place of its own.

use proptest::prelude::*;
use thumbnet::format::{AddParams, ConcatParams, DType, Function, LookupParams, Op, SumParams, ViewParams};
use thumbnet::kernels::{Clamp, Scale};
use thumbnet::{Model, Observer, Session};
use thumbnet_trainer::compile::{Plan, Program, StepDesc, TensorDesc, aligned, plan, write};

fn tensor(name: String, len: u32) -> TensorDesc {
    TensorDesc { name, dtype: DType::I8, shape: vec![1, len], scale: 1.0, zero_point: 0, constant: None }
}

/// A step for each choice: a lookup, a sum, a concatenation, a slice, a reshape or a move of earlier tensors.
fn program(choices: &[(u8, u16, u16)]) -> Program {
    let mut p = Program { name: "random".into(), inputs: 1, gain: vec![1.0], offset: vec![0.0], ..Program::default() };
    p.tensors.push(tensor("x".into(), 7));
    let table: [i8; 256] = std::array::from_fn(|i| (i as u8).wrapping_mul(73) as i8);
    let table = p.push_data(&table);
    for (number, &(kind, a, b)) in choices.iter().enumerate() {
        let a = usize::from(a) % p.tensors.len();
        let len = |p: &Program, index: usize| p.tensors[index].shape[1];
        // The nearest tensor from `b` on that has the same length; `a` has.
        let b =
            (0..p.tensors.len()).map(|i| (i + usize::from(b)) % p.tensors.len()).find(|&i| len(&p, i) == len(&p, a));
        let b = b.unwrap_or(a);
        let half = Scale { multiplier: 1 << 30, shift: 0 };
        let (op, inputs, out) = match kind % 5 {
            0 => (Op::Lookup(LookupParams { function: Function::Other, table }), vec![a], len(&p, a)),
            1 => {
                let output = Scale { multiplier: 1 << 30, shift: -18 };
                let args = AddParams { left_shift: 20, inputs: [half; 2], output, clamp: Clamp::NONE };
                (Op::Add(SumParams { args, affine: None }), vec![a, b], len(&p, a))
            }
            2 if len(&p, a) < 100 => (Op::Concat(ConcatParams { axis: 1 }), vec![a, b], len(&p, a) + len(&p, b)),
            3 if len(&p, a) > 4 => {
                let offset = 4 * (i32::from(kind / 5) % (len(&p, a) as i32 / 4));
                let out = len(&p, a) - offset as u32 - u32::from(kind > 200).min(len(&p, a) - offset as u32 - 1);
                (Op::View(ViewParams { offset, strides: [0, 0, 0, 0, 7, 1] }), vec![a], out)
            }
            _ => (Op::Reshape, vec![a], len(&p, a)),
        };
        p.tensors.push(tensor(format!("t{number}"), out));
        p.steps.push(StepDesc { op, inputs });
    }
    p.outputs = vec![p.tensors.len() - 1];
    p
}

/// Every tensor in a place of its own.
fn apart(program: &Program) -> Plan {
    let mut at = 0;
    let mut offsets = Vec::new();
    for tensor in &program.tensors {
        offsets.push(at);
        at += tensor.shape[1].next_multiple_of(4);
    }
    let zeros = vec![0; program.steps.len()];
    Plan { offsets, scratch: zeros.clone(), scratch_len: zeros, state_len: 0, arena_len: at, lower_bound: 0 }
}

struct Outputs(Vec<Vec<u8>>);

impl Observer for Outputs {
    fn after(&mut self, _: usize, output: &[u8]) {
        self.0.push(output.to_vec());
    }
}

fn outputs(program: &Program, plan: &Plan) -> Vec<Vec<u8>> {
    let bytes = aligned(&write(program, plan, &[]).unwrap());
    let model = Model::new(bytemuck::cast_slice(&bytes)).unwrap();
    let mut arena = vec![u128::MAX / 3; model.arena_len().div_ceil(16)];
    let mut session = Session::new(&model, bytemuck::cast_slice_mut(&mut arena)).unwrap();
    session.input_mut(0).unwrap().copy_from_slice(&[1, -2, 3, -4, 100, -128, 127]);
    let mut outputs = Outputs(Vec::new());
    session.run_observed(&mut outputs);
    outputs.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn plans_overwrite_nothing_that_is_needed(choices in prop::collection::vec(any::<(u8, u16, u16)>(), 1..25)) {
        let program = program(&choices);
        let (tight, loose) = (plan(&program).unwrap(), apart(&program));
        prop_assert!(tight.arena_len >= tight.lower_bound && tight.arena_len <= loose.arena_len);
        prop_assert_eq!(outputs(&program, &tight), outputs(&program, &loose));
    }
}
