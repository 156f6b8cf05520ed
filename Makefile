# Thin on purpose: each line calls a tool, or the course's own command `dlmap`.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin

.PHONY: lab test run build site frameworks clean

lab: .venv/ready                ## install what is needed, open JupyterLab on lecture 00; ARGS="--no-browser --port 9999"
	$(BIN)/dlmap lab $(ARGS)

test: .venv/ready               ## every gate; exercises run untouched, so not in strict mode
	$(BIN)/dlmap build --check
	DLMAP_STRICT=1 $(BIN)/pytest -n $(JOBS) @tests/nbval.args tests lectures solutions
	$(BIN)/pytest -n $(JOBS) @tests/nbval.args exercises

run: .venv/ready                ## execute lectures with other parameters; ARGS="01 --profile full"
	$(BIN)/dlmap run $(ARGS)

build: .venv/ready              ## sources -> notebooks, executing what changed
	$(BIN)/dlmap build --run $(ARGS)

site: .venv/site                ## the course as web pages, from the stored notebooks: build/site
	$(BIN)/dlmap site $(ARGS)

frameworks: .venv/frameworks    ## TensorFlow, JAX and PyTensor beside PyTorch, which lecture 18 runs where they are

clean:                          ## remove what can be made again; never exercises/work
	rm -rf .venv build data/cache *.egg-info .pytest_cache .ruff_cache

# The stamp is written last: an interrupted installation is taken up again by the next `make`.
.venv/ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' || { \
	  echo "Python 3.11 to 3.14 is needed; '$(PYTHON)' is not. Install it, or name it: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Installing the pinned packages into .venv: once, some minutes, about 2 GB (more with CUDA)."
	$(BIN)/python -m pip install --quiet -r requirements.lock || { \
	  echo "If pip found no torch: README, 'Start', names the systems that PyTorch has packages for."; exit 1; }
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	cp utils/authoring/jupyter_nbconvert_config.json .venv/etc/jupyter/
	@touch $@

.venv/frameworks: requirements-frameworks.lock .venv/ready
	@echo "Installing TensorFlow, JAX and PyTensor into .venv: once, a minute or two, about 2 GB."
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-frameworks.lock
	@touch $@

.venv/site: requirements-site.lock .venv/ready
	@echo "Installing Sphinx and what drives a browser into .venv: once, half a minute, about 250 MB."
	$(BIN)/python -m pip install --quiet --no-deps -r requirements-site.lock
	@touch $@
