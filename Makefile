# SPDX-License-Identifier: GPL-3.0-or-later
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast coverage lint bench clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | awk -F'|' '{printf "  make %-9s %s\n", $$1, $$2}'

setup:  ## install apt packages and .venv (costs nothing when there is nothing to do)
	@scripts/setup

demo: setup  ## send 1,100 images over the simulated air; results in runs/
	@$(BIN)/sdr-sc demo

lint: setup  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

test: lint  ## everything that CI checks
	@scripts/setup-browser
	$(BIN)/pytest --doctest-modules sdr_sc
	@scripts/run-tests

test-fast: setup  ## unit tests alone, in a minute or two
	$(BIN)/pytest -q -m unit

coverage: setup  ## lines that the unit tests reach, in the terminal and in coverage/
	$(BIN)/pytest -q -m unit --cov=sdr_sc --cov-report=term:skip-covered --cov-report=html:coverage

bench: setup  ## measure the closed loop
	@$(BIN)/sdr-sc bench link

clean:  ## remove .venv and everything that tools left behind; runs/ stays
	rm -rf .venv build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
