# The trainer. In the checkout's root:
#   docker build -f deploy/trainer.Dockerfile --target cpu  --build-arg NAS_COMMIT="$(git describe --always --dirty)" -t nas-trainer .
#   docker build -f deploy/trainer.Dockerfile --target cuda --build-arg NAS_COMMIT="$(git describe --always --dirty)" -t nas-trainer-cuda .
# RUST, BASE: the same images from a registry of your own.
ARG RUST=rust:1.95-bookworm
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY scripts/cache.sh scripts/libtorch.sh scripts/
RUN NAS_CACHE=/cache scripts/libtorch.sh && mv /cache/libtorch-* /libtorch
COPY . .
ARG NAS_COMMIT=unknown
RUN NAS_COMMIT=${NAS_COMMIT} LIBTORCH=/libtorch LD_LIBRARY_PATH=/libtorch/lib cargo build --release --locked --package nas-trainer && \
  strip target/release/nas-trainer

# libtorch's CUDA part and what it wants of NVIDIA's, as pip lays them out: they find each other by their places. Neither Python nor headers.
FROM ${RUST} AS pytorch
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
RUN python3 -m pip install --no-cache-dir --only-binary=:all: --target /pip torch==2.13.0
RUN cd /pip && mkdir -p /opt/pytorch && cp --parents torch/lib/libtorch_cuda.so torch/lib/libtorch_cuda_linalg.so torch/lib/libtorch_nvshmem.so \
    torch/lib/libc10_cuda.so torch/lib/libcaffe2_nvrtc.so /opt/pytorch && \
  find nvidia -name '*.so*' -type f ! -name 'libnvrtc.alt*' ! -name 'libnvperf*' ! -name 'libcusolverMg*' ! -name 'libcudart*' ! -name 'libcupti*' \
    -exec cp --parents {} /opt/pytorch \;

FROM ${BASE} AS cpu
ARG NAS_COMMIT=unknown
LABEL org.opencontainers.image.title="The trainer of nas-operator" org.opencontainers.image.licenses=Apache-2.0 \
  org.opencontainers.image.source=https://github.com/nas-operator/nas-operator org.opencontainers.image.revision=${NAS_COMMIT}
COPY LICENSE /usr/share/licenses/nas-operator/LICENSE
# The libraries lie beside the program, where its run path looks for them.
COPY --from=build /libtorch/lib /usr/local/bin/lib
COPY --from=build /src/target/release/nas-trainer /usr/local/bin/nas-trainer
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/nas-trainer"]

FROM cpu AS cuda
COPY --from=pytorch /opt/pytorch /opt/pytorch
ENV NAS_LIBTORCH_CUDA=/opt/pytorch/torch/lib/libtorch_cuda.so NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
