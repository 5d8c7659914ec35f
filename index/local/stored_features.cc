#include "index/local/stored_features.h"

#include <cstring>

#include "common/error.h"

namespace fluke {

v1::StoredFeatures ToStored(const LocalFeatures& features) {
  v1::StoredFeatures stored;
  stored.set_width_px(features.width);
  stored.set_height_px(features.height);
  const Box& part = features.part;
  for (const float value : {part.x, part.y, part.w, part.h}) stored.add_part(value);
  stored.set_key_points(reinterpret_cast<const char*>(features.key_points.data()),
                        features.key_points.size() * sizeof(KeyPoint));
  stored.set_descriptors(reinterpret_cast<const char*>(features.descriptors.data()),
                         features.descriptors.size());
  return stored;
}

LocalFeatures FromStored(const v1::StoredFeatures& stored, std::string_view name) {
  const std::string& points = stored.key_points();
  const std::string& descriptors = stored.descriptors();
  const size_t count = points.size() / sizeof(KeyPoint);
  if (points.size() % sizeof(KeyPoint) != 0 || descriptors.size() != count * kDescriptorBytes ||
      stored.part_size() != 4 || stored.width_px() < 1 || stored.height_px() < 1 ||
      !(stored.part(2) > 0) || !(stored.part(3) > 0)) {
    DataLoss(name, ": damaged: key points of ", points.size(), " bytes, descriptors of ",
             descriptors.size(), ", of a photograph of ", stored.width_px(), " x ",
             stored.height_px(), " pixels");
  }
  LocalFeatures features{
      .width = stored.width_px(),
      .height = stored.height_px(),
      .key_points = std::vector<KeyPoint>(count),
      .descriptors = {descriptors.begin(), descriptors.end()},
      .part = {.x = stored.part(0), .y = stored.part(1), .w = stored.part(2), .h = stored.part(3)}};
  if (count > 0) std::memcpy(features.key_points.data(), points.data(), points.size());
  return features;
}

}  // namespace fluke
