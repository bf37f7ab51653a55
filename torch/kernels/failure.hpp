// Exceptions stop where C++ does: what failed leaves its words for Rust.
#pragma once

#include <c10/util/Exception.h>

#include <exception>
#include <string>

namespace nas {

// The words of the last failure of this thread.
inline thread_local std::string failure;

// Whether `work` came to its end.
template <typename Work>
bool succeeds(const Work& work) {
  try {
    work();
    return true;
  } catch (const c10::Error& error) {
    failure = error.what_without_backtrace();
  } catch (const std::exception& error) {
    failure = error.what();
  } catch (...) {
    failure = "an exception without words";
  }
  return false;
}

}  // namespace nas
