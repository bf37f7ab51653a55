// Depthwise convolutions of ReLU(x), and their gradients, for one image [H, W, C].
//
// libtorch hands 5x5 kernels, and all with dilation, to a slow path: their gradients cost 5 to 15 times what is done here. And with the ReLU
// taken while loading, nothing but the input itself has to be kept for the way back.
#pragma once

#include <algorithm>

#include "kernels.hpp"
#include "vectors.hpp"

namespace {

using nas::Convolution;

// Output pixels whose taps all lie inside of the row: [begin, end).
struct Inner {
  int64_t begin, end;
};

NAS_INLINE Inner inner(const Convolution& s, int64_t kernel) {
  const int64_t begin = std::min((s.padding + s.stride - 1) / s.stride, s.out_width);
  const int64_t last = s.width - 1 + s.padding - (kernel - 1) * s.dilation;
  const int64_t end = last < 0 ? begin : std::min(last / s.stride + 1, s.out_width);
  return {begin, std::max(begin, end)};
}

// What happens to a loaded pixel, and to a sum before it is stored.
struct Rectified {
  template <typename T, int W>
  NAS_INLINE vec<T, W> loaded(const T* at) const { return relu<T, W>(load<T, W>(at)); }
  template <typename T, int W>
  NAS_INLINE vec<T, W> stored(vec<T, W> sum, int64_t) const { return sum; }
};

// The gradient of a ReLU: nothing where its input was not positive.
template <typename T>
struct Masked {
  const T* input;
  template <typename U, int W>
  NAS_INLINE vec<U, W> loaded(const U* at) const { return load<U, W>(at); }
  template <typename U, int W>
  NAS_INLINE vec<U, W> stored(vec<U, W> sum, int64_t at) const {
    const vec<U, W> zero = {};
    return load<U, W>(input + at) <= zero ? zero : sum;
  }
};

// Channels [first, first + W) of all outputs. A kernel row of weights stays in registers while RUN outputs are added up.
template <typename T, int K, int W, typename How>
NAS_INLINE void convolve(const T* in, const T* weight, T* out, const Convolution& s, int64_t first, const How& how) {
  constexpr int RUN = 4;
  const int64_t c = s.channels;
  const auto [begin, end] = inner(s, K);
  for (int64_t y = 0; y < s.out_height; ++y) {
    const int64_t row_at = y * s.out_width * c + first;
    const int64_t top = y * s.stride - s.padding;
    const auto at_edge = [&](int64_t x) __attribute__((always_inline)) {
      vec<T, W> sum = {};
      for (int ky = 0; ky < K; ++ky) {
        const int64_t iy = top + ky * s.dilation;
        if (iy < 0 || iy >= s.height) continue;
        for (int kx = 0; kx < K; ++kx) {
          const int64_t ix = x * s.stride + kx * s.dilation - s.padding;
          if (ix < 0 || ix >= s.width) continue;
          sum += how.template loaded<T, W>(in + (iy * s.width + ix) * c + first) * load<T, W>(weight + (ky * K + kx) * c + first);
        }
      }
      store<T, W>(out + row_at + x * c, how.template stored<T, W>(sum, row_at + x * c));
    };
    int64_t x = 0;
    for (; x < begin; ++x) at_edge(x);
    for (; x + RUN <= end; x += RUN) {
      vec<T, W> sum[RUN] = {};
      for (int ky = 0; ky < K; ++ky) {
        const int64_t iy = top + ky * s.dilation;
        if (iy < 0 || iy >= s.height) continue;
        const T* row = in + (iy * s.width + x * s.stride - s.padding) * c + first;
        vec<T, W> w[K];
        for (int kx = 0; kx < K; ++kx) w[kx] = load<T, W>(weight + (ky * K + kx) * c + first);
        for (int kx = 0; kx < K; ++kx)
          for (int run = 0; run < RUN; ++run)
            sum[run] += how.template loaded<T, W>(row + (run * s.stride + kx * s.dilation) * c) * w[kx];
      }
      for (int run = 0; run < RUN; ++run) {
        const int64_t at = row_at + (x + run) * c;
        store<T, W>(out + at, how.template stored<T, W>(sum[run], at));
      }
    }
    for (; x < s.out_width; ++x) at_edge(x);
  }
}

// Each kernel row has K sums in registers, which one walk over the image fills.
template <typename T, int K, int W>
NAS_INLINE void grad_weight_block(const T* in, const T* grad, T* grad_weight, const Convolution& s, int64_t first) {
  const int64_t c = s.channels;
  const auto [begin, end] = inner(s, K);
  for (int ky = 0; ky < K; ++ky) {
    vec<T, W> sum[K] = {};
    for (int64_t y = 0; y < s.out_height; ++y) {
      const int64_t iy = y * s.stride + ky * s.dilation - s.padding;
      if (iy < 0 || iy >= s.height) continue;
      const T* grads = grad + y * s.out_width * c + first;
      const T* row = in + iy * s.width * c + first;
      const auto at_edge = [&](int64_t x) __attribute__((always_inline)) {
        const vec<T, W> g = load<T, W>(grads + x * c);
        for (int kx = 0; kx < K; ++kx) {
          const int64_t ix = x * s.stride + kx * s.dilation - s.padding;
          if (ix >= 0 && ix < s.width) sum[kx] += g * relu<T, W>(load<T, W>(row + ix * c));
        }
      };
      for (int64_t x = 0; x < begin; ++x) at_edge(x);
      const T* from = row + (begin * s.stride - s.padding) * c;
      for (int64_t x = begin; x < end; ++x, from += s.stride * c) {
        const vec<T, W> g = load<T, W>(grads + x * c);
        for (int kx = 0; kx < K; ++kx) sum[kx] += g * relu<T, W>(load<T, W>(from + kx * s.dilation * c));
      }
      for (int64_t x = end; x < s.out_width; ++x) at_edge(x);
    }
    for (int kx = 0; kx < K; ++kx) {
      T* to = grad_weight + (ky * K + kx) * c + first;
      store<T, W>(to, load<T, W>(to) + sum[kx]);
    }
  }
}

// Stride 2: each input pixel gathers from the outputs that it went into.
template <typename T, int K, int W>
NAS_INLINE void gather_block(const T* grad, const T* weight, T* grad_in, const Convolution& s, int64_t first, const Masked<T>& how) {
  const int64_t c = s.channels;
  for (int64_t y = 0; y < s.height; ++y)
    for (int64_t x = 0; x < s.width; ++x) {
      vec<T, W> sum = {};
      for (int ky = 0; ky < K; ++ky) {
        const int64_t oy = y + s.padding - ky * s.dilation;
        if (oy < 0 || oy % 2 != 0 || oy / 2 >= s.out_height) continue;
        for (int kx = 0; kx < K; ++kx) {
          const int64_t ox = x + s.padding - kx * s.dilation;
          if (ox < 0 || ox % 2 != 0 || ox / 2 >= s.out_width) continue;
          sum += load<T, W>(grad + (oy / 2 * s.out_width + ox / 2) * c + first) * load<T, W>(weight + (ky * K + kx) * c + first);
        }
      }
      const int64_t at = (y * s.width + x) * c + first;
      store<T, W>(grad_in + at, how.template stored<T, W>(sum, at));
    }
}

template <typename T, typename How>
NAS_INLINE void convolve_all(const T* in, const T* weight, T* out, const Convolution& s, const How& how) {
  for_blocks<T>(s.channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
    if (s.kernel == 3) convolve<T, 3, W>(in, weight, out, s, first, how);
    else convolve<T, 5, W>(in, weight, out, s, first, how);
  });
}

