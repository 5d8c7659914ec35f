// manifest.csv: rows that are taken are written again as the same rows.
#include "common/manifest.h"

#include "tests/fuzz/fuzz.h"

namespace fluke::fuzz {

std::vector<std::string> Seeds() {
  return {
      "path,identity,split,x,y,w,h,is_query,camera\na.jpg,w1,train,1,2,30,40,true,left\n"
      "b.jpg,,val,,,,,no,\n",
      "path,label,bbox,timestamp\na.jpg,3,\"[0, 0.5, 10, 1e2]\",2019-01-01\n", "path\na.jpg\n",
      "path,id,fold,mask\na.jpg,1,2,m.png\n"};
}

}  // namespace fluke::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fluke;  // NOLINT: a harness
  const auto path = fuzz::FileOf(fuzz::Text(data, size), "manifest.csv");
  std::vector<BadRow> bad;
  fuzz::Takes([&] { ReadManifestSkippingBad(path, &bad); });
  Manifest manifest;
  if (!fuzz::Takes([&] { manifest = ReadManifest(path); })) return 0;
  const auto written = fuzz::FileOf("", "written.csv");
  WriteManifestCsv(written, manifest.items);
  const Manifest again = ReadManifest(written);
  fuzz::Require(again.items.size() == manifest.items.size(), "as many items when written again");
  for (size_t i = 0; i < again.items.size(); ++i) {
    const ManifestItem &a = manifest.items[i], &b = again.items[i];
    fuzz::Require(a.path == b.path && a.identity == b.identity && a.split == b.split &&
                      a.box.has_value() == b.box.has_value() && a.metadata == b.metadata,
                  "the same items when written again");
  }
  return 0;
}
