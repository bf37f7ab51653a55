// One step of stochastic gradient descent for all parameters together.
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "failure.hpp"

using at::Tensor;

namespace {

struct Step {
  double max_norm, momentum, decay, learning_rate;
};

// Factor that clips gradients of this norm, after PyTorch's clip_grad_norm_. A norm that is not a number stays one.
double clip(double norm, double max_norm) {
  const double factor = max_norm / (norm + 1e-6);
  return factor > 1 ? 1 : factor;
}

// On the CPU each parameter is walked over twice, whatever the number of operations.
template <typename T>
void step_on_cpu(const std::vector<Tensor>& values, const std::vector<Tensor>& grads, const std::vector<Tensor>& momenta, const Step& step) {
  double squares = 0;
  for (const Tensor& grad : grads) {
    const T* g = grad.const_data_ptr<T>();
    double sum[8] = {};
    const int64_t count = grad.numel(), even = count / 8 * 8;
    for (int64_t at = 0; at < even; at += 8)
      for (int lane = 0; lane < 8; ++lane) sum[lane] += static_cast<double>(g[at + lane]) * static_cast<double>(g[at + lane]);
    for (int64_t at = even; at < count; ++at) sum[0] += static_cast<double>(g[at]) * static_cast<double>(g[at]);
    for (double lane : sum) squares += lane;
  }
  const T factor = clip(std::sqrt(squares), step.max_norm), momentum = step.momentum, decay = step.decay, rate = step.learning_rate;
  for (size_t number = 0; number < values.size(); ++number) {
    T* __restrict value = values[number].mutable_data_ptr<T>();
    T* __restrict buffer = momenta[number].mutable_data_ptr<T>();
    const T* __restrict g = grads[number].const_data_ptr<T>();
    for (int64_t at = 0; at < values[number].numel(); ++at) {
      buffer[at] = momentum * buffer[at] + factor * g[at] + decay * value[at];
      value[at] -= rate * buffer[at];
    }
  }
}

// On other devices nothing waits for the norm.
void step_on_device(std::vector<Tensor>& values, std::vector<Tensor>& grads, std::vector<Tensor>& momenta, const Step& step) {
  const Tensor norm = at::linalg_vector_norm(at::stack(at::_foreach_norm(grads, 2)));
  at::_foreach_mul_(grads, ((norm + 1e-6).reciprocal() * step.max_norm).clamp_max(1));
  at::_foreach_mul_(momenta, step.momentum);
  at::_foreach_add_(momenta, grads, 1);
  at::_foreach_add_(momenta, values, step.decay);
  at::_foreach_add_(values, momenta, -step.learning_rate);
}

}  // namespace

extern "C" {

// Clips the gradients to max_norm together, then momentum = rate_of_momentum * momentum + gradient + decay * parameter, and parameter -=
// learning_rate * momentum. Gradients that are not defined leave their parameters alone; all others may be written over.
bool nas_sgd_step(Tensor* const* parameters, Tensor* const* gradients, Tensor* const* momenta, int64_t count, double max_norm,
                  double rate_of_momentum, double decay, double learning_rate) {
  return nas::succeeds([&] {
    const c10::AutoGradMode guard(false);
    const Step step{max_norm, rate_of_momentum, decay, learning_rate};
    std::vector<Tensor> values, grads, buffers;
    for (int64_t number = 0; number < count; ++number) {
      const Tensor &value = *parameters[number], &grad = *gradients[number], &buffer = *momenta[number];
      if (!grad.defined()) continue;
      TORCH_CHECK(value.is_non_overlapping_and_dense() && buffer.strides() == value.strides() && grad.sizes() == value.sizes(),
                  "parameter ", number, " does not lie as its momentum does, or its gradient has another shape");
      values.push_back(value);
      grads.push_back(grad.strides() == value.strides() ? grad : at::empty_like(value).copy_(grad));
      buffers.push_back(buffer);
    }
    if (values.empty()) return;
    if (!values.front().is_cpu()) step_on_device(values, grads, buffers, step);
    else if (values.front().scalar_type() == at::kFloat) step_on_cpu<float>(values, grads, buffers, step);
    else step_on_cpu<double>(values, grads, buffers, step);
  });
}
}
