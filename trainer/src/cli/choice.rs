//! What a model file is optimized for, as export, import and doctor let the user choose.

use anyhow::{Result, ensure};
use thumbnet_trainer::compile::{
    Compiled, Dead, Family, Optimize, Program, compile as plan_and_write, pack, remove_dead_channels, split, transform,
};
use thumbnet_trainer::run::{Target, choose_layouts};

/// The cores that a file is written for, and what its layers are optimized for.
#[derive(clap::Args)]
pub(super) struct Choice {
    /// What to optimize for; `speed` transforms 3×3 convolutions for cores with the DSP extension (M4, M7, M33), `ram` runs parts of
    /// the network in bands of rows.
    #[arg(long, value_enum, default_value_t)]
    optimize: Optimize,
    /// Transform only those 3×3 convolutions that save the most per byte, for at most so many further bytes of flash.
    #[arg(long, value_name = "BYTES")]
    flash_budget: Option<usize>,
    /// Run in bands of rows what it takes to need at most so many bytes of RAM, for as few further multiply-accumulates as possible.
    #[arg(long, value_name = "BYTES")]
    ram_budget: Option<u32>,
    /// Cores whose order of weights the file has; the others run it too, to the same bits, but slower.
    #[arg(long, value_enum, default_value_t)]
    family: Family,
    /// Measure the layouts of each layer's weights on this emulated core and take the fastest, instead of what is usually so for its
    /// family; transformed filters are among them with `--optimize speed` or `--flash-budget`.
    #[arg(long, value_name = "CORE", value_enum, conflicts_with_all = ["family", "ram_budget"])]
    tune: Option<Target>,
}

impl Choice {
    /// Whether parts of the network may run in bands.
    pub(super) fn saves_ram(&self) -> bool {
        self.ram_budget.is_some() || self.optimize == Optimize::Ram
    }

    /// Refuses what cannot be had together.
    pub(super) fn check(&self) -> Result<()> {
        let transforms = self.optimize == Optimize::Speed || self.flash_budget.is_some();
        ensure!(
            !(transforms && self.family == Family::Plain),
            "--optimize speed and --flash-budget transform 3×3 convolutions for cores with the DSP extension, which --family plain is not \
             for: leave one of them out"
        );
        ensure!(
            self.flash_budget.is_none() || self.optimize != Optimize::Ram,
            "--flash-budget pays for transformed convolutions, which need more RAM, and --optimize ram asks for the least: leave one of \
             them out, or limit the RAM by --ram-budget"
        );
        ensure!(
            self.tune.is_none() || self.optimize != Optimize::Ram,
            "--tune asks for the fastest layout of each layer's weights and --optimize ram for bands of rows: leave one of them out"
        );
        ensure!(self.tune != Some(Target::Host), "--tune counts instructions on an emulated core: --tune m4, not host");
        Ok(())
    }

    /// Changes the program and prints what that costs and gains.
    pub(super) fn apply(&self, program: &mut Program) -> Result<()> {
        self.check()?;
        for Dead { name, dead, channels } in remove_dead_channels(program) {
            eprintln!("dead channels: {dead} of {channels} in {name}");
        }
        if let Some(core) = self.tune {
            return self.tune(program, core);
        }
        for layer in transform(program, self.optimize, self.flash_budget) {
            eprintln!("winograd: {}, {} bytes of weights instead of {}", layer.name, layer.after, layer.before);
        }
        if self.saves_ram() {
            self.band(program)?;
        }
        pack(program, self.family);
        Ok(())
    }

    /// Gives each layer the layout that is the fastest on a core.
    fn tune(&self, program: &mut Program, core: Target) -> Result<()> {
        let unlimited = if self.optimize == Optimize::Speed { usize::MAX } else { 0 };
        for step in choose_layouts(program, core, self.flash_budget.unwrap_or(unlimited))? {
            eprintln!("measured on {core}: {step} instructions");
        }
        Ok(())
    }

    /// Plans and writes a program that was changed; an error where it needs more RAM than was allowed.
    pub(super) fn compile(&self, program: &Program, golden: &[Vec<u8>]) -> Result<Compiled> {
        let compiled = plan_and_write(program, golden)?;
        let arena_len = compiled.plan.arena_len;
        ensure!(
            self.ram_budget.is_none_or(|budget| arena_len <= budget),
            "the model needs {arena_len} bytes of RAM, more than --ram-budget {}, and bands of rows give no less: nothing was written; \
             allow more, or make the tensors where memory peaks smaller (strides or pools earlier, fewer channels)",
            self.ram_budget.unwrap_or(0)
        );
        Ok(compiled)
    }

    /// Runs parts of the network in bands of rows.
    fn band(&self, program: &mut Program) -> Result<()> {
        let budget = self.ram_budget.unwrap_or(0);
        let whole = program.macs();
        for part in split(program, budget, &|program| pack(program, self.family))? {
            eprintln!(
                "bands: {} of {} to {}, {} bytes of RAM instead of {}, {} further multiply-accumulates ({:.1} %)",
                part.bands,
                part.first,
                part.last,
                part.after,
                part.before,
                part.further_macs,
                100.0 * part.further_macs as f64 / whole.max(1) as f64
            );
        }
        Ok(())
    }
}
