//! Work of a GPU that is recorded once and then played as one.
//!
//! A step of a DARTS network is some thousand small kernels: a GPU is done with each sooner than the CPU can name the next one. A recording
//! (a CUDA graph) is started in one call. It reads and writes the memory that it was recorded with.

use crate::foreign::{Handle, nas_begin_recording, nas_drop_recording, nas_end_recording, nas_replay, succeeded};

/// A recording.
#[derive(Debug)]
pub struct Graph(Handle);

impl Graph {
    /// Records what `work` gives to GPU `device`. Nothing of it is done, so that the tensors it returns hold nothing before [`Graph::replay`].
    ///
    /// `work` must not look at a tensor's numbers, nor move any to or from the GPU. It should have been done before a few times:
    /// libraries choose and make ready their kernels when they are first called.
    ///
    /// # Panics
    ///
    /// With libtorch's words where it cannot be recorded.
    pub fn record<T>(device: i8, work: impl FnOnce() -> T) -> (Self, T) {
        // SAFETY: only numbers are passed.
        let recording = unsafe { nas_begin_recording(device) };
        succeeded(!recording.is_null());
        let graph = Self(recording);
        let made = work();
        // SAFETY: a recording that has begun and not ended.
        succeeded(unsafe { nas_end_recording(graph.0) });
        (graph, made)
    }

    /// Does all of it, behind what the GPU was given before. Nothing waits for it.
    ///
    /// # Panics
    ///
    /// With libtorch's words where the device fails.
    pub fn replay(&self) {
        // SAFETY: a recording that has ended.
        succeeded(unsafe { nas_replay(self.0) });
    }
}

impl Drop for Graph {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { nas_drop_recording(self.0) }
    }
}
