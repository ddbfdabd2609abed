//! Says which family of kernels a target takes; `cfg(target_feature = "dsp")` is not visible on stable Rust.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=CARGO_ENCODED_RUSTFLAGS");
    println!(
        "cargo::rustc-check-cfg=cfg(thumbnet_dsp, thumbnet_v6m, thumbnet_v7m, thumbnet_halves, thumbnet_asm, thumbnet_helium)"
    );
    let target = std::env::var("TARGET").unwrap_or_default();
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    // Armv7E-M always has the DSP extension; of Armv8-M cores it is known by the name. The M52, M55 and M85 have it
    // too, and Helium, which is faster.
    let is_mainline = target.starts_with("thumbv8m.main");
    let is_one_of = |cpus: &[&str]| is_mainline && cpus.iter().any(|cpu| flags.contains(cpu));
    let is_dsp = target.starts_with("thumbv7em") || is_one_of(&["cortex-m33", "cortex-m35p"]);
    let is_helium = is_one_of(&["cortex-m52", "cortex-m55", "cortex-m85"]);
    let is_v6m = target.starts_with("thumbv6m");
    if is_dsp {
        println!("cargo::rustc-cfg=thumbnet_dsp");
    } else if is_v6m || target.starts_with("thumbv7m") || (is_mainline && !is_helium) {
        println!("cargo::rustc-cfg=thumbnet_halves");
        println!("cargo::rustc-cfg={}", if is_v6m { "thumbnet_v6m" } else { "thumbnet_v7m" });
    }
    if is_helium {
        println!("cargo::rustc-cfg=thumbnet_helium");
    } else if target.starts_with("thumbv7") || is_mainline {
        println!("cargo::rustc-cfg=thumbnet_asm");
    }
}
