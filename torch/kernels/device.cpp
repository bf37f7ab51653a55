// What a process sets about its devices.
#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/autocast_mode.h>
#include <c10/core/CachingDeviceAllocator.h>
#include <dlfcn.h>

#include "failure.hpp"

extern "C" {

// Loads libtorch's CUDA part, which brings its devices with it. Must come before the first tensor: libtorch asks for devices once.
bool nas_load_cuda(const char* library) {
  if (dlopen(library, RTLD_NOW | RTLD_GLOBAL) != nullptr) return true;
  const char* words = dlerror();
  nas::failure = words == nullptr ? "it cannot be loaded" : words;
  return false;
}

// A tensor of the CPU on a GPU; nothing waits for the copy. Null: see nas_failure.
at::Tensor* nas_to_gpu(const at::Tensor* x, int8_t device) {
  at::Tensor* made = nullptr;
  nas::succeeds([&] { made = new at::Tensor(x->pin_memory().to(at::Device(at::kCUDA, device), x->scalar_type(), /*non_blocking=*/true)); });
  return made;
}

// Whether matrix products and convolutions on the GPU may round their inputs to TF32 (10 bits of mantissa).
void nas_allow_tf32(bool allowed) {
  at::globalContext().setAllowTF32CuBLAS(allowed);
  at::globalContext().setAllowTF32CuDNN(allowed);
}

// From here to nas_end_bf16, operations on the GPU that gain by it compute in bf16.
void nas_begin_bf16() {
  at::autocast::set_autocast_enabled(at::kCUDA, true);
  at::autocast::set_autocast_dtype(at::kCUDA, at::kBFloat16);
  at::autocast::increment_nesting();
}

void nas_end_bf16() {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(at::kCUDA, false);
}

// Most bytes that tensors on this GPU have held at once; -1: there is no such device.
int64_t nas_peak_gpu_bytes(int8_t device) {
  int64_t bytes = -1;
  nas::succeeds([&] {
    auto* allocator = dynamic_cast<c10::DeviceAllocator*>(c10::GetAllocator(at::kCUDA));
    if (allocator != nullptr) bytes = allocator->getDeviceStats(device).allocated_bytes[0].peak;
  });
  return bytes;
}
}
