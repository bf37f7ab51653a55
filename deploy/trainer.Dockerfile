# The trainer for CPUs. docker build -f deploy/trainer.Dockerfile -t nas-trainer .
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3-pip && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY scripts/libtorch.sh scripts/libtorch.sh
RUN NAS_CACHE=/cache scripts/libtorch.sh && mv /cache/libtorch-* /libtorch
COPY . .
RUN LIBTORCH=/libtorch LD_LIBRARY_PATH=/libtorch/lib cargo build --release --locked --package nas-trainer && strip target/release/nas-trainer

FROM gcr.io/distroless/cc-debian12:nonroot
# The libraries lie beside the program, where its run path looks for them.
COPY --from=build /libtorch/lib /usr/local/bin/lib
COPY --from=build /src/target/release/nas-trainer /usr/local/bin/nas-trainer
ENTRYPOINT ["/usr/local/bin/nas-trainer"]
