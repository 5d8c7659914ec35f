// MNIST-style idx files as a manifest: item "train/00017" is picture 17 of
// train-images-idx3-ubyte[.gz].
#include <algorithm>
#include <charconv>

#include <opencv2/imgproc.hpp>

#include "absl/strings/match.h"
#include "common/error.h"
#include "common/idx.h"
#include "common/manifest_forms.h"

namespace fluke {
namespace {

namespace fs = std::filesystem;

struct Part {
  std::string folder;  // "train", "test": first step of the items' paths
  std::string split;
  IdxArray images;               // count x height x width
  std::vector<uint8_t> classes;  // empty without a labels file
  int64_t count() const { return images.sizes[0]; }
};

class IdxSource : public ImageSource {
 public:
  explicit IdxSource(std::vector<Part> parts) : parts_(std::move(parts)) {}

  DecodedImage Load(const ManifestItem& item, const DecodeOptions& options) const override {
    const auto [part, number] = Locate(item.path);
    const auto height = static_cast<int>(part->images.sizes[1]);
    const auto width = static_cast<int>(part->images.sizes[2]);
    if (options.max_pixels > 0 && int64_t{height} * width > options.max_pixels) {
      InvalidArgument(item.path, ": ", width, "x", height, " pixels; at most ", options.max_pixels,
                      " are accepted");
    }
    const uint8_t* values = part->images.values.data() + number * height * width;
    const cv::Mat stored(height, width, CV_8UC1, const_cast<uint8_t*>(values));
    DecodedImage image{.full_width = width, .full_height = height};
    if (options.layout == PixelLayout::kRgb) {
      cv::cvtColor(stored, image.pixels, cv::COLOR_GRAY2RGB);
    } else {
      image.pixels = stored.clone();
    }
    return image;
  }

 private:
  std::pair<const Part*, int64_t> Locate(std::string_view path) const {
    const size_t slash = path.rfind('/');
    for (const Part& part : parts_) {
      if (slash == std::string_view::npos || part.folder != path.substr(0, slash)) continue;
      const std::string_view digits = path.substr(slash + 1);
      int64_t number = -1;
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), number);
      if (error == std::errc() && end == digits.data() + digits.size() && number >= 0 &&
          number < part.count()) {
        return {&part, number};
      }
    }
    NotFound(path, ": no such picture in the idx files");
  }

  std::vector<Part> parts_;
};

// "train-images-idx3-ubyte.gz" -> "train-labels-idx1-ubyte.gz", with or without the .gz; "" when
// there is none.
fs::path LabelsBeside(const fs::path& images) {
  std::string name = images.filename().string();
  name.replace(name.rfind("images"), 6, "labels");
  name.replace(name.rfind("idx3"), 4, "idx1");
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  for (const std::string& candidate : {name + ".gz", name}) {
    if (fs::exists(images.parent_path() / candidate)) return images.parent_path() / candidate;
  }
  return {};
}

Part ReadPart(const fs::path& path) {
  Part part;
  const std::string name = path.filename().string();
  const std::string stem = name.substr(0, std::max<size_t>(name.rfind("images"), 1) - 1);
  part.folder = stem == "t10k" ? "test" : stem;
  if (absl::StrContains(part.folder, "train")) part.split = "train";
  if (absl::StrContains(part.folder, "test")) part.split = "test";
  part.images = ReadIdx(path);
  if (part.images.sizes.size() != 3 || part.images.sizes[1] == 0 || part.images.sizes[2] == 0 ||
      part.images.sizes[1] > INT32_MAX || part.images.sizes[2] > INT32_MAX) {
    DataLoss(path, ": sizes ", StrJoin(part.images.sizes, " x "),
             "; expected pictures x height x width");
  }
  const fs::path labels = LabelsBeside(path);
  if (labels.empty()) return part;
  IdxArray classes = ReadIdx(labels);
  if (classes.sizes.size() != 1 || classes.sizes[0] != part.count()) {
    DataLoss(labels, ": sizes ", StrJoin(classes.sizes, " x "),
             "; expected one label for each of the ", part.count(), " pictures in ", name);
  }
  part.classes = std::move(classes.values);
  return part;
}

std::string NumberedPath(const std::string& folder, int64_t number) {
  const std::string digits = std::to_string(number);
  return StrCat(folder, "/", std::string(digits.size() < 5 ? 5 - digits.size() : 0, '0'), digits);
}

}  // namespace

bool IsIdxImagesName(std::string_view file_name) {
  if (file_name.ends_with(".gz")) file_name.remove_suffix(3);
  return file_name.ends_with("images-idx3-ubyte") || file_name.ends_with("images.idx3-ubyte");
}

Manifest ReadIdxManifest(const std::vector<fs::path>& image_files) {
  std::vector<Part> parts;
  for (const fs::path& path : image_files) {
    parts.push_back(ReadPart(path));
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      if (parts[i].folder != parts.back().folder) continue;
      InvalidArgument(path, ": the pictures of '", parts[i].folder, "' are there twice (",
                      image_files[i], ")");
    }
  }
  Manifest manifest;
  for (const Part& part : parts) {
    for (int64_t i = 0; i < part.count(); ++i) {
      ManifestItem item;
      item.path = NumberedPath(part.folder, i);
      if (!part.classes.empty()) item.identity = std::to_string(part.classes[i]);
      item.split = part.split;
      item.line = static_cast<int64_t>(manifest.items.size()) + 1;
      manifest.items.push_back(std::move(item));
    }
  }
  manifest.images = std::make_shared<IdxSource>(std::move(parts));
  return manifest;
}

}  // namespace fluke
