# syntax=docker/dockerfile:1
# The desk. Commands of incidentscribe are its arguments: `docker run … IMAGE doctor`, `deploy`; without any it serves.
# A worker by itself: `docker run … IMAGE worker --metrics-port 8501`. Without the port nothing answers the health check below.
#
# The base image is pinned by tag; name a digest with --build-arg PYTHON_IMAGE=python:3.11-slim-bookworm@sha256:…
# Everything from the package index is pinned by hash. tests/contract/test_image_steps.py runs these steps without a container.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /build
COPY requirements/build.txt requirements/desk.txt requirements/
# Dependencies first: they are built anew only when their lock changes.
RUN python -m venv /opt/incidentscribe && /opt/incidentscribe/bin/pip install --require-hashes --only-binary :all: -r requirements/desk.txt
RUN python -m venv tools && tools/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY .streamlit/config.toml .streamlit/
COPY dashboard dashboard
COPY pages pages
COPY kestra/flows kestra/flows
COPY supabase supabase
RUN tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist .
RUN /opt/incidentscribe/bin/pip install --no-deps --no-index --find-links dist incidentscribe && /opt/incidentscribe/bin/pip uninstall --yes pip setuptools

FROM ${PYTHON_IMAGE}
RUN groupadd --system --gid 10001 desk && useradd --system --uid 10001 --gid desk --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin desk
COPY --from=build /opt/incidentscribe /opt/incidentscribe
# Only inside a container is every address meant: what reaches the desk from outside is decided by the published port.
ENV PATH=/opt/incidentscribe/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    INCIDENTSCRIBE_ENV_FILE= \
    INCIDENTSCRIBE_HOST=0.0.0.0 \
    INCIDENTSCRIBE_PORT=8501
USER 10001:10001
WORKDIR /tmp
EXPOSE 8501
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['INCIDENTSCRIBE_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["incidentscribe"]
CMD ["serve"]
