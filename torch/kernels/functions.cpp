// The kernels as operations of libtorch with a gradient. All want tensors on the CPU, of float or double, whose channels lie innermost; Rust
// asks nas_takes before.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <optional>
#include <vector>

#include "failure.hpp"
#include "kernels.hpp"

namespace {

using at::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr auto LAST = at::MemoryFormat::ChannelsLast;
// Parts of a batch whose sums are added up in their order: what comes out does not depend on the number of threads.
constexpr int64_t PARTS = 16;

bool takes(const Tensor& x) {
  return x.device().is_cpu() && (x.scalar_type() == at::kFloat || x.scalar_type() == at::kDouble) && x.dim() == 4 && x.numel() > 0 &&
         x.is_contiguous(LAST);
}

// Calls work(T{}) with the type of x.
template <typename Work>
void with_type(const Tensor& x, const Work& work) {
  if (x.scalar_type() == at::kFloat) work(float{});
  else work(double{});
}

Tensor like(const Tensor& x, at::IntArrayRef size) { return at::empty(size, x.options(), LAST); }

// Runs work(image) for each of N images.
template <typename Work>
void for_images(int64_t count, const Work& work) {
  at::parallel_for(0, count, 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) work(image);
  });
}

// Runs work(part, begin, end) for PARTS even parts of `count`.
template <typename Work>
void for_parts(int64_t count, const Work& work) {
  at::parallel_for(0, PARTS, 1, [&](int64_t first, int64_t last) {
    for (int64_t part = first; part < last; ++part) work(part, count * part / PARTS, count * (part + 1) / PARTS);
  });
}

int64_t output_size(int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation) {
  return (size + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
}

struct ReluDepthwise : Function<ReluDepthwise> {
  static nas::Convolution shape(const Tensor& x, int64_t kernel, int64_t stride, int64_t dilation) {
    const int64_t padding = dilation * (kernel / 2);
    return {x.size(2), x.size(3), x.size(1), output_size(x.size(2), kernel, stride, padding, dilation),
            output_size(x.size(3), kernel, stride, padding, dilation), kernel, stride, padding, dilation};
  }

  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, int64_t stride, int64_t dilation) {
    const auto s = shape(x, weight.size(2), stride, dilation);
    const Tensor taps = weight.squeeze(1).permute({1, 2, 0}).contiguous();
    Tensor out = like(x, {x.size(0), s.channels, s.out_height, s.out_width});
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T *in = x.const_data_ptr<T>(), *w = taps.const_data_ptr<T>();
      T* to = out.mutable_data_ptr<T>();
      const int64_t read = s.height * s.width * s.channels, written = s.out_height * s.out_width * s.channels;
      for_images(x.size(0), [&](int64_t image) { kernels.relu_depthwise(in + image * read, w, to + image * written, s); });
    });
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["dilation"] = dilation;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1];
    const Tensor grad = gradients[0].contiguous(LAST);
    const int64_t stride = context->saved_data["stride"].toInt();
    const auto s = shape(x, weight.size(2), stride, context->saved_data["dilation"].toInt());
    const int64_t k = s.kernel, c = s.channels, read = s.height * s.width * c, written = s.out_height * s.out_width * c;
    Tensor grad_x, grad_weight;
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T *in = x.const_data_ptr<T>(), *g = grad.const_data_ptr<T>();
      if (context->needs_input_grad(0)) {
        const Tensor turned = stride == 1 ? weight.flip({2, 3}) : weight;
        const Tensor taps = turned.squeeze(1).permute({1, 2, 0}).contiguous();
        const T* w = taps.const_data_ptr<T>();
        grad_x = at::empty_like(x);
        T* to = grad_x.mutable_data_ptr<T>();
        for_images(x.size(0), [&](int64_t image) {
          kernels.relu_depthwise_grad_input(in + image * read, g + image * written, w, to + image * read, s);
        });
      }
      if (context->needs_input_grad(1)) {
        Tensor parts = at::zeros({PARTS, k, k, c}, weight.options().memory_format(at::MemoryFormat::Contiguous));
        T* sums = parts.mutable_data_ptr<T>();
        for_parts(x.size(0), [&](int64_t part, int64_t begin, int64_t end) {
          for (int64_t image = begin; image < end; ++image)
            kernels.relu_depthwise_grad_weight(in + image * read, g + image * written, sums + part * k * k * c, s);
        });
        grad_weight = parts.sum(0).permute({2, 0, 1}).unsqueeze(1);
      }
    });
    return {grad_x, grad_weight, Tensor(), Tensor()};
  }
};

