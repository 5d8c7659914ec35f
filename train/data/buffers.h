// Picture buffers that a thread uses again and again: fresh memory for each step would cost more
// page faults than the step's arithmetic.
#pragma once

#include <opencv2/core/mat.hpp>

namespace fluke::train {

// A picture of unknown content, of this thread's pool. It goes back when the last cv::Mat that
// shares it is gone; kept longer, it simply becomes the caller's.
cv::Mat BorrowBuffer(cv::Size size, int type);

}  // namespace fluke::train
