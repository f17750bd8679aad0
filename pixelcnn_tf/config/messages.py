"""Error messages about configs: one line, in the terms of the config file."""

import reprlib

from pydantic import BaseModel, ValidationError

from pixelcnn_tf.config.types import Section
from pixelcnn_tf.utils.errors import suggestion


def first_problem(error: ValidationError, root: type[BaseModel]) -> str:
    """Returns one line on the first of pydantic's errors, in the terms of the config file.

    Args:
        error: the error that the validation of a config, or of a part of it, has raised.
        root: the class that was validated.

    Example:
        >>> import pydantic
        >>> from pixelcnn_tf.config import Config
        >>> from pixelcnn_tf.config.messages import first_problem
        >>> try:
        ...     Config(training={"batchsize": 3})
        ... except pydantic.ValidationError as error:
        ...     print(first_problem(error, Config))
        training.batchsize: unknown key; did you mean 'batch_size'?
    """
    problems = {_key(problem): problem for problem in reversed(error.errors())}
    key, problem = list(problems.items())[-1]
    location = key.split(".")
    kind, value, context = problem["type"], problem["input"], problem.get("ctx", {})
    shown = reprlib.repr(value)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if kind == "extra_forbidden":
        known = context.get("known") or _keys_at(root, location[:-1])
        hint = suggestion(location[-1], known) or f"; known keys: {', '.join(known)}"
        return f"{key}: unknown key{hint}{more}"
    if kind == "invalid_key":
        return f"{key and key + ': '}{shown} is not a key; keys are words{more}"
    if kind == "value_error":
        named = f"{shown} " if key and not isinstance(value, dict | Section) else ""
        return f"{key + ': ' if key else ''}{named}{context['error']}{more}"
    if kind == "string_type" and value is None:
        return f"{key}: has no value; must be text{more}"
    if kind == "string_type":
        return f"{key}: {shown} must be text: quote it, as in '12'{more}"
    if kind == "literal_error":
        hint = suggestion(str(value), context["expected"].replace("'", "").split(", "))
        return f"{key}: {shown} must be {context['expected']}{hint}{more}"
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"{key}: must be a section with keys of its own, not {shown}{more}"
    if kind == "list_type":
        such = f", such as [{value}]" if isinstance(value, str) else ""
        return f"{key}: {shown} must be a list{such}{more}"
    message = problem["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return f"{key}: {shown} is not allowed; must be {message}{more}"


def _keys_at(root: type[BaseModel], location: list[str]) -> list[str]:
    """Returns the keys that exist in the section at ``location``."""
    model = root
    for key in location:
        annotation = model.model_fields[key].annotation
        assert isinstance(annotation, type)  # sections are required classes
        model = annotation
    return list(model.model_fields)


def _key(problem) -> str:
    """Returns the ``section.key`` of a problem, without positions within lists."""
    return ".".join(part for part in problem["loc"] if isinstance(part, str) and part != "[key]")
