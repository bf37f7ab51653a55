// What the kernels do. They are compiled for several kinds of machine; `kernels` is the table of the best that this one can run.
#pragma once

#include <cstdint>

namespace nas {

// Sizes of one image [H, W, C] and of what a depthwise convolution makes of it.
struct Convolution {
  int64_t height, width, channels;
  int64_t out_height, out_width;
  int64_t kernel;  // 3 or 5
  int64_t stride, padding, dilation;
};

// Sizes of one image [H, W, C] and of what 3x3 pooling with padding 1 makes of it; the stride is 1 or 2.
struct Pooling {
  int64_t height, width, channels;
  int64_t out_height, out_width;
  int64_t stride;
};

template <typename T>
struct Kernels {
  // out[y, x] = sum over taps of relu(in)[y * stride + ky * dilation - padding, ...] * weight[ky, kx]. weight is [K, K, C].
  void (*relu_depthwise)(const T* in, const T* weight, T* out, const Convolution& shape);
  // Adds the gradient of the weights to grad_weight [K, K, C].
  void (*relu_depthwise_grad_weight)(const T* in, const T* grad, T* grad_weight, const Convolution& shape);
  // Writes the gradient of `in`. The stride is 1, with `weight` turned by half a turn, or 2, with `weight` as it is.
  void (*relu_depthwise_grad_input)(const T* in, const T* grad, const T* weight, T* grad_in, const Convolution& shape);

  // Adds to sum and square [C], for each channel of x [rows, C], the sum of x - origin and of its square.
  void (*moments)(const T* x, const T* origin, double* sum, double* square, int64_t rows, int64_t channels);
  // Adds to sum and product [C], for each channel, the sum of grad and of grad * (x - origin). Rows of grad lie `pitch` numbers apart.
  void (*grad_moments)(const T* x, const T* grad, int64_t pitch, const T* origin, double* sum, double* product, int64_t rows, int64_t channels);
  // out = (x - origin) * factor + offset.
  void (*normalize)(const T* x, const T* origin, const T* factor, const T* offset, T* out, int64_t rows, int64_t channels);
  // grad_in = grad * of_grad + (x - origin) * of_x + offset.
  void (*normalize_grad)(const T* x, const T* grad, int64_t pitch, const T* origin, const T* of_grad, const T* of_x, const T* offset, T* grad_in,
                         int64_t rows, int64_t channels);

  // The greatest of each window, and in tap which it was (ky * 3 + kx): of equal ones the first, and whatever is not a number.
  void (*max_pool)(const T* in, T* out, uint8_t* tap, const Pooling& shape);
  void (*max_pool_grad)(const T* grad, const uint8_t* tap, T* grad_in, const Pooling& shape);
  // The mean of what of each window lies inside of the image.
  void (*mean_pool)(const T* in, T* out, const Pooling& shape);
  // `room` has the size of grad.
  void (*mean_pool_grad)(const T* grad, T* room, T* grad_in, const Pooling& shape);
};

// One table for each NAS_MACHINE that build.rs compiles kernels.cpp for.
template <typename T>
struct Machines {
  static const Kernels<T> baseline;
#if defined(__x86_64__)
  static const Kernels<T> avx2, avx512;
#endif
};

template <typename T>
const Kernels<T>& kernels() {
#if defined(__x86_64__)
  // GCC and clang know the levels of x86-64 by these names; what the system does not save on a switch counts as lacking.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return Machines<T>::avx512;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return Machines<T>::avx2;
#endif
  return Machines<T>::baseline;
}

}  // namespace nas
