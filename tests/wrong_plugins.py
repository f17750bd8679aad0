"""Plugins with one mistake each: the text of the file, and words of the one line about it."""

BLOCK = """
import pixelcnn_tf
from pydantic import BaseModel, Field


class Settings(pixelcnn_tf.BlockSettings):
    width: int = Field(default=3, ge=1, description="of the kernel")


class Good(pixelcnn_tf.PixelCNNResBlock):
    def __init__(self, width=3, n_channels=3, **kwargs):
        super().__init__(width, n_channels, **kwargs)
        self.width = width


"""

#: By the name of the file: what follows ``BLOCK`` in it, and words of the error, in which
#: ``LINE`` stands for the number of the line that is marked ``# here``.
WRONG_PLUGINS = {
    "syntax": ("def f(:  # here", "syntax.py:LINE: not valid Python: invalid syntax"),
    "null": ("\0", "null.py"),
    "exception": ("1 / 0  # here", "exception.py:LINE: ZeroDivisionError: division by zero"),
    "inside": (
        "def f():\n    return {}['a']  # here\n\n\nf()",
        "inside.py:LINE: KeyError: 'a'",
    ),
    "exits": ("raise SystemExit(3)  # here", "exits.py:LINE: SystemExit: exit status 3"),
    "imports": ("import no_such_module  # here", "imports.py:LINE: ModuleNotFoundError: No module"),
    "taken": (
        "pixelcnn_tf.register_block('gated')(Good)  # here",
        "taken.py:LINE: the name 'gated' is taken: pixelcnn_tf.models.blocks:GatedBlock is a block",
    ),
    "name": (
        "pixelcnn_tf.register_block('My-Block')(Good)  # here",
        "name.py:LINE: register_block: the name 'My-Block' must be lower-case letters",
    ),
    "stepless": (
        "@pixelcnn_tf.register_block('stepless')  # here\nclass Stepless(pixelcnn_tf.Block):\n"
        "    def call(self, inputs, labels=None, training=False):\n        return inputs",
        "stepless.py:LINE: block 'stepless': Stepless has no method 'step'",
    ),
    "callless": (
        "@pixelcnn_tf.register_block('callless')  # here\nclass Callless(pixelcnn_tf.Block):\n"
        "    def step(self, inputs, pixels):\n        return inputs",
        "callless.py:LINE: block 'callless': Callless has no method 'call'",
    ),
    "base": (
        "@pixelcnn_tf.register_block('base')  # here\nclass Base:\n    pass",
        "base.py:LINE: block 'base': Base must be a subclass of Block",
    ),
    "function": (
        "pixelcnn_tf.register_block('function', len)  # here",
        "function.py:LINE: block 'function': <built-in function len> must be a subclass of Block",
    ),
    "settings": (
        "pixelcnn_tf.register_block('settings', settings={'width': 3})(Good)  # here",
        "settings.py:LINE: block 'settings': settings must be a pydantic model",
    ),
    "default": (
        "class Without(BaseModel):\n    width: int\n\n\n"
        "pixelcnn_tf.register_block('default', settings=Without)(Good)  # here",
        "default.py:LINE: block 'default': settings: the field 'width' must have a default",
    ),
    "reserved": (
        "class Reserved(BaseModel):\n    n_channels: int = 3\n\n\n"
        "pixelcnn_tf.register_block('reserved', settings=Reserved)(Good)  # here",
        "reserved.py:LINE: block 'reserved': settings may not have a field 'n_channels'",
    ),
    "arguments": (
        "class Other(Settings):\n    depth: int = 3\n\n\n"
        "pixelcnn_tf.register_block('arguments', settings=Other)(Good)  # here",
        "arguments.py:LINE: block: Other has the field 'depth', which is no argument of Good "
        "(width, n_channels, ",
    ),
    "model_base": (
        "pixelcnn_tf.register_model('mine')(Good)  # here",
        "model_base.py:LINE: architecture 'mine': Good must be a subclass of PixelModel",
    ),
    "model_settings": (
        "pixelcnn_tf.register_model('mine', settings=Settings)(pixelcnn_tf.PixelRNN)  # here",
        "model_settings.py:LINE: architecture 'mine': settings must have a field 'likelihood'",
    ),
    "likelihood": (
        "@pixelcnn_tf.register_likelihood('mine')  # here\nclass Mine(pixelcnn_tf.Likelihood):\n"
        "    def log_probs(self, values, logits):\n        return 0",
        "likelihood.py:LINE: likelihood 'mine': Mine has no method 'probabilities'",
    ),
    "source": (
        "@pixelcnn_tf.register_source('mine')  # here\ndef mine():\n    return 0",
        "source.py:LINE: data source 'mine': mine must take one argument",
    ),
    "source_key": (
        "class Keys(BaseModel):\n    seed: int = 3\n\n\n"
        "pixelcnn_tf.register_source('mine', len, settings=Keys)  # here",
        "source_key.py:LINE: data source 'mine': settings may not have a field 'seed'",
    ),
}


def text_of(name):
    """The text of a plugin."""
    return BLOCK + WRONG_PLUGINS[name][0] + "\n"


def words_of(name):
    """Words of the error about it, with the number of the line."""
    rows = text_of(name).splitlines()
    line = next((i for i, row in enumerate(rows, 1) if "# here" in row), 0)
    return WRONG_PLUGINS[name][1].replace("LINE", str(line))


def write_all(folder):
    """Writes all of them."""
    for name in WRONG_PLUGINS:
        (folder / f"{name}.py").write_text(text_of(name))
