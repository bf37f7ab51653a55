// 3x3 pooling with padding 1 of one image [H, W, C], and the gradients.
#pragma once

#include <algorithm>
#include <limits>
#include <type_traits>

#include "kernels.hpp"
#include "vectors.hpp"

namespace {

using nas::Pooling;

// Whole numbers as wide as T, which its comparisons yield.
template <typename T>
using Whole = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

// Taps of the window around `at` that lie inside of [0, size): [begin, end).
struct Taps {
  int begin, end;
};

NAS_INLINE Taps taps(int64_t top, int64_t size) {
  return {static_cast<int>(std::max<int64_t>(0, -top)), static_cast<int>(std::min<int64_t>(3, size - top))};
}

template <typename T, int W>
NAS_INLINE void max_block(const T* in, T* out, uint8_t* tap, const Pooling& s, int64_t first) {
  const int64_t c = s.channels;
  for (int64_t y = 0; y < s.out_height; ++y) {
    const int64_t top = y * s.stride - 1;
    const Taps rows = taps(top, s.height);
    for (int64_t x = 0; x < s.out_width; ++x) {
      const int64_t left = x * s.stride - 1;
      const Taps columns = taps(left, s.width);
      vec<T, W> best = vec<T, W>{} - std::numeric_limits<T>::infinity();
      vec<Whole<T>, W> which = vec<Whole<T>, W>{} + (rows.begin * 3 + columns.begin);
      const auto look = [&](int ky, int kx) __attribute__((always_inline)) {
        const vec<T, W> value = load<T, W>(in + ((top + ky) * s.width + left + kx) * c + first);
        const auto better = (value > best) | (value != value);
        best = better ? value : best;
        which = better ? vec<Whole<T>, W>{} + (ky * 3 + kx) : which;
      };
      if (rows.begin == 0 && rows.end == 3 && columns.begin == 0 && columns.end == 3) {
        for (int ky = 0; ky < 3; ++ky)
          for (int kx = 0; kx < 3; ++kx) look(ky, kx);
      } else {
        for (int ky = rows.begin; ky < rows.end; ++ky)
          for (int kx = columns.begin; kx < columns.end; ++kx) look(ky, kx);
      }
      const int64_t at = (y * s.out_width + x) * c + first;
      store<T, W>(out + at, best);
      store<uint8_t, W>(tap + at, __builtin_convertvector(which, vec<uint8_t, W>));
    }
  }
}

// Each input pixel gathers from the windows whose tap it was.
template <typename T, int W, int S>
NAS_INLINE void max_grad_block(const T* grad, const uint8_t* tap, T* grad_in, const Pooling& s, int64_t first) {
  const int64_t c = s.channels;
  for (int64_t y = 0; y < s.height; ++y)
    for (int64_t x = 0; x < s.width; ++x) {
      vec<T, W> sum = {};
      const auto add = [&](int ky, int kx) __attribute__((always_inline)) {
        const int64_t at = ((y + 1 - ky) / S * s.out_width + (x + 1 - kx) / S) * c + first;
        const auto its = __builtin_convertvector(load<uint8_t, W>(tap + at), vec<Whole<T>, W>) == ky * 3 + kx;
        sum += its ? load<T, W>(grad + at) : vec<T, W>{};
      };
      if (S == 1 && y > 0 && y + 1 < s.height && x > 0 && x + 1 < s.width) {
        for (int ky = 0; ky < 3; ++ky)
          for (int kx = 0; kx < 3; ++kx) add(ky, kx);
      } else {
        for (int ky = 0; ky < 3; ++ky) {
          const int64_t oy = y + 1 - ky;
          if (oy < 0 || oy % S != 0 || oy / S >= s.out_height) continue;
          for (int kx = 0; kx < 3; ++kx) {
            const int64_t ox = x + 1 - kx;
            if (ox >= 0 && ox % S == 0 && ox / S < s.out_width) add(ky, kx);
          }
        }
      }
      store<T, W>(grad_in + (y * s.width + x) * c + first, sum);
    }
}

// 1 / the number of pixels of a window that lie inside.
template <typename T>
NAS_INLINE T share(int64_t y, int64_t x, const Pooling& s) {
  const Taps rows = taps(y * s.stride - 1, s.height), columns = taps(x * s.stride - 1, s.width);
  return T(1) / static_cast<T>((rows.end - rows.begin) * (columns.end - columns.begin));
}

// Sums of the 3x3 windows at stride S, each times what `scale` says.
template <typename T, int W, int S, typename Scale>
NAS_INLINE void window_sums(const T* in, T* out, const Pooling& s, int64_t first, const Scale& scale) {
  const int64_t c = s.channels;
  for (int64_t y = 0; y < s.out_height; ++y) {
    const int64_t top = y * S - 1;
    const Taps rows = taps(top, s.height);
    for (int64_t x = 0; x < s.out_width; ++x) {
      const int64_t left = x * S - 1;
      const Taps columns = taps(left, s.width);
      vec<T, W> sum = {};
      const auto add = [&](int ky, int kx) __attribute__((always_inline)) {
        sum += load<T, W>(in + ((top + ky) * s.width + left + kx) * c + first);
      };
      if (rows.begin == 0 && rows.end == 3 && columns.begin == 0 && columns.end == 3) {
        for (int ky = 0; ky < 3; ++ky)
          for (int kx = 0; kx < 3; ++kx) add(ky, kx);
      } else {
        for (int ky = rows.begin; ky < rows.end; ++ky)
          for (int kx = columns.begin; kx < columns.end; ++kx) add(ky, kx);
      }
      store<T, W>(out + (y * s.out_width + x) * c + first, sum * scale(y, x));
    }
  }
}

// Stride 2: each input pixel gathers from the (at most four) windows that it is in.
template <typename T, int W>
NAS_INLINE void gather_means(const T* shares, T* grad_in, const Pooling& s, int64_t first) {
  const int64_t c = s.channels;
  for (int64_t y = 0; y < s.height; ++y)
    for (int64_t x = 0; x < s.width; ++x) {
      vec<T, W> sum = {};
      // A window at 2 * o - 1 begins with tap 0.
      for (int64_t oy = y / 2; oy <= (y + 1) / 2 && oy < s.out_height; ++oy)
        for (int64_t ox = x / 2; ox <= (x + 1) / 2 && ox < s.out_width; ++ox)
          sum += load<T, W>(shares + (oy * s.out_width + ox) * c + first);
      store<T, W>(grad_in + (y * s.width + x) * c + first, sum);
    }
}

template <typename T>
void mean_pool(const T* in, T* out, const Pooling& s) {
  const auto scale = [&](int64_t y, int64_t x) __attribute__((always_inline)) { return share<T>(y, x, s); };
  for_blocks<T>(s.channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
    if (s.stride == 1) window_sums<T, W, 1>(in, out, s, first, scale);
    else window_sums<T, W, 2>(in, out, s, first, scale);
  });
}

