#include "train/data/buffers.h"

#include <array>
#include <cstddef>

namespace fluke::train {

cv::Mat BorrowBuffer(cv::Size size, int type) {
  // Enough for the pictures one chain of transforms has in hand at a time.
  thread_local std::array<cv::Mat, 8> pool;
  thread_local size_t oldest = 0;
  for (cv::Mat& buffer : pool) {
    const bool ours_alone = buffer.u != nullptr && CV_XADD(&buffer.u->refcount, 0) == 1;
    if (ours_alone && buffer.size() == size && buffer.type() == type) return buffer;
  }
  oldest = (oldest + 1) % pool.size();
  pool[oldest] = cv::Mat(size, type);
  return pool[oldest];
}

}  // namespace fluke::train
