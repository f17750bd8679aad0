"""What the README says is so."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()


def test_python_of_the_readme_runs_as_it_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 3
    names = {}
    for block in blocks:
        exec(block.replace("epochs=5", "epochs=1"), names)
    assert names["images"].shape == (16, 8, 8, 1)
    assert names["nats"].shape == (16,)
    assert (names["halves"][:, :4] == names["images"][:, :4]).all()


def test_files_that_the_readme_names_exist():
    named = set(re.findall(r"\]\(((?!http)[^)]+)\)", README))
    named |= set(re.findall(r"\b(configs/\w+\.yml|scripts/\w+\.py)\b", README))
    assert len(named) > 8
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_file_of_the_package_is_in_the_design():
    design = README.split("## Design")[1]
    files = {file.name for file in (ROOT / "pixelcnn_tf").glob("*.py")}
    for name in set() & files - {"__init__.py"}:
        assert f"  {name} " in design, name


def test_flags_and_settings_of_the_readme_exist(capsys):
    import yaml

    import main
    from pixelcnn_tf.config.schema import Config

    assert main.main(["--config", str(ROOT / "config.yml"), "--print-config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    for section, key in re.findall(r"--set (\w+)\.(\w+)=", README):
        if key != "batchsize":  # the example of a mistake
            assert key in printed[section]
    assert set(printed) == set(Config.model_fields)
