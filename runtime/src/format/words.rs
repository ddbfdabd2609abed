//! Reading and writing records of 32-bit little-endian words.

/// A cursor over the words of a record. Reading past the end answers `None`, never panics.
#[derive(Clone, Copy, Debug)]
pub struct Words<'m>(&'m [u32]);

impl<'m> Words<'m> {
    /// Reads from the start of `words`.
    #[must_use]
    pub const fn new(words: &'m [u32]) -> Self {
        Self(words)
    }

    /// The next word.
    #[inline(always)]
    pub fn word(&mut self) -> Option<u32> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// The next `count` words.
    #[inline(always)]
    pub fn take(&mut self, count: usize) -> Option<&'m [u32]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// Number of words that are left.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether every word was read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A value that is stored as words.
pub trait Encode: Sized {
    /// How many words, at least.
    const WORDS: usize;
    /// Hands the words to `put`, in order.
    fn write(&self, put: &mut impl FnMut(u32));
    /// Reads what [`Encode::write`] wrote. `None`: too short, or a word that no value has.
    fn read(words: &mut Words<'_>) -> Option<Self>;
}

impl Encode for u32 {
    const WORDS: usize = 1;
    fn write(&self, put: &mut impl FnMut(u32)) {
        put(*self);
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        words.word()
    }
}

impl Encode for i32 {
    const WORDS: usize = 1;
    fn write(&self, put: &mut impl FnMut(u32)) {
        put(self.cast_unsigned());
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        words.word().map(u32::cast_signed)
    }
}

impl<T: Encode, const N: usize> Encode for [T; N]
where
    [T; N]: Default,
{
    const WORDS: usize = N * T::WORDS;
    fn write(&self, put: &mut impl FnMut(u32)) {
        self.iter().for_each(|value| value.write(put));
    }
    #[inline(always)]
    fn read(words: &mut Words<'_>) -> Option<Self> {
        let mut all = Self::default();
        for slot in &mut all {
            *slot = T::read(words)?;
        }
        Some(all)
    }
}

/// Declares a struct whose fields are stored one after the other, and its [`Encode`].
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $ty:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        pub struct $name { $($(#[$field_meta])* pub $field: $ty,)* }

        impl $crate::format::Encode for $name {
            const WORDS: usize = 0 $(+ <$ty as $crate::format::Encode>::WORDS)*;
            fn write(&self, put: &mut impl FnMut(u32)) {
                $($crate::format::Encode::write(&self.$field, put);)*
            }
            #[inline(always)]
            fn read(words: &mut $crate::format::Words<'_>) -> Option<Self> {
                // One comparison of lengths for all fields.
                let words = &mut $crate::format::Words::new(words.take(Self::WORDS)?);
                Some(Self { $($field: $crate::format::Encode::read(words)?,)* })
            }
        }
    };
}

/// Declares an enum that is stored as its number in one word, and its [`Encode`]. Numbers are tokens: derive macros do not see into literals
/// that were matched as such.
macro_rules! code {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $code:tt,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[cfg_attr(feature = "defmt", derive(defmt::Format))]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_meta])* $variant = $code,)* }

        impl $name {
            /// The value with this number in the file.
            #[inline(always)]
            #[must_use]
            pub const fn from_code(code: u32) -> Option<Self> {
                match code {
                    $($code => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }

        impl $crate::format::Encode for $name {
            const WORDS: usize = 1;
            fn write(&self, put: &mut impl FnMut(u32)) {
                put(*self as u32);
            }
            #[inline(always)]
            fn read(words: &mut $crate::format::Words<'_>) -> Option<Self> {
                Self::from_code(words.word()?)
            }
        }
    };
}

pub(crate) use {code, record};
