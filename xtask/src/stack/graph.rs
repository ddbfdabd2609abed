//! Who calls whom in a linked firmware, and what each function keeps on the stack.
//!
//! Nothing is disassembled: the compiler writes the size of every frame (`-Z emit-stack-sizes`), and the linker keeps the
//! relocations of calls (`--emit-relocs`), each from a place in one function to another function.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use object::elf::{R_ARM_ABS32, R_ARM_THM_JUMP19, R_ARM_THM_JUMP24, R_ARM_THM_MOVW_ABS_NC, R_ARM_THM_PC22};
use object::{Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SymbolKind};

/// Frame of a function that no compiler described: the divisions and copies of compiler-builtins, which come compiled. They save
/// at most eight registers, and hold a few words.
const UNDESCRIBED: u64 = 64;

/// What assembly within a function takes in addition to its frame: the blocks save at most eight registers, or two and 32 bytes,
/// and call nothing, so it counts once.
const ASSEMBLY: u64 = 48;

struct Function {
    name: String,
    end: u64,
    frame: Option<u64>,
    calls: BTreeSet<u64>,
}

/// The functions of a firmware by address.
pub struct Graph {
    functions: BTreeMap<u64, Function>,
    /// Those whose address is somewhere else than in a call or in the vector table.
    pointed_to: BTreeSet<u64>,
}

/// The path through the calls that takes the most stack.
pub struct Path {
    /// Bytes of it all.
    pub bytes: u64,
    functions: Vec<(String, Option<u64>)>,
}

/// Whether a function begins a panic. What lies below ends the program, and formats its words by calls that recurse.
fn panics(name: &str) -> bool {
    name.contains("core::panicking::") || name.contains("rust_begin_unwind")
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, frame) in &self.functions {
            match frame {
                Some(frame) => writeln!(f, "    {frame:6}  {name}")?,
                None => writeln!(f, "    {UNDESCRIBED:6}  {name} (its frame is not described)")?,
            }
        }
        write!(f, "    {ASSEMBLY:6}  registers that assembly saves")
    }
}

impl Graph {
    /// Reads a firmware that was linked with the flags above.
    pub fn read(elf: &[u8]) -> Result<Self> {
        let file = object::File::parse(elf)?;
        let mut functions = BTreeMap::new();
        for symbol in file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.size() > 0) {
            let start = symbol.address() & !1;
            let name = format!("{:#}", rustc_demangle::demangle(symbol.name()?));
            let function = Function { name, end: start + symbol.size(), frame: None, calls: BTreeSet::new() };
            functions.entry(start).or_insert(function);
        }
        let mut graph = Self { functions, pointed_to: BTreeSet::new() };
        let sizes = file.section_by_name(".stack_sizes").context("the firmware was built without stack sizes")?;
        graph.frames(sizes.data()?)?;
        for section in file.sections() {
            // Debug information points to every function, the vector table to handlers, which are roots of their own.
            if matches!(section.name()?, ".text" | ".rodata" | ".data") {
                graph.relocations(&file, &section)?;
            }
        }
        Ok(graph)
    }

    /// Entries of an address and a LEB128 number.
    fn frames(&mut self, mut bytes: &[u8]) -> Result<()> {
        while let Some((address, rest)) = bytes.split_first_chunk() {
            let (mut frame, mut shift) = (0, 0);
            let end = rest.iter().position(|byte| byte & 0x80 == 0).context("a frame's size ends within a number")?;
            for byte in &rest[..=end] {
                frame |= u64::from(byte & 0x7f) << shift;
                shift += 7;
            }
            bytes = &rest[end + 1..];
            if let Some(function) = self.functions.get_mut(&u64::from(u32::from_le_bytes(*address) & !1)) {
                function.frame = Some(frame);
            }
        }
        Ok(())
    }

    fn relocations<'data>(&mut self, file: &object::File<'data>, section: &object::Section<'data, '_>) -> Result<()> {
        for (at, relocation) in section.relocations() {
            let (RelocationTarget::Symbol(symbol), RelocationFlags::Elf { r_type }) =
                (relocation.target(), relocation.flags())
            else {
                continue;
            };
            let symbol = file.symbol_by_index(symbol)?;
            let Some(to) = self.function_at(symbol.address() & !1).filter(|_| symbol.kind() == SymbolKind::Text) else {
                continue;
            };
            match r_type {
                // The first is R_ARM_THM_CALL by its older name.
                R_ARM_THM_PC22 | R_ARM_THM_JUMP24 | R_ARM_THM_JUMP19 => {
                    let from = self.function_at(at).with_context(|| format!("a call from {at:#x}, in no function"))?;
                    let is_branch_within = from == to && r_type != R_ARM_THM_PC22;
                    if !is_branch_within && !panics(&self.functions[&to].name) {
                        self.functions.entry(from).and_modify(|function| _ = function.calls.insert(to));
                    }
                }
                R_ARM_ABS32 | R_ARM_THM_MOVW_ABS_NC => _ = self.pointed_to.insert(to),
                _ => {}
            }
        }
        Ok(())
    }

    /// The start of the function that an address lies in.
    fn function_at(&self, address: u64) -> Option<u64> {
        let (&start, function) = self.functions.range(..=address).next_back()?;
        (address < function.end).then_some(start)
    }

    /// Names of the functions that may be called through a pointer.
    pub fn pointed_to(&self) -> Vec<&str> {
        self.pointed_to.iter().filter_map(|start| Some(self.functions.get(start)?.name.as_str())).collect()
    }

    /// The deepest path below a function; calls through pointers and into panics are not followed.
    pub fn deepest(&self, root: &str) -> Result<Path> {
        let found = self.functions.iter().find(|(_, function)| function.name == root);
        let (&start, _) = found.with_context(|| format!("the firmware has no function {root}"))?;
        let mut depths = BTreeMap::new();
        let below = self.depth(start, &mut depths, &mut Vec::new())?;
        let mut functions = Vec::new();
        let mut next = Some(start);
        while let Some(start) = next {
            let function = &self.functions[&start];
            functions.push((function.name.clone(), function.frame));
            next = function.calls.iter().copied().max_by_key(|call| depths.get(call));
        }
        ensure!(!functions.is_empty(), "{root} has no path");
        Ok(Path { bytes: below + ASSEMBLY, functions })
    }

    fn depth(&self, start: u64, depths: &mut BTreeMap<u64, u64>, open: &mut Vec<u64>) -> Result<u64> {
        if let Some(&known) = depths.get(&start) {
            return Ok(known);
        }
        let function = &self.functions[&start];
        if open.contains(&start) {
            bail!("{} calls itself: its stack has no bound", function.name);
        }
        open.push(start);
        let mut below = 0;
        for &call in &function.calls {
            below = below.max(self.depth(call, depths, open)?);
        }
        open.pop();
        let depth = function.frame.unwrap_or(UNDESCRIBED) + below;
        depths.insert(start, depth);
        Ok(depth)
    }
}
