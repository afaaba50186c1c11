# One image for every process of a team: broker, gateway, coordinator, agents, console. It holds no keys and no team file.
#
#     docker build -t rostra .          or: docker compose build
#
# wheels/ may hold the wheels of requirements.lock (`make wheels`): then nothing is fetched. Without them pip asks its index.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
RUN python -m venv --without-pip /opt/rostra
WORKDIR /src
COPY requirements.lock ./
RUN --mount=type=bind,source=wheels,target=/wheels \
    if ls /wheels/*.whl >/dev/null 2>&1; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels; fi; \
    pip --python /opt/rostra/bin/python install --no-cache-dir --no-compile --require-hashes -r requirements.lock \
    && python -m compileall -q -j 0 /opt/rostra/lib
COPY . .
RUN --mount=type=bind,source=wheels,target=/wheels \
    if ls /wheels/*.whl >/dev/null 2>&1; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels; fi; \
    pip wheel --no-cache-dir --no-deps --wheel-dir /dist . \
    && pip --python /opt/rostra/bin/python install --no-cache-dir --no-index --no-deps /dist/*.whl

FROM python:${PYTHON}-slim
# The directories are in the image so that a named volume over one of them begins as this user's own.
RUN groupadd --gid 10001 rostra \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/rostra --shell /usr/sbin/nologin rostra \
    && install -d -m 0700 -o 10001 -g 10001 /var/lib/rostra /var/lib/rostra/data /var/lib/rostra/state /var/lib/rostra/run
COPY --from=build /opt/rostra /opt/rostra
# Byte code is compiled above; the file system may be read-only.
ENV PATH=/opt/rostra/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ROSTRA_HOME=/var/lib/rostra \
    ROSTRA_TEAM=/team/team.toml
USER 10001:10001
WORKDIR /team
ENTRYPOINT ["rostra"]
CMD ["--help"]
