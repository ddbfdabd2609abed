//! Writes the model file; `runtime/FORMAT.md` is the specification.

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use thumbnet::digest;
use thumbnet::format::{
    Encode, HEAD_BYTES, Head, MAGIC, MAX_INPUTS, MAX_RANK, Place, RECORD_WORDS, Section, Step, Tensor, VERSION,
};

use super::plan::Plan;
use super::program::Program;

/// Writes `program` with its memory and the words of its golden cases.
///
/// # Errors
/// A name holds a line feed, a tensor has too many dimensions, or a step too many inputs.
pub fn write(program: &Program, plan: &Plan, golden: &[u32]) -> Result<Vec<u8>> {
    let mut file = vec![0u8; HEAD_BYTES];
    let mut data = program.data.clone();
    let initial = initial_state(program, plan)?;
    let start = Section { offset: if initial.is_empty() { 0 } else { data.len() as u32 }, count: initial.len() as u32 };
    data.extend_from_slice(&initial);
    let head = Head {
        magic: MAGIC,
        version: VERSION,
        file_len: 0,
        checksum: 0,
        info: append(&mut file, 1, &info(program)?),
        tensors: append(&mut file, 4 * RECORD_WORDS, &tensors(program, plan)?),
        outputs: append(&mut file, 4, &words(program.outputs.iter().map(|&output| output as u32))),
        program: append(&mut file, 4, &steps(program, plan)?),
        data: append(&mut file, 1, &data),
        golden: append(&mut file, 4, &words(golden.iter().copied())),
        inputs: program.inputs as u32,
        steps: program.steps.len() as u32,
        arena_len: plan.arena_len,
        state_len: plan.state_len,
        work: [program.work() as u32, (program.work() >> 32) as u32],
        initial: start,
    };
    let head = Head { file_len: u32::try_from(file.len()).context("the model is larger than 4 GiB")?, ..head };
    place(&mut file, &head);
    let head = Head { checksum: digest(0, &file[16..]), ..head };
    place(&mut file, &head);
    Ok(file)
}

/// Appends a section of units of `unit` bytes and pads the file to 16.
fn append(file: &mut Vec<u8>, unit: usize, bytes: &[u8]) -> Section {
    let section = Section { offset: file.len() as u32, count: (bytes.len() / unit) as u32 };
    file.extend_from_slice(bytes);
    file.resize(file.len().next_multiple_of(16), 0);
    section
}

fn place(file: &mut [u8], head: &Head) {
    let mut at = 0;
    head.write(&mut |word| {
        file[at..at + 4].copy_from_slice(&word.to_le_bytes());
        at += 4;
    });
}

fn words(words: impl Iterator<Item = u32>) -> Vec<u8> {
    words.flat_map(u32::to_le_bytes).collect()
}

fn info(program: &Program) -> Result<Vec<u8>> {
    let names = join(program.tensors.iter().map(|tensor| &tensor.name))?;
    let labels = join(program.labels.iter())?;
    let info = Description {
        name: &program.name,
        producer: concat!("thumbnet ", env!("CARGO_PKG_VERSION")),
        tensors: &names,
        labels: &labels,
        gain: bytemuck::cast_slice(&program.gain),
        offset: bytemuck::cast_slice(&program.offset),
        macs: program.macs(),
    };
    postcard::to_stdvec(&info).context("the description of the model cannot be encoded")
}

/// What [`thumbnet::format::Info`] reads, in the order of its fields: the device knows these few of postcard's bytes without serde.
#[derive(Serialize)]
struct Description<'a> {
    name: &'a str,
    producer: &'a str,
    tensors: &'a str,
    labels: &'a str,
    gain: &'a [u8],
    offset: &'a [u8],
    macs: u64,
}

fn join<'a>(names: impl Iterator<Item = &'a String>) -> Result<String> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    for name in &names {
        ensure!(!name.contains('\n') && !name.is_empty(), "name {name:?} is empty or holds a line feed: rename it");
    }
    Ok(names.join("\n"))
}

/// The record of a tensor at `offset`; the last use is the planner's affair and left at 0.
pub(crate) fn record(program: &Program, index: usize, offset: u32) -> Tensor {
    let tensor = &program.tensors[index];
    let mut dims = [1; MAX_RANK];
    dims.iter_mut().zip(&tensor.shape).for_each(|(to, &from)| *to = from);
    Tensor {
        dtype: tensor.dtype,
        place: if tensor.constant.is_some() { Place::Data } else { Place::Arena },
        rank: tensor.shape.len() as u16,
        offset,
        last_use: 0,
        scale: tensor.scale,
        zero_point: tensor.zero_point,
        dims,
    }
}

fn tensors(program: &Program, plan: &Plan) -> Result<Vec<u8>> {
    let last_uses = program.last_uses();
    let mut bytes = Vec::new();
    for (index, tensor) in program.tensors.iter().enumerate() {
        let rank = tensor.shape.len();
        ensure!(rank <= MAX_RANK, "tensor \"{}\" has {rank} dimensions, at most {MAX_RANK} are possible", tensor.name);
        let last_use = last_uses[index] as u32;
        let record = Tensor { last_use, ..record(program, index, plan.offsets[index]) };
        record.write(&mut |word| bytes.extend_from_slice(&word.to_le_bytes()));
    }
    Ok(bytes)
}

/// All states as they start, one after the other; nothing where all start with zero.
fn initial_state(program: &Program, plan: &Plan) -> Result<Vec<u8>> {
    if program.initial.is_empty() {
        return Ok(Vec::new());
    }
    let mut bytes = vec![0; plan.state_len as usize];
    for state in program.states() {
        let (tensor, at) = (record(program, state, 0), plan.offsets[state] as usize);
        let own = &mut bytes[at..at + tensor.bytes().context("a state is too large")? as usize];
        own.fill(tensor.zero_point as u8);
        if let Some((_, initial)) = program.initial.iter().find(|(number, _)| *number == state) {
            let (found, expected) = (initial.len(), own.len());
            ensure!(found == expected, "a state of {expected} bytes starts with {found}");
            own.copy_from_slice(initial);
        }
    }
    Ok(bytes)
}

fn steps(program: &Program, plan: &Plan) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for (number, step) in program.steps.iter().enumerate() {
        let count = step.inputs.len();
        ensure!(count <= MAX_INPUTS, "step {number} ({}) has {count} inputs, at most {MAX_INPUTS}", step.op.name());
        let inputs: Vec<u32> = step.inputs.iter().map(|&input| input as u32).collect();
        let step = Step { op: step.op, inputs: &inputs, scratch: plan.scratch[number] };
        step.write(&mut |word| bytes.extend_from_slice(&word.to_le_bytes()));
    }
    Ok(bytes)
}
