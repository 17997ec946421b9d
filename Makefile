# A virtual environment in .venv does it all: `make demo`, `make test`, `make lint`, `make bench`, `make bench-pocket`.

VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# Without an NVIDIA GPU, a CPU build of torch saves gigabytes of CUDA libraries.
CPU_TORCH ?= torch==2.13.0
CLIPS ?= tests/data/bunny_176x144_32f.mkv
DEMO_CLIP := tests/data/bunny_176x144_32f.mkv

.PHONY: install demo test lint bench bench-pocket bench-studio ablations gpu clean

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
	$(BIN)/nvrc metrics $(DEMO_CLIP) build/demo.mkv
	$(BIN)/nvrc bench $(DEMO_CLIP) -o build/demo.json --presets draft --html build/demo.html -y

test: install
	$(BIN)/python -m pytest

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

bench: install
	@mkdir -p build
	$(BIN)/nvrc bench $(CLIPS) -o build/bench.json --presets draft,fast --html build/bench.html -y

# CLIPS is a folder: the suite chooses. Compared with the committed results of an earlier version.
bench-pocket: install
	@mkdir -p build
	$(BIN)/nvrc bench $(CLIPS) --suite pocket -o build/pocket.json --baseline docs/benchmarks/pocket.json \
		--html build/pocket.html --markdown build/pocket.md -y

# What each main ingredient gives: fits without it. CLIPS are files.
ablations: install
	$(BIN)/python -m nvrc_core.evaluation.ablation $(CLIPS)

clean:
	rm -rf $(VENV) build dist .pytest_cache .hypothesis .ruff_cache

# One run on a machine with an NVIDIA GPU. GPU_PYTHON may name an interpreter that already has the dependencies.
GPU_PYTHON ?= $(BIN)/python

bench-studio:
	@mkdir -p build
	PYTHONPATH=.:formats $(GPU_PYTHON) -m nvrc_cli bench $(CLIPS) --suite studio -o build/studio.json \
		--html build/studio.html --markdown build/studio.md -y

gpu:
	PYTHONPATH=.:formats $(GPU_PYTHON) -m pytest -m cuda
	PYTHONPATH=.:formats $(GPU_PYTHON) -m nvrc_core.evaluation.step_speed $(wildcard $(CLIPS)/*.mkv) --device cuda
	$(MAKE) bench-studio
