//! The guest's own `memcmp` against the order of slices, for every length that takes another way through it.

#[path = "../plugin/component/src/memcmp.rs"]
mod memcmp;

use std::cmp::Ordering;

#[test]
fn it_orders_as_slices_do_wherever_the_first_difference_is() {
    for len in 0..=40 {
        let one: Vec<u8> = (0..len).map(|n| 0x70 + n).collect();
        assert_eq!(order(&one, &one), Ordering::Equal, "{len}");
        for at in 0..usize::from(len) {
            for byte in [0x00, 0x7f, 0x80, 0xff] {
                let mut other = one.clone();
                // What is behind the first difference says the opposite, and does not count.
                other[at] = byte;
                other[at + 1..].iter_mut().for_each(|behind| *behind = !byte);
                assert_eq!(order(&one, &other), one.cmp(&other), "{len} bytes, {byte:#x} at {at}");
                assert_eq!(order(&other, &one), other.cmp(&one), "{len} bytes, {byte:#x} at {at}");
            }
        }
    }
}

#[test]
fn it_reads_nothing_behind_the_end() {
    let (one, other) = (*b"the same and more", *b"the same and less");
    for len in 0..13 {
        // SAFETY: both are longer.
        assert_eq!(unsafe { memcmp::compare(one.as_ptr(), other.as_ptr(), len) }, 0, "{len}");
    }
}

fn order(one: &[u8], other: &[u8]) -> Ordering {
    assert_eq!(one.len(), other.len());
    // SAFETY: both are slices of this length.
    unsafe { memcmp::compare(one.as_ptr(), other.as_ptr(), one.len()) }.cmp(&0)
}