template <typename T>
void mean_pool_grad(const T* grad, T* room, T* grad_in, const Pooling& s) {
  for (int64_t y = 0; y < s.out_height; ++y)
    for (int64_t x = 0; x < s.out_width; ++x) {
      const T factor = share<T>(y, x, s);
      const int64_t at = (y * s.out_width + x) * s.channels;
      for (int64_t channel = 0; channel < s.channels; ++channel) room[at + channel] = grad[at + channel] * factor;
    }
  for_blocks<T>(s.channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
    if (s.stride == 1) window_sums<T, W, 1>(room, grad_in, s, first, [](int64_t, int64_t) __attribute__((always_inline)) { return T(1); });
    else gather_means<T, W>(room, grad_in, s, first);
  });
}

template <typename T>
void max_pool(const T* in, T* out, uint8_t* tap, const Pooling& s) {
  for_blocks<T>(s.channels, [&]<int W>(int64_t first) __attribute__((always_inline)) { max_block<T, W>(in, out, tap, s, first); });
}

template <typename T>
void max_pool_grad(const T* grad, const uint8_t* tap, T* grad_in, const Pooling& s) {
  for_blocks<T>(s.channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
    if (s.stride == 1) max_grad_block<T, W, 1>(grad, tap, grad_in, s, first);
    else max_grad_block<T, W, 2>(grad, tap, grad_in, s, first);
  });
}

}  // namespace
