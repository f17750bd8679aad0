"""Entries of the registry fit their classes, and the schema is made of them."""

import pytest
from pydantic import ValidationError

from pixelcnn_tf import Config, UserError, load_config
from pixelcnn_tf.config import registry
from pixelcnn_tf.config.checks import arguments as arguments_of
from pixelcnn_tf.config.names import example_name

KINDS = ("block", "model", "likelihood")
ENTRIES = [entry for kind in KINDS for entry in registry.entries(kind)]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_settings_are_arguments_of_the_class_and_have_its_defaults(entry):
    arguments = entry.arguments(entry.settings())
    assert set(arguments) <= set(arguments_of(entry.load()))
    made = entry.load()().get_config()
    kept = {key: made[key] for key in arguments if key not in ("pixel_layer", "likelihood")}
    expected = {key: arguments[key] for key in kept}
    if "dropout" not in made:
        expected.pop("dropout", None)
    assert kept == expected


@pytest.mark.parametrize("kind", [*KINDS, "source"])
def test_every_entry_is_described(kind):
    for entry in registry.entries(kind):
        assert entry.summary, entry.name
        for name, field in entry.settings.model_fields.items():
            assert field.description, (entry.name, name)


def test_values_known_without_the_classes_are_theirs():
    for entry in registry.entries("likelihood"):
        assert entry.settings().n_values == entry.load()().n_values
        assert Config(
            model={"likelihood": example_name(entry)},
            data={"binarize": "sample" if entry.name == "bernoulli" else None},
        )


def test_a_section_has_the_settings_of_what_it_names_and_no_others():
    gated = Config(model={"pixel_layer": "gated"}).model
    plus = Config(model={"architecture": "pixelcnn_pp"}).model
    assert "variant" not in gated.model_dump() and gated.variant is None
    assert "n_layers" not in plus.model_dump() and plus.n_layers is None
    assert (gated.kernel_size, plus.n_mix) == ((3, 3), 10)
    with pytest.raises(AttributeError, match="no setting 'n_layer'"):
        _ = gated.n_layer


def test_null_for_a_setting_of_another_model_is_left_out(tmp_path):
    """Files of version 0.1 have all settings of all models."""
    path = tmp_path / "c.yml"
    path.write_text("model: {architecture: pixel_rnn, n_resnet: null, n_mix: null, variant: null}")
    assert load_config(path).model == Config().model
    with pytest.raises(UserError, match=r"model\.n_resnt: unknown key"):
        load_config(path, ["model.n_resnt=null"])


def test_sections_keep_their_class_when_a_config_is_copied():
    config = Config(model={"pixel_layer": "gated"}, data={"source": "mnist"})
    again = Config.model_validate(config.model_dump())
    assert again == config and type(again.model) is type(config.model)
    assert config.resolved(28, 28, 1).model.kernel_size == (3, 3)
    with pytest.raises(ValidationError, match="frozen"):
        config.model.n_layers = 3


def test_names_are_taken_once():
    with registry.restored(), pytest.raises(UserError, match="'mnist' is taken"):
        registry.add(
            registry.Entry("source", "mnist", print, registry.entries("source")[0].settings)
        )
