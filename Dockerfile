# Telltale for a newsroom that hosts it itself. docs/hosting.md says how to build and run it.
FROM python:3.12-slim

# What packages.txt names; the wheels bring the rest. The file is empty as long as nothing is missing from a slim Debian.
COPY packages.txt /tmp/packages.txt
RUN if [ -s /tmp/packages.txt ]; then \
        apt-get update && xargs -a /tmp/packages.txt apt-get install -y --no-install-recommends && rm -rf /var/lib/apt/lists/*; \
    fi

# TORCH_INDEX may name PyTorch's own index of builds for CPUs: they are a tenth of the size of those for GPUs, which pip takes otherwise.
ARG TORCH_INDEX=
COPY requirements.txt /tmp/requirements.txt
RUN if [ -n "$TORCH_INDEX" ]; then PIP_INDEX_URL="$TORCH_INDEX" pip install --no-cache-dir torch torchvision; fi \
    && pip install --no-cache-dir -r /tmp/requirements.txt

# The code and its detectors belong to root: whoever breaks into the app cannot change them. No weights are fetched, now or later.
WORKDIR /app
COPY app.py LICENSE README.md ./
COPY attribution attribution
COPY examples examples
COPY weights weights
RUN python -m compileall -q app.py attribution \
    && useradd --create-home --uid 1000 telltale \
    && install -d -o telltale -g telltale /cache

# Only detectors that somebody asks for are written here, and nothing of what is uploaded: uploads are in /tmp while they are examined.
USER telltale
ENV HF_HOME=/cache \
    HF_HUB_DISABLE_TELEMETRY=1 \
    MPLCONFIGDIR=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860
VOLUME /cache
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/gradio_api/app_id', timeout=4)"]
CMD ["python", "app.py"]
