#include "train/models/conv2d.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include <ATen/Parallel.h>
#include <ATen/autocast_mode.h>

namespace fluke::train {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Output maps up to these many pixels take the matrix product (measured on AVX-512 and AMX
// machines, batch 32).
constexpr int64_t kAllByProduct = 16;             // forward and both gradients
constexpr int64_t kWeightGradientByProduct = 64;  // in bf16: the weight gradient alone

int64_t OutSide(int64_t side, int64_t kernel, int64_t stride, int64_t padding) {
  return (side + 2 * padding - kernel) / stride + 1;
}

// out x in x k x k -> out x (k k in), a view where the weight is channels-last.
at::Tensor WeightMatrix(const at::Tensor& weight) {
  return weight.permute({0, 2, 3, 1}).reshape({weight.size(0), -1});
}

// (N H W) x C rows -> N x C x H x W, channels-last, a view.
at::Tensor MapOfRows(const at::Tensor& rows, int64_t n, int64_t h, int64_t w) {
  return rows.view({n, h, w, rows.size(1)}).permute({0, 3, 1, 2});
}

at::Tensor RowsOfMap(const at::Tensor& map) {
  return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
}

class ConvolutionByProduct : public torch::autograd::Function<ConvolutionByProduct> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            int64_t stride, int64_t padding) {
    const int64_t kernel = weight.size(2);
    const int64_t h = OutSide(x.size(2), kernel, stride, padding);
    const int64_t w = OutSide(x.size(3), kernel, stride, padding);
    context->save_for_backward({x, weight});
    context->saved_data["stride"] = stride;
    context->saved_data["padding"] = padding;
    if (h * w > kAllByProduct) return at::conv2d(x, weight, {}, stride, padding);
    return MapOfRows(at::mm(Im2Col(x, kernel, stride, padding), WeightMatrix(weight).t()),
                     x.size(0), h, w);
  }

  static variable_list backward(AutogradContext* context, variable_list grads) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    const int64_t stride = context->saved_data["stride"].toInt();
    const int64_t padding = context->saved_data["padding"].toInt();
    const int64_t kernel = weight.size(2);
    const at::Tensor grad = grads[0].contiguous(at::MemoryFormat::ChannelsLast);
    const at::Tensor rows = RowsOfMap(grad);
    const at::Tensor dw = at::mm(rows.t(), Im2Col(x, kernel, stride, padding))
                              .view({weight.size(0), kernel, kernel, weight.size(1)})
                              .permute({0, 3, 1, 2});
    at::Tensor dx;
    if (context->needs_input_grad(0)) {
      if (grad.size(2) * grad.size(3) <= kAllByProduct) {
        dx = Col2Im(at::mm(rows, WeightMatrix(weight)), x.sizes(), kernel, stride, padding);
      } else {
        dx = std::get<0>(at::convolution_backward(grad, x, weight, at::nullopt, {stride, stride},
                                                  {padding, padding}, {1, 1}, false, {0, 0}, 1,
                                                  {true, false, false}));
      }
    }
    return {dx, dw, at::Tensor(), at::Tensor()};
  }
};

// With AVX2 alone, LibTorch 2.11's weight gradient of such a convolution of channels-last maps
// holds memory that nothing has written, once in a while.
bool HasBrokenWeightGradient(const at::Tensor& weight, int64_t stride) {
  constexpr int64_t kLanes = 8;
  return weight.size(2) == 1 && stride > 1 &&
         (weight.size(0) % kLanes != 0 || weight.size(1) % kLanes != 0);
}

bool TakesProduct(const at::Tensor& x, const at::Tensor& weight, int64_t stride, int64_t padding) {
  if (!x.is_cpu() || !at::GradMode::is_enabled()) return false;
  if (HasBrokenWeightGradient(weight, stride)) return true;
  if (weight.size(2) == 1) return false;
  const int64_t pixels = OutSide(x.size(2), weight.size(2), stride, padding) *
                         OutSide(x.size(3), weight.size(2), stride, padding);
  return pixels <= (x.scalar_type() == at::kBFloat16 ? kWeightGradientByProduct : kAllByProduct);
}

}  // namespace

