//! Models as Rust: a module that names every step as a constant; see [`thumbnet::compiled`].

mod literal;

use std::collections::HashSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use thumbnet::Model;
use thumbnet::compiled::{Call, Source, Span};
use thumbnet::format::{DType, Place, Tensor};

use crate::compile::aligned;
use literal::{Tables, call};

/// A generated module.
#[derive(Clone, Debug)]
pub struct Module {
    /// The file that was written; its model file lies beside it.
    pub path: PathBuf,
    /// Bytes of weights and tables that it puts into flash.
    pub tables_len: usize,
}

/// Writes `name.rs` and, beside it, the model file that its weights are taken from, and formats it where rustfmt is there.
///
/// # Errors
/// The model does not check, or a file cannot be written.
pub fn write(bytes: &[u8], name: &str, folder: &Path) -> Result<Module> {
    let name = identifier(name);
    let (text, tables_len) = module(bytes, &name)?;
    let path = folder.join(&name).with_extension("rs");
    fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (path, bytes) in [(path.with_extension("tnet"), bytes), (path.clone(), text.as_bytes())] {
        fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    }
    // In the style that holds where the file lies. Code that is not formatted is as good.
    let _ = Command::new("rustfmt").args(["--edition", "2024"]).arg(&path).status();
    Ok(Module { path, tables_len })
}

/// The text of the module, and the bytes of its tables.
fn module(bytes: &[u8], name: &str) -> Result<(String, usize)> {
    let copy = aligned(bytes);
    let model = Model::new(bytemuck::cast_slice::<u128, u8>(&copy).get(..bytes.len()).unwrap_or(&[]))?;
    let mut tables = Tables::new(model.bytes());
    let (mut steps, mut walk, mut taken) = (String::new(), String::new(), HashSet::new());
    let first = model.first_result();
    for (number, step) in (0..).zip(model.steps()) {
        let tensor = |index: u32| model.tensors().get(index).context("the model has no such tensor");
        let output = tensor(first + number)?;
        let inputs = step.inputs.iter().map(|&input| tensor(input)).collect::<Result<Vec<_>>>()?;
        let (a, b) = (inputs.first().context("a step without inputs")?, inputs.get(1).unwrap_or(&inputs[0]));
        let bound =
            Call::new(model.data(), &step, a, b, &output).map_err(|problem| anyhow!("step {number}: {problem}"))?;
        let label = model.info().tensors.get((first + number) as usize).unwrap_or("step");
        // Names of TensorFlow are paths, several of them where layers were fused.
        let label = label.rsplit(['/', ';']).find(|part| !part.is_empty()).unwrap_or("step");
        let constant = unique(&identifier(label).to_uppercase(), &mut taken);
        let scratch = Span { start: step.scratch as usize, len: bound.scratch_len() };
        let sources: Vec<String> = inputs.iter().map(|input| source(&model, input, &mut tables)).collect();
        let shape = |t: &Tensor| t.shape().iter().map(u32::to_string).collect::<Vec<_>>().join("×");
        writeln!(steps, "/// {}: {} to {}.", step.op.name(), shape(a), shape(&output))?;
        writeln!(steps, "const {constant}: Step = Step {{ call: {},", call(&bound, &mut tables))?;
        writeln!(steps, "inputs: &[{}],", sources.join(", "))?;
        writeln!(steps, "output: {}, scratch: {} }};\n", span(span_of(&output)), span(scratch))?;
        writeln!(walk, "walk.step(&{constant});")?;
    }
    let (golden, initial) = (golden(&model, &mut tables), initial_state(&model, &mut tables));
    let ports = |tensors: Vec<Option<Tensor>>| {
        let port = |t: Tensor| format!("Port {{ span: {}, is_i8: {} }}", span(span_of(&t)), t.dtype == DType::I8);
        tensors.into_iter().flatten().map(port).collect::<Vec<_>>().join(", ")
    };
    let states: Vec<_> = model.states().map(|(_, t)| format!("({}, {})", span(span_of(&t)), t.zero_point)).collect();
    let (network, head) = (camel_case(name), model.head());
    let text = format!(
        "//! The model \"{title}\" as Rust, generated from `{name}.tnet` by `thumbnet compile`: do not edit.\n//!\n\
         //! {count} steps, {macs} multiply-accumulates, {arena} bytes of arena, {flash} bytes of weights and tables.\n\n\
         use thumbnet::compiled::{{self, Aligned, Call, Network, Port, Source, Span, Step, Walk, table}};\n\
         use thumbnet::{{Arena, Observer}};\n\n\
         /// Weights are taken from it by the compiler; it is not linked.\n\
         const FILE: &[u8] = include_bytes!(\"{name}.tnet\");\n\n\
         const _: () = assert!(compiled::is_file(FILE, {checksum}), \"{name}.tnet is another model: generate this module anew\");\n\n\
         /// The model; run it by [`Session`].\n#[derive(Debug)]\npub struct {network};\n\n\
         /// Its memory, a static in firmware.\npub type Memory = Arena<{arena}>;\n\n\
         /// A session of it: `Session::new(&mut memory)`.\npub type Session<'s> = compiled::Session<'s, {network}>;\n\n\
         impl Network for {network} {{\n\
         type Memory = Memory;\nconst STATE_LEN: usize = {state};\nconst STATES: &'static [(Span, i8)] = &[{states}];\n\
         const INPUTS: &'static [Port] = &[{inputs}];\nconst OUTPUTS: &'static [Port] = &[{outputs}];\n\
         const STEPS: usize = {count};\n\nfn golden() -> &'static [u32] {{ {golden} }}\n\n{initial}\
         fn run(walk: &mut Walk<'_, Self, impl Observer>) {{ {walk} }}\n}}\n\n{steps}{statics}",
        title = model.info().name,
        count = head.steps,
        macs = model.info().macs,
        arena = model.arena_len(),
        flash = tables.len,
        checksum = format_args!("{:#x}", head.checksum),
        state = model.state_len(),
        states = states.join(", "),
        inputs = ports((0..model.input_count()).map(|index| model.input(index)).collect()),
        outputs = ports((0..model.output_count()).map(|index| model.output(index)).collect()),
        statics = tables.statics,
    );
    ensure!(model.arena_len() > 0, "the model needs no memory");
    Ok((text, tables.len))
}

