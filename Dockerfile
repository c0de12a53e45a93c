# syntax=docker/dockerfile:1
FROM python:3.13-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
RUN python -m venv /opt/keepstone \
    && PIP_CONSTRAINT=/source/constraints.txt /opt/keepstone/bin/pip install --no-cache-dir --disable-pip-version-check \
        '.[server,otel]'

FROM python:3.13-slim
LABEL org.opencontainers.image.title="Keepstone" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 keepstone \
    && useradd --uid 10001 --gid keepstone --home-dir /data --no-create-home --shell /usr/sbin/nologin keepstone \
    && install --directory --owner=keepstone --group=keepstone --mode=0700 /data
COPY --from=build /opt/keepstone /opt/keepstone
ENV PATH=/opt/keepstone/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    KEEPSTONE_HOME=/data \
    KEEPSTONE_HOST=0.0.0.0 \
    KEEPSTONE_PORT=8765 \
    KEEPSTONE_LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['KEEPSTONE_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["keepstone"]
CMD ["serve"]
