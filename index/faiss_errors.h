// No exception of FAISS leaves this room as it is.
#pragma once

#include <faiss/impl/FaissException.h>

#include <new>
#include <stdexcept>
#include <string>

#include "common/error.h"

namespace fluke {

// Runs `work`; whatever FAISS throws becomes an Error with `context` before it.
template <typename Work>
auto WithFaiss(absl::StatusCode code, const std::string& context, const Work& work) {
  try {
    return work();
  } catch (const faiss::FaissException& error) {
    Throw(code, context, ": ", error.what());
  } catch (const std::bad_alloc&) {
    Throw(absl::StatusCode::kResourceExhausted, context, ": out of memory");
  } catch (const std::length_error& error) {  // a vector sized by a damaged length
    Throw(code, context, ": ", error.what());
  }
}

}  // namespace fluke
