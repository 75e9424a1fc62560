# The software of requirements.txt as an image, for `--sdm apptainer` and for clouds:
#
#     docker build --tag mind-the-gap .                            for GPUs of NVIDIA, and without
#     docker build --tag mind-the-gap --build-arg TORCH=cpu .      without CUDA: less than half as large
#
# docs/guide/software.md says how it is used.
ARG BASE=python:3.12-slim-trixie
FROM ${BASE}
ARG TORCH=cuda

LABEL org.opencontainers.image.title="Mind the Gap, reproduced: software" \
      org.opencontainers.image.licenses="MIT"

# Apptainer's images are read-only: what is compiled while it runs is kept elsewhere.
ENV PATH=/opt/mind-the-gap/bin:$PATH \
    MPLCONFIGDIR=/tmp/matplotlib \
    NUMBA_CACHE_DIR=/tmp/numba

COPY requirements.txt /tmp/
# PyTorch's own builds without CUDA have other checksums than those in the lock.
RUN set -eu; cd /tmp; \
    python3 -m venv /opt/mind-the-gap; \
    pip install --quiet --no-cache-dir "$(sed -n 's/^\(uv==[0-9.]*\).*/\1/p' requirements.txt)"; \
    case "$TORCH" in \
    cuda) cp requirements.txt locked.txt; touch torch.txt ;; \
    cpu) \
      awk '/^[a-z]/ {keep = !/^(torch|torchvision|triton|nvidia-[a-z0-9-]*|cuda-[a-z]*)==/} keep' \
        requirements.txt > locked.txt; \
      sed -n 's/^\(torch[a-z]*==[0-9.]*\).*/\1/p' requirements.txt > torch.txt ;; \
    *) echo "TORCH is cuda or cpu, not $TORCH." >&2; exit 1 ;; \
    esac; \
    uv pip sync --quiet --no-cache --compile-bytecode --require-hashes \
      --python /opt/mind-the-gap/bin/python locked.txt; \
    if [ -s torch.txt ]; then \
      uv pip install --quiet --no-cache --compile-bytecode --no-deps --torch-backend cpu \
        --python /opt/mind-the-gap/bin/python --requirement torch.txt; \
    fi; \
    rm requirements.txt locked.txt torch.txt
