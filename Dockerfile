# The image of the gateway: one binary, what it is linked with, certificate authorities. No shell, not root.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag pgmoor:0.1.0 \
#     --build-arg PGMOOR_COMMIT="$(git rev-parse --short=12 HEAD)" .
#
# Each platform is built on itself, or by emulation. For a build that can be repeated to the byte, name the
# base image by its digest, in RUST_IMAGE; the rest is pinned: dependencies by Cargo.lock, times and
# paths below.
ARG RUST_IMAGE=rust:1.95-bookworm

FROM ${RUST_IMAGE} AS build
WORKDIR /src
ENV SOURCE_DATE_EPOCH=0 \
    CARGO_INCREMENTAL=0 \
    CARGO_TARGET_DIR=/build \
    RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo"
COPY Cargo.toml Cargo.lock LICENSE ./
COPY crates crates
COPY xtask xtask
COPY packaging packaging
ARG PGMOOR_COMMIT=unknown
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo build --release --locked --package pgmoor-cli \
    && strip --strip-debug -o /pgmoor /build/release/pgmoor \
    && packaging/rootfs /pgmoor /image

FROM scratch AS pgmoor
ARG PGMOOR_COMMIT=unknown
LABEL org.opencontainers.image.title="pgmoor" \
      org.opencontainers.image.description="The gateway between an application and its PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision="${PGMOOR_COMMIT}"
COPY --from=build /image /
USER 65532:65532
WORKDIR /run/pgmoor
# 6432 PostgreSQL's protocol, 6433 probes and metrics.
EXPOSE 6432 6433
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/bin/pgmoor"]
CMD ["up"]