// How far apart the rows (pixels) of images lie: more than their channels where they are a part of wider ones, as the gradient of a
// concatenation is. 0: not like this at all.
int64_t pitch_of(const Tensor& x) {
  const int64_t pitch = x.stride(3);
  const bool even = x.stride(1) == 1 && x.stride(2) == pitch * x.size(3) && x.stride(0) == x.stride(2) * x.size(2);
  return even && pitch >= x.size(1) ? pitch : 0;
}

// Two sums for each channel over all images; work(image, a, b) adds those of one.
struct Sums {
  std::vector<double> one, other;

  template <typename Work>
  Sums(int64_t images, int64_t channels, const Work& work) : one(channels), other(channels) {
    std::vector<double> parts(2 * PARTS * channels);
    for_parts(images, [&](int64_t part, int64_t begin, int64_t end) {
      double* to = parts.data() + 2 * part * channels;
      for (int64_t image = begin; image < end; ++image) work(image, to, to + channels);
    });
    for (int64_t part = 0; part < PARTS; ++part)
      for (int64_t channel = 0; channel < channels; ++channel) {
        one[channel] += parts[2 * part * channels + channel];
        other[channel] += parts[(2 * part + 1) * channels + channel];
      }
  }
};

// Of the batch's own statistics. `scale` [N] multiplies each image of the result, if it is defined.
struct BatchNorm : Function<BatchNorm> {
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                        const Tensor& running_var, const std::optional<Tensor>& scale, double momentum, double eps) {
    const int64_t images = x.size(0), channels = x.size(1), rows = x.size(2) * x.size(3), count = images * rows;
    TORCH_CHECK(count > 1, "batch norm in training needs more than 1 value for each channel, not ", x.sizes());
    Tensor out = at::empty_like(x), mean = at::empty({channels}, weight.options()), deviation = at::empty({channels}, weight.options());
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T *in = x.const_data_ptr<T>(), *w = weight.const_data_ptr<T>(), *b = bias.const_data_ptr<T>();
      const T* scales = scale ? scale->const_data_ptr<T>() : nullptr;
      T *m = mean.mutable_data_ptr<T>(), *r = deviation.mutable_data_ptr<T>(), *to = out.mutable_data_ptr<T>();
      T *means = running_mean.mutable_data_ptr<T>(), *vars = running_var.mutable_data_ptr<T>();
      // Sums around some value of the channel: around 0, squares would eat up the digits where the mean is large.
      const std::vector<T> origin(in, in + channels);
      const Sums sums(images, channels, [&](int64_t image, double* sum, double* square) {
        kernels.moments(in + image * rows * channels, origin.data(), sum, square, rows, channels);
      });
      for (int64_t channel = 0; channel < channels; ++channel) {
        const double shift = sums.one[channel] / count, of_channel = shift + origin[channel];
        // What is not a number stays what it is.
        const double raw = sums.other[channel] / count - shift * shift, var = raw < 0 ? 0 : raw;
        m[channel] = of_channel;
        r[channel] = 1 / std::sqrt(var + eps);
        means[channel] = (1 - momentum) * means[channel] + momentum * of_channel;
        vars[channel] = (1 - momentum) * vars[channel] + momentum * var * count / (count - 1);
      }
      at::parallel_for(0, images, 1, [&](int64_t begin, int64_t end) {
        std::vector<T> factor(channels), offset(channels);
        for (int64_t image = begin; image < end; ++image) {
          const T of_image = scales ? scales[image] : T(1);
          for (int64_t channel = 0; channel < channels; ++channel) {
            factor[channel] = r[channel] * w[channel] * of_image;
            offset[channel] = b[channel] * of_image;
          }
          const int64_t at = image * rows * channels;
          kernels.normalize(in + at, m, factor.data(), offset.data(), to + at, rows, channels);
        }
      });
    });
    context->save_for_backward({x, weight, mean, deviation, scale.value_or(Tensor())});
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const auto saved = context->get_saved_variables();
    const Tensor &x = saved[0], &weight = saved[1], &mean = saved[2], &deviation = saved[3], &scale = saved[4];
    const int64_t images = x.size(0), channels = x.size(1), rows = x.size(2) * x.size(3), count = images * rows;
    const Tensor grad = pitch_of(gradients[0]) > 0 ? gradients[0] : gradients[0].contiguous(LAST);
    const int64_t pitch = pitch_of(grad) > 0 ? pitch_of(grad) : channels;
    Tensor grad_x = at::empty_like(x), grad_weight = at::empty_like(weight), grad_bias = at::empty_like(weight);
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T *in = x.const_data_ptr<T>(), *g = grad.const_data_ptr<T>(), *w = weight.const_data_ptr<T>();
      const T *m = mean.const_data_ptr<T>(), *r = deviation.const_data_ptr<T>();
      const T* scales = scale.defined() ? scale.const_data_ptr<T>() : nullptr;
      T *gw = grad_weight.mutable_data_ptr<T>(), *gb = grad_bias.mutable_data_ptr<T>(), *to = grad_x.mutable_data_ptr<T>();
      const Sums sums(images, channels, [&](int64_t image, double* sum, double* product) {
        std::vector<double> own(2 * channels);
        kernels.grad_moments(in + image * rows * channels, g + image * rows * pitch, pitch, m, own.data(), own.data() + channels, rows, channels);
        const double of_image = scales ? scales[image] : 1;
        for (int64_t channel = 0; channel < channels; ++channel) {
          sum[channel] += of_image * own[channel];
          product[channel] += of_image * own[channels + channel];
        }
      });
      std::vector<T> of_x(channels), offset(channels);
      for (int64_t channel = 0; channel < channels; ++channel) {
        const double product = sums.other[channel] * r[channel], factor = static_cast<double>(w[channel]) * r[channel];
        gw[channel] = product;
        gb[channel] = sums.one[channel];
        of_x[channel] = -factor * product / count * r[channel];
        offset[channel] = -factor * sums.one[channel] / count;
      }
      at::parallel_for(0, images, 1, [&](int64_t begin, int64_t end) {
        std::vector<T> of_grad(channels);
        for (int64_t image = begin; image < end; ++image) {
          const T of_image = scales ? scales[image] : T(1);
          for (int64_t channel = 0; channel < channels; ++channel) of_grad[channel] = w[channel] * r[channel] * of_image;
          const int64_t at = image * rows * channels;
          kernels.normalize_grad(in + at, g + image * rows * pitch, pitch, m, of_grad.data(), of_x.data(), offset.data(), to + at, rows, channels);
        }
      });
    });
    return {grad_x, grad_weight, grad_bias, Tensor(), Tensor(), Tensor(), Tensor(), Tensor()};
  }
};

