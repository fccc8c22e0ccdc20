# One image for the service, MLflow, Ray's head and its workers: what Ray pickles on one node is read on another.
# TORCH names the build of torch: cpu, or a CUDA version such as cu130.
FROM python:3.11.14-slim-bookworm AS base
ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1

FROM base AS build
ARG TORCH=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/tuner
ENV PATH=/opt/tuner/bin:$PATH
WORKDIR /src
COPY constraints.txt ./
# torch alone comes from there: its dependencies are pinned to what PyPI has.
RUN pip install --no-deps --constraint constraints.txt --index-url "https://download.pytorch.org/whl/${TORCH}" torch
COPY pyproject.toml setup.py README.md LICENSE ./
COPY search_spaces search_spaces
COPY tuner tuner
RUN pip install --constraint constraints.txt '.[sweeps,service,cluster]'

FROM base
# c++ compiles training steps. Debian's stable release fixes its version.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --shell /usr/sbin/nologin tuner \
    && install --directory --owner=tuner --group=tuner /var/lib/tuner /var/lib/mlflow /tmp/ray /home/tuner/.mlflow
COPY --from=build /opt/tuner /opt/tuner
COPY --chmod=0755 deploy/healthy deploy/with-pgpass /usr/local/bin/
# Whatever is written beside the volumes goes to /tmp, which containers keep in memory.
ENV PATH=/opt/tuner/bin:$PATH MPLCONFIGDIR=/tmp/matplotlib TUNER_CACHE=/tmp/tuner
USER 10001:10001
WORKDIR /var/lib/tuner
EXPOSE 8765
ENTRYPOINT ["with-pgpass"]
CMD ["tuner", "serve", "--host=0.0.0.0", "--port=8765"]
HEALTHCHECK --interval=10s --timeout=8s --retries=6 --start-period=2m CMD ["healthy", "http://127.0.0.1:8765/ready"]