/// The golden section, which is no part of what running needs.
fn golden(model: &Model<'_>, tables: &mut Tables) -> String {
    let head = model.head();
    if head.golden.count == 0 {
        return "&[]".to_owned();
    }
    let (at, count) = (head.golden.offset, head.golden.count);
    let line = format!("static GOLDEN: Aligned<[u32; {count}]> = table::<{}, _, _>(FILE, {at});\n", 4 * count);
    tables.statics.push_str(&line);
    "&GOLDEN.0".to_owned()
}

/// The bytes that states start with, where the model has any.
fn initial_state(model: &Model<'_>, tables: &mut Tables) -> String {
    let (head, count) = (model.head(), model.initial_state().len());
    if count == 0 {
        return String::new();
    }
    let at = head.data.offset + head.initial.offset;
    let line = format!("static INITIAL_STATE: Aligned<[u8; {count}]> = table::<{count}, _, _>(FILE, {at});\n");
    tables.statics.push_str(&line);
    tables.len += count;
    "fn initial_state() -> &'static [u8] { &INITIAL_STATE.0 }\n\n".to_owned()
}

fn source(model: &Model<'_>, tensor: &Tensor, tables: &mut Tables) -> String {
    let place = span_of(tensor);
    let source = match tensor.place {
        Place::Arena => Source::Arena(place),
        Place::Data => Source::Data(model.data().get(place.start..place.start + place.len).unwrap_or(&[])),
    };
    match source {
        Source::Arena(place) => format!("Source::Arena({})", span(place)),
        Source::Data(bytes) => format!("Source::Data({})", tables.add(bytes)),
    }
}

fn span_of(tensor: &Tensor) -> Span {
    Span::new(tensor.offset, tensor.bytes().unwrap_or(0))
}

fn span(Span { start, len }: Span) -> String {
    format!("Span::new({start}, {len})")
}

/// A name in snake case that Rust takes.
fn identifier(name: &str) -> String {
    let clean: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let parts: Vec<&str> = clean.split('_').filter(|part| !part.is_empty()).collect();
    let joined = parts.join("_");
    if joined.starts_with(|c: char| c.is_ascii_alphabetic()) { joined } else { format!("t_{joined}") }
}

fn camel_case(name: &str) -> String {
    let upper = |part: &str| {
        part.chars().take(1).map(|c| c.to_ascii_uppercase()).chain(part.chars().skip(1)).collect::<String>()
    };
    name.split('_').map(upper).collect()
}

/// Constants of the module that are no steps.
const TAKEN: [&str; 2] = ["FILE", "GOLDEN"];

fn unique(name: &str, taken: &mut HashSet<String>) -> String {
    let numbered = (2..).map(|number| format!("{name}_{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    let free =
        names.find(|name| !TAKEN.contains(&name.as_str()) && !name.starts_with("TABLE_") && !taken.contains(name));
    let free = free.unwrap_or_else(|| name.to_owned());
    taken.insert(free.clone());
    free
}
