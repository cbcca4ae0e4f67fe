# `make demo` and `make test` do everything on a fresh machine with Python 3.10 or later; a second call installs nothing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DELETE_ON_ERROR:
.PHONY: demo test coverage lint cards learnt docs docs-links bench bench-quick bench-link soak delay critical-delays realtime clean

demo: $(VENV)/installed
	$(BIN)/python scenarios/scripts/demo.py

test: $(VENV)/tested
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n auto --dist worksteal

# Which lines the tests run. It does not see compiled kernels, which are left out, nor the processes that tests start:
# devices, command lines, the runs of an evaluation. The tests take about a third longer under it, so CI leaves it out.
coverage: $(VENV)/tested
	$(BIN)/python -m pytest -n auto --dist worksteal --cov=hilbench --cov-report=term:skip-covered

# .pre-commit-config.yaml has the same commands, for `.venv/bin/pre-commit install`.
lint: $(VENV)/tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The tables of docs/scenarios/, from the scenarios and from the results that are kept there.
cards: $(VENV)/installed
	$(BIN)/python docs/scripts/cards.py
	$(BIN)/python docs/scripts/overview.py

# What each scenario's learner has learnt, for `hilbench enjoy`: scenarios/learnt/.
learnt: $(VENV)/installed
	$(BIN)/python docs/scripts/learnt.py

# The pages and the Python names as a site: docs/_build/html/index.html. A link that leads nowhere is an error.
docs: $(VENV)/documented
	rm -f docs/api/*.rst
	$(BIN)/python -m sphinx -W --keep-going -q -c docs . docs/_build/html

# Whether the links to other sites lead anywhere. It needs a network, and a person who judges what it says.
docs-links: $(VENV)/documented
	$(BIN)/python -m sphinx -q -b linkcheck -c docs . docs/_build/links

# How much learning a delay allows: runs/delay/report.html, in about ten minutes.
delay: $(VENV)/installed
	$(BIN)/hilbench evaluate delay --out runs/delay
	$(BIN)/hilbench report runs/delay --out runs/delay/report.html --figures runs/delay/figures

# From which delay on each scenario's controllers fail, for its card: about half an hour.
critical-delays: $(VENV)/installed
	$(BIN)/python docs/scripts/cards.py --delays

# Each scenario's learner by the wall clock, over ZeroMQ: runs/realtime/report.html and the table of docs/realtime.md, in
# seven minutes, with nothing else on the machine.
realtime: $(VENV)/installed
	$(BIN)/hilbench evaluate realtime --out runs/realtime
	$(BIN)/hilbench report runs/realtime --out runs/realtime/report.html --figures runs/realtime/figures
	$(BIN)/python docs/scripts/realtime.py runs/realtime

bench: $(VENV)/tested
	$(BIN)/python benchmarks/loop.py
	$(BIN)/python benchmarks/link.py
	$(BIN)/python benchmarks/events.py
	$(BIN)/python benchmarks/dvs.py
	$(BIN)/python benchmarks/cochlea.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/place.py
	$(BIN)/python benchmarks/peers/environments.py
	$(BIN)/python benchmarks/engine.py

# The engine against the peers that install in a minute, in under 5 minutes: Brian2, Nengo, snnTorch.
bench-quick: $(VENV)/installed
	$(BIN)/python benchmarks/peers/environments.py --quick
	$(BIN)/python benchmarks/engine.py --quick

# What a tick costs on each link: runs/bench/link.json.
bench-link: $(VENV)/tested
	$(BIN)/python benchmarks/link.py

# A robot at 1 kHz while its device and its link are maltreated every minute: runs/bench/soak.json.
MINUTES ?= 30
soak: $(VENV)/tested
	$(BIN)/python benchmarks/soak.py --minutes $(MINUTES)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "hilbench needs Python 3.10 or later; found $$($(PYTHON) --version). Name another: make PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info >= (3, 12))' || \
		echo "PyBullet has no wheel for this Python: pip builds it from source, about 4 minutes, with a C++ compiler."
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv module? On Debian and Ubuntu: apt install python3-venv"; exit 2; }
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"

$(VENV)/installed: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --editable ".[sim]"
	@touch $@

$(VENV)/tested: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group test --editable ".[sim,video]"
	@touch $@

$(VENV)/documented: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --group docs --editable ".[sim,testing]"
	@touch $@

clean:
	rm -rf $(VENV) $(VENV)-* docs/_build docs/api/*.rst examples/devices/c/device examples/robots/c/robot runs dist build .pytest_cache .ruff_cache .mypy_cache .hypothesis .coverage
