"""What all commands share: parsing, one-line errors, exit statuses."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable

from pixelcnn_tf.utils.errors import UserError


class Parser(argparse.ArgumentParser):
    """An argument parser whose help keeps its examples and whose errors are one line."""

    def __init__(self, description: str):
        super().__init__(
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str):
        raise UserError(f"{message} (--help lists the flags)")

    def add_overrides(self) -> None:
        self.add_argument(
            "--set",
            dest="overrides",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="override a setting, as in model.n_layers=4; may be repeated",
        )

    def refuse_unused(self, args, jobs: list[str], users: dict[str, str]) -> None:
        """Make sure that flags are of use.

        Args:
            args: what was parsed.
            jobs: what is to be done.
            users: by flag, as ``args`` names it: the jobs that it is for, ``'train sample'``.

        Raises:
            UserError: a flag was given another value than its default, and none of ``jobs`` uses
                it.
        """
        for name, those in users.items():
            if getattr(args, name) != self.get_default(name) and not set(jobs) & set(those.split()):
                flag = "--set" if name == "overrides" else f"--{name.replace('_', '-')}"
                raise UserError(f"{flag}: {jobs[0]} has no use for it; it is for {those}")

    def add_sampling(self) -> None:
        """The flags of ``generate_images``."""
        self.add_argument("--seed", type=int, default=0, help="the same seed, the same images (0)")
        self.add_argument(
            "--temperature", type=positive_number, default=1.0, help="below 1: tamer (1)"
        )
        self.add_argument(
            "--top-p",
            type=share,
            default=1.0,
            metavar="P",
            help="draw from the likeliest values only, that have this probability together (1)",
        )
        self.add_argument(
            "--batch-size", type=whole_number, help="images a batch (what is fast and fits)"
        )


def whole_number(text: str) -> int:
    """For ``type=``: an integer from 1 up."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be an integer from 1 up")
    return value


def positive_number(text: str) -> float:
    """For ``type=``: a finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number above 0")
    return value


def share(text: str) -> float:
    """For ``type=``: a number from 0.000001 to 1."""
    value = positive_number(text)
    if not 1e-6 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number from 0.000001 to 1")
    return value


def size(text: str) -> tuple[int, int]:
    """For ``type=``: ``'12'`` or ``'12x16'`` as (height, width), each from 1 up."""
    parts = text.lower().split("x")
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in parts]
    if len(numbers) > 2 or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a side or HEIGHTxWIDTH, from 1 up")
    return numbers[0], numbers[-1]


def label(text: str) -> int | str:
    """For ``type=``: a label from 0 up, or ``'all'``."""
    if text == "all":
        return text
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: must be an integer from 0 up, or 'all'")
    return int(text)


def exit_with(main: Callable[[], int]) -> int:
    """Run a command; its exit status.

    0: done. 2: something the user gave is wrong, told in one line on standard error.
    130: stopped with Ctrl-C. 141: who read what it prints is gone.
    """
    if sys.stderr is None:  # closed (2>&-); the lowest free number, which is 2, is opened anew
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()  # here, where it can still be told that it fails
        return status
    except UserError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:  # | head
        with contextlib.suppress(OSError, ValueError, AttributeError):
            # What is left to write would fail again, at the end of Python.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.stderr.close()
        return 141  # as of SIGPIPE: it may not have come to its end
    except MemoryError as error:
        print(f"error: not enough memory: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # full disks, closed folders, names that are too long
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
