# Packages are installed in a stage of their own, so that no installer's leftovers reach the image that runs.
# By digest where it has to be the very same: --build-arg PYTHON_IMAGE=python:3.13-slim@sha256:…
ARG PYTHON_IMAGE=python:3.13-slim
FROM ${PYTHON_IMAGE} AS packages
WORKDIR /build
COPY requirements.lock .
RUN python -m venv /venv \
    && /venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check \
        --only-binary=:all: --require-hashes -r requirements.lock \
    && /venv/bin/python -m pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 DATA_DIR=/data
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin playground \
    && install --directory --owner=playground /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY . .
USER playground
VOLUME /data
EXPOSE 8000 5555
CMD ["python", "-m", "background", "api"]
