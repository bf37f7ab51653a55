// Blocks of channels as vectors, for images whose channels lie innermost ([N, H, W, C] in memory).
//
// All channels of a pixel are treated alike and independently, so a block of them is one vector: 64 bytes where that many are left, then
// half, a quarter, ..., one. The compiler splits what is wider than the machine's registers.
#pragma once

#include <cstdint>
#include <cstring>

#define NAS_INLINE inline __attribute__((always_inline))

// Every function of these headers is compiled anew for each machine, and must not be shared between them.
namespace {


template <typename T, int W>
struct Vector {
  typedef T type __attribute__((vector_size(W * sizeof(T))));
};

// W numbers.
template <typename T, int W>
using vec = typename Vector<T, W>::type;

template <typename T, int W>
NAS_INLINE vec<T, W> load(const T* from) {
  vec<T, W> value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <typename T, int W>
NAS_INLINE void store(T* to, vec<T, W> value) {
  std::memcpy(to, &value, sizeof value);
}

// max(x, 0) that hands on what is not a number, as PyTorch's ReLU does.
template <typename T, int W>
NAS_INLINE vec<T, W> relu(vec<T, W> x) {
  const vec<T, W> zero = {};
  return x < zero ? zero : x;
}

// Calls block.operator()<W>(first) for blocks of W channels that cover them all.
template <typename T, typename Block>
NAS_INLINE void for_blocks(int64_t channels, Block block) {
  constexpr int widest = 64 / sizeof(T);
  int64_t first = 0;
  for (; first + widest <= channels; first += widest) block.template operator()<widest>(first);
  for (; first + widest / 2 <= channels; first += widest / 2) block.template operator()<widest / 2>(first);
  for (; first + widest / 4 <= channels; first += widest / 4) block.template operator()<widest / 4>(first);
  for (; first < channels; ++first) block.template operator()<1>(first);
}

}  // namespace
