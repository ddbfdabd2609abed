//! Moving a tensor to where it overlaps itself.

/// Moves all but the last `by` of `bytes` up by as many, a multiple of 4: parts of `by` bytes from the end, none of which overlaps
/// the one it comes from.
pub fn move_up(bytes: &mut [u8], by: usize) {
    let mut rest = bytes;
    while rest.len() > by {
        let left = rest.len().saturating_sub(by);
        // The odd part is the last one, so that all start at multiples of `by`.
        let Some(odd) = left.checked_rem(by) else { return };
        let part = if odd == 0 { by } else { odd };
        let (front, to) = rest.split_at_mut(left.saturating_sub(part).saturating_add(by).min(rest.len()));
        let from = front.len().saturating_sub(by);
        copy(front.get(from..).unwrap_or(&[]), to);
        rest = front;
    }
}

/// Copies as many bytes as `to` has, eight words at a time where both are aligned.
fn copy(from: &[u8], to: &mut [u8]) {
    let Some((from, _)) = from.split_at_checked(to.len()) else { return };
    let whole = to.len() & !3;
    let (Some((from, from_tail)), Some((to, tail))) = (from.split_at_checked(whole), to.split_at_mut_checked(whole))
    else {
        return;
    };
    match (bytemuck::try_cast_slice::<u8, u32>(from), bytemuck::try_cast_slice_mut::<u8, u32>(to)) {
        (Ok(from), Ok(to)) => {
            let ((from, few), (to, to_few)) = (from.as_chunks::<8>(), to.as_chunks_mut::<8>());
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            to_few.iter_mut().zip(few).for_each(|(to, from)| *to = *from);
        }
        _ => to.iter_mut().zip(from).for_each(|(to, from)| *to = *from),
    }
    tail.iter_mut().zip(from_tail).for_each(|(to, from)| *to = *from);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_and_distance() {
        for (len, by) in (0..90).flat_map(|len| (4..48).step_by(4).map(move |by| (len, by))) {
            #[repr(align(16))]
            struct Aligned([u8; 160]);
            let mut memory = Aligned(core::array::from_fn(|i| i as u8));
            move_up(&mut memory.0[..len + by], by);
            for (i, &byte) in memory.0.iter().enumerate() {
                let expected = if (by..len + by).contains(&i) { i - by } else { i };
                assert_eq!(usize::from(byte), expected, "{len} bytes by {by}, at {i}");
            }
        }
    }
}
