#include "index/faiss_files.h"

#include <faiss/Index.h>
#include <faiss/impl/io.h>
#include <faiss/index_io.h>

#include <algorithm>
#include <cstring>
#include <exception>

#include "common/error.h"
#include "common/files.h"
#include "index/faiss_errors.h"

namespace fluke {
namespace {

class BytesReader : public faiss::IOReader {
 public:
  BytesReader(std::string_view bytes, const std::string& reader_name) : left_(bytes) {
    name = reader_name;
  }
  size_t operator()(void* out, size_t size, size_t items) override {
    const size_t whole = size == 0 ? 0 : std::min(items, left_.size() / size);
    // FAISS asks for nothing into a null pointer where a list is empty.
    if (whole > 0) std::memcpy(out, left_.data(), whole * size);
    left_.remove_prefix(whole * size);
    return whole;
  }

 private:
  std::string_view left_;
};

// Keeps the first error for later: FAISS's buffer writes once more when it is destroyed, where a
// second exception would end the process.
class FileWriter : public faiss::IOWriter {
 public:
  explicit FileWriter(AtomicFile& file) : file_(file) {}
  size_t operator()(const void* data, size_t size, size_t items) override {
    try {
      if (!failure_) file_.Append(data, size * items);
    } catch (...) {
      failure_ = std::current_exception();
    }
    return items;
  }
  void Check() const {
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  AtomicFile& file_;
  std::exception_ptr failure_;
};

}  // namespace

std::unique_ptr<faiss::Index> ReadFaissIndex(std::string_view bytes, const std::string& name) {
  return WithFaiss(absl::StatusCode::kDataLoss, name + ": damaged", [&] {
    BytesReader reader(bytes, name);
    return std::unique_ptr<faiss::Index>(faiss::read_index(&reader));
  });
}

void WriteFaissIndex(const faiss::Index& index, const std::filesystem::path& path) {
  WithFaiss(absl::StatusCode::kInternal, "cannot write " + path.string(), [&] {
    AtomicFile file(path);
    FileWriter unbuffered(file);
    {
      faiss::BufferedIOWriter buffered(&unbuffered);
      faiss::write_index(&index, &buffered);
    }
    unbuffered.Check();
    file.Commit();
  });
}

}  // namespace fluke
