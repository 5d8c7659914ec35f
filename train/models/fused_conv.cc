#include "train/models/fused_conv.h"

#include <ATen/core/dispatch/Dispatcher.h>

namespace fluke::train {
namespace {

// The operators that Torch's own compiler (Inductor) puts in the place of convolutions on the CPU;
// they have no other door to C++ than the dispatcher. Signatures: aten/src/ATen/native/mkldnn.
using Scalars = c10::List<std::optional<at::Scalar>>;
using Text = std::optional<std::string_view>;
using Convolve = at::Tensor(const at::Tensor& x, const at::Tensor& weight,
                            const std::optional<at::Tensor>& bias, at::IntArrayRef padding,
                            at::IntArrayRef stride, at::IntArrayRef dilation, int64_t groups,
                            std::string_view activation, Scalars scalars, Text algorithm);
using ConvolveInto = at::Tensor&(at::Tensor& sum, const at::Tensor& x, const at::Tensor& weight,
                                 const std::optional<at::Tensor>& bias, at::IntArrayRef padding,
                                 at::IntArrayRef stride, at::IntArrayRef dilation, int64_t groups,
                                 std::string_view binary, std::optional<at::Scalar> alpha,
                                 Text activation, Scalars scalars, Text algorithm);
using Pack = at::Tensor(const at::Tensor& weight, at::IntArrayRef padding, at::IntArrayRef stride,
                        at::IntArrayRef dilation, int64_t groups, at::OptionalIntArrayRef x_sizes);

constexpr std::string_view kNone = "none", kRelu = "relu";

template <typename Signature>
c10::TypedOperatorHandle<Signature> Operator(const char* name, const char* overload) {
  return c10::Dispatcher::singleton().findSchemaOrThrow(name, overload).typed<Signature>();
}

}  // namespace

bool CanFuse(at::ScalarType type) {
  if (!at::globalContext().hasMKLDNN() || !at::globalContext().userEnabledMkldnn()) return false;
  if (type == at::kFloat) return true;
#if defined(__x86_64__)
  return type == at::kBFloat16 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

FusedConv::FusedConv(Conv2d& conv, torch::nn::BatchNorm2d& norm, at::ScalarType type)
    : stride_(conv->stride()), padding_(conv->padding()) {
  const at::NoGradGuard no_grad;
  const at::Tensor scale = norm->weight / at::sqrt(norm->running_var + norm->options.eps());
  weight_ = (conv->weight * scale.view({-1, 1, 1, 1}))
                .to(type)
                .contiguous(at::MemoryFormat::ChannelsLast);
  bias_ = (norm->bias - norm->running_mean * scale).to(type);
}

at::Tensor FusedConv::operator()(const at::Tensor& x) { return Run(x, kNone); }

at::Tensor FusedConv::Relu(const at::Tensor& x) { return Run(x, kRelu); }

at::Tensor FusedConv::AddRelu(const at::Tensor& x, at::Tensor sum) {
  static const auto convolve = Operator<ConvolveInto>("mkldnn::_convolution_pointwise_", "binary");
  const at::Tensor input = Input(x);
  if (const WinogradConv* winograd = WinogradFor(input)) {
    winograd->AddRelu(input, sum);
    return sum;
  }
  PackFor(input);
  convolve.call(sum, input, packed_, bias_, {padding_, padding_}, {stride_, stride_}, {1, 1}, 1,
                "add", at::Scalar(1.0), kRelu, Scalars(), std::nullopt);
  return sum;
}

at::Tensor FusedConv::Run(const at::Tensor& x, std::string_view activation) {
  static const auto convolve = Operator<Convolve>("mkldnn::_convolution_pointwise", "");
  const at::Tensor input = Input(x);
  if (const WinogradConv* winograd = WinogradFor(input)) {
    return winograd->Run(input, activation == kRelu);
  }
  PackFor(input);
  return convolve.call(input, packed_, bias_, {padding_, padding_}, {stride_, stride_}, {1, 1}, 1,
                       activation, Scalars(), std::nullopt);
}

at::Tensor FusedConv::Input(const at::Tensor& x) const {
  return x.to(weight_.scalar_type()).contiguous(at::MemoryFormat::ChannelsLast);
}

const WinogradConv* FusedConv::WinogradFor(const at::Tensor& x) {
  const bool is_kind =
      weight_.scalar_type() == at::kFloat && weight_.size(2) == 3 && stride_ == 1 && padding_ == 1;
  if (!is_kind || !WinogradConv::Pays(weight_.sizes(), x.sizes())) return nullptr;
  if (!winograd_) winograd_.emplace(weight_, bias_);
  return &*winograd_;
}

void FusedConv::PackFor(const at::Tensor& x) {
  static const auto pack = Operator<Pack>("mkldnn::_reorder_convolution_weight", "");
  const std::array<int64_t, 2> side = {x.size(2), x.size(3)};
  if (!packed_.defined() || side != packed_side_) {
    packed_ = pack.call(weight_, {padding_, padding_}, {stride_, stride_}, {1, 1}, 1, x.sizes());
    packed_side_ = side;
  }
}

}  // namespace fluke::train
