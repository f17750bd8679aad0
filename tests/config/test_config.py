from pathlib import Path

import pytest
import yaml

from pixelcnn_tf import UserError, load_config

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted([ROOT / "config.yml", *(ROOT / "configs").glob("*.yml")])


@pytest.fixture
def empty(tmp_path):
    path = tmp_path / "c.yml"
    path.write_text("")
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_shipped_configs_are_valid_and_round_trip(path, tmp_path):
    config = load_config(path)
    copy = tmp_path / "copy.yml"
    copy.write_text(config.to_yaml())
    assert load_config(copy) == config


def test_the_default_config_comments_every_key():
    text = (ROOT / "config.yml").read_text()
    config = load_config(ROOT / "config.yml")
    flat = [("", k) for k in config.model_dump()]
    flat += [(s, k) for s, v in config.model_dump().items() if isinstance(v, dict) for k in v]
    written = yaml.safe_load(text)
    for section, key in flat:
        assert key in (written[section] if section else written), (section, key)
    lines = [line for line in text.splitlines() if ":" in line and not line.startswith("#")]
    bare = [line for line in lines if "#" not in line and not line.endswith(":")]
    assert bare == []


@pytest.mark.parametrize(
    "path", [p for p in CONFIGS if p.parent.name == "configs"], ids=lambda p: p.name
)
def test_headers_say_what_they_reproduce_and_how(path):
    header = "".join(line for line in path.read_text().splitlines(True) if line.startswith("#"))
    assert "python " in header
    assert "Reproduces" in header or "arXiv" in header


def test_overrides_win_and_keep_the_rest(empty):
    empty.write_text("model: {n_layers: 3, hidden_dim: 5}\n")
    config = load_config(
        empty, ["model.n_layers=4", "training.learning_rate=1e-4", "data.image_size=[8, 9]"]
    )
    assert (config.model.n_layers, config.model.hidden_dim) == (4, 5)
    assert config.training.learning_rate == 1e-4
    assert config.data.image_size == (8, 9)


def test_numbers_without_a_point_are_numbers(empty):
    empty.write_text("training: {learning_rate: 1e-3}\n")  # YAML 1.1 reads text here
    assert load_config(empty).training.learning_rate == 1e-3


def test_a_config_cannot_be_changed(empty):
    with pytest.raises(ValueError, match="frozen"):
        load_config(empty).training.steps = 3


def test_resolving_fills_in_what_the_data_tells(empty):
    config = load_config(empty, ["data.source=x.npz"]).resolved(7, 9, 1)
    assert config.data.image_size == (7, 9)
    assert config.model.n_channels == 1
    with pytest.raises(UserError, match=r"model\.n_channels: 1, but"):
        config.resolved(7, 9, 3)
    with pytest.raises(UserError, match=r"x\.npz: model\.n_channels: 100 .* 64"):
        load_config(empty, ["data.source=x.npz"]).resolved(7, 9, 100)


