# Build: docker build -t bronze .
# The cache mounts only save time in the next build; with none of them the result is the same.

FROM rust:1.95-slim-bookworm AS builder
WORKDIR /src

# Packages and librdkafka, which outlive edits of the sources.
COPY scripts/bootstrap scripts/build_librdkafka scripts/newer_suites.sh scripts/versions \
    scripts/librdkafka-*.patch scripts/
COPY bridge/Cargo.toml bridge/
RUN scripts/bootstrap build

COPY . .
# cargo looks at times, and the kept folder may come from another checkout: our own crate is always
# built anew, the crates below it are not.
RUN --mount=type=cache,id=bronze-crates,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,id=bronze-bridge,target=/src/build/bridge,sharing=locked \
    --mount=type=cache,id=bronze-ccache,target=/root/.cache/ccache,sharing=locked \
    find bridge -type f -exec touch {} + \
    && make build \
    && cmake --install build/release --strip --prefix /out

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="bronze" \
    org.opencontainers.image.description="Copies Kafka topics into Delta Lake tables, exactly once" \
    org.opencontainers.image.licenses="Apache-2.0"

RUN apt-get update \
    && apt-get install -y --no-install-recommends \
        ca-certificates curl \
        libcurl4 libfmt9 liblz4-1 libprometheus-cpp-core1.0 libsasl2-2 libsimdjson14 libspdlog1.10 libssl3 \
        libstdc++6 libzstd1 zlib1g \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
    && groupadd --gid 10001 bronze \
    && useradd --uid 10001 --gid bronze --home-dir /app --no-create-home --shell /usr/sbin/nologin \
        bronze \
    && mkdir -p /app/schemas

COPY --from=builder /out/ /usr/local/

WORKDIR /app
# By number: an orchestrator that demands a user other than root cannot look names up.
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
    CMD ["bronze", "healthcheck"]
ENTRYPOINT ["bronze"]
CMD ["run"]
