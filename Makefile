# A virtual environment in .venv does it all: `make demo`, `make test`, `make lint`, `make bench`, `make gpu`.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Without an NVIDIA GPU, a CPU build of torch saves gigabytes of CUDA libraries.
CPU_TORCH ?= torch==2.13.0
CLIPS ?= tests/data/bunny_176x144_32f.mkv
DEMO_CLIP := tests/data/bunny_176x144_32f.mkv

.PHONY: install demo test lint bench gpu clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	@if ! command -v nvidia-smi >/dev/null 2>&1; then $(BIN)/python -m pip install --quiet "$(CPU_TORCH)"; fi
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	@touch $@

demo: install
	@mkdir -p build
	$(BIN)/nvrc encode $(DEMO_CLIP) -o build/demo.nvrc --bpp 0.2 --preset medium -y
	$(BIN)/nvrc info build/demo.nvrc
	$(BIN)/nvrc decode build/demo.nvrc -o build/demo.mkv -y
	$(BIN)/python -m nvrc_core.evaluation.side_by_side $(DEMO_CLIP) build/demo.nvrc

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: install
	$(BIN)/python -m nvrc_core.evaluation.benchmark $(CLIPS) --presets draft fast --bpp 0.05 0.2 \
		--output docs/benchmarks/local

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .ruff_cache

# One run on a machine with an NVIDIA GPU. GPU_PYTHON may name an interpreter that already has the dependencies.
GPU_PYTHON ?= $(BIN)/python

gpu:
	PYTHONPATH=.:formats $(GPU_PYTHON) -m pytest -m cuda
	PYTHONPATH=.:formats $(GPU_PYTHON) -m nvrc_core.evaluation.benchmark $(CLIPS) --device cuda \
		--presets draft fast --bpp 0.05 0.2 --output docs/benchmarks/gpu
