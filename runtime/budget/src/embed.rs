//! A model in a firmware, from its `build.rs`.

use std::path::{Path, PathBuf};
use std::{env, fs};

use thumbnet::Model;

use crate::{Chip, Core, Error, Fit, Memory, stack_len};

/// Where the size of the memory comes from.
#[derive(Clone, Debug)]
enum Source {
    Chip(String),
    Script(PathBuf),
}

/// Puts a model into a firmware, where the chip has room for it.
///
/// Flash is taken up by the model and by [`Self::code`]; RAM by the arena, by the stack that the runtime needs at most, and by
/// [`Self::data`] and [`Self::stack`] of the firmware itself.
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `emit`"]
pub struct Embed {
    model: PathBuf,
    name: String,
    memory: Option<Source>,
    code: u64,
    data: u64,
    stack: u64,
}

impl Embed {
    /// The model file with this path, as the firmware's `model`.
    pub fn new(model: impl Into<PathBuf>) -> Self {
        Self { model: model.into(), name: "model".to_owned(), memory: None, code: 0, data: 0, stack: 0 }
    }

    /// Writes `NAME.rs` instead of `model.rs`: for firmware with several models.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// The chip, by its name in probe-rs's target list: `nRF52840`.
    pub fn chip(mut self, name: impl Into<String>) -> Self {
        self.memory = Some(Source::Chip(name.into()));
        self
    }

    /// The firmware's linker script with the regions `FLASH` and `RAM`.
    pub fn memory_x(mut self, path: impl Into<PathBuf>) -> Self {
        self.memory = Some(Source::Script(path.into()));
        self
    }

    /// Bytes of code in flash, the runtime's included: `thumbnet check` prints those, `size` those of a firmware that links.
    /// Only the linker knows them all; without a number it alone sees to them.
    pub const fn code(mut self, bytes: u64) -> Self {
        self.code = bytes;
        self
    }

    /// Bytes of the firmware's own statics.
    pub const fn data(mut self, bytes: u64) -> Self {
        self.data = bytes;
        self
    }

    /// Bytes of stack of the firmware itself, above the call of the runtime and in interrupts.
    pub const fn stack(mut self, bytes: u64) -> Self {
        self.stack = bytes;
        self
    }

    /// Writes `NAME.rs` with the model into cargo's `OUT_DIR`, and tells cargo what that depends on.
    ///
    /// The file has `MODEL`, the bytes at an address that `Model::new` takes, `ARENA_LEN`, and `Memory`, an arena of that size.
    ///
    /// # Errors
    /// A file cannot be read or written, the model does not check, the chip is not known; or the model does not fit: then the
    /// words name what there is, what takes up the most, and what helps.
    pub fn emit(&self) -> Result<(), Error> {
        println!("cargo:rerun-if-changed={}", self.model.display());
        if let Some(Source::Script(path)) = &self.memory {
            println!("cargo:rerun-if-changed={}", path.display());
        }
        let out = env::var_os("OUT_DIR").ok_or_else(|| Error::new("there is no OUT_DIR: call this from a build.rs"))?;
        let bytes = fs::read(&self.model).map_err(|error| Error::at(&self.model, error))?;
        let arena_len = self.checked(&bytes)?;
        self.write(Path::new(&out), &bytes, arena_len)
    }

    /// The length of the arena of a model that is right and fits.
    fn checked(&self, bytes: &[u8]) -> Result<usize, Error> {
        let mut copy = vec![0u128; bytes.len().div_ceil(size_of::<u128>())];
        let copy = bytemuck::cast_slice_mut::<_, u8>(&mut copy);
        let (aligned, _) = copy.split_at_mut(bytes.len());
        aligned.copy_from_slice(bytes);
        let model = Model::new(aligned).map_err(|error| Error::at(&self.model, error))?;
        let (memory, core) = match &self.memory {
            Some(Source::Chip(name)) => Chip::find(name).map(|chip| (chip.memory, chip.core))?,
            // A script does not name its core; M0 alone needs less stack.
            Some(Source::Script(path)) => (Memory::of_script(path)?, Core::M4),
            None => return Ok(model.arena_len()),
        };
        let fit = Fit::new(&model, memory)
            .flash("code", self.code)
            .ram("stack of the runtime, at most", stack_len(core))
            .ram("stack of the firmware", self.stack)
            .ram("data of the firmware", self.data);
        if fit.fits() {
            return Ok(model.arena_len());
        }
        let path = self.model.display();
        Err(Error::new(format!("{path} does not fit.\n{fit}\n{}", fit.advice().join("\n"))))
    }

    fn write(&self, out: &Path, bytes: &[u8], arena_len: usize) -> Result<(), Error> {
        let write = |path: PathBuf, bytes: &[u8]| fs::write(&path, bytes).map_err(|error| Error::at(&path, error));
        let copy = out.join(format!("{}.tnet", self.name));
        let text = format!(
            "/// The model file.\npub static MODEL: &[u8] = thumbnet::include_model!({:?});\n\n\
             /// Bytes of arena that its session needs.\npub const ARENA_LEN: usize = {arena_len};\n\n\
             /// An arena of that size.\npub type Memory = thumbnet::Arena<ARENA_LEN>;\n",
            copy.display().to_string()
        );
        write(copy, bytes)?;
        write(out.join(format!("{}.rs", self.name)), text.as_bytes())
    }
}
