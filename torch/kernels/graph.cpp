// Work of a GPU, recorded once and played as one.
#include <c10/core/CachingDeviceAllocator.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

#include "failure.hpp"

namespace {

// libtorch's at::cuda::CUDAGraph by its symbols: its header wants CUDA's headers, and this program is linked without CUDA.
// (at::accelerator::Graph is made for that, but does not know CUDA in libtorch 2.13.)
class CudaGraph {
 public:
  CudaGraph() { call<void (*)(void*, bool)>("_ZN2at4cuda9CUDAGraphC1Eb")(room, false); }
  ~CudaGraph() { nas::succeeds([&] { call<void (*)(void*)>("_ZN2at4cuda9CUDAGraphD1Ev")(room); }); }
  CudaGraph(const CudaGraph&) = delete;
  CudaGraph& operator=(const CudaGraph&) = delete;

  void begin() {
    // Into a pool of memory of its own, and no other thread may do meanwhile what could disturb it (cudaStreamCaptureModeGlobal).
    call<void (*)(void*, c10::MempoolId_t, int)>("_ZN2at4cuda9CUDAGraph13capture_beginESt4pairIyyE21cudaStreamCaptureMode")(room, {0, 0}, 0);
  }
  void end() { call<void (*)(void*)>("_ZN2at4cuda9CUDAGraph11capture_endEv")(room); }
  void replay() { call<void (*)(void*)>("_ZN2at4cuda9CUDAGraph6replayEv")(room); }

 private:
  template <typename Function>
  static Function call(const char* symbol) {
    void* found = dlsym(RTLD_DEFAULT, symbol);
    TORCH_CHECK(found != nullptr, "this libtorch cannot record what a GPU does: it has no ", symbol);
    return reinterpret_cast<Function>(found);
  }

  // More than it takes, which is below 1 KiB.
  alignas(64) char room[4096];
};

struct Recording {
  c10::impl::VirtualGuardImpl devices{at::kCUDA};
  c10::Stream before, own;
  CudaGraph graph;

  // A recording is made on a stream of its own; what the device was given before must be done, since its memory is read.
  explicit Recording(c10::Device device) : before(devices.getStream(device)), own(devices.getStreamFromGlobalPool(device)) {
    devices.synchronizeDevice(device.index());
    devices.exchangeStream(own);
    graph.begin();
  }

  void end() {
    graph.end();
    devices.exchangeStream(before);
  }
};

}  // namespace

extern "C" {

// From here to nas_end_recording, what this thread and its ways back give to the GPU is not done but recorded. Null: see nas_failure.
Recording* nas_begin_recording(int8_t device) {
  Recording* made = nullptr;
  return nas::succeeds([&] { made = new Recording(c10::Device(at::kCUDA, device)); }) ? made : nullptr;
}

bool nas_end_recording(Recording* recording) {
  return nas::succeeds([&] { recording->end(); });
}

bool nas_replay(Recording* recording) {
  return nas::succeeds([&] { recording->graph.replay(); });
}

void nas_drop_recording(Recording* recording) { delete recording; }
}
