// Batch normalisation over rows of channels: [rows, C], where a row is a pixel of an image.
#pragma once

#include <algorithm>

#include "vectors.hpp"

namespace {

// Rows that are added up in the numbers' own type before they go into a double: few enough to stay exact, and to stay in the cache while all
// blocks of channels walk over them.
constexpr int64_t TILE = 128;

// Two sums of each channel, over what terms(row, first, x, y) sets x and y to, tile by tile.
template <typename T, typename Terms>
NAS_INLINE void two_sums(double* a, double* b, int64_t rows, int64_t channels, const Terms& terms) {
  for (int64_t tile = 0; tile < rows; tile += TILE) {
    const int64_t end = std::min(tile + TILE, rows);
    for_blocks<T>(channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
      // Four of each, so that no addition waits for the one before.
      vec<T, W> one[4] = {}, other[4] = {};
      const auto add = [&](int64_t row, int lane) __attribute__((always_inline)) {
        vec<T, W> x, y;
        terms.template operator()<W>(row, first, x, y);
        one[lane] += x;
        other[lane] += y;
      };
      int64_t row = tile;
      for (; row + 4 <= end; row += 4)
        for (int lane = 0; lane < 4; ++lane) add(row + lane, lane);
      for (; row < end; ++row) add(row, 0);
      const vec<T, W> x = (one[0] + one[1]) + (one[2] + one[3]), y = (other[0] + other[1]) + (other[2] + other[3]);
      for (int lane = 0; lane < W; ++lane) {
        a[first + lane] += static_cast<double>(x[lane]);
        b[first + lane] += static_cast<double>(y[lane]);
      }
    });
  }
}

template <typename T>
void moments(const T* x, const T* origin, double* sum, double* square, int64_t rows, int64_t channels) {
  two_sums<T>(sum, square, rows, channels,
              [&]<int W>(int64_t row, int64_t first, vec<T, W>& one, vec<T, W>& other) __attribute__((always_inline)) {
                one = load<T, W>(x + row * channels + first) - load<T, W>(origin + first);
                other = one * one;
              });
}

template <typename T>
void grad_moments(const T* x, const T* grad, int64_t pitch, const T* origin, double* sum, double* product, int64_t rows, int64_t channels) {
  two_sums<T>(sum, product, rows, channels,
              [&]<int W>(int64_t row, int64_t first, vec<T, W>& one, vec<T, W>& other) __attribute__((always_inline)) {
                one = load<T, W>(grad + row * pitch + first);
                other = one * (load<T, W>(x + row * channels + first) - load<T, W>(origin + first));
              });
}

template <typename T>
void normalize(const T* x, const T* origin, const T* factor, const T* offset, T* out, int64_t rows, int64_t channels) {
  for (int64_t row = 0; row < rows; ++row)
    for_blocks<T>(channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
      const int64_t at = row * channels + first;
      const vec<T, W> value = load<T, W>(x + at) - load<T, W>(origin + first);
      store<T, W>(out + at, value * load<T, W>(factor + first) + load<T, W>(offset + first));
    });
}

template <typename T>
void normalize_grad(const T* x, const T* grad, int64_t pitch, const T* origin, const T* of_grad, const T* of_x, const T* offset, T* grad_in,
                                  int64_t rows, int64_t channels) {
  for (int64_t row = 0; row < rows; ++row)
    for_blocks<T>(channels, [&]<int W>(int64_t first) __attribute__((always_inline)) {
      const int64_t at = row * channels + first;
      const vec<T, W> value = load<T, W>(x + at) - load<T, W>(origin + first);
      const vec<T, W> rest = value * load<T, W>(of_x + first) + load<T, W>(offset + first);
      store<T, W>(grad_in + at, load<T, W>(grad + row * pitch + first) * load<T, W>(of_grad + first) + rest);
    });
}

}  // namespace
