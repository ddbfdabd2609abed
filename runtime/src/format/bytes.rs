//! Reading texts and numbers of any length out of bytes.

/// A cursor over bytes. Reading past the end answers `None`, never panics.
pub(super) struct Bytes<'m>(&'m [u8]);

impl<'m> Bytes<'m> {
    pub const fn new(bytes: &'m [u8]) -> Self {
        Self(bytes)
    }

    /// A number in groups of seven bits, the lowest first; a byte's highest bit says that another follows. At most 64 bits.
    #[inline(never)]
    pub fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if byte < 0x80 {
                // Of the tenth group one bit is left.
                return (number >> shift == bits).then_some(number);
            }
        }
        None
    }

    /// Bytes behind their number.
    #[inline(never)]
    pub fn part(&mut self) -> Option<&'m [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (part, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(part)
    }

    /// A text behind the number of its bytes.
    #[inline(never)]
    pub fn text(&mut self) -> Option<&'m str> {
        core::str::from_utf8(self.part()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_end_where_they_say() {
        for (bytes, number) in [
            (&[0x00][..], Some(0)),
            (&[0x7f], Some(127)),
            (&[0x80, 0x01], Some(128)),
            // As long as it gets, and a bit longer.
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01], Some(u64::MAX)),
            (&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02], None),
            (&[0x80; 11], None),
            (&[0x80], None),
            (&[], None),
        ] {
            assert_eq!(Bytes::new(bytes).number(), number, "{bytes:x?}");
        }
    }

    #[test]
    fn parts_do_not_exceed_what_there_is() {
        let mut bytes = Bytes::new(&[2, b'a', b'b', 1, 0xff, 3, 1, 2]);
        assert_eq!(bytes.text(), Some("ab"));
        assert_eq!(bytes.text(), None, "not UTF-8");
        assert_eq!(bytes.part(), None, "too short");
    }
}
