//! Loops at the width of the machine's vectors.

/// Defines a function of which the loops are compiled for each kind of vectors, and picks that of the machine when it runs.
///
/// A closure given to [`pulp::Arch::dispatch`] would do the same where the compiler inlines it, which it does for short ones alone.
macro_rules! vectorized {
    ($(#[$doc:meta])* fn $name:ident($($argument:ident: $kind:ty),+ $(,)?) $body:block) => {
        $(#[$doc])*
        fn $name($($argument: $kind),+) {
            struct Loops<A>(A);
            impl pulp::WithSimd for Loops<($($kind,)+)> {
                type Output = ();

                #[inline(always)]
                fn with_simd<S: pulp::Simd>(self, _: S) {
                    let ($($argument,)+) = self.0;
                    $body
                }
            }
            pulp::Arch::new().dispatch(Loops(($($argument,)+)));
        }
    };
}

pub(super) use vectorized;
