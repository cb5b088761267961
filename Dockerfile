# One image for every role. docs/deployment.md explains how to build it, pin its base, and what it contains.
ARG BASE_IMAGE=debian:13.6-slim

FROM ${BASE_IMAGE} AS builder
RUN apt-get update \
    && apt-get install --yes --no-install-recommends gcc libc6-dev python3-dev python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && python3 -m venv /build \
    && python3 -m venv --without-pip /opt/ciphercanary
WORKDIR /source
COPY requirements.lock requirements-build.lock requirements-fast.lock ./
# Both secrets are optional: the pip configuration of the builder's network, and the certificates that it names.
RUN --mount=type=secret,id=pip.conf,target=/etc/pip.conf --mount=type=secret,id=ca.pem,target=/etc/ca.pem \
    export PIP_NO_CACHE_DIR=1 PIP_NO_DEPS=1 PIP_QUIET=1 PIP_REQUIRE_HASHES=1 PIP_ROOT_USER_ACTION=ignore \
    && /build/bin/pip install --only-binary=:all: -r requirements-build.lock \
    && /build/bin/pip wheel --only-binary=:all: --wheel-dir /wheels -r requirements.lock \
    && /build/bin/pip wheel --no-build-isolation --wheel-dir /wheels -r requirements-fast.lock
COPY . .
RUN /build/bin/pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
    && /build/bin/pip --python /opt/ciphercanary/bin/python install --quiet --no-deps --no-index /wheels/*.whl \
    && CC_HOME=/tmp/home CC_STATIC_ROOT=/opt/ciphercanary/static \
        /opt/ciphercanary/bin/ciphercanary-server manage collectstatic --no-input \
    && chmod -R a+rX /opt/ciphercanary

FROM ${BASE_IMAGE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/log/* \
    && groupadd --gid 10001 ciphercanary \
    && useradd --uid 10001 --gid 10001 --home-dir /var/lib/ciphercanary --no-create-home ciphercanary \
    && install --directory --owner=10001 --group=10001 --mode=0700 /var/lib/ciphercanary
COPY --from=builder /opt/ciphercanary /opt/ciphercanary
ENV PATH=/opt/ciphercanary/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1 \
    CC_HOME=/var/lib/ciphercanary \
    CC_STATIC_ROOT=/opt/ciphercanary/static \
    CC_BIND=0.0.0.0 \
    LOG_FORMAT=json
LABEL org.opencontainers.image.title="CipherCanary" \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.description="Key management: keys, encryption as a service, and an audit log" \
      org.opencontainers.image.licenses="Apache-2.0"
# Not the data folder: Python, gunicorn and Celery import code from the working folder, and every role writes to the data.
WORKDIR /
VOLUME /var/lib/ciphercanary
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
# For serve and web. compose.yaml names another address for the roles that listen elsewhere.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-m", "ciphercanary.server.health_check", "8000/livez"]
ENTRYPOINT ["ciphercanary-server"]
CMD ["serve"]
