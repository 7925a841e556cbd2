"""`python -m restoration.training`: train on a machine that has only torch and OpenCV."""

import argparse
import sys

from restoration.training.command import add_arguments, run

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m restoration.training")
    add_arguments(parser)
    try:
        sys.exit(run(parser.parse_args()))
    except ValueError as error:
        parser.error(str(error))
