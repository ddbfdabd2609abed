//! The machines a model can run on.

use clap::ValueEnum;

/// Where to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub enum Target {
    /// This machine.
    Host,
    /// Cortex-M0: BBC micro:bit, 16 KB of RAM.
    M0,
    /// Cortex-M3: Arm MPS2 AN385.
    M3,
    /// Cortex-M4: Arm MPS2 AN386.
    M4,
    /// Cortex-M7: Arm MPS2 AN500.
    M7,
    /// Cortex-M33: Arm MPS2 AN505.
    M33,
    /// Cortex-M55: Arm MPS3 AN547.
    M55,
}

/// An emulated board.
#[derive(Clone, Copy, Debug)]
pub struct Board {
    /// Name, which is also that of `firmware/boards/<name>.toml`.
    pub name: &'static str,
    /// QEMU's machine.
    pub machine: &'static str,
    /// Address that the model is loaded to; `firmware/src/bin/qemu_runner.rs` reads it there.
    pub model_at: u32,
    /// Most bytes of model that fit.
    pub model_len: usize,
    /// Thousandths of a SysTick tick per instruction at `-icount shift=6`: 64 ns times the clock.
    pub milliticks: u64,
}

impl Target {
    /// All of them, the host first.
    pub const ALL: [Self; 7] = [Self::Host, Self::M0, Self::M3, Self::M4, Self::M7, Self::M33, Self::M55];

    /// The board that is emulated; `None` for the host.
    #[must_use]
    pub const fn board(self) -> Option<Board> {
        const MEGABYTE: usize = 1 << 20;
        match self {
            Self::Host => None,
            Self::M0 => board("m0", "microbit", 0x0002_8000, 96 << 10, 1024),
            Self::M3 => board("m3", "mps2-an385", 0x0010_0000, 3 * MEGABYTE, 1600),
            Self::M4 => board("m4", "mps2-an386", 0x0010_0000, 3 * MEGABYTE, 1600),
            Self::M7 => board("m7", "mps2-an500", 0x0010_0000, 3 * MEGABYTE, 1600),
            Self::M33 => board("m33", "mps2-an505", 0x1010_0000, 3 * MEGABYTE, 1280),
            Self::M55 => board("m55", "mps3-an547", 0x2100_0000, 4 * MEGABYTE, 2048),
        }
    }
}

/// Clocks that an instruction takes on average, in memory without wait states, and how that is known.
///
/// Where Arm publishes the clocks of each instruction, as in the technical reference manuals of the Cortex-M0 (r0p0, 3.3), the
/// Cortex-M3 (r2p1, 3.3) and the Cortex-M4 (r0p1, 3.3), an inference was counted by those tables: DS-CNN, ResNet-8,
/// micro_speech, sine, an LSTM and the digits of the demo. Their means are here, and their ranges in the words.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clocks {
    /// Clocks per instruction.
    pub per_instruction: f64,
    /// Where the number comes from.
    pub source: &'static str,
}

impl Target {
    /// What an instruction of an inference takes on average; `None` for the host.
    #[must_use]
    pub const fn clocks(self) -> Option<Clocks> {
        let (per_instruction, source) = match self {
            Self::Host => return None,
            Self::M0 => (1.65, "by the table of the Cortex-M0's manual, 1.58 to 1.67 over four models"),
            Self::M3 => (1.25, "by the table of the Cortex-M3's manual, 1.20 to 1.40 over six models"),
            Self::M4 => (1.4, "by the table of the Cortex-M4's manual, 1.21 to 1.43 over six models"),
            Self::M7 => (1.0, "a guess for a core that issues two at a time: Arm publishes no table"),
            Self::M33 => (1.4, "that of the Cortex-M4: Arm publishes no table"),
            Self::M55 => (1.5, "a guess for vectors that take two clocks: Arm publishes no table"),
        };
        Some(Clocks { per_instruction, source })
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.board().map_or("host", |board| board.name))
    }
}

const fn board(
    name: &'static str,
    machine: &'static str,
    model_at: u32,
    model_len: usize,
    milliticks: u64,
) -> Option<Board> {
    Some(Board { name, machine, model_at, model_len, milliticks })
}
