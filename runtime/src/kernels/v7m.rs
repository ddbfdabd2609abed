//! What the assembly of [`super::conv_2x2`] is made of on cores without the DSP extension (Cortex-M3): one product per
//! instruction, values in the order of memory.

/// One round: four weights of two rows, four values of two columns, sixteen products.
macro_rules! four_by_2x2 {
    () => {
        concat!(one_by_2x2!(), one_by_2x2!(), one_by_2x2!(), one_by_2x2!())
    };
}

/// One weight of two rows, one value of two columns.
macro_rules! one_by_2x2 {
    () => {
        concat!(
            "ldrsb r2, [r0], #1\n",
            "ldrsb r5, [r1], #1\n",
            "ldrsh r6, [r12], #2\n",
            "ldrsh r7, [lr], #2\n",
            "mla r8, r2, r6, r8\n",
            "mla r9, r2, r7, r9\n",
            "mla r10, r5, r6, r10\n",
            "mla r11, r5, r7, r11\n",
        )
    };
}

/// `round($a · r1 / 2^32)`, half up; uses r4.
macro_rules! high_product {
    ($a:literal) => {
        concat!("smull r4, ", $a, ", ", $a, ", r1\n", "add ", $a, ", ", $a, ", r4, lsr #31\n")
    };
}

pub(super) use {four_by_2x2, high_product, one_by_2x2};
