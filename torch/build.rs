//! Compiles the kernels, against the libtorch that `tch` links with.

use std::{env, path::Path};

/// What sees libtorch.
const SHIMS: [&str; 4] = ["kernels/device.cpp", "kernels/functions.cpp", "kernels/graph.cpp", "kernels/sgd.cpp"];

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rerun-if-changed=kernels");
    let architecture = env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    let machines: &[(&str, &str)] = match architecture.as_str() {
        "x86_64" => &[("baseline", "x86-64"), ("avx2", "x86-64-v3"), ("avx512", "x86-64-v4")],
        _ => &[("baseline", "")],
    };
    for (machine, level) in machines {
        let mut build = build();
        if !level.is_empty() {
            build.flag(format!("-march={level}"));
        }
        build.define("NAS_MACHINE", *machine).file("kernels/kernels.cpp").compile(&format!("nas_torch_{machine}"));
    }
    let libtorch =
        env::var("LIBTORCH").expect("LIBTORCH names the folder of libtorch; `make setup` brings it, `make env` shows it");
    let include = Path::new(&libtorch).join("include");
    // As the headers of another project: their warnings are not ours.
    let mut build = build();
    for folder in [include.clone(), include.join("torch/csrc/api/include")] {
        build.flag("-isystem").flag(folder);
    }
    build.files(SHIMS).compile("nas_torch");
}

fn build() -> cc::Build {
    let mut build = cc::Build::new();
    // Speed is what they are for, in any profile.
    build.cpp(true).std("c++20").opt_level(3).debug(false).warnings(true).extra_warnings(true);
    // Vectors wider than a machine's registers never cross a call: everything is inlined.
    build.flag("-Wno-psabi");
    build
}
