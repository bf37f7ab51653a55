// All kernels for one kind of machine: NAS_MACHINE names it, and the compiler's options say what it has.
#include "kernels.hpp"

#include "batch_norm.hpp"
#include "depthwise.hpp"
#include "pool.hpp"

namespace nas {

template <>
const Kernels<float> Machines<float>::NAS_MACHINE = {
    relu_depthwise<float>, relu_depthwise_grad_weight<float>, relu_depthwise_grad_input<float>, moments<float>, grad_moments<float>,
    normalize<float>, normalize_grad<float>, max_pool<float>, max_pool_grad<float>, mean_pool<float>, mean_pool_grad<float>,
};

template <>
const Kernels<double> Machines<double>::NAS_MACHINE = {
    relu_depthwise<double>, relu_depthwise_grad_weight<double>, relu_depthwise_grad_input<double>, moments<double>, grad_moments<double>,
    normalize<double>, normalize_grad<double>, max_pool<double>, max_pool_grad<double>, mean_pool<double>, mean_pool_grad<double>,
};

}  // namespace nas
