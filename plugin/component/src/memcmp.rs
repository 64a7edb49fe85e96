//! `memcmp` for the guest. wasi-libc's goes byte by byte and asks for the time limit at each; every key and id of a configuration is
//! compared through it, which made it the costliest function of all (docs/performance.md). The linker takes this one instead.

use core::cmp::Ordering;

/// # Safety
/// As C says: both must be readable for `len` bytes.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcmp(one: *const u8, other: *const u8, len: usize) -> i32 {
    // SAFETY: the caller's.
    unsafe { compare(one, other, len) }
}

/// Negative, zero or positive, by the first byte that differs.
///
/// # Safety
/// Both must be readable for `len` bytes.
pub unsafe fn compare(one: *const u8, other: *const u8, len: usize) -> i32 {
    let mut at = 0;
    while at + 8 <= len {
        // SAFETY: eight bytes from `at` on are within `len`.
        let (left, right) = unsafe { (eight(one, at), eight(other, at)) };
        if left != right {
            return order(left, right);
        }
        at += 8;
    }
    if at == len {
        return 0;
    }
    if len >= 8 {
        // SAFETY: the last eight bytes are within `len`; those before `at` are known to be equal.
        return unsafe { order(eight(one, len - 8), eight(other, len - 8)) };
    }
    // SAFETY: fewer than eight bytes, all of them within `len`.
    unsafe { order(few(one, len), few(other, len)) }
}

/// Big-endian, so that the first byte that differs decides.
unsafe fn eight(from: *const u8, at: usize) -> u64 {
    // SAFETY: the caller's.
    u64::from_be(unsafe { from.add(at).cast::<u64>().read_unaligned() })
}

/// Up to seven bytes: the first four, then the last four, which may overlap them; or the one to three that there are.
unsafe fn few(from: *const u8, len: usize) -> u64 {
    // SAFETY: every read is within the caller's `len`.
    unsafe {
        if len >= 4 {
            let (first, last) = (from.cast::<u32>().read_unaligned(), from.add(len - 4).cast::<u32>().read_unaligned());
            return u64::from(u32::from_be(first)) << 32 | u64::from(u32::from_be(last));
        }
        let (first, middle, last) = (*from, *from.add(len / 2), *from.add(len - 1));
        u64::from(first) << 16 | u64::from(middle) << 8 | u64::from(last)
    }
}

fn order(left: u64, right: u64) -> i32 {
    match left.cmp(&right) {
        Ordering::Less => -1,
        Ordering::Equal => 0,
        Ordering::Greater => 1,
    }
}
