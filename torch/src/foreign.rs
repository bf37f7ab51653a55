//! The functions of `kernels/*.cpp`.

use std::ffi::{CStr, c_char, c_void};

use tch::Tensor;

/// An `at::Tensor`.
pub(crate) type Pointer = *const c_void;
/// A recording of `graph.cpp`.
pub(crate) type Handle = *mut c_void;

unsafe extern "C" {
    fn nas_failure() -> *const c_char;
    pub(crate) fn nas_takes(x: Pointer) -> bool;
    pub(crate) fn nas_relu_depthwise(x: Pointer, weight: Pointer, stride: i64, dilation: i64) -> *mut c_void;
    pub(crate) fn nas_batch_norm(
        x: Pointer,
        weight: Pointer,
        bias: Pointer,
        running_mean: Pointer,
        running_var: Pointer,
        scale: Pointer,
        momentum: f64,
        eps: f64,
    ) -> *mut c_void;
    pub(crate) fn nas_max_pool(x: Pointer, stride: i64) -> *mut c_void;
    pub(crate) fn nas_mean_pool(x: Pointer, stride: i64) -> *mut c_void;
    pub(crate) fn nas_sgd_step(
        parameters: *const Pointer,
        gradients: *const Pointer,
        momenta: *const Pointer,
        count: i64,
        max_norm: f64,
        rate_of_momentum: f64,
        decay: f64,
        learning_rate: f64,
    ) -> bool;
    pub(crate) fn nas_load_cuda(library: *const c_char) -> bool;
    pub(crate) fn nas_to_gpu(x: Pointer, device: i8) -> *mut c_void;
    pub(crate) fn nas_allow_tf32(allowed: bool);
    pub(crate) fn nas_begin_bf16();
    pub(crate) fn nas_end_bf16();
    pub(crate) fn nas_peak_gpu_bytes(device: i8) -> i64;
    pub(crate) fn nas_begin_recording(device: i8) -> Handle;
    pub(crate) fn nas_end_recording(recording: Handle) -> bool;
    pub(crate) fn nas_replay(recording: Handle) -> bool;
    pub(crate) fn nas_drop_recording(recording: Handle);
}

pub(crate) fn pointer(tensor: &Tensor) -> Pointer {
    tensor.as_ptr().cast()
}

/// The words of this thread's last failure.
pub(crate) fn failure() -> String {
    // SAFETY: a text of this thread that ends with 0 and stays until its next failure.
    unsafe { CStr::from_ptr(nas_failure()) }.to_string_lossy().into_owned()
}

/// What an operation handed out.
pub(crate) fn made(tensor: *mut c_void) -> Tensor {
    succeeded(!tensor.is_null());
    // SAFETY: a new `at::Tensor` that nobody else has.
    unsafe { Tensor::from_ptr(tensor.cast()) }
}

/// Panics with libtorch's words where a call has failed, in the form that `tch` gives them.
pub(crate) fn succeeded(succeeded: bool) {
    assert!(succeeded, "Torch({:?})", failure());
}
