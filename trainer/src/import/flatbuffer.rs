//! Checked reading of FlatBuffers: every offset is followed within the bytes, or answered with an error.
//!
//! Layout (<https://flatbuffers.dev/internals>): a table starts with the signed distance back to its vtable, which holds its
//! own length, the table's length, and one 16-bit offset per field, 0 for a field that is absent. Vectors and strings start
//! with their length; references are 32-bit distances forward, so that no cycle can be built.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};

/// A table in a buffer.
#[derive(Clone, Debug)]
pub(super) struct Table<'a> {
    bytes: &'a [u8],
    at: usize,
    vtable: &'a [u8],
    /// Elements that may still be copied out: tables that share a vector cannot multiply it.
    budget: Rc<Cell<usize>>,
}

/// A number that a field or vector can hold.
pub(super) trait Scalar: bytemuck::AnyBitPattern {}
impl Scalar for i8 {}
impl Scalar for u8 {}
impl Scalar for i32 {}
impl Scalar for u32 {}
impl Scalar for i64 {}
impl Scalar for u64 {}
impl Scalar for f32 {}

fn read<T: Scalar>(bytes: &[u8], at: usize) -> Result<T> {
    let end = at.checked_add(size_of::<T>());
    let found = end.and_then(|end| bytes.get(at..end));
    let found = found.with_context(|| format!("cut off: {} bytes, a value at {at} lies behind", bytes.len()))?;
    Ok(bytemuck::pod_read_unaligned(found))
}

impl<'a> Table<'a> {
    /// The root table of a buffer, whose second word must be `identifier`.
    pub fn root(bytes: &'a [u8], identifier: [u8; 4]) -> Result<Self> {
        ensure!(
            bytes.get(4..8) == Some(&identifier),
            "bytes 4 to 8 are {:02x?}, expected \"{}\"",
            bytes.get(4..8).unwrap_or(&[]),
            identifier.escape_ascii()
        );
        let budget = Rc::new(Cell::new(bytes.len()));
        Self::at(bytes, read::<u32>(bytes, 0)? as usize, budget)
    }

    fn at(bytes: &'a [u8], at: usize, budget: Rc<Cell<usize>>) -> Result<Self> {
        let back = read::<i32>(bytes, at)?;
        let start = (at as i64 - i64::from(back)).try_into().ok();
        let start: usize = start.with_context(|| format!("the table at {at} has its vtable in front of the file"))?;
        let len = usize::from(u16::from(read::<u8>(bytes, start)?) | u16::from(read::<u8>(bytes, start + 1)?) << 8);
        let vtable = bytes.get(start..start + len).filter(|vtable| vtable.len() >= 4);
        let vtable = vtable.with_context(|| format!("the table at {at} has an impossible vtable"))?;
        Ok(Self { bytes, at, vtable, budget })
    }

    /// Where a field lies, if it is there.
    fn field(&self, number: usize) -> Option<usize> {
        let entry = self.vtable.get(4 + 2 * number..6 + 2 * number)?;
        let offset = usize::from(u16::from_le_bytes([entry[0], entry[1]]));
        if offset == 0 { None } else { self.at.checked_add(offset) }
    }

    /// A number, or its default.
    pub fn scalar<T: Scalar>(&self, number: usize, default: T) -> Result<T> {
        self.field(number).map_or(Ok(default), |at| read(self.bytes, at))
    }

    pub fn bool(&self, number: usize) -> Result<bool> {
        Ok(self.scalar::<u8>(number, 0)? != 0)
    }

    /// What a field refers to.
    fn target(&self, at: usize) -> Result<usize> {
        let distance = read::<u32>(self.bytes, at)? as usize;
        at.checked_add(distance).context("a reference leaves the file")
    }

    pub fn table(&self, number: usize) -> Result<Option<Self>> {
        let Some(at) = self.field(number) else { return Ok(None) };
        Self::at(self.bytes, self.target(at)?, Rc::clone(&self.budget)).map(Some)
    }

    /// Position and length of a vector's elements.
    fn vector(&self, number: usize, size: usize) -> Result<Option<(usize, usize)>> {
        let Some(at) = self.field(number) else { return Ok(None) };
        let start = self.target(at)?;
        let len = read::<u32>(self.bytes, start)? as usize;
        let end = len.checked_mul(size).and_then(|bytes| bytes.checked_add(start)?.checked_add(4));
        let is_inside = end.is_some_and(|end| end <= self.bytes.len());
        ensure!(is_inside, "a vector of {len} elements at {start} leaves the file of {} bytes", self.bytes.len());
        Ok(Some((start + 4, len)))
    }

    fn spend(&self, elements: usize) -> Result<()> {
        let left = self.budget.get().checked_sub(elements);
        self.budget.set(left.context("the same bytes are referred to again and again")?);
        Ok(())
    }

    /// The bytes of a vector, in place.
    pub fn bytes(&self, number: usize) -> Result<&'a [u8]> {
        let found = self.vector(number, 1)?;
        Ok(found.and_then(|(start, len)| self.bytes.get(start..start + len)).unwrap_or(&[]))
    }

    pub fn string(&self, number: usize) -> Result<String> {
        let bytes = self.bytes(number)?;
        self.spend(bytes.len())?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }

    /// The numbers of a vector; none where it is absent.
    pub fn scalars<T: Scalar>(&self, number: usize) -> Result<Vec<T>> {
        let Some((start, len)) = self.vector(number, size_of::<T>())? else { return Ok(Vec::new()) };
        self.spend(len)?;
        (0..len).map(|index| read(self.bytes, start + index * size_of::<T>())).collect()
    }

    /// The tables of a vector; none where it is absent.
    pub fn tables(&self, number: usize) -> Result<Vec<Self>> {
        let Some((start, len)) = self.vector(number, 4)? else { return Ok(Vec::new()) };
        self.spend(len)?;
        let table = |index| Self::at(self.bytes, self.target(start + 4 * index)?, Rc::clone(&self.budget));
        (0..len).map(table).collect()
    }
}
