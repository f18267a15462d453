# The commands for users and developers; `make help` lists them.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export HF_HUB_OFFLINE ?= 1
# Without bytecode files, every process would compile the sources again at its start.
unexport PYTHONDONTWRITEBYTECODE

GAMES ?= 200
SPLIT ?=
ENV ?=
MODEL ?=
PYTEST ?= python -m pytest

.PHONY: help setup demo test retest lint format docs bench parity audit sbom fuzz test-vllm test-slow test-faults test-browser test-gpu test-compose test-chart-run test-helm images up down clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[1m%-14s\033[0m %s\n", $$1, $$2}'

.venv/.setup-done: uv.lock $(wildcard */pyproject.toml services/*/pyproject.toml) scripts/setup.sh scripts/install_torch.sh
	@scripts/setup.sh

setup: .venv/.setup-done ## make the virtual environment .venv with all packages

demo: setup ## run the whole loop on this machine without Docker, GPU or download (ENV=webshop: the shop; MODEL=smollm2: a language model, downloads 98 MB)
	@$(if $(MODEL),scripts/demo_model.sh $(MODEL),a3t demo $(if $(ENV),--environment $(ENV)))

test: setup ## run the tests, with a real Valkey, SQLite, ALFWorld engine, Celery worker and transformers model
	@$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" --ignore tests/helm --ignore tests/compose --ignore tests/chart --ignore tests/browser --ignore tests/vllm

retest: setup ## run the tests that failed last, one after the other
	@$(PYTEST) --last-failed --last-failed-no-failures none -m "not slow" --ignore tests/helm --ignore tests/compose --ignore tests/chart --ignore tests/browser --ignore tests/vllm

lint: setup ## run ruff (with security rules) and mypy --strict; check that dependencies are declared and have no known weaknesses
	@ruff format --check .
	@ruff check .
	@mypy
	@scripts/check_dependencies.sh
	@scripts/audit.sh

audit: setup ## list known weaknesses of the locked dependencies, from osv.dev; fails if osv.dev cannot be reached
	@STRICT=1 scripts/audit.sh

sbom: setup ## write what every image installs to sbom/, as CycloneDX
	@scripts/sbom.sh

format: setup ## format and fix the code with ruff
	@ruff format . && ruff check --fix .

docs: setup ## build the docs site in site/; fails at a broken link or anchor; needs no network
	@a3t recipes reference | diff docs/reference/recipe.md - || { echo "Run: a3t recipes reference > docs/reference/recipe.md"; exit 1; }
	@NO_MKDOCS_2_WARNING=1 python -m mkdocs build --clean

bench: setup ## run every benchmark against its peer; prints tables, writes bench/results/*.json
	@scripts/bench.sh

parity: setup ## compare the native ALFWorld engine with the official one: make parity GAMES=200 [SPLIT=valid_seen]; generates games if there are none
	@[ -e "$${A3T_HOME:-$$HOME/.a3t}/data/alfworld/index.json" ] || a3t data generate alfworld --games $(GAMES)
	@python -m a3t_env.alfworld.parity --games $(GAMES) $(if $(SPLIT),--split $(SPLIT))

fuzz: setup ## send random requests to each service (FUZZ_REQUESTS, default 5000), and read random files and texts
	@FUZZ_REQUESTS=$${FUZZ_REQUESTS:-5000} FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-5000} $(PYTEST) tests/fuzz --timeout 7200

test-vllm: setup ## test the policy service with a real vLLM on the CPU: makes .venv-vllm, fetches SmolLM2
	@scripts/setup_vllm.sh
	@a3t models fetch smollm2
	@$(PYTEST) tests/vllm --timeout 1200

test-slow: setup ## run the long tests that `make test` leaves out
	@$(PYTEST) -m slow --ignore tests/faults --ignore tests/vllm --timeout 2400

test-faults: setup ## kill, freeze and cut off parts in the middle of a run, and check that nothing is lost (FAULTS=all: every fault; FAULTS_SEED=N)
	@$(PYTEST) tests/faults --timeout 900

test-browser: setup ## test the dashboard in a headless Chromium (installed if there is none); pictures in tests/browser/screenshots
	@scripts/install_chromium.sh
	@$(PYTEST) tests/browser --timeout 300

test-gpu: setup ## test the code that needs a GPU, against transformers and peft on the same GPU
	@$(PYTEST) tests/gpu tests/e2e/test_served_adapter.py --timeout 600

test-helm: setup ## lint and render the Helm chart, and check every manifest against Kubernetes 1.30 to 1.36
	@$(PYTEST) -n 2 tests/helm

test-compose: setup ## build the images and run the loop through the containers (needs a Docker engine)
	@$(PYTEST) tests/compose --timeout 3600 -s

test-chart-run: setup ## run the pods of the chart on a Docker engine, as rendered, and learn a round in them
	@$(PYTEST) tests/chart --timeout 3600 -s

images: ## build the image of every service (needs a Docker engine)
	@A3T_TOKEN=- POSTGRES_PASSWORD=- REDIS_PASSWORD=- docker compose build

up: setup ## start the services on this machine and keep them running
	@a3t up

down: ## stop what `make up` started
	@a3t down

clean: ## remove the virtual environment and caches (data under A3T_HOME stays)
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
