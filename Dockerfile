# The program in a container, for CPUs or for NVIDIA GPUs:
#
#   docker build --target cpu --tag planet_tf2 .
#   docker run --rm --volume "$PWD/logs:/planet_tf2/logs" planet_tf2 \
#       planet-train --config debug --logdir logs/debug
#   docker build --target gpu --tag planet_tf2:gpu .
#   docker run --rm --gpus all ... planet_tf2:gpu ...
#
# Debian 12 has Python 3.11, which all dependencies have wheels for.
FROM debian:bookworm-slim AS base
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes \
        --no-install-recommends ca-certificates git libegl1 libgl1-mesa-dri \
        libopengl0 make python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /planet_tf2
ENV PATH=/planet_tf2/.venv/bin:$PATH

FROM base AS cpu
COPY . .
RUN make install && rm -rf /root/.cache
CMD ["planet-train", "--help"]

# CUDA comes from PyPI. The host needs a driver and NVIDIA's container toolkit.
FROM cpu AS gpu
RUN pip install --quiet --constraint constraints.txt --editable '.[gpu]' \
    && rm -rf /root/.cache
