# The operator. In the checkout's root:
#   docker build -f deploy/operator.Dockerfile --build-arg NAS_COMMIT="$(git describe --always --dirty)" -t nas-operator .
# RUST, BASE: the same images from a registry of your own.
ARG RUST=rust:1.95-bookworm
ARG BASE=gcr.io/distroless/cc-debian12:nonroot

FROM ${RUST} AS build
WORKDIR /src
COPY . .
ARG NAS_COMMIT=unknown
RUN NAS_COMMIT=${NAS_COMMIT} cargo build --release --locked --package nas-operator && strip target/release/nas-operator

FROM ${BASE}
ARG NAS_COMMIT=unknown
LABEL org.opencontainers.image.title="The operator of nas-operator" org.opencontainers.image.licenses=Apache-2.0 \
  org.opencontainers.image.source=https://github.com/nas-operator/nas-operator org.opencontainers.image.revision=${NAS_COMMIT}
COPY LICENSE /usr/share/licenses/nas-operator/LICENSE
COPY --from=build /src/target/release/nas-operator /usr/local/bin/nas-operator
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/nas-operator"]