nas::Pooling pooling(int64_t height, int64_t width, int64_t channels, int64_t stride) {
  return {height, width, channels, output_size(height, 3, stride, 1, 1), output_size(width, 3, stride, 1, 1), stride};
}

struct MaxPool : Function<MaxPool> {
  static Tensor forward(AutogradContext* context, const Tensor& x, int64_t stride) {
    const auto s = pooling(x.size(2), x.size(3), x.size(1), stride);
    Tensor out = like(x, {x.size(0), s.channels, s.out_height, s.out_width}), taps = at::empty_like(out, at::kByte);
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T* in = x.const_data_ptr<T>();
      T* to = out.mutable_data_ptr<T>();
      uint8_t* tap = taps.mutable_data_ptr<uint8_t>();
      const int64_t read = s.height * s.width * s.channels, written = s.out_height * s.out_width * s.channels;
      for_images(x.size(0), [&](int64_t image) { kernels.max_pool(in + image * read, to + image * written, tap + image * written, s); });
    });
    context->save_for_backward({taps});
    context->saved_data["stride"] = stride;
    context->saved_data["size"] = std::vector<int64_t>(x.sizes().begin(), x.sizes().end());
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor taps = context->get_saved_variables()[0], grad = gradients[0].contiguous(LAST);
    const auto size = context->saved_data["size"].toIntVector();
    const auto s = pooling(size[2], size[3], size[1], context->saved_data["stride"].toInt());
    Tensor grad_x = like(grad, size);
    with_type(grad, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T* g = grad.const_data_ptr<T>();
      const uint8_t* tap = taps.const_data_ptr<uint8_t>();
      T* to = grad_x.mutable_data_ptr<T>();
      const int64_t read = s.height * s.width * s.channels, written = s.out_height * s.out_width * s.channels;
      for_images(size[0], [&](int64_t image) { kernels.max_pool_grad(g + image * written, tap + image * written, to + image * read, s); });
    });
    return {grad_x, Tensor()};
  }
};

