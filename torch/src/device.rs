//! Where tensors live and how they are computed there.
//!
//! The program is linked with the CPU's libtorch alone. Its CUDA part is a library of its own, which is loaded at run time where it is: one
//! program for both.

use std::{
    ffi::CString,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use tch::{Device, Tensor};

use crate::foreign::{
    failure, made, nas_allow_tf32, nas_begin_bf16, nas_end_bf16, nas_load_cuda, nas_peak_gpu_bytes, nas_to_gpu, pointer,
};

/// File name of libtorch's CUDA part.
pub const CUDA_LIBRARY: &str = "libtorch_cuda.so";

/// A CUDA library that was asked for and cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLoaded {
    /// The library.
    pub library: PathBuf,
    /// What the dynamic loader says.
    pub reason: String,
}

/// Loads libtorch's CUDA part from `library`, or by its name from where the loader looks. Must come before the first use of a tensor.
///
/// # Errors
///
/// What the loader says: it is not there, or is of another version.
pub fn load_cuda(library: &Path) -> Result<(), NotLoaded> {
    let not_loaded = |reason| NotLoaded { library: library.to_owned(), reason };
    let name = CString::new(library.as_os_str().as_bytes()).map_err(|error| not_loaded(error.to_string()))?;
    // SAFETY: a text that ends with 0. The library's initialisers are libtorch's own.
    if unsafe { nas_load_cuda(name.as_ptr()) } { Ok(()) } else { Err(not_loaded(failure())) }
}

/// The tensor on `device`. Nothing waits until it is there: what the GPU is given later finds it.
///
/// # Panics
///
/// With libtorch's words where it cannot be brought there.
pub fn to_device(tensor: &Tensor, device: Device) -> Tensor {
    match device {
        Device::Cuda(number) if tensor.device() == Device::Cpu => {
            let number = i8::try_from(number).unwrap_or(-1);
            // SAFETY: the tensor outlives the call.
            made(unsafe { nas_to_gpu(pointer(tensor), number) })
        }
        _ => tensor.to_device(device),
    }
}

/// Whether matrix products and convolutions on a GPU may round what they read to TF32 (10 bits of mantissa).
pub fn allow_tf32(allowed: bool) {
    // SAFETY: sets a flag of libtorch's.
    unsafe { nas_allow_tf32(allowed) }
}

/// While it lives, operations of this thread on a GPU that gain by it compute in bf16; weights and sums stay f32.
#[derive(Debug)]
pub struct Bf16 {
    /// It belongs to the thread that it was made by.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Bf16 {
    /// Begins.
    pub fn begin() -> Self {
        // SAFETY: sets flags of this thread, which `drop` takes back.
        unsafe { nas_begin_bf16() }
        Self { _not_send: std::marker::PhantomData }
    }
}

impl Drop for Bf16 {
    fn drop(&mut self) {
        // SAFETY: there was a beginning in this thread.
        unsafe { nas_end_bf16() }
    }
}

/// Most bytes that tensors on this GPU have held at once; `None`: there is no such device.
pub fn peak_gpu_bytes(device: i8) -> Option<u64> {
    // SAFETY: only asks.
    u64::try_from(unsafe { nas_peak_gpu_bytes(device) }).ok()
}
