"""Argument parsing, one-line errors and exit statuses, shared by all commands."""

import argparse
import contextlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from pixelcnn_tf.utils.errors import UserError, suggestion
from pixelcnn_tf.zoo.models import run_path


class Parser(argparse.ArgumentParser):
    """An argument parser that preserves the layout of the help and reports errors on one line.

    Args:
        description: the docstring of a command, with examples.
        command: the name of the command in the docstring.
        prog: the name by which the user calls it (``'python scripts/sample.py'``), which replaces
            the name in the help.

    Examples:
        >>> parser = Parser("Draw.", "pixelcnn-tf draw")
        >>> _ = parser.add_argument("--size", type=size)
        >>> parser.parse_args(["--size", "3x5"]).size
        (3, 5)
        >>> parser.parse_args(["--size", "0"])
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: argument --size: '0': must be a side or ...
    """

    def __init__(
        self, description: str | None, command: str | None = None, prog: str | None = None
    ):
        if description and command and prog:
            description = description.replace(command, prog)
        super().__init__(
            prog=prog or command,
            description=description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raises a ``UserError`` with the message, and the closest flag to an unknown one."""
        _, _, unknown = message.partition("unrecognized arguments: ")
        near = suggestion(unknown.partition("=")[0].split(" ")[0], self._option_string_actions)
        raise UserError(f"{message}{near} (--help lists the flags)")

    def add_overrides(self, what: str = "a setting, as in model.n_layers=4") -> None:
        """Adds ``--set``, which collects ``args.overrides`` for ``load_config``."""
        self.add_argument(
            "--set",
            dest="overrides",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help=f"override {what}; may be repeated",
        )

    def refuse_overrides_except_data(self, overrides: list[str]) -> None:
        """Checks that ``--set`` changes only settings of the section data.

        Raises:
            UserError: it changes another one.
        """
        for override in overrides:
            if not override.startswith("data."):
                raise UserError(
                    f"--set {override}: only settings of the section data apply to a trained model"
                )

    def add_run(self, help: str = "a run folder, a .keras file, or zoo:NAME") -> None:
        """Adds ``--run``, the trained model."""
        self.add_argument("--run", "--model", required=True, metavar="PATH", help=help)

    def add_scoring_batch(self) -> None:
        """Adds ``--batch-size`` for commands that score images."""
        self.add_argument(
            "--batch-size",
            type=whole_number,
            default=64,
            metavar="N",
            help="images that are scored at once (default 64)",
        )

    def add_plugins(self) -> None:
        """Adds ``--plugin``, which collects ``args.plugins`` for ``load_plugins``."""
        self.add_argument(
            "--plugin",
            dest="plugins",
            action="append",
            default=[],
            metavar="FILE",
            help="a Python file that registers blocks, architectures, likelihoods or data sources; "
            "may be repeated",
        )

    def refuse_unused(
        self, args: argparse.Namespace, jobs: list[str], users: dict[str, str]
    ) -> None:
        """Checks that the jobs use every flag that is given.

        Args:
            args: the parsed arguments.
            jobs: the jobs to be done.
            users: the jobs that use each flag, by its name in ``args``: ``'train sample'``.

        Raises:
            UserError: a flag has another value than its default, and none of ``jobs`` uses it.
        """
        for name, those in users.items():
            if getattr(args, name) != self.get_default(name) and not set(jobs) & set(those.split()):
                flag = "--set" if name == "overrides" else f"--{name.replace('_', '-')}"
                raise UserError(f"{flag}: {jobs[0]} does not use it; it is for {those}")

    def add_sampling(self) -> None:
        """Adds the flags that are arguments of ``generate_images``."""
        self.add_argument(
            "--seed",
            type=seed,
            default=0,
            metavar="N",
            help="the seed; the same seed draws the same images (default 0)",
        )
        self.add_argument(
            "--temperature",
            type=positive_number,
            default=1.0,
            metavar="T",
            help="below 1: less diverse images; above 1: more diverse (default 1)",
        )
        self.add_argument(
            "--top-p",
            type=share,
            default=1.0,
            metavar="P",
            help="draw only from the most probable values that together have this probability "
            "(default 1)",
        )
        self.add_argument(
            "--batch-size",
            type=whole_number,
            metavar="N",
            help="images that are drawn at once (default: chosen for speed, within the memory)",
        )


def check_run(run: str) -> None:
    """Raises UserError unless ``--run`` names a file or folder.

    >>> check_run("none")
    Traceback (most recent call last):
    pixelcnn_tf.utils.errors.UserError: --run none: no such run folder or .keras file
    """
    if not run_path(run).exists():
        raise UserError(f"--run {run}: no such run folder or .keras file")


def seed(text: str) -> int:
    """Returns ``text`` as an integer of 32 bits; an argparse ``type``.

    >>> seed("3")
    3
    """
    if not re.fullmatch(r"-?[0-9]+", text) or not -(2**31) <= int(text) < 2**31:
        raise argparse.ArgumentTypeError(f"{text!r}: must be an integer of 32 bits")
    return int(text)


def whole_number(text: str) -> int:
    """Returns ``text`` as an integer from 1 up; an argparse ``type``.

    >>> whole_number("12")
    12
    """
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be an integer from 1 up")
    return value


def positive_number(text: str) -> float:
    """Returns ``text`` as a finite number above 0; an argparse ``type``.

    >>> positive_number("0.5")
    0.5
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number above 0")
    return value


def share(text: str) -> float:
    """Returns ``text`` as a number from 0.000001 to 1; an argparse ``type``.

    >>> share("0.95")
    0.95
    """
    value = positive_number(text)
    if not 1e-6 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a number from 0.000001 to 1")
    return value


def size(text: str) -> tuple[int, int]:
    """Returns ``text`` as (height, width), each from 1 up; an argparse ``type``.

    >>> size("12"), size("12x16")
    ((12, 12), (12, 16))
    """
    parts = text.lower().split("x")
    numbers = [int(part) if part.isascii() and part.isdigit() else 0 for part in parts]
    if len(numbers) > 2 or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: must be a side or HEIGHTxWIDTH, from 1 up")
    return numbers[0], numbers[-1]


def label(text: str) -> int | str:
    """Returns ``text`` as a class label from 0 up, or ``'all'``; an argparse ``type``.

    >>> label("7"), label("all")
    (7, 'all')
    """
    if text == "all":
        return text
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r}: must be an integer from 0 up, or 'all'")
    return int(text)


