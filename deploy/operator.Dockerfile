# docker build -f deploy/operator.Dockerfile -t nas-operator .
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package nas-operator && strip target/release/nas-operator

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/release/nas-operator /usr/local/bin/nas-operator
ENTRYPOINT ["/usr/local/bin/nas-operator"]
