# One instance a container: non-root, read-only root file system, no build tools in the last stage.
#
#   docker build --tag sekisho .
#   docker run --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
#     --volume data:/var/lib/sekisho --volume /etc/sekisho:/etc/sekisho:ro sekisho
#
# A registry's digest belongs to FROM when the image is built for production.
FROM docker.io/library/python:3.11-slim-bookworm AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
RUN python -m venv /opt/sekisho && python -m venv /opt/tools
COPY requirements.lock requirements-build.lock ./
RUN /opt/sekisho/bin/pip install --require-hashes --requirement requirements.lock
RUN /opt/tools/bin/pip install --require-hashes --requirement requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY certs certs
COPY codes codes
COPY gateway gateway
COPY policies policies
RUN /opt/tools/bin/python -m hatchling build --target wheel \
 && /opt/sekisho/bin/pip install --no-deps dist/*.whl \
 && /opt/sekisho/bin/pip uninstall --yes pip setuptools \
 && /opt/sekisho/bin/python -m compileall -q /opt/sekisho/lib

FROM docker.io/library/python:3.11-slim-bookworm

RUN groupadd --system --gid 10001 sekisho \
 && useradd --system --uid 10001 --gid sekisho --home-dir /var/lib/sekisho --no-create-home sekisho \
 && install --directory --owner sekisho --group sekisho --mode 0700 /var/lib/sekisho
COPY --from=build /opt/sekisho /opt/sekisho
ENV PATH=/opt/sekisho/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    SEKISHO_CONFIG=/etc/sekisho/gateway.toml
USER 10001:10001
WORKDIR /var/lib/sekisho
VOLUME ["/var/lib/sekisho"]
# backoffice, staff, network; ops stays inside the container.
EXPOSE 8441 8442 8443
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/readyz', timeout=4)"]
ENTRYPOINT ["sekisho"]
CMD ["serve"]
