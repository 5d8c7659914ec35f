#include "train/safetensors.h"

#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/files.h"

namespace fluke::train {
namespace {

using nlohmann::json;

constexpr uint64_t kMaxHeaderBytes = 100'000'000;  // as the reference implementation
constexpr size_t kAlignment = 8;

struct DtypeRow {
  const char* name;
  at::ScalarType type;
};

constexpr DtypeRow kDtypes[] = {
    {"F32", at::kFloat}, {"BF16", at::kBFloat16}, {"F16", at::kHalf},  {"F64", at::kDouble},
    {"I64", at::kLong},  {"I32", at::kInt},       {"I16", at::kShort}, {"I8", at::kChar},
    {"U8", at::kByte},   {"BOOL", at::kBool},
};

const char* DtypeName(at::ScalarType type) {
  for (const DtypeRow& row : kDtypes) {
    if (row.type == type) return row.name;
  }
  InvalidArgument("safetensors cannot hold a tensor of type ", at::toString(type));
}

at::ScalarType DtypeOf(const std::string& name, const std::string& where) {
  for (const DtypeRow& row : kDtypes) {
    if (name == row.name) return row.type;
  }
  DataLoss(where, ": unknown dtype '", name, "'");
}

// Elements of a shape, with overflow checked.
uint64_t Elements(const std::vector<int64_t>& shape, const std::string& where) {
  uint64_t count = 1;
  for (int64_t side : shape) {
    if (side < 0) DataLoss(where, ": negative shape");
    if (side > 0 &&
        count > std::numeric_limits<uint64_t>::max() / 16 / static_cast<uint64_t>(side)) {
      DataLoss(where, ": shape too large");
    }
    count *= static_cast<uint64_t>(side);
  }
  return count;
}

at::Tensor ReadTensor(const json& entry, std::string_view data, const std::string& where) {
  const at::ScalarType type = DtypeOf(entry.at("dtype").get<std::string>(), where);
  const auto shape = entry.at("shape").get<std::vector<int64_t>>();
  const auto offsets = entry.at("data_offsets").get<std::vector<uint64_t>>();
  if (offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > data.size()) {
    DataLoss(where, ": data_offsets outside the file");
  }
  const uint64_t bytes = Elements(shape, where) * at::elementSize(type);
  if (bytes != offsets[1] - offsets[0]) {
    DataLoss(where, ": its shape needs ", bytes, " bytes, its data_offsets span ",
             offsets[1] - offsets[0]);
  }
  at::Tensor tensor = at::empty(shape, at::TensorOptions().dtype(type));
  if (bytes > 0) std::memcpy(tensor.data_ptr(), data.data() + offsets[0], bytes);
  return tensor;
}

}  // namespace

void WriteSafetensors(const std::filesystem::path& path, const Safetensors& contents) {
  json header = json::object();
  if (!contents.metadata.empty()) header["__metadata__"] = contents.metadata;
  std::vector<at::Tensor> tensors;
  uint64_t offset = 0;
  for (const auto& [name, tensor] : contents.tensors) {
    tensors.push_back(tensor.detach().to(at::kCPU).contiguous());
    const uint64_t bytes = tensors.back().nbytes();
    header[name] = {{"dtype", DtypeName(tensor.scalar_type())},
                    {"shape", tensor.sizes().vec()},
                    {"data_offsets", {offset, offset + bytes}}};
    offset += bytes;
  }
  std::string text = header.dump();
  text.resize((text.size() + kAlignment - 1) / kAlignment * kAlignment, ' ');
  const uint64_t length = text.size();
  AtomicFile file(path);
  file.Append(&length, sizeof length);
  file.Append(text);
  for (const at::Tensor& tensor : tensors) file.Append(tensor.data_ptr(), tensor.nbytes());
  file.Commit();
}

Safetensors ReadSafetensors(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string_view bytes = file.text();
  uint64_t length = 0;
  if (bytes.size() < sizeof length) DataLoss(path.string(), ": too short for a safetensors file");
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > kMaxHeaderBytes || length > bytes.size() - sizeof length) {
    DataLoss(path.string(), ": not a safetensors file, or cut short (header of ", length,
             " bytes in a file of ", bytes.size(), ")");
  }
  const std::string_view data = bytes.substr(sizeof length + length);
  Safetensors contents;
  try {
    const json header = json::parse(bytes.substr(sizeof length, length));
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        contents.metadata = entry.get<std::map<std::string, std::string>>();
      } else {
        contents.tensors.emplace(name, ReadTensor(entry, data, StrCat(path.string(), ": ", name)));
      }
    }
  } catch (const json::exception& error) {
    DataLoss(path.string(), ": damaged safetensors header: ", error.what());
  }
  return contents;
}

}  // namespace fluke::train
