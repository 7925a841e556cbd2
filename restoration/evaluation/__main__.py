"""`python -m restoration.evaluation`: measure on a machine that has what training needs."""

import argparse
import sys

from restoration.errors import RestorationError
from restoration.evaluation.command import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m restoration.evaluation")
    add_arguments(parser)
    try:
        sys.exit(run(parser.parse_args()))
    except (RestorationError, ValueError) as error:
        parser.error(str(error))
