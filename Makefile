# Everything that is done with this repository. `make help` lists it; `make demo` and
# `make test` do all their own set-up.

export PATH := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/efficientnet-operator/tools-venv/bin:$(PATH)
export MAKECMDGOALS

NAME ?= dev
PYTHON := operator/.venv/bin/python
PYTEST := operator/.venv/bin/pytest
RUFF := operator/.venv/bin/ruff
TRAINER_PYTEST := trainer/.venv/bin/pytest --rootdir . -c trainer/pyproject.toml
TOOLS := PYTHONPATH=tools $(PYTHON)
MUTATION := PYTHONPATH=tools uv run --locked --project operator --group mutation python -m mutation
DASHBOARDS := PYTHONPATH=tools uv run --quiet --locked --isolated --project operator \
	--only-group dashboards python -m dashboards
DOCS := NO_MKDOCS_2_WARNING=1 uv run --quiet --locked --isolated --project operator --only-group docs
AUDIT := PYTHONPATH=tools uv run --quiet --locked --isolated --project operator \
	--only-group audit python -m audit
CLUSTER := $(TOOLS) -m localcluster

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup setup-python demo test test-unit coverage mutation test-trainer test-api test-e2e test-deploy \
	lint type fmt verify generate cluster-up cluster-down cluster-status images clean \
	docs audit release demo-plot dashboard-pictures helm-path kubectl-path kubeconfig bench-idle bench-gang bench-operator \
	bench-trainer bench-user

help: ## list what make can do
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing (packages, uv, Go), build the cluster's binaries
	@tools/setup.sh all

setup-python: ## the two Python environments alone
	@tools/setup.sh python

demo: setup ## train digits with 4 ranks on a local cluster of 2 nodes, end to end
	@$(TOOLS) -m demo --name $(NAME)

demo-plot: setup-python ## draw the demo's loss, accuracy, rate and speed as PNG
	@trainer/.venv/bin/efficientnet-trainer plot $$(dirname $$($(CLUSTER) kubeconfig --name $(NAME)))/volumes/output

test: setup lint type verify docs coverage test-trainer test-deploy test-api test-e2e ## all tests

test-unit: setup-python ## the pure core and the tools
	$(PYTEST) tests/unit -q -n 2

coverage: setup-python ## the same, and at least 98 % of the core's branches
	$(PYTEST) tests/unit -q -n 2 --cov efficientnet_operator.core --cov-branch \
		--cov-report term:skip-covered --cov-fail-under 98

mutation: setup-python ## change the core's decisions one by one: does a test notice? (GROUPS=failure)
	$(MUTATION) $(GROUPS)

test-trainer: setup-python ## the trainer on real TensorFlow 1.15
	$(TRAINER_PYTEST) tests/trainer -q -n 2 --dist loadfile --durations=15

test-api: setup ## CRD and operator on a real API server
	$(PYTEST) tests/api -q -n 2 --dist loadfile --durations=10

test-deploy: setup ## chart, manifests and images
	$(PYTEST) tests/deploy -q -n 2 --dist loadfile --durations=5

test-e2e: setup ## jobs on real kubelets
	$(PYTEST) tests/e2e -q -n 2 --dist loadfile --durations=10

dashboard-pictures: setup ## run the demo's job again and draw the dashboards with its data
	$(TOOLS) -m dashboards.pictures --name $(NAME)

bench-idle: setup ## measure what an operator costs that has little to do
	$(TOOLS) tests/bench/operator_idle.py

bench-gang: setup ## measure table, restart and stop of a gang; needs the cluster of `make demo`
	$(TOOLS) tests/bench/gang_times.py --name $(NAME)

bench-user: setup ## measure what a user waits for; needs the cluster of `make demo`
	$(TOOLS) tests/bench/user_times.py --name $(NAME)

bench-operator: setup ## measure gangs of 8 to 5,000 NPUs on kwok's nodes against a bare loop
	$(TOOLS) tests/bench/operator_scale.py

bench-trainer: setup-python ## measure the trainer's input, step, start and memory against bare loops
	$(TOOLS) tests/bench/trainer.py
	$(TOOLS) tests/bench/trainer_loop.py

lint: setup-python ## ruff and the import rules
	$(RUFF) check operator tools tests trainer
	$(RUFF) format --check operator tools tests trainer
	cd operator && .venv/bin/lint-imports

type: setup-python ## mypy, strict
	cd operator && .venv/bin/mypy
	cd trainer && .venv/bin/mypy

fmt: setup-python ## format the code
	$(RUFF) check --fix operator tools tests trainer
	$(RUFF) format operator tools tests trainer

generate: setup ## write the CRD, references, dashboards, the chart's page and deploy/
	$(PYTHON) -m efficientnet_operator.api.generate --crd deploy/crd \
		--crd charts/efficientnet-operator/files --reference docs/reference
	$(PYTHON) -m efficientnet_operator.documenting --reference docs/reference
	$(DASHBOARDS) charts/efficientnet-operator/files/dashboards
	$$(tools/binaries.sh path helm-docs) --chart-search-root charts --sort-values-order file \
		--log-level warning
	$(PYTHON) -m efficientnet_operator.enj.documenting --reference docs/reference
	trainer/.venv/bin/python -m efficientnet_trainer.documenting --reference docs/reference
	tools/manifests.sh

docs: setup-python ## build the documentation site into build/site; a broken link fails
	$(TOOLS) -m docsite build/site-source
	$(DOCS) mkdocs build --strict

release: setup ## build wheels, chart, bills of materials and checksums into dist/
	$(TOOLS) -m release dist

verify: generate ## generate, then fail on a difference; audit
	@tools/verify.sh
	@$(AUDIT)

audit: setup-python ## look for secrets, for licences that oblige, for known vulnerabilities
	@$(AUDIT)

cluster-up: setup ## bring the local cluster up, or repair it (NAME=dev)
	@$(CLUSTER) up --name $(NAME)

cluster-down: setup-python ## remove the local cluster and all that it made
	@$(CLUSTER) down --name $(NAME)

cluster-status: setup-python ## show the local cluster's nodes and daemons
	@$(CLUSTER) status --name $(NAME)

images: setup ## build both images; prints their archives
	@tools/images/build.sh all

helm-path: ## print where helm is
	@tools/binaries.sh path helm

kubectl-path: ## print where kubectl is
	@tools/binaries.sh path kubectl

kubeconfig: setup-python ## print the local cluster's kubeconfig
	@$(CLUSTER) kubeconfig --name $(NAME)

clean: ## remove environments and build products; the cache of binaries and images stays
	rm -rf operator/.venv trainer/.venv build dist .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
