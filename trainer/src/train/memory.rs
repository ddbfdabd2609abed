//! Memory that one step frees stays for the next.

/// Lets the C library's allocator keep freed pages of any size. By default glibc gives large ones back to the system, and every step
/// of training has them cleared and mapped again, which was a third of its time.
pub(super) fn keep_freed_pages() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for (parameter, value) in [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, libc::c_int::MAX)] {
        // SAFETY: sets a number of the allocator under its own lock; it answers 0 and changes nothing where it does not know it.
        let _ = unsafe { libc::mallopt(parameter, value) };
    }
}