def check_run_folder(run: str, flag: str = "--run") -> None:
    """Raises UserError unless a flag names a run folder.

    >>> check_run_folder("none")
    Traceback (most recent call last):
    pixelcnn_tf.utils.errors.UserError: --run none: not a run folder (there is no config.yml in it)
    """
    if not (run_path(run) / "config.yml").is_file():
        raise UserError(f"{flag} {run}: not a run folder (there is no config.yml in it)")


def check_images_exist(paths: list[str]) -> None:
    """Raises UserError for a path of images that does not exist.

    >>> check_images_exist(["none.png"])
    Traceback (most recent call last):
    pixelcnn_tf.utils.errors.UserError: none.png: no such file or folder
    """
    for path in paths:
        if not Path(path).expanduser().exists():
            raise UserError(f"{path}: no such file or folder")


def check_label(given: int | str | None, n_classes: int | None) -> None:
    """Checks the value of ``--label``, the class of all images.

    Raises:
        UserError: a class for a model without classes; none, or another one, for one with classes.

    Examples:
        >>> check_label(None, None)
        >>> check_label(7, 5)
        Traceback (most recent call last):
        pixelcnn_tf.utils.errors.UserError: --label 7: the model is class-conditional; must be ...
    """
    if n_classes is None and given is not None:
        raise UserError(f"--label {given}: the model is not class-conditional; leave it out")
    if n_classes is not None and given not in range(n_classes):
        raise UserError(
            f"--label {'not given' if given is None else given}: the model is class-conditional; "
            f"must be a class from 0 to {n_classes - 1}"
        )


def exit_with(main: Callable[..., int], **options) -> int:
    """Runs a command and returns the exit status of the process.

    The status is 0 after success; 2 if an input is wrong, which is reported on one line on standard
    error; 130 after an interruption with Ctrl-C; and 141 if the reader of standard output has
    exited (``| head``).

    Args:
        main: the function that runs the command.
        options: its keyword arguments.

    Examples:
        >>> exit_with(lambda: 0)
        0
    """
    if sys.stderr is None:  # closed (2>&-); the lowest free descriptor, which is 2, is reopened
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    try:
        status = main(**options)
        if sys.stdout is not None:
            sys.stdout.flush()  # here, so that a failure is reported
        return status
    except UserError as error:
        print("error: " + " ".join(str(error).split()), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            # Flushing the rest would fail again when Python exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # pyright: ignore
        sys.stderr.close()
        return 141  # the status after SIGPIPE: the command may be incomplete
    except MemoryError as error:
        print(f"error: not enough memory: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # full disks, closed folders, names that are too long
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 2