template <typename T>
void relu_depthwise_grad_weight(const T* in, const T* grad, T* grad_weight, const Convolution& s) {
  for_blocks<T>(s.channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
    if (s.kernel == 3) grad_weight_block<T, 3, W>(in, grad, grad_weight, s, first);
    else grad_weight_block<T, 5, W>(in, grad, grad_weight, s, first);
  });
}

// `weight` turned by half a turn for stride 1, as it is for stride 2.
template <typename T>
void relu_depthwise_grad_input(const T* in, const T* grad, const T* weight, T* grad_in, const Convolution& s) {
  const Masked<T> how{in};
  if (s.stride == 1) {
    const Convolution back{s.out_height, s.out_width, s.channels, s.height, s.width, s.kernel, 1, s.dilation * (s.kernel - 1) - s.padding, s.dilation};
    convolve_all<T>(grad, weight, grad_in, back, how);
  } else {
    for_blocks<T>(s.channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
      if (s.kernel == 3) gather_block<T, 3, W>(grad, weight, grad_in, s, first, how);
      else gather_block<T, 5, W>(grad, weight, grad_in, s, first, how);
    });
  }
}

template <typename T>
void relu_depthwise(const T* in, const T* weight, T* out, const Convolution& s) {
  convolve_all<T>(in, weight, out, s, Rectified{});
}

}  // namespace
