//! Fences: pieces of memory that nothing can read or write while they are up, by the memory protection unit.

use cortex_m::asm;
use cortex_m::peripheral::MPU;

/// Bytes of a fence, which starts at a multiple of them.
pub const LEN: u32 = 256;

const ENABLE: u32 = 1;

/// Puts up a fence at each of these addresses, which rise. `false` where the unit has too few regions.
#[must_use]
pub fn put_up(unit: &mut MPU, fences: &[u32]) -> bool {
    take_down(unit);
    let regions = unit._type.read() >> 8 & 0xff;
    let is_possible = describe(unit, regions, fences);
    asm::dsb();
    asm::isb();
    is_possible
}

/// Lets everything be accessed again.
pub fn take_down(unit: &mut MPU) {
    // SAFETY: without the unit every access is as it was before it was enabled.
    unsafe { unit.ctrl.write(0) };
    asm::dsb();
    asm::isb();
}

/// Armv7-M: the rest of memory is as without the unit, and each fence a region without access.
#[cfg(not(any(board = "m33", board = "m55")))]
fn describe(unit: &mut MPU, regions: u32, fences: &[u32]) -> bool {
    const EVERYTHING_ELSE: u32 = 1 << 2;
    const NEVER_EXECUTED: u32 = 1 << 28;
    const SIZE: u32 = (LEN.ilog2() - 1) << 1;
    for number in 0..regions {
        let fence = fences.get(number as usize).copied();
        // SAFETY: only the fences lose their access, which are for whoever put them up to keep free.
        unsafe {
            unit.rnr.write(number);
            unit.rbar.write(fence.unwrap_or(0));
            unit.rasr.write(fence.map_or(0, |_| NEVER_EXECUTED | SIZE | ENABLE));
        }
    }
    // SAFETY: as above.
    unsafe { unit.ctrl.write(EVERYTHING_ELSE | ENABLE) };
    fences.len() <= regions as usize
}

/// Armv8-M has no regions without access: the others are what lies between the fences, and outside of regions is none.
#[cfg(any(board = "m33", board = "m55"))]
fn describe(unit: &mut MPU, regions: u32, fences: &[u32]) -> bool {
    const NORMAL_MEMORY: u32 = 0x44;
    let mut from = 0;
    for number in 0..regions {
        let fence = fences.get(number as usize).copied();
        let last = fence.map_or(u32::MAX, |fence| fence.wrapping_sub(1)) & !31;
        let is_used = number as usize <= fences.len();
        // SAFETY: only the fences lose their access, which are for whoever put them up to keep free.
        unsafe {
            unit.rnr.write(number);
            unit.rbar.write(from);
            unit.rlar.write(if is_used { last | ENABLE } else { 0 });
        }
        from = fence.unwrap_or(0).wrapping_add(LEN);
    }
    let is_possible = fences.len() < regions as usize;
    // SAFETY: as above; with too few regions nothing would be left, so the unit stays as it is.
    unsafe {
        unit.mair[0].write(NORMAL_MEMORY);
        unit.ctrl.write(if is_possible { ENABLE } else { 0 });
    }
    is_possible
}
