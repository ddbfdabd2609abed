//! Which layout of each layer's weights is the fastest on a core: measured there, instead of guessed from multiply-accumulates.

use std::fmt;

use anyhow::{Context, Result};
use thumbnet::format::Op;
use thumbnet::kernels::Layout;

use super::{Target, run};
use crate::compile::{Program, TRANSFORMED, compile, pack_where, transform_by};
use crate::verify::random_inputs;

/// What a step takes with each layout that its weights can have, and which one it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// Name of its output.
    pub name: String,
    /// Instructions with each layout, in the order in which they were measured.
    pub counts: Vec<(Layout, u64)>,
    /// The layout that it has now.
    pub chosen: Layout,
}

impl Measured {
    fn count(&self, layout: Layout) -> Option<u64> {
        self.counts.iter().find(|(of, _)| *of == layout).map(|&(_, count)| count)
    }

    /// Instructions without a transform: the better of rows and pairs.
    fn direct(&self) -> u64 {
        [Layout::Plain, Layout::Pairs].iter().filter_map(|&layout| self.count(layout)).min().unwrap_or(0)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}, of", self.name, self.chosen)?;
        self.counts.iter().try_for_each(|(layout, count)| write!(f, " {layout:?} {count}"))
    }
}

/// Gives every layer the layout that takes the fewest instructions on `core`. Transformed filters are among the candidates for as many
/// further bytes of flash as `winograd` allows (`usize::MAX` for as many as they take, 0 for none), those first that save the most
/// instructions per byte. Steps whose weights have one layout only are left out of what it tells.
///
/// A step's layout does not change what others take, so that one run for each layout measures all of them.
///
/// # Errors
/// The core is not an emulated one, or the program does not run there.
pub fn choose_layouts(program: &mut Program, core: Target, winograd: usize) -> Result<Vec<Measured>> {
    let mut measured = measure(program, core, winograd > 0)?;
    let gain = |step: usize, layout: Layout| {
        let step = &measured[step];
        step.direct().saturating_sub(step.count(layout).unwrap_or(u64::MAX))
    };
    transform_by(program, Some(winograd), |step, layer| gain(step, layer.layout));
    pack_where(program, |step| measured[step].count(Layout::Pairs) == Some(measured[step].direct()));
    for (step, measured) in program.steps.iter().zip(&mut measured) {
        measured.chosen = layout(&step.op);
    }
    measured.retain(|step| step.counts.len() > 1);
    Ok(measured)
}

/// One entry for each step.
fn measure(program: &Program, core: Target, with_winograd: bool) -> Result<Vec<Measured>> {
    let mut packed = program.clone();
    pack_where(&mut packed, |_| true);
    let mut candidates = vec![program.clone(), packed];
    if with_winograd {
        for layout in TRANSFORMED {
            let mut transformed = program.clone();
            transform_by(&mut transformed, None, |_, layer| if layer.layout == layout { layer.saved } else { 0 });
            candidates.push(transformed);
        }
    }
    let name = |step: usize| program.tensors[program.first_result() + step].name.clone();
    let new = |step: usize| Measured { name: name(step), counts: Vec::new(), chosen: Layout::Plain };
    let mut measured: Vec<Measured> = (0..program.steps.len()).map(new).collect();
    let input = random_inputs(program, 1).remove(0);
    for candidate in candidates {
        let bytes = compile(&candidate, &[])?.bytes;
        let (_, report) = run(&bytes, &input, core)?;
        for ((step, of_step), measured) in candidate.steps.iter().zip(&report.steps).zip(&mut measured) {
            let layout = layout(&step.op);
            if measured.count(layout).is_none() {
                let count = of_step.instructions.with_context(|| format!("instructions are not counted on {core}"))?;
                measured.counts.push((layout, count));
            }
        }
    }
    Ok(measured)
}

fn layout(op: &Op) -> Layout {
    match op {
        Op::Conv2d(p) => p.layout,
        Op::FullyConnected(p) => p.layout,
        Op::Lstm(p) => p.layout,
        Op::Recurrent(p) => p.layout,
        _ => Layout::Plain,
    }
}