struct MeanPool : Function<MeanPool> {
  static Tensor forward(AutogradContext* context, const Tensor& x, int64_t stride) {
    const auto s = pooling(x.size(2), x.size(3), x.size(1), stride);
    Tensor out = like(x, {x.size(0), s.channels, s.out_height, s.out_width});
    with_type(x, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T* in = x.const_data_ptr<T>();
      T* to = out.mutable_data_ptr<T>();
      const int64_t read = s.height * s.width * s.channels, written = s.out_height * s.out_width * s.channels;
      for_images(x.size(0), [&](int64_t image) { kernels.mean_pool(in + image * read, to + image * written, s); });
    });
    context->saved_data["stride"] = stride;
    context->saved_data["size"] = std::vector<int64_t>(x.sizes().begin(), x.sizes().end());
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor grad = gradients[0].contiguous(LAST);
    const auto size = context->saved_data["size"].toIntVector();
    const auto s = pooling(size[2], size[3], size[1], context->saved_data["stride"].toInt());
    Tensor grad_x = like(grad, size);
    with_type(grad, [&](auto zero) {
      using T = decltype(zero);
      const auto& kernels = nas::kernels<T>();
      const T* g = grad.const_data_ptr<T>();
      T* to = grad_x.mutable_data_ptr<T>();
      const int64_t read = s.height * s.width * s.channels, written = s.out_height * s.out_width * s.channels;
      at::parallel_for(0, size[0], 1, [&](int64_t begin, int64_t end) {
        std::vector<T> room(written);
        for (int64_t image = begin; image < end; ++image) kernels.mean_pool_grad(g + image * written, room.data(), to + image * read, s);
      });
    });
    return {grad_x, Tensor()};
  }
};

template <typename Work>
Tensor* tensor_of(const Work& work) {
  Tensor* made = nullptr;
  return nas::succeeds([&] { made = new Tensor(work()); }) ? made : nullptr;
}

}  // namespace

// A tensor is handed out as a new at::Tensor, which is tch's own form of it; null: see nas_failure.
extern "C" {

const char* nas_failure() { return nas::failure.c_str(); }

bool nas_takes(const Tensor* x) { return takes(*x); }

Tensor* nas_relu_depthwise(const Tensor* x, const Tensor* weight, int64_t stride, int64_t dilation) {
  return tensor_of([&] { return ReluDepthwise::apply(*x, *weight, stride, dilation); });
}

// `scale` may be null.
Tensor* nas_batch_norm(const Tensor* x, const Tensor* weight, const Tensor* bias, const Tensor* running_mean, const Tensor* running_var,
                       const Tensor* scale, double momentum, double eps) {
  return tensor_of([&] {
    return BatchNorm::apply(*x, *weight, *bias, *running_mean, *running_var, scale ? std::optional(scale->contiguous()) : std::nullopt, momentum, eps);
  });
}

Tensor* nas_max_pool(const Tensor* x, int64_t stride) {
  return tensor_of([&] { return MaxPool::apply(*x, stride); });
}

Tensor* nas_mean_pool(const Tensor* x, int64_t stride) {
  return tensor_of([&] { return MeanPool::apply(*x, stride); });
}
}
