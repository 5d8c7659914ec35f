// From the config to a chain of transforms, and the chain at work.
#include <algorithm>
#include <cmath>
#include <utility>

#include "common/error.h"
#include "common/table.h"
#include "common/text.h"
#include "train/data/canvas.h"
#include "train/data/transforms.h"

namespace fluke::train {
namespace {

// The rows' ranges as `written` says, or their defaults. `where` names a parameter's place in the
// config.
template <typename Where>
Range ReadRange(const ParamRow& row, const v1::Numbers& written, const Where& where) {
  const auto& numbers = written.value();
  const int most = row.form == ParamForm::kNumber ? 1 : 2;
  if (numbers.empty() || numbers.size() > most) {
    InvalidArgument(where(row.name), ": expected ",
                    most == 1 ? "one number" : "a number or [low, high]", ", found ",
                    numbers.size(), " numbers");
  }
  Range range{numbers[0], numbers[numbers.size() - 1]};
  if (numbers.size() == 1 && row.form == ParamForm::kSymmetric)
    range = {-std::abs(numbers[0]), std::abs(numbers[0])};
  if (numbers.size() == 1 && row.form == ParamForm::kUpTo) range.low = row.min;
  for (const double value : {range.low, range.high}) {
    if (!(value >= row.min && value <= row.max)) {
      InvalidArgument(where(row.name), ": ", value, " is out of range; expected ", row.min, " to ",
                      row.max, " (", row.help, ")");
    }
  }
  if (range.low > range.high) {
    InvalidArgument(where(row.name), ": expected [low, high], found [", range.low, ", ", range.high,
                    "]");
  }
  return range;
}

}  // namespace

Range Values::range(std::string_view name) const {
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (rows_[i].name == name) return ranges_[i];
  }
  Throw(absl::StatusCode::kInternal, "transform without parameter '", name, "'");
}

double Values::Draw(std::string_view name, Random& random) const {
  const Range r = range(name);
  return random.Uniform(r.low, r.high);
}

int Values::DrawInteger(std::string_view name, Random& random) const {
  const Range r = range(name);
  const auto low = static_cast<int64_t>(r.low), high = static_cast<int64_t>(r.high);
  return static_cast<int>(
      low + static_cast<int64_t>(random.Below(static_cast<uint64_t>(high - low + 1))));
}

int Values::DrawOdd(std::string_view name, Random& random) const {
  const Range r = range(name);
  const int low = static_cast<int>(r.low) | 1, high = static_cast<int>(r.high) | 1;
  return low + 2 * static_cast<int>(random.Below(static_cast<uint64_t>((high - low) / 2 + 1)));
}

Augmenter::Augmenter(const google::protobuf::RepeatedPtrField<v1::Transform>& transforms,
                     const ConfigSource& source, std::string_view field) {
  for (int i = 0; i < transforms.size(); ++i) {
    const v1::Transform& transform = transforms[i];
    const auto where = [&](std::string_view name) {
      return source.Where(StrCat(field, "[", i, "].", name));
    };
    const TransformRow* row = nullptr;
    for (const TransformRow& known : Transforms()) {
      if (known.name == transform.name()) row = &known;
    }
    if (row == nullptr)
      InvalidArgument(where("name"), ": ",
                      UnknownName("transform", transform.name(), Names(Transforms())));
    if (!(transform.p() >= 0 && transform.p() <= 1)) {
      InvalidArgument(where("p"), ": ", transform.p(),
                      " is out of range; expected a probability, 0 to 1");
    }
    for (const auto& [name, unused] : transform.params()) {
      const bool known = std::ranges::any_of(
          row->params, [&](const ParamRow& param) { return param.name == name; });
      if (known) continue;
      InvalidArgument(where(name), ": ",
                      UnknownName(StrCat("parameter of ", row->name), name, Names(row->params)));
    }
    std::vector<Range> ranges;
    for (const ParamRow& param : row->params) {
      const auto written = transform.params().find(std::string(param.name));
      ranges.push_back(written == transform.params().end()
                           ? Range{param.low, param.high}
                           : ReadRange(param, written->second, where));
    }
    steps_.push_back({row, transform.p(), Values(row->params, std::move(ranges))});
  }
}

cv::Mat Augmenter::Apply(const cv::Mat& image, Random& random, cv::Size size) const {
  Canvas canvas(image);
  for (const Step& step : steps_) {
    if (random.Chance(step.p)) step.row->apply(step.values, random, canvas);
  }
  return canvas.Finish(size.empty() ? image.size() : size);
}

}  // namespace fluke::train
