"""Runs the checks that are named."""

import sys

from tests.distribution.checks import main

main(sys.argv[1:])