at::Tensor Im2Col(const at::Tensor& x, int64_t kernel, int64_t stride, int64_t padding) {
  const at::Tensor map = x.contiguous(at::MemoryFormat::ChannelsLast);
  const int64_t n = map.size(0), c = map.size(1), h = map.size(2), w = map.size(3);
  const int64_t out_h = OutSide(h, kernel, stride, padding),
                out_w = OutSide(w, kernel, stride, padding);
  at::Tensor columns = at::empty({n * out_h * out_w, kernel * kernel * c}, map.options());
  const size_t pixel_bytes = static_cast<size_t>(c) * map.element_size();
  const auto* source = static_cast<const char*>(map.const_data_ptr());
  auto* target = static_cast<char*>(columns.data_ptr());
  at::parallel_for(0, n * out_h, 1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / out_h, top = row % out_h * stride - padding;
      char* out = target + static_cast<size_t>(row * out_w * kernel * kernel) * pixel_bytes;
      for (int64_t column = 0; column < out_w; ++column) {
        const int64_t left = column * stride - padding;
        for (int64_t ky = 0; ky < kernel; ++ky) {
          const int64_t y = top + ky;
          // [first, last) of the kernel's columns fall inside the map.
          const int64_t first = y < 0 || y >= h ? kernel : std::clamp<int64_t>(-left, 0, kernel);
          const int64_t last = std::max(first, std::min(kernel, w - left));
          std::memset(out, 0, first * pixel_bytes);
          if (last > first) {
            std::memcpy(out + first * pixel_bytes,
                        source + ((image * h + y) * w + left + first) * pixel_bytes,
                        (last - first) * pixel_bytes);
          }
          std::memset(out + last * pixel_bytes, 0, (kernel - last) * pixel_bytes);
          out += kernel * pixel_bytes;
        }
      }
    }
  });
  return columns;
}

namespace {

template <typename T>
void SumPatches(const at::Tensor& columns, at::Tensor& map, int64_t kernel, int64_t stride,
                int64_t padding) {
  const int64_t n = map.size(0), c = map.size(1), h = map.size(2), w = map.size(3);
  const int64_t out_h = OutSide(h, kernel, stride, padding),
                out_w = OutSide(w, kernel, stride, padding);
  const T* source = columns.const_data_ptr<T>();
  T* target = map.data_ptr<T>();
  at::parallel_for(0, n * h, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> sum(static_cast<size_t>(c));
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / h, y = row % h;
      for (int64_t x = 0; x < w; ++x) {
        std::fill(sum.begin(), sum.end(), 0.0f);
        for (int64_t ky = 0; ky < kernel; ++ky) {
          const int64_t top = y + padding - ky;
          if (top < 0 || top % stride != 0 || top / stride >= out_h) continue;
          for (int64_t kx = 0; kx < kernel; ++kx) {
            const int64_t left = x + padding - kx;
            if (left < 0 || left % stride != 0 || left / stride >= out_w) continue;
            const int64_t patch = (image * out_h + top / stride) * out_w + left / stride;
            const T* values = source + ((patch * kernel + ky) * kernel + kx) * c;
            for (int64_t i = 0; i < c; ++i) sum[i] += static_cast<float>(values[i]);
          }
        }
        T* out = target + (row * w + x) * c;
        for (int64_t i = 0; i < c; ++i) out[i] = static_cast<T>(sum[i]);
      }
    }
  });
}

}  // namespace

at::Tensor Col2Im(const at::Tensor& columns, at::IntArrayRef x_sizes, int64_t kernel,
                  int64_t stride, int64_t padding) {
  const at::Tensor patches = columns.contiguous();
  at::Tensor map =
      at::empty(x_sizes, columns.options().memory_format(at::MemoryFormat::ChannelsLast));
  if (columns.scalar_type() == at::kBFloat16) {
    SumPatches<at::BFloat16>(patches, map, kernel, stride, padding);
  } else {
    SumPatches<float>(patches, map, kernel, stride, padding);
  }
  return map;
}

Conv2dImpl::Conv2dImpl(int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding)
    : stride_(stride), padding_(padding) {
  weight = register_parameter("weight", at::empty({out, in, kernel, kernel}));
}

at::Tensor Conv2dImpl::forward(const at::Tensor& x) {
  if (!x.is_cpu() || !at::autocast::is_autocast_enabled(at::kCPU)) {
    if (!TakesProduct(x, weight, stride_, padding_))
      return at::conv2d(x, weight, {}, stride_, padding_);
    return ConvolutionByProduct::apply(x, weight, stride_, padding_);
  }
  const at::ScalarType type = at::autocast::get_autocast_dtype(at::kCPU);
  const at::Tensor cast_x = x.to(type);
  if (!TakesProduct(cast_x, weight, stride_, padding_))
    return at::conv2d(x, weight, {}, stride_, padding_);
  return ConvolutionByProduct::apply(cast_x, weight.to(type), stride_, padding_);
}

}  // namespace fluke::train
