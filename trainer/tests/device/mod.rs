//! Where these tests compute: on the CPU, or with `NAS_TEST_GPU=1` on the GPU, in full precision (`make verify-gpu`).

use std::{env, sync::LazyLock};

use nas_trainer::device::{Machine, Precision};

/// The machine. To be asked for before a test's first tensor, since its library may have to be loaded.
pub(crate) fn machine() -> Machine {
    static MACHINE: LazyLock<Machine> = LazyLock::new(|| {
        if env::var("NAS_TEST_GPU").is_ok_and(|on| on == "1") {
            let machine = Machine { precision: Precision::F32, ..Machine::from_env().unwrap() };
            assert!(machine.device.is_cuda(), "NAS_TEST_GPU=1: there is no GPU");
            nas_torch::device::allow_tf32(false);
            machine
        } else {
            Machine::CPU
        }
    });
    *MACHINE
}