WRONG = {
    "training.batchsize=3": "training.batchsize: unknown key; did you mean 'batch_size'?",
    "modle.n_layers=3": "modle: unknown key; did you mean 'model'?",
    "zzz=3": "zzz: unknown key; known keys: name, ",
    "training.batch_size=-3": "training.batch_size: -3 .* 1",
    "training.batch_size=3.5": "training.batch_size: 3.5 .* integer",
    "training.batch_size=many": "training.batch_size: 'many' .* integer",
    "training.steps=true": "training.steps: True .* integer",
    "training.steps=": "training.steps: None .* integer",
    "training.learning_rate=fast": "training.learning_rate: 'fast' .* number",
    "training.learning_rate=.nan": "training.learning_rate: nan .* finite",
    "training.learning_rate=0": "training.learning_rate: 0.* greater than 0",
    "training.optimizer=adm": "'adm' must be 'adam', .*did you mean 'adam'",
    "training.ema_decay=1": "training.ema_decay: 1.* less than 1",
    "training.ema_decay=0": "training.ema_decay: 0.* greater than 0",
    "training.ema_decay=slow": "training.ema_decay: 'slow' .* number",
    "training.decay=0.9": "decay 0.9 has no effect without schedule 'exponential'",
    "training.schedule=exponential": "needs decay below 1",
    "training.warmup_steps=10": "warmup_steps 10 needs schedule 'cosine'",
    "training.keep_checkpoints=1": "keep_checkpoints: 1 .* 2",
    "model=3": "model: must be a section",
    "model.n_layers.x=4": "model.n_layers: {'x': 4} .* integer",
    "model.kernel_size=4": "model.kernel_size: 4 must be odd",
    "model.kernel_size=[3, 3, 3]": "model.kernel_size: .*\\[height, width\\]",
    "model.pixel_layer=lstm": "model.pixel_layer: 'lstm' must be one of resblock, gated",
    "model.variant=prelu": "'prelu' must be 'relu' or 'preactivation'",
    "model.likelihood=softmax": "model.likelihood: 'softmax' must be 'softmax-256'",
    "model.likelihood=logistic-0": "'logistic-0' must be .* K mixtures from 1 to 100",
    "model.likelihood=logistic-101": "K mixtures from 1 to 100",
    "model.likelihood=logistics-9": "did you mean 'logistic-10'",
    "model.likelihood=bernoulli": "needs binary images: set data.binarize",
    "data.binarize=threshold": "'threshold' .* 'softmax-256' does not fit",
    "data.test_share=1.5": "data.test_share: 1.5 .* less than 1",
    "training.steps=99999999999999999999": "training.steps: .* 1000000000",
    "name=1.5": "name: 1.5 must be text: quote it",
    "name=": "name: has no value; must be text",
    "data.augment=flip": r"data.augment: 'flip' must be a list, such as \[flip\]",
    "data.augment=[flip, flip]": "must name each change once",
    "strategy=mirored": "strategy: 'mirored' must be .*; did you mean 'mirrored'",
    "data.image_size=0": "data.image_size: 0 .* 1",
    "data.image_size=big": "data.image_size: 'big' .* \\[height, width\\]",
    "name=a/b": "name: 'a/b' must be a plain folder name",
    "name=..": "name: '..' must be a plain folder name",
    "precision=float16": "precision: 'float16' must be 'float32' or 'mixed_bfloat16'",
    "seed=-1": "seed: -1 .* 0",
    "sampling.temperature=0": "sampling.temperature: 0.* 0.001",
    "seed": "--set 'seed': must be KEY=VALUE",
    ".x=3": "must be KEY=VALUE",
    "model.=3": "must be KEY=VALUE",
    "model={n_layers: 1, n_layers: 2}": "'n_layers' occurs twice",
    "seed=2024-99-99": "no valid YAML",
    "data.condition=gray": "data.condition: 'gray' must be 'grey', .*; did you mean 'grey'",
    "model.n_condition_channels=1": "model.n_condition_channels: needs data.condition, which",
    "data.condition_source=x": "data.condition_source: needs data.condition 'paired'",
    "data={condition: down5, image_size: 12}": "data.condition 'down5': 5 must divide both sides",
    "data={condition: paired, skip_broken: true}": "data.skip_broken: true would separate",
    "data.source=''": "data.source: '' .* 1 character",
    "training.steps=[": "--set 'training.steps=\\[': line 1",
}


@pytest.mark.parametrize("override", WRONG, ids=str)
def test_wrong_settings_are_named_in_one_line(override, empty):
    with pytest.raises(UserError, match=WRONG[override]) as error:
        load_config(empty, [override])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: [1,", "line 1, column .*no valid YAML"),
        ("just words", "must hold 'key: value' lines, not a str"),
        ("- 1", "not a list"),
        ("model: !!python/object:os.system {}", "no valid YAML"),
        ("seed: 1\nseed: 2", "'seed' occurs twice"),
        ("seed: 2024-99-99", "no valid YAML"),
        ("? [a, b]\n: 1", "no valid YAML"),
        ("a: &a {b: *a}", "no valid YAML"),
        ("1: 2", "1 is not a key"),
    ],
)
def test_wrong_files_are_named_in_one_line(text, words, empty):
    empty.write_text(text)
    with pytest.raises(UserError, match=words) as error:
        load_config(empty)
    assert "\n" not in str(error.value)
    assert str(empty) in str(error.value)


def test_errors_name_the_flag_or_the_file(empty):
    with pytest.raises(UserError, match=r"^--set training\.steps: 0 "):
        load_config(empty, ["training.steps=0"])
    empty.write_text("training: {steps: 0}")
    with pytest.raises(UserError, match=f"^{empty}: training.steps: 0 "):
        load_config(empty, ["seed=1"])
    empty.write_text("model: {pixel_layer: gated}")
    with pytest.raises(UserError, match=f"^{empty} with --set: .*variant 'relu' is for"):
        load_config(empty, ["model.variant=relu"])


def test_empty_sections_and_round_floats_are_fine(empty):
    empty.write_text("data:\ntraining: {steps: 1e3}\n")
    assert load_config(empty).training.steps == 1000


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        load_config(tmp_path / "none.yml")
    with pytest.raises(UserError, match="cannot be read"):
        load_config(tmp_path)
    (tmp_path / "binary.yml").write_bytes(bytes(range(256)))
    with pytest.raises(UserError, match="cannot be read"):
        load_config(tmp_path / "binary.yml")


def test_a_name_of_digits_is_text():
    assert load_config(ROOT / "config.yml", ["name=12"]).name == "12"
